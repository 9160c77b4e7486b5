import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { addExportCommand } from '../../../starters/cli/commands/export';
import { addVerifyCommand } from '../../../starters/cli/commands/verify';
import { packBundle } from '../../../starters/export/bundle-archive';
import type { BundleVerdict } from '../../../starters/verify/verify-bundle';
import { CASE_ID, newKey, writeBundle } from './bundles';

const { privateKey, publicKey } = newKey();
let folder: string;
let bundle: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'verify-command-'));
  bundle = await writeBundle(privateKey, publicKey);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(bundle, { recursive: true, force: true });
});

const exitCode = (): unknown => process.exitCode;

/** What the command prints, and its exit code. */
async function forensics(...args: string[]): Promise<{ code: unknown; output: string }> {
  const program = new Command('forensics').option('--json').exitOverride();
  addExportCommand(program);
  addVerifyCommand(program);
  const said: string[] = [];
  const stdout = jest.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    await program.parseAsync(args, { from: 'user' });
    return { code: exitCode(), output: said.join('') };
  } finally {
    process.exitCode = before;
    stdout.mockRestore();
  }
}

test('a bundle that holds: exit code 0, each exhibit on a line, the key to compare', async () => {
  const { code, output } = await forensics('verify', bundle);
  expect(code).toBe(0);
  expect(output).toMatch(new RegExp(`^case ${CASE_ID}, sealed `));
  expect(output).toMatch(/^intact +memory +SHA-256 [0-9a-f]{64} +entry 3 of the custody log$/m);
  expect(output).toContain('compare it with what the owner of the case tells you');
  expect(output.trim().split('\n').at(-1)).toBe('EVERYTHING HOLDS');
});

test('a key that is known from elsewhere need not be compared', async () => {
  const pem = path.join(folder, 'key.pem');
  await writeFile(pem, publicKey.export({ type: 'spki', format: 'pem' }));
  const { code, output } = await forensics('verify', bundle, '--public-key', pem);
  expect(code).toBe(0);
  expect(output).not.toContain('This key came with the bundle');
});

test('a bundle that does not hold: exit code 1, and the first broken link is named', async () => {
  await appendFile(path.join(bundle, 'evidence/memory.lime'), 'x');
  const { code, output } = await forensics('verify', bundle);
  expect(code).toBe(1);
  expect(output).toMatch(/^broken +memory /m);
  expect(output).toMatch(/NOT INTACT\. First broken link: evidence\/memory\.lime: altered/);
});

test('an archive, for a program', async () => {
  const file = path.join(folder, 'case.tar.gz');
  await packBundle(bundle, CASE_ID, file);
  const { code, output } = await forensics('--json', 'verify', file);
  expect(code).toBe(0);
  expect(JSON.parse(output) as BundleVerdict).toMatchObject({ holds: true, exhibits: [{ verdict: 'intact' }] });
});

test.each([
  [['verify', '/dev/null'], 'neither a folder nor'],
  [['verify', os.tmpdir()], 'seal.json cannot be read'],
  [['verify', '.', '--head', '7'], 'is no end of a log'],
  [['verify', '.', '--public-key', '/no/such/key.pem'], 'cannot be read: give a PEM file'],
  [['export', 'case', '--with', 'disks'], '"disks" is none of memory, blocks,'],
  [['export', 'case', '--out', 'a', '--file', 'b.tar.gz'], 'give --out or --file, not both'],
])('%j is refused as a wrong call', async (args, message) => {
  await expect(forensics(...args)).rejects.toThrow(message);
});
