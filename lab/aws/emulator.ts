import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LabDurations, PROJECT_ROOT } from '../config';
import { durationVariables } from '../durations';

export interface EmulatorOptions {
  /** The Python of an environment in which lab/aws/requirements.txt is installed. */
  python: string;
  /** Loopback port of the AWS endpoint. */
  port: number;
  /** Where the bytes of volumes, snapshots and big S3 objects lie (LAB_DATA of emulator.py). */
  dataFolder: string;
  durations: LabDurations;
  /** Output of the process, appended. */
  logFile: string;
}

export interface Emulator {
  /** AWS endpoint of all services. */
  url: string;
  pid: number;
  /** Ends the process and whatever it started; resolves when it is gone. Calling it again does nothing. */
  stop(): Promise<void>;
}

/** The first start compiles moto's modules and may take most of this on a busy machine. */
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 5_000;

/**
 * Starts the AWS emulator and waits until it answers.
 *
 * @throws Error with the last lines of the log when the process ends, or does not answer within a minute.
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  await mkdir(options.dataFolder, { recursive: true });
  await mkdir(path.dirname(options.logFile), { recursive: true });
  const url = `http://127.0.0.1:${options.port}`;
  if (await answers(url)) {
    throw new Error(`port ${options.port} answers already: another lab runs there; stop it or set LAB_AWS_PORT`);
  }
  const child = launch(options);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      resolve(`${options.python} could not be started: ${error.message}`);
    });
    child.once('exit', (code, signal) => {
      resolve(`it ended with ${signal ?? `exit code ${String(code)}`}`);
    });
  });
  const stop = () => stopGroup(child, ended);
  const waiting = new AbortController();
  const failure = await Promise.race([ended, untilItAnswers(url, waiting.signal)]);
  waiting.abort();
  if (failure !== undefined || child.pid === undefined) {
    await stop();
    throw new Error(
      `the AWS emulator did not start on port ${options.port}: ${failure ?? 'it has no process id'}.\n` +
        `Last lines of ${options.logFile}:\n${await lastLines(options.logFile)}`,
    );
  }
  return { url, pid: child.pid, stop };
}

function launch(options: EmulatorOptions): ChildProcess {
  const script = path.join(PROJECT_ROOT, 'lab', 'aws', 'emulator.py');
  const log = openSync(options.logFile, 'a');
  try {
    // A group of its own (detached), so that stopping reaches the `cp` of a snapshot under way too.
    return spawn(options.python, [script, '-H', '127.0.0.1', '-p', String(options.port)], {
      detached: true,
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        LAB_DATA: options.dataFolder,
        ...durationVariables(options.durations),
        // Bodies of 1 MiB and more go back to the system when they are done with; else every thread of the server
        // keeps the memory of its biggest upload.
        MALLOC_MMAP_THRESHOLD_: String(1024 * 1024),
        MALLOC_ARENA_MAX: '2',
        PYTHONUNBUFFERED: '1',
        PYTHONDONTWRITEBYTECODE: '1',
      },
    });
  } finally {
    closeSync(log);
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/moto-api/lab/faults`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

/** Resolves with nothing when the emulator answers, with the reason when it did not in time. */
async function untilItAnswers(url: string, given: AbortSignal): Promise<string | undefined> {
  const deadline = Date.now() + START_LIMIT_MS;
  while (Date.now() < deadline && !given.aborted) {
    if (await answers(url)) return undefined;
    await sleep(100);
  }
  return `it did not answer within ${START_LIMIT_MS / 1000} seconds`;
}

async function stopGroup(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  signalGroup(child.pid, 'SIGTERM');
  const timer = setTimeout(() => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  }, STOP_LIMIT_MS);
  await ended;
  clearTimeout(timer);
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // ESRCH: it is gone already
  }
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '(no log)');
  return text.trimEnd().split('\n').slice(-15).join('\n');
}
