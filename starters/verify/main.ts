/** The verifier as a program of its own: `node verify.cjs <folder>`. It goes with every sealed case as one file. */
import { parseArgs } from 'node:util';
import { printableLine } from '../printable';
import { UnreadableBundle } from './bundle-reader';
import { knownFrom } from './known';
import { verdictText } from './verdict-text';
import { verifyBundle } from './verify-bundle';

const USAGE = `usage: node verify.cjs <folder> [--public-key <PEM file>] [--head <number>:<hash>] [--json]
Checks a sealed forensic case with what lies in its folder: no network, nothing to install.
  --public-key  the key that must have signed, as the owner of the case gave it to you
  --head        an entry of the custody log that a notification told you of
Exit code: 0 everything holds, 1 something does not, 2 the bundle cannot be read or the call was wrong.`;

/** ASCII only: a terminal that shows the JSON is not driven by it. */
const asciiJson = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const isArgumentError = (error: unknown): boolean =>
  error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'public-key': { type: 'string' },
      head: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [folder] = positionals;
  if (values.help || folder === undefined || positionals.length > 1) {
    process.stdout.write(`${USAGE}\n`);
    return values.help ? 0 : 2;
  }
  const { 'public-key': publicKey, head } = values;
  const known = knownFrom({ ...(publicKey !== undefined && { publicKey }), ...(head !== undefined && { head }) });
  const verdict = await verifyBundle(folder, known);
  process.stdout.write(`${values.json ? asciiJson(verdict) : verdictText(verdict, known)}\n`);
  return verdict.holds ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const said = error instanceof Error ? error.message : String(error);
    // Of a defect of ours its place is worth knowing; whatever stands in it may come from the bundle.
    const isOurs = !(error instanceof UnreadableBundle || error instanceof RangeError || isArgumentError(error));
    process.stderr.write(`verify: ${printableLine(isOurs && error instanceof Error ? (error.stack ?? said) : said)}\n`);
    process.exitCode = 2;
  },
);
