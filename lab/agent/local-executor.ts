import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import path from 'node:path';
import { type Executor, KILLED_EXIT_CODE, type ScriptResult, type ScriptRun } from './executor';
import { OutputCapture } from './output-capture';

/** How long a killed script's output is waited for: a process that left the group may hold it open for ever. */
const OUTPUT_AFTER_KILL_MS = 500;

/** Runs scripts on this machine, each in a process group of its own. */
export class LocalExecutor implements Executor {
  /** What ends each running script. */
  private readonly running = new Set<() => void>();

  /** @param folder where scripts are kept, one folder a step. */
  constructor(private readonly folder: string) {}

  async platform(): Promise<{ name: string; version: string; hostname: string; address: string }> {
    const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
    const value = (key: string): string => new RegExp(`^${key}="?([^"\n]*)`, 'm').exec(release)?.[1] ?? '';
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const outside = addresses.find((address) => !address.internal && address.family === 'IPv4');
    return {
      name: value('NAME') || 'Linux',
      version: value('VERSION_ID'),
      hostname: hostname(),
      address: outside?.address ?? '127.0.0.1',
    };
  }

  /** Runs `sh -c FILE`, as amazon-ssm-agent does: a first line `#!…` is honoured, else it is sh. */
  async run(run: ScriptRun): Promise<ScriptResult> {
    const folder = path.join(this.folder, run.name);
    await mkdir(folder, { recursive: true });
    const file = path.join(folder, '_script.sh');
    await writeFile(file, run.script, { mode: 0o700 });
    const child = spawn('sh', ['-c', file], {
      ...(run.workingDirectory === undefined ? {} : { cwd: run.workingDirectory }),
      env: { ...process.env, ...run.environment },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return await this.result(child, run);
  }

  close(): Promise<void> {
    for (const end of [...this.running]) end();
    return Promise.resolve();
  }

  private result(
    child: ReturnType<typeof spawn> & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream },
    run: ScriptRun,
  ): Promise<ScriptResult> {
    return new Promise((resolve) => {
      const stdout = new OutputCapture();
      const stderr = new OutputCapture();
      let ended: ScriptResult['ended'] = 'exit';
      let giveUp: NodeJS.Timeout | undefined;
      const kill = (why: 'timeout' | 'cancel'): void => {
        if (ended !== 'exit') return;
        ended = why;
        killGroup(child);
        giveUp = setTimeout(() => finish(KILLED_EXIT_CODE), OUTPUT_AFTER_KILL_MS);
      };
      const timer = setTimeout(() => kill('timeout'), run.timeoutSeconds * 1000);
      const onStop = (): void => kill('cancel');
      const finish = (exitCode: number): void => {
        clearTimeout(timer);
        clearTimeout(giveUp);
        run.stop.removeEventListener('abort', onStop);
        this.running.delete(onStop);
        resolve({ exitCode, stdout: stdout.text(), stderr: stderr.text(), ended });
      };
      child.stdout.on('data', (chunk: Buffer) => {
        stdout.add(chunk);
        run.onOutput?.('stdout', chunk);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        stderr.add(chunk);
        run.onOutput?.('stderr', chunk);
      });
      // The shell could not be started, such as for a working directory that does not exist.
      child.on('error', (error) => {
        stderr.add(Buffer.from(`${error.message}\n`));
        finish(1);
      });
      // 'close' and not 'exit': a step lasts until its background processes let go of its output.
      child.on('close', (code) => finish(code ?? KILLED_EXIT_CODE));
      this.running.add(onStop);
      run.stop.addEventListener('abort', onStop);
      if (run.stop.aborted) onStop();
    });
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ended by itself
  }
}
