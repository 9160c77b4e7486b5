import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureAll } from '../../lab/setup/setup';
import { labConfig } from '../../lab/config';
import { streamProgress } from '../../lab/setup/setup-progress';
import { compareWithUndisturbed } from './comparison';
import { startFaultLab } from './fault-lab';
import { reportOf } from './report';

/**
 * Kills the worker before and after every AWS mutation of a two-volume case, compares what is left in both accounts with an
 * undisturbed case, and prints the kill points and the differences.
 *
 * @param args a regular expression: only calls whose `service:action` it matches
 * @returns exit code: 0 when nothing differs
 */
export async function main([pattern]: string[]): Promise<number> {
  const { cacheFolder } = labConfig();
  await ensureAll(['temporal', 'aws'], { cacheFolder, progress: streamProgress() });
  const startedAt = Date.now();
  const seconds = (): number => (Date.now() - startedAt) / 1000;
  const wanted = pattern === undefined ? undefined : new RegExp(pattern);
  const lab = await startFaultLab();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void lab.stop().finally(() => process.exit(1)));
  try {
    const comparison = await compareWithUndisturbed(
      lab,
      wanted && (({ service, action }) => wanted.test(`${service}:${action}`)),
      (line) => console.error(`${seconds().toFixed(0).padStart(5)} s  ${line}`),
    );
    const report = reportOf(comparison, seconds());
    const file = path.join(cacheFolder, 'faults-report.txt');
    await writeFile(file, report);
    console.log(`${report}\nAlso in ${path.relative(process.cwd(), file)}`);
    return comparison.differences.length + comparison.problems.length === 0 ? 0 : 1;
  } finally {
    await lab.stop();
  }
}
