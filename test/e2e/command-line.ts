import { execFile } from 'node:child_process';
import path from 'node:path';
import type { TestLab } from './support';

const PROJECT = path.join(__dirname, '../..');

/** Runs a program in the project. @throws Error with what it said when it does not end with code 0 */
export const run = (program: string, args: string[], env: NodeJS.ProcessEnv): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(program, args, { cwd: PROJECT, env, maxBuffer: 64 * 1024 ** 2 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
      else resolve(stdout);
    });
  });

/** The `forensics` command as a person has it, against a lab. */
export const forensics = ({ deployment }: TestLab, ...args: string[]): Promise<string> =>
  run(path.join(PROJECT, 'node_modules/.bin/tsx'), ['starters/cli/main.ts', ...args], {
    ...process.env,
    ...deployment.environment,
  });
