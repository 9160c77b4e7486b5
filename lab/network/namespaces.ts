import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';

import { outputOf } from '../setup/run-tool';
import { runCommand, runInNamespace } from './run-in-namespace';

const NAMESPACES_FOLDER = '/run/netns';

/** All namespaces of one lab begin so: its state folder tells it from other labs of this machine. */
function namePrefix(stateFolder: string): string {
  return `lab-${createHash('sha256').update(path.resolve(stateFolder)).digest('hex').slice(0, 8)}-`;
}

/** Name of a namespace of this lab: of an instance, a network interface, a VPC (their ids), or `internet`. */
export function namespaceOf(stateFolder: string, what: string): string {
  return `${namePrefix(stateFolder)}${what}`;
}

export async function namespacesOf(stateFolder: string): Promise<string[]> {
  const prefix = namePrefix(stateFolder);
  const entries: string[] = await fs.readdir(NAMESPACES_FOLDER).catch(() => []);
  return entries.filter((entry) => entry.startsWith(prefix));
}

/**
 * Makes a namespace without IPv6, whose only device is its loopback. Settings are paths below /proc/sys/net and their
 * values; those for `default` hold for the devices made afterwards.
 */
export async function addNamespace(name: string, settings: Record<string, string> = {}): Promise<void> {
  await runCommand('ip', ['netns', 'add', name]);
  const all = { 'ipv6/conf/all/disable_ipv6': '1', 'ipv6/conf/default/disable_ipv6': '1', ...settings };
  // /proc/sys/net shows the network of the process that opens it. A kernel without IPv6 has none of its settings.
  const script =
    'while read -r name value; do [ ! -e "/proc/sys/net/$name" ] || echo "$value" > "/proc/sys/net/$name"; done';
  const lines = Object.entries(all).map(([setting, value]) => `${setting} ${value}\n`);
  await runInNamespace(name, 'sh', ['-c', `set -e; ip link set lo up; ${script}`], lines.join(''));
}

/**
 * Ends what runs in a namespace and removes it with its devices. Nothing happens when there is none. The kernel takes its time
 * over a namespace's devices; those that are named are gone on return, and their other ends with them.
 */
export async function dropNamespace(name: string, devices: string[] = []): Promise<void> {
  const exists = await fs.access(path.join(NAMESPACES_FOLDER, name)).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  const pids = (await outputOf('ip', ['netns', 'pids', name])) ?? '';
  for (const pid of pids.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  for (const device of devices) await outputOf('ip', ['-netns', name, 'link', 'delete', device]);
  await runCommand('ip', ['netns', 'delete', name]);
}

/** Removes every namespace of a lab, as after its process was killed. Answers a line for each. */
export async function dropNamespaces(stateFolder: string): Promise<string[]> {
  const names = await namespacesOf(stateFolder);
  for (const name of names) await dropNamespace(name);
  return names.map((name) => `network namespace ${name}`);
}
