import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import readline from 'node:readline';

/** A tool of the set-up (pip, go, mvn) ended badly. The message holds its last lines and names its whole log. */
export class ToolFailedError extends Error {
  override name = 'ToolFailedError';
}

export interface RunToolOptions {
  /** All the tool prints is kept here; on success nobody needs to see it. */
  logFile: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** The tool and its children are killed after this long. */
  timeoutSeconds: number;
  onLine?: (line: string) => void;
}

const LINES_SHOWN = 12;

/** Runs a tool in its own process group to its end. Rejects with ToolFailedError. */
export async function runTool(command: string, args: string[], options: RunToolOptions): Promise<void> {
  await fs.mkdir(path.dirname(options.logFile), { recursive: true });
  const log = createWriteStream(options.logFile);
  const lastLines: string[] = [];
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const killGroup = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  };
  const timeLimit = new AbortController();
  timeLimit.signal.addEventListener('abort', killGroup);
  const timer = setTimeout(() => timeLimit.abort(), options.timeoutSeconds * 1000);
  // Being detached, the tool would outlive a Ctrl-C of ours.
  process.once('exit', killGroup);
  for (const stream of [child.stdout, child.stderr]) {
    readline.createInterface({ input: stream }).on('line', (line) => {
      log.write(`${line}\n`);
      if (line.trim() !== '') lastLines.push(line);
      if (lastLines.length > LINES_SHOWN) lastLines.shift();
      options.onLine?.(line);
    });
  }
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code === 0) return;
    const how = timeLimit.signal.aborted
      ? `did not end within ${options.timeoutSeconds} s`
      : `failed with exit code ${code ?? 'none'}`;
    const shown = lastLines.map((line) => `  ${line}`).join('\n');
    throw new ToolFailedError(`${path.basename(command)} ${how}. Whole output: ${options.logFile}\n${shown}`);
  } finally {
    clearTimeout(timer);
    process.removeListener('exit', killGroup);
    log.end();
  }
}

/** Standard output of a short command, or undefined when it is missing, fails or takes longer than the limit. */
export async function outputOf(command: string, args: string[], limitSeconds = 10): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: limitSeconds * 1000 });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.once('error', () => resolve(undefined));
    child.once('close', (code) => resolve(code === 0 ? text.trim() : undefined));
  });
}

/** Full path of a command found on PATH, as the shell would find it. */
export async function findOnPath(command: string, searchPath = process.env.PATH ?? ''): Promise<string | undefined> {
  for (const folder of searchPath.split(path.delimiter).filter((entry) => entry !== '')) {
    const candidate = path.join(folder, command);
    const usable = await fs.access(candidate, fs.constants.X_OK).then(
      async () => (await fs.stat(candidate)).isFile(),
      () => false,
    );
    if (usable) return candidate;
  }
  return undefined;
}
