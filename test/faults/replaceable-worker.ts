import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { PROJECT_ROOT } from '../../lab/config';
import { killGroup } from '../../lab/instances/process-ledger';

const READY_SECONDS = 120;

interface WorkerChild {
  process: ChildProcess;
  pid: number;
  logFile: string;
  exited: Promise<void>;
}

/** A worker process that is killed again and again; the next one is loaded beforehand, so that it takes over at once. */
export class ReplaceableWorker {
  private started = 0;

  private constructor(
    private readonly folder: string,
    private readonly environment: Record<string, string>,
    private running: WorkerChild | undefined,
    private standby: WorkerChild | undefined,
  ) {}

  /** @param folder where its logs and the workflows' bundle lie */
  static async start(folder: string, environment: Record<string, string>): Promise<ReplaceableWorker> {
    const bundle = path.join(folder, 'workflows.js');
    const { code } = await bundleWorkflowCode({
      workflowsPath: path.join(PROJECT_ROOT, 'workflows', 'index.ts'),
      logger: new DefaultLogger('ERROR', () => undefined),
    });
    await writeFile(bundle, code);
    const variables = { ...environment, FAULTS_WORKFLOW_BUNDLE: bundle };
    const worker = new ReplaceableWorker(folder, variables, undefined, undefined);
    worker.standby = worker.load();
    await worker.takeOver();
    return worker;
  }

  /** As a crash of its machine would: resolves when the process is gone. */
  async kill(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    if (!running) return;
    killGroup(running.pid);
    await running.exited;
  }

  /** The one that was loaded beforehand starts to work. Resolves when it does. */
  async takeOver(): Promise<void> {
    const next = this.standby ?? this.load();
    this.running = next;
    this.standby = undefined;
    next.process.stdin?.write('start\n');
    await this.says(next, 'worker ready');
    this.standby = this.load();
  }

  async stop(): Promise<void> {
    for (const child of [this.running, this.standby]) {
      if (!child) continue;
      killGroup(child.pid);
      await child.exited;
    }
  }

  private load(): WorkerChild {
    this.started += 1;
    const logFile = path.join(this.folder, `worker-${this.started}.log`);
    const log = openSync(logFile, 'w');
    const loader = pathToFileURL(require.resolve('tsx')).href;
    const child = spawn(process.execPath, ['--import', loader, path.join(__dirname, 'worker-entry.ts')], {
      cwd: PROJECT_ROOT,
      env: { ...process.env, ...this.environment },
      detached: true,
      stdio: ['pipe', log, log],
    });
    closeSync(log);
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    if (child.pid === undefined) throw new Error('the worker could not be started');
    return { process: child, pid: child.pid, logFile, exited };
  }

  private async says(child: WorkerChild, words: string): Promise<void> {
    const deadline = Date.now() + READY_SECONDS * 1000;
    for (;;) {
      const said = await readFile(child.logFile, 'utf8');
      if (said.includes(words)) return;
      if (child.process.exitCode !== null || Date.now() > deadline)
        throw new Error(`the worker did not start; it said:\n${said.trim().split('\n').slice(-12).join('\n')}`);
      await sleep(20);
    }
  }
}
