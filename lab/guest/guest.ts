import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GuestOptions } from './guest-options';
import { type GuestParts } from './guest-parts';
import { qemuArguments } from './qemu-arguments';

export interface Guest {
  readonly pid: number;
  readonly consoleLog: string;
  /**
   * Resolves when the planted intrusion is in memory and the runner listens.
   * @throws Error the guest stops first, or is not ready in time (120 s when not given)
   */
  waitReady(timeoutSeconds?: number): Promise<void>;
  isRunning(): boolean;
  /** Resolves when QEMU has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Ends QEMU, as a power cut: at once, whatever runs in the guest. Safe to call twice. */
  stop(): Promise<void>;
}

const READY_LINE = 'LAB_GUEST_READY';

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-3).join(' / ');
}

/** Ends a QEMU that an earlier lab process left behind for this instance. */
async function endLeftover(pidFile: string, channelSocket: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 1) return;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!commandLine.includes(channelSocket)) return; // the id belongs to another process by now
  process.kill(-pid, 'SIGKILL');
  await sleep(200);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/**
 * Boots a suspect instance as a virtual machine under QEMU, with a real Debian kernel and the planted intrusion in its
 * memory. Emulated (TCG) unless LAB_QEMU_ACCEL=kvm says that KVM works here. The guest mounts no volume.
 *
 * @throws Error when options are bad or QEMU does not start
 */
export async function startGuest(
  parts: GuestParts,
  options: GuestOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Guest> {
  await mkdir(options.stateFolder, { recursive: true });
  const consoleLog = path.join(options.stateFolder, 'console.log');
  const qemuLog = path.join(options.stateFolder, 'qemu.log');
  const pidFile = path.join(options.stateFolder, 'qemu.pid');
  const args = qemuArguments(parts, options, { consoleLog, accelerator: env.LAB_QEMU_ACCEL ?? 'tcg' });
  await endLeftover(pidFile, options.channelSocket);
  await Promise.all([consoleLog, options.channelSocket].map((file) => rm(file, { force: true })));

  const log = openSync(qemuLog, 'w');
  const child = spawn(parts.qemu, args, { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  const exit = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const { pid } = child;
  if (pid === undefined) {
    await exit;
    throw new Error(`QEMU does not start: ${parts.qemu} cannot be run`);
  }
  await writeFile(pidFile, `${pid}\n`);

  const killGroup = (): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // already gone
    }
  };
  process.once('exit', killGroup);

  return {
    pid,
    consoleLog,
    ended: exit,
    isRunning: () => !hasEnded(child),
    async waitReady(timeoutSeconds = 120) {
      const deadline = Date.now() + timeoutSeconds * 1000;
      for (;;) {
        const text = await readFile(consoleLog, 'utf8').catch(() => '');
        if (text.includes(READY_LINE)) return;
        if (hasEnded(child)) {
          const reason = `${await lastLines(qemuLog)} ${await lastLines(consoleLog)}`.trim();
          throw new Error(`the guest of ${options.instanceId} stopped while it booted: ${reason} (logs: ${qemuLog})`);
        }
        if (Date.now() > deadline) {
          throw new Error(
            `the guest of ${options.instanceId} was not ready after ${timeoutSeconds} s: see ${consoleLog}; ` +
              'on a busy machine try again, or set LAB_QEMU_ACCEL=tcg when KVM does not work',
          );
        }
        await sleep(50);
      }
    },
    async stop() {
      process.removeListener('exit', killGroup);
      if (!hasEnded(child)) killGroup();
      await exit;
      await Promise.all([pidFile, options.channelSocket].map((file) => rm(file, { force: true })));
    },
  };
}
