import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

import type { LAB_ACCOUNTS, LabConfig } from './config';
import type { HostedInstance } from './instances/instance-host';
import type { IsolationMode } from './instances/isolation-mode';
import { sweepLeftovers } from './instances/leftovers';
import { withInstallLock } from './setup/install-lock';
import { checkPorts } from './setup/ports';
import { ensureAll, type SetupPart } from './setup/setup';
import { type SetupProgress, silentProgress } from './setup/setup-progress';
import { dropState, holder, prepareState, readStatus, releaseState } from './setup/state-folder';
import type { SearchAttributeTypeName } from './temporal/temporal-server';

/** What a running lab offers, as `lab status --json` prints it. */
export interface LabStatus {
  /** Endpoint of every AWS service but SSM. */
  aws: string;
  /** Endpoint of SSM. */
  ssm: string;
  /** host:port of Temporal's frontend. */
  temporal: string;
  temporalUi: string;
  accounts: typeof LAB_ACCOUNTS;
  stateFolder: string;
  /** Where instances are controlled from outside (control.ts). */
  control: string;
  /** The process that holds the lab. */
  pid: number;
  mode: {
    instances: IsolationMode;
    /** Whether instances have network interfaces of their own, with the rules of their security groups in force. */
    network: boolean;
    /** What this lab only simulates. */
    notEnforced: string[];
  };
  instances: HostedInstance[];
}

export interface LabOptions {
  /**
   * true: disk images and Temporal's histories of the last lab in this state folder are kept. AWS records (instances,
   * snapshots, objects, keys) live in the emulator's memory and start empty in any case.
   * Default false: the state folder is emptied before the start, and Temporal keeps its histories in memory.
   */
  keepState?: boolean;
  searchAttributes?: readonly { name: string; type: SearchAttributeTypeName }[];
  /** 'processes' forces the reduced mode. Default: namespaces wherever they work. */
  instanceMode?: IsolationMode;
  /** false leaves out the forensic image's tools (plaso, Volatility): a start without their set-up. Default true. */
  forensicTools?: boolean;
  /** Offered as the forensic image's tools (the folder above bin/) in place of plaso and Volatility, e.g. by a benchmark. */
  forensicToolsFolder?: string;
  /** Memory image for instances of kind `fixture`. Without it that kind exists in the API only. */
  fixtureMemory?: string;
}

export interface LabUpOptions extends LabOptions {
  config: LabConfig;
  /** Fills the fresh lab: roles, keys, buckets, documents. Runs in the caller's process once the lab answers. */
  seed?: (context: { config: LabConfig; status: LabStatus }) => Promise<void>;
  progress?: SetupProgress;
}

/** What the detached process is told, by a message from its parent. */
export interface DaemonOrder {
  config: LabConfig;
  options: LabOptions;
}

/** What it answers, once. */
export type DaemonAnswer = { status: LabStatus } | { error: string };

const START_SECONDS = 120;
const STOP_SECONDS = 30;

/** Status of the lab of this configuration; undefined when none runs. */
export async function labStatus(config: LabConfig): Promise<LabStatus | undefined> {
  if ((await holder(config.stateFolder)) === undefined) return undefined;
  const text = await readStatus(config.stateFolder);
  return text === undefined ? undefined : (JSON.parse(text) as LabStatus);
}

/** What has to be set up for a lab with these options. */
export function labParts(config: LabConfig, options: LabOptions): SetupPart[] {
  const real = options.forensicTools !== false && options.forensicToolsFolder === undefined;
  return [...(config.temporal ? [] : ['temporal' as const]), 'aws', ...(real ? ['forensic-tools' as const] : [])];
}

/**
 * Starts the lab in a process of its own that outlives this one, sets up what it needs before, and seeds it after.
 * A lab that runs already is left as it is, and its status returned.
 * Throws MissingToolError, ToolFailedError, or Error with one line that says what to change (a port in use).
 */
export async function labUp(options: LabUpOptions): Promise<LabStatus> {
  const { config, seed, progress = silentProgress, ...labOptions } = options;
  return withInstallLock(`${config.stateFolder}.lock`, async () => {
    const running = await labStatus(config);
    if (running) return running;
    await sweepLeftovers(config.stateFolder);
    await checkPorts(config);
    await ensureAll(labParts(config, labOptions), { cacheFolder: config.cacheFolder, progress });
    await prepareState(config.stateFolder, labOptions.keepState ?? false);
    const step = progress.begin('Lab: AWS emulator, Temporal, instances');
    try {
      const status = await startDaemon({ config, options: labOptions });
      await seed?.({ config, status });
      step.done(labOptions.keepState ? 'disk images and Temporal histories kept, AWS records start empty' : undefined);
      return (await labStatus(config)) ?? status;
    } catch (error) {
      step.failed();
      await stopLab(config);
      throw error;
    }
  });
}

/** Spawns the daemon and waits for its one answer. */
async function startDaemon(order: DaemonOrder): Promise<LabStatus> {
  const logFile = path.join(order.config.stateFolder, 'logs/daemon.log');
  const log = openSync(logFile, 'a');
  const loader = pathToFileURL(require.resolve('tsx')).href;
  const daemon = spawn(process.execPath, ['--import', loader, path.join(__dirname, 'daemon.ts')], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    cwd: path.dirname(__dirname),
  });
  closeSync(log);
  try {
    const answer = await daemonAnswer(daemon, order, logFile);
    if ('error' in answer) throw new Error(answer.error);
    return answer.status;
  } catch (error) {
    daemon.kill('SIGKILL');
    throw error;
  } finally {
    if (daemon.connected) daemon.disconnect();
    daemon.unref();
  }
}

function daemonAnswer(daemon: ChildProcess, order: DaemonOrder, logFile: string): Promise<DaemonAnswer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`The lab was not up after ${START_SECONDS} s; see ${logFile}`)),
      START_SECONDS * 1000,
    );
    daemon.once('error', reject);
    daemon.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`The lab's process ended with code ${code ?? 'none'} before it was up; see ${logFile}`));
    });
    daemon.once('message', (answer) => {
      clearTimeout(timer);
      resolve(answer as DaemonAnswer);
    });
    daemon.send(order);
  });
}

/** Ends the lab. Its files stay until `labReset` or the next start. Returns whether one was running. */
export async function labDown(config: LabConfig): Promise<boolean> {
  return withInstallLock(`${config.stateFolder}.lock`, () => stopLab(config));
}

/** Ends the lab and removes its state folder. */
export async function labReset(config: LabConfig): Promise<void> {
  await withInstallLock(`${config.stateFolder}.lock`, async () => {
    await stopLab(config);
    await dropState(config.stateFolder);
  });
}

async function stopLab(config: LabConfig): Promise<boolean> {
  const { stateFolder } = config;
  const pid = await holder(stateFolder);
  if (pid !== undefined) {
    process.kill(pid, 'SIGTERM');
    const deadline = Date.now() + STOP_SECONDS * 1000;
    while ((await holder(stateFolder)) !== undefined && Date.now() < deadline) await sleep(50);
    if ((await holder(stateFolder)) !== undefined) process.kill(pid, 'SIGKILL');
  }
  await sweepLeftovers(stateFolder);
  await releaseState(stateFolder);
  return pid !== undefined;
}
