import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import readline from 'node:readline';

import type { AgentPlan } from '../agent/agent-plan';
import type { InstanceNetwork } from '../network/instance-network';
import { insideNamespace } from '../network/run-in-namespace';
import { forgetProcess, killGroup, recordProcess } from './process-ledger';

export interface SandboxSettings {
  instanceId: string;
  stateFolder: string;
  instanceFolder: string;
  hostname: string;
  volumesReadOnly: boolean;
  /** Host folders that must be visible inside at the same path. */
  visible: string[];
  forensicTools?: string;
  fixtures?: string;
  /** Absent: an instance without an SSM agent. */
  agent?: AgentPlan;
  agentDelaySeconds: number;
  /** What the agent and its documents see. */
  agentEnvironment: Record<string, string>;
  /** Absent: the sandbox shares this machine's network. */
  network?: InstanceNetwork;
}

export interface RunningSandbox {
  /** The sandbox's first process, as numbered on this machine. */
  pid: number;
  /** Its /dev, seen from outside. */
  devFolder: string;
  /** Its /run, seen from outside. */
  runFolder: string;
  /** What it sees as /dev/volumes. */
  filesFolder: string;
  /** Resolves when it is gone, by whatever cause. */
  ended: Promise<void>;
  stop(): Promise<void>;
}

const START_SECONDS = 20;

/** Lines of the form NAME=value; a line break in a value would make two of one. */
function environmentLines(environment: Record<string, string>): string {
  for (const [name, value] of Object.entries(environment)) {
    if (value.includes('\n')) throw new Error(`environment variable ${name} of a sandbox holds a line break`);
  }
  return Object.entries(environment)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
}

/** Writes what the agent needs in the instance as a tree of files and folders, anew at each start. Returns its folder. */
async function agentTree(instanceFolder: string, agent: AgentPlan | undefined): Promise<string> {
  const tree = path.join(instanceFolder, 'agent-files');
  await fs.rm(tree, { recursive: true, force: true });
  await fs.mkdir(tree, { recursive: true });
  for (const folder of agent?.folders ?? []) await fs.mkdir(path.join(tree, folder), { recursive: true });
  for (const file of agent?.files ?? []) await fs.writeFile(path.join(tree, file.path), file.content);
  return tree;
}

/** Starts a sandbox (see sandbox.sh) in namespaces of its own. Needs root on Linux. Resolves when it is up. */
export async function startSandbox(settings: SandboxSettings): Promise<RunningSandbox> {
  const filesFolder = path.join(settings.instanceFolder, 'volume-files');
  await fs.rm(filesFolder, { recursive: true, force: true });
  await fs.mkdir(filesFolder, { recursive: true });
  const agentFiles = await agentTree(settings.instanceFolder, settings.agent);
  const log = await fs.open(path.join(settings.stateFolder, 'logs', `instance-${settings.instanceId}.log`), 'a');
  const namespaces = ['--mount', '--pid', '--uts', '--ipc', '--propagation', 'private', '--fork', '--kill-child'];
  // The sandbox ends with this process even when that is killed: pdeathsig ends unshare, kill-child ends the sandbox.
  const inside = ['unshare', ...namespaces, '/bin/bash', path.join(__dirname, 'sandbox.sh')] as const;
  const connected = settings.network ? insideNamespace(settings.network.namespace, ...inside) : inside;
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...connected], {
    detached: true,
    stdio: ['ignore', 'pipe', log.fd],
    cwd: '/',
    env: {
      PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
      SANDBOX_FOLDER: settings.instanceFolder,
      SANDBOX_HOSTNAME: settings.hostname,
      SANDBOX_VOLUMES: filesFolder,
      SANDBOX_VOLUMES_MODE: settings.volumesReadOnly ? 'ro' : 'rw',
      SANDBOX_VISIBLE: settings.visible.join('\n'),
      SANDBOX_FORENSIC_TOOLS: settings.forensicTools ?? '',
      SANDBOX_FIXTURES: settings.fixtures ?? '',
      SANDBOX_INIT: path.join(__dirname, 'sandbox-init.sh'),
      SANDBOX_AGENT: (settings.agent?.command ?? []).join('\n'),
      SANDBOX_AGENT_PROGRAMS: (settings.agent?.programs ?? []).flatMap((each) => [each.source, each.target]).join('\n'),
      SANDBOX_AGENT_FILES: agentFiles,
      SANDBOX_AGENT_DELAY: String(settings.agentDelaySeconds),
      SANDBOX_RESOLVER: settings.network?.resolver ?? '',
      SANDBOX_AGENT_ENV: environmentLines(settings.agentEnvironment),
    },
  });
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  await log.close();
  const groupLeader = child.pid;
  if (groupLeader === undefined) throw new Error('sandbox: setpriv and unshare (package util-linux) do not start');
  await recordProcess(settings.stateFolder, groupLeader, `sandbox of ${settings.instanceId}`);
  const stop = async (): Promise<void> => {
    killGroup(groupLeader);
    await ended;
    await forgetProcess(settings.stateFolder, groupLeader);
  };
  try {
    const pid = await readyPid(child, settings.instanceId);
    const root = `/proc/${pid}/root`;
    return {
      pid,
      devFolder: `${root}/dev`,
      runFolder: `${root}/run`,
      filesFolder,
      ended,
      stop: () => stopInit(pid, stop),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits for the line "ready <pid>". */
async function readyPid(child: ChildProcess, instanceId: string): Promise<number> {
  const output = child.stdout;
  if (!output) throw new Error('sandbox without an output');
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(
        new Error(`sandbox of ${instanceId} ${why}; see logs/instance-${instanceId}.log of the lab's state folder`),
      );
    const timer = setTimeout(() => fail(`was not up after ${START_SECONDS} s`), START_SECONDS * 1000);
    child.once('exit', (code) => {
      clearTimeout(timer);
      fail(`ended at once with code ${code ?? 'none'}`);
    });
    readline.createInterface({ input: output }).on('line', (line) => {
      const ready = /^ready (\d+)$/.exec(line);
      if (!ready) return;
      clearTimeout(timer);
      resolve(Number(ready[1]));
    });
  });
}

/**
 * The first process of a pid namespace ignores all signals of its own namespace and SIGTERM from outside: SIGKILL it, and the
 * kernel ends every process of the namespace, and with the last of them all mounts.
 */
async function stopInit(pid: number, stopGroup: () => Promise<void>): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
  await stopGroup();
}
