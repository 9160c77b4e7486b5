import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { labConfig, PROJECT_ROOT } from '../config';
import { ensureAll } from '../setup/setup';
import { streamProgress } from '../setup/setup-progress';

/** The part of Jest's JSON results that is read here. */
interface JestResults {
  success: boolean;
  numPassedTests: number;
  numFailedTests: number;
  /** Test files that could not run at all. */
  numRuntimeErrorTestSuites: number;
}

async function runJest(args: string[], environment: NodeJS.ProcessEnv, resultFile: string): Promise<number> {
  const jest = [require.resolve('jest/bin/jest'), '--json', `--outputFile=${resultFile}`, ...args];
  const child = spawn(process.execPath, jest, {
    cwd: PROJECT_ROOT,
    // Jest's JSON also goes to standard output; people read standard error.
    stdio: ['inherit', 'ignore', 'inherit'],
    env: { ...process.env, ...environment },
  });
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  // Ctrl-C reaches Jest by itself; the summary still follows.
  process.on('SIGINT', () => undefined);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Sets up what the tests need, runs them (arguments go to Jest), and ends with the line "N passed, N failed". */
async function main(args: string[]): Promise<number> {
  const { cacheFolder } = labConfig();
  const tools = await ensureAll(['temporal', 'aws', 'forensic-tools', 'time-skipping', 'standards'], {
    cacheFolder,
    progress: streamProgress(),
  });
  const environment: NodeJS.ProcessEnv = {};
  if (tools.temporalCli) environment.TEMPORAL_CLI_PATH = tools.temporalCli;
  if (tools.timeSkippingServer) environment.TIME_SKIPPING_SERVER_PATH = tools.timeSkippingServer;
  else console.error('Time-skipping test server: not at hand (needs Java and Maven); waits of days are scaled down.');

  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'test-results-'));
  const resultFile = path.join(folder, 'results.json');
  try {
    const code = await runJest(args, environment, resultFile);
    const text = await fs.readFile(resultFile, 'utf8').catch(() => undefined);
    if (text === undefined) {
      console.error('Jest ended without results.');
      return code === 0 ? 1 : code;
    }
    const results = JSON.parse(text) as JestResults;
    // A test file that does not load counts as one failed test: its tests are not known, and they did not pass.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    console.log(`${results.numPassedTests} passed, ${failed} failed`);
    return code !== 0 ? code : failed === 0 && results.success ? 0 : 1;
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
