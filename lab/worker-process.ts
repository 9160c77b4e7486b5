import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { PROJECT_ROOT } from './config';
import { forgetProcess, killGroup, recordProcess } from './instances/process-ledger';

export interface WorkerProcess {
  pid: number;
  logFile: string;
  /** SIGKILL, as a crash of the machine would. */
  kill(): Promise<void>;
}

const READY_SECONDS = 90;

/**
 * Starts the product's own worker beside the lab. It belongs to the lab's state folder: `lab down` ends it.
 * @throws Error with the worker's last words when it is not ready in time
 */
export async function startWorkerProcess(
  stateFolder: string,
  environment: Record<string, string>,
  name = 'worker',
): Promise<WorkerProcess> {
  const logFile = path.join(stateFolder, 'logs', `${name}.log`);
  const log = openSync(logFile, 'w');
  const loader = pathToFileURL(require.resolve('tsx')).href;
  const child = spawn(process.execPath, ['--import', loader, path.join(PROJECT_ROOT, 'workers', 'main.ts')], {
    cwd: PROJECT_ROOT,
    env: { ...process.env, ...environment },
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error('the worker could not be started');
  await recordProcess(stateFolder, pid, name);
  const deadline = Date.now() + READY_SECONDS * 1000;
  for (;;) {
    const said = await readFile(logFile, 'utf8');
    if (said.includes('worker ready')) break;
    if (child.exitCode !== null || Date.now() > deadline) {
      killGroup(pid);
      await forgetProcess(stateFolder, pid);
      throw new Error(`the worker did not start; it said:\n${said.trim().split('\n').slice(-12).join('\n')}`);
    }
    await sleep(100);
  }
  return {
    pid,
    logFile,
    kill: async () => {
      killGroup(pid);
      await forgetProcess(stateFolder, pid);
    },
  };
}
