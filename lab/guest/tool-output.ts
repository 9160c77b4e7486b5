import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

export interface ToolOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Called with every line of standard error, as it comes. */
  onErrorLine?: (line: string) => void;
}

/** A tool ended with an error. The message names the tool, its exit code and the last lines it wrote. */
export class ToolError extends Error {
  constructor(tool: string, code: number | null, output: string) {
    const said = output.trim().split('\n').slice(-3).join(' / ');
    super(`${tool} failed (exit code ${code ?? 'none: killed'}): ${said === '' ? 'it said nothing' : said}`);
    this.name = 'ToolError';
  }
}

/**
 * Runs a tool without a shell, to its end, and returns its standard output. For tools that answer or write one file;
 * a long installation with a log of its own is lab/setup's runTool.
 * @throws ToolError when the tool cannot be started or ends with another code than 0
 */
export function toolOutput(tool: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    const output: Buffer[] = [];
    let errors = '';
    let unfinishedLine = '';
    child.stdout.on('data', (data: Buffer) => output.push(data));
    child.stderr.on('data', (data: Buffer) => {
      errors = (errors + data.toString()).slice(-8192);
      const lines = (unfinishedLine + data.toString()).split('\n');
      unfinishedLine = lines.pop() ?? '';
      for (const line of lines) options.onErrorLine?.(line);
    });
    child.on('error', (error) => reject(new ToolError(path.basename(tool), null, error.message)));
    child.on('close', (code) => {
      const text = Buffer.concat(output).toString();
      if (code === 0) resolve(text);
      else reject(new ToolError(path.basename(tool), code, errors === '' ? text : errors));
    });
  });
}

/** Administration tools lie beside the others, in a folder that is not in every user's PATH: /usr/sbin for /usr/bin. */
function withAdministrationFolders(folders: readonly string[]): string[] {
  const beside = folders.filter((folder) => path.basename(folder) === 'bin');
  return [...folders, ...beside.map((folder) => path.join(path.dirname(folder), 'sbin'))];
}

/** Where a program lies (PATH, then the folders of administration tools), or undefined. */
export function findProgram(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = (env.PATH ?? '').split(path.delimiter).filter((entry) => entry !== '');
  for (const folder of withAdministrationFolders(folders)) {
    const candidate = path.join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      continue;
    }
  }
  return undefined;
}
