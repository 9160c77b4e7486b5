import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, rmSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GuestControl } from './guest-control';
import { type GuestOptions } from './guest-options';
import { type GuestParts } from './guest-parts';
import { AGENT_UNIT, instanceArchive } from './instance-archive';
import { MachineMonitor } from './machine-monitor';
import { MachineVolumes } from './machine-volumes';
import { type MachineSockets, qemuArguments, SOCKET_PATH_LIMIT } from './qemu-arguments';

export interface Guest {
  readonly pid: number;
  readonly consoleLog: string;
  /** Volumes of the running machine. */
  readonly volumes: MachineVolumes;
  /**
   * Resolves when the distribution on the root volume has started (its SSM agent is on its way).
   * @throws Error the guest stops first, or is not ready in time (120 s when not given)
   */
  waitReady(timeoutSeconds?: number): Promise<void>;
  /** Ends the SSM agent as SIGKILL does; it stays away until startAgent. Scripts that it started go on. */
  killAgent(): Promise<void>;
  startAgent(): Promise<void>;
  isRunning(): boolean;
  /** Resolves when QEMU has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Ends QEMU, as a power cut: at once, whatever runs in the guest. Safe to call twice. */
  stop(): Promise<void>;
}

/** Read by the emulator: while it is there, QEMU is to be paused when volumes are copied. */
interface ControlFile {
  /** Unix socket of a QMP monitor that nobody else uses. */
  qmpSnapshotSocket: string;
}

const PING_MS = 2000;

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-3).join(' / ');
}

/** In the instance's folder; where that path is too long for a socket, in the folder for temporary files. */
function machineSockets(folder: string): MachineSockets {
  const socket = (name: string): string => {
    const usual = path.join(folder, `${name}.sock`);
    if (Buffer.byteLength(usual) <= SOCKET_PATH_LIMIT) return usual;
    const hash = createHash('sha256').update(folder).digest('hex').slice(0, 16);
    return path.join(tmpdir(), `lab-guest-${hash}-${name}.sock`);
  };
  return { monitor: socket('qmp'), snapshotMonitor: socket('qmp-snapshot'), control: socket('control') };
}

/** Ends a QEMU that an earlier lab process left behind for this instance. */
async function endLeftover(pidFile: string, socket: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 1) return;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!commandLine.includes(socket)) return; // the id belongs to another process by now
  process.kill(-pid, 'SIGKILL');
  await sleep(200);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function writeInitramfs(file: string, base: string, options: GuestOptions): Promise<void> {
  // The kernel unpacks several archives one after the other, each on a boundary of 4 bytes, as ours end.
  await writeFile(file, Buffer.concat([await readFile(base), await instanceArchive(options)]));
}

/**
 * Boots an instance as a virtual machine under QEMU: Debian's kernel for clouds, and from the first volume the whole
 * distribution. Emulated (TCG) unless LAB_QEMU_ACCEL=kvm says that KVM works here.
 *
 * The SSM agent runs inside, under the distribution's own Node.js, and reaches its endpoint over the guest's network
 * interface, so that what cuts off the interface cuts off the agent, as on EC2. Measured under TCG on a busy 2-core machine: the
 * agent registers 20 to 30 s after QEMU's start, and Node.js takes 3 s of that.
 *
 * @throws Error when options are bad or QEMU does not start
 */
export async function startGuest(
  parts: Pick<GuestParts, 'qemu' | 'kernel' | 'initramfs'>,
  options: GuestOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Guest> {
  const folder = options.stateFolder;
  await mkdir(folder, { recursive: true });
  const [consoleLog, qemuLog, pidFile, initramfs, controlFile] = [
    ...['console.log', 'qemu.log', 'qemu.pid', 'initramfs.cpio', 'control.json'].map((name) => path.join(folder, name)),
  ] as [string, string, string, string, string];
  const sockets = machineSockets(folder);
  const passing = [controlFile, pidFile, initramfs, ...(Object.values(sockets) as string[])];
  const args = qemuArguments(
    parts,
    options,
    { consoleLog, initramfs, sockets },
    env.LAB_QEMU_ACCEL === undefined || env.LAB_QEMU_ACCEL === '' ? 'tcg' : env.LAB_QEMU_ACCEL,
  );
  await endLeftover(pidFile, sockets.control);
  await Promise.all([consoleLog, ...passing].map((file) => rm(file, { force: true })));
  await writeInitramfs(initramfs, parts.initramfs, options);

  const [program = parts.qemu, ...words] = [...(options.launcher ?? []), parts.qemu, ...args];
  const log = openSync(qemuLog, 'w');
  const child = spawn(program, words, { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  const exit = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const { pid } = child;
  if (pid === undefined) {
    await exit;
    throw new Error(`QEMU does not start: ${program} cannot be run`);
  }
  await writeFile(pidFile, `${pid}\n`);
  await announce(controlFile, sockets);
  const ended = exit.then(() => rmSync(controlFile, { force: true }));

  const killGroup = (): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // already gone
    }
  };
  process.once('exit', killGroup);
  const control = new GuestControl(sockets.control);
  const monitor = sharedMonitor(sockets.monitor);

  return {
    pid,
    consoleLog,
    ended,
    volumes: new MachineVolumes(monitor.get, options.volumes),
    isRunning: () => !hasEnded(child),
    async waitReady(timeoutSeconds = 120) {
      const deadline = Date.now() + timeoutSeconds * 1000;
      for (;;) {
        if (hasEnded(child)) {
          const reason = `${await lastLines(qemuLog)} ${await lastLines(consoleLog)}`.trim();
          throw new Error(`the guest of ${options.instanceId} stopped while it booted: ${reason} (logs: ${qemuLog})`);
        }
        const answered = await control.ping(PING_MS).then(
          () => true,
          () => false,
        );
        if (answered) return;
        if (Date.now() > deadline) {
          throw new Error(
            `the guest of ${options.instanceId} was not ready after ${timeoutSeconds} s: see ${consoleLog}; ` +
              'on a busy machine try again, or set LAB_QEMU_ACCEL=tcg when KVM does not work',
          );
        }
        await sleep(100);
      }
    },
    killAgent: () => control.run('systemctl', ['stop', AGENT_UNIT]),
    startAgent: () => control.run('systemctl', ['start', AGENT_UNIT]),
    async stop() {
      process.removeListener('exit', killGroup);
      monitor.close();
      if (!hasEnded(child)) killGroup();
      await ended;
      await Promise.all(passing.map((file) => rm(file, { force: true })));
    },
  };
}

/** Told from the start, since volumes are in use from the first moment of the boot on. */
async function announce(controlFile: string, sockets: MachineSockets): Promise<void> {
  const content: ControlFile = { qmpSnapshotSocket: sockets.snapshotMonitor };
  await writeFile(`${controlFile}.new`, JSON.stringify(content));
  await rename(`${controlFile}.new`, controlFile);
}

/** One connection to QEMU's monitor for all that is done on a machine, made when it is first needed. */
function sharedMonitor(socket: string): { get: () => Promise<MachineMonitor>; close: () => void } {
  let connecting: Promise<MachineMonitor> | undefined;
  return {
    get: () => (connecting ??= MachineMonitor.connect(socket)),
    close: () => void connecting?.then((monitor) => monitor.close()).catch(() => undefined),
  };
}
