import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { UnreadableBundle } from '../../verify/bundle-reader';
import { type BundleVerdict, verifyBundle } from '../../verify/verify-bundle';
import { answer } from '../context';
import { print, table, UsageError } from '../output';

export function addVerifyCommand(program: Command): void {
  program
    .command('verify <folder>')
    .description(
      'check a case’s bundle: needs no network, no AWS and no Temporal; exit code 0 only if everything holds',
    )
    .option('--public-key <file>', 'PEM of the key that must have signed; else the bundle’s own, to be compared by you')
    .addHelpText(
      'after',
      `
Examples:
  forensics verify ./case-bundle
  forensics verify ./case-bundle --public-key ./forensics-account.pem --json`,
    )
    .action(async (folder: string, options: { publicKey?: string }, command: Command) => {
      const verdict = await verified(folder, options.publicKey);
      answer(command, verdict, () => tell(verdict, options.publicKey !== undefined));
      if (!verdict.holds) process.exitCode = 1;
    });
}

async function verified(folder: string, keyFile: string | undefined): Promise<BundleVerdict> {
  try {
    return await verifyBundle(folder, keyFile === undefined ? undefined : readFileSync(keyFile, 'utf8'));
  } catch (error) {
    if (error instanceof UnreadableBundle) throw new UsageError(error.message);
    throw error;
  }
}

function tell(verdict: BundleVerdict, keyIsKnown: boolean): void {
  print(`case ${verdict.caseId}, sealed ${verdict.sealedAt}`);
  print(
    table(
      ['', 'checked', 'found'],
      verdict.checks.map(({ what, holds, detail }) => [holds ? 'ok' : 'BROKEN', what, detail]),
    ),
  );
  print(
    table(
      ['exhibit', 'verdict', 'SHA-256', ''],
      verdict.exhibits.map(({ id, verdict: state, sha256, detail }) => [id, state, sha256, detail]),
    ),
  );
  print(`signing key, SHA-256 of its DER form: ${verdict.keyFingerprint}`);
  if (!keyIsKnown)
    print('This key came with the bundle: compare it with what the owner of the case tells you by another way.');
  print(verdict.holds ? 'EVERYTHING HOLDS' : 'NOT INTACT: see BROKEN above');
}
