import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { unpackBundle } from '../../export/bundle-archive';
import { fetchBundle } from '../../export/fetch-bundle';
import { UnreadableBundle } from '../../verify/bundle-reader';
import { knownFrom } from '../../verify/known';
import { verdictText } from '../../verify/verdict-text';
import { type BundleVerdict, type Known, verifyBundle } from '../../verify/verify-bundle';
import { answer } from '../context';
import { UsageError } from '../output';
import { inTemporaryFolder, sealedCase } from './export';

export function addVerifyCommand(program: Command): void {
  program
    .command('verify <bundle>')
    .description(
      'check a sealed case: a folder or an archive of it, with no network, no AWS and no Temporal; or a case, which is fetched first',
    )
    .option('--public-key <file>', 'PEM of the key that must have signed; else the bundle’s own, to be compared by you')
    .option('--head <number:hash>', 'an entry of the custody log that a notification told of, from before the seal')
    .addHelpText(
      'after',
      `
Exit code 0 only if everything holds, 1 if something does not, 2 if the bundle cannot be read.
Every bundle carries this check as one file: node verify.cjs <folder>

Examples:
  forensics verify ./case --public-key ./forensics-account.pem
  forensics verify ./case.tar.zst --json
  forensics verify i-0123456789abcdef0-20261122t080001z`,
    )
    .action(async (bundle: string, options: { publicKey?: string; head?: string }, command: Command) => {
      try {
        const known = knownFrom(options);
        const verdict = await verdictOf(bundle, known);
        answer(command, verdict, () => process.stdout.write(`${verdictText(verdict, known)}\n`));
        if (!verdict.holds) process.exitCode = 1;
      } catch (error) {
        if (error instanceof UnreadableBundle || error instanceof RangeError)
          throw new UsageError(error.message, { cause: error });
        throw error;
      }
    });
}

async function verdictOf(bundle: string, known: Known): Promise<BundleVerdict> {
  const there = statSync(bundle, { throwIfNoEntry: false });
  if (there?.isDirectory()) return verifyBundle(bundle, known);
  return inTemporaryFolder(async (folder) => {
    if (there) return verifyBundle(await unpackBundle(bundle, folder), known);
    await fetchBundle((await sealedCase(bundle)).seal, folder, []);
    return verifyBundle(folder, known);
  });
}
