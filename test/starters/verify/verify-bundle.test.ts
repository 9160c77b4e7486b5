import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BUNDLE_FILES, type Manifest, type SealedFile } from '../../../domain/custody/bundle';
import { appendEntry, emptyChain, headOf } from '../../../domain/custody/chain';
import type { CustodyEntry } from '../../../domain/custody/entry';
import { UnreadableBundle } from '../../../starters/verify/bundle-reader';
import { type BundleVerdict, verifyBundle } from '../../../starters/verify/verify-bundle';
import { CASE_ID, newKey, sha256, writeBundle } from './bundles';

const { privateKey, publicKey } = newKey();
let folder: string;
beforeEach(async () => {
  folder = await writeBundle(privateKey, publicKey);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const file = (name: string): string => path.join(folder, name);
const change = async (name: string, edit: (text: string) => string): Promise<void> =>
  writeFile(file(name), edit(await readFile(file(name), 'utf8')));
const changeLines = (name: string, edit: (lines: string[]) => string[]): Promise<void> =>
  change(name, (text) => `${edit(text.split('\n').slice(0, -1)).join('\n')}\n`);
const failed = (verdict: BundleVerdict): string =>
  verdict.checks
    .filter(({ holds }) => !holds)
    .map(({ what, detail }) => `${what}: ${detail}`)
    .join('\n');

/** As an insider with the folder in hand would: every digest that he can compute is right again. */
async function coverUp(name: string): Promise<void> {
  const content = await readFile(file(name));
  await changeLines(BUNDLE_FILES.list, (lines) =>
    lines.map((line) => {
      const entry = JSON.parse(line) as SealedFile;
      if (entry.path !== name) return line;
      const own = entry.lines && content.toString().split('\n').slice(0, -1).map(sha256);
      return JSON.stringify({
        ...entry,
        sizeBytes: content.length,
        sha256: sha256(content),
        ...(own && { lines: own }),
      });
    }),
  );
}

test('a bundle as it was sealed holds, exhibit by exhibit', async () => {
  const verdict = await verifyBundle(folder);
  expect(failed(verdict)).toBe('');
  expect(verdict).toMatchObject({
    holds: true,
    caseId: CASE_ID,
    keyFingerprint: sha256(publicKey.export({ type: 'spki', format: 'der' })),
    exhibits: [{ id: 'memory', verdict: 'intact' }],
  });
});

test('a seal by P-384 holds too', async () => {
  const other = newKey('P-384');
  const second = await writeBundle(other.privateKey, other.publicKey);
  expect((await verifyBundle(second)).holds).toBe(true);
  await rm(second, { recursive: true });
});

test('evidence that was left out is said to be left out', async () => {
  await rm(file('evidence/memory.lime'));
  expect(await verifyBundle(folder)).toMatchObject({ holds: true, exhibits: [{ verdict: 'not-included' }] });
});

test('one byte of an exhibit changed', async () => {
  await change('evidence/memory.lime', (text) => text.replace('bytes', 'bytez'));
  const verdict = await verifyBundle(folder);
  expect(verdict).toMatchObject({ holds: false, exhibits: [{ id: 'memory', verdict: 'broken' }] });
  expect(failed(verdict)).toMatch(/^evidence\/memory\.lime: altered/);
});

test('an entry of the custody log removed', async () => {
  await changeLines(BUNDLE_FILES.custodyLog, (lines) => lines.toSpliced(1, 1));
  expect(failed(await verifyBundle(folder))).toContain('custody.jsonl line 2: it is entry 3 where entry 2 must stand');
});

test('entries of the custody log in another order', async () => {
  await changeLines(BUNDLE_FILES.custodyLog, (lines) => lines.toSpliced(1, 2, lines[2]!, lines[1]!));
  expect(failed(await verifyBundle(folder))).toContain('custody.jsonl line 2');
});

test('an entry edited, and every hash computed anew from there', async () => {
  await changeLines(BUNDLE_FILES.custodyLog, (lines) => {
    let head = emptyChain(CASE_ID);
    return lines.map((line, index) => {
      const { hash, previous, sequence, caseId, ...draft } = JSON.parse(line) as CustodyEntry;
      expect([hash, previous, sequence, caseId]).toHaveLength(4);
      const entry = appendEntry(head, index === 1 ? { ...draft, message: 'rejected' } : draft);
      head = headOf(entry);
      return JSON.stringify(entry);
    });
  });
  const verdict = failed(await verifyBundle(folder));
  // The digests of the lines name the edited one; the seal gives the new chain away.
  expect(verdict).toContain('custody.jsonl: altered, first at line 2');
  expect(verdict).toMatch(/custody log: custody\.jsonl line 4: entry 4 is not the one that was sealed/);
});

test('the custody log cut short', async () => {
  await changeLines(BUNDLE_FILES.custodyLog, (lines) => lines.slice(0, 3));
  expect(failed(await verifyBundle(folder))).toContain('custody.jsonl line 4: the log ends at entry 3');
});

test('an entry added after the seal', async () => {
  await changeLines(BUNDLE_FILES.custodyLog, (lines) => {
    const last = JSON.parse(lines.at(-1)!) as CustodyEntry;
    const { hash, previous, sequence, caseId, ...draft } = last;
    expect([hash, previous, sequence, caseId]).toHaveLength(4);
    return [...lines, JSON.stringify(appendEntry(headOf(last), draft))];
  });
  expect(failed(await verifyBundle(folder))).toContain('custody.jsonl line 5: added after the seal');
});

test('an exhibit swapped for another, its hash replaced in the manifest and in the list', async () => {
  await writeFile(file('evidence/memory.lime'), 'another image');
  await change(BUNDLE_FILES.manifest, (text) => {
    const manifest = JSON.parse(text) as Manifest;
    manifest.exhibits[0]!.sha256 = sha256('another image');
    return JSON.stringify(manifest);
  });
  await coverUp('evidence/memory.lime');
  await coverUp(BUNDLE_FILES.manifest);
  const verdict = await verifyBundle(folder);
  expect(verdict.exhibits).toMatchObject([
    { id: 'memory', verdict: 'broken', detail: expect.stringContaining('entry 3 of the custody log says') as string },
  ]);
  expect(failed(verdict)).toContain('files.jsonl was altered: its Merkle root is');
});

test('a signature by another key', async () => {
  const other = await writeBundle(newKey().privateKey, publicKey);
  await writeFile(file(BUNDLE_FILES.signature), await readFile(path.join(other, BUNDLE_FILES.signature)));
  expect(failed(await verifyBundle(folder))).toContain('seal.json was altered, or another key signed it');
  await rm(other, { recursive: true });
});

test('key and signature swapped together: the key that the reader knows gives it away', async () => {
  const other = newKey();
  const second = await writeBundle(other.privateKey, other.publicKey);
  expect((await verifyBundle(second)).holds).toBe(true);
  const known = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  expect((await verifyBundle(second, known)).holds).toBe(false);
  expect((await verifyBundle(folder, known)).holds).toBe(true);
  await rm(second, { recursive: true });
});

test('a decision altered in the manifest', async () => {
  await change(BUNDLE_FILES.manifest, (text) => text.replace('"approve"', '"reject"'));
  await coverUp(BUNDLE_FILES.manifest);
  expect(failed(await verifyBundle(folder))).toContain(
    'decision on isolation: the manifest says reject by ann, entry 2 of the custody log says otherwise',
  );
});

test('an event of the Temporal history altered', async () => {
  await change('history/case.jsonl', (text) => text.replace('"eventId":2', '"eventId":9'));
  expect(failed(await verifyBundle(folder))).toContain('history/case.jsonl: altered, first at line 2');
});

test('a file missing, and one that nobody sealed', async () => {
  await rm(file('history/case.jsonl'));
  await writeFile(file('evidence/planted.txt'), 'x');
  const verdict = failed(await verifyBundle(folder));
  expect(verdict).toContain('history/case.jsonl: missing');
  expect(verdict).toContain('never sealed: evidence/planted.txt');
});

test('a list that leads out of the bundle is refused', async () => {
  await appendFile(
    file(BUNDLE_FILES.list),
    `${JSON.stringify({ path: '../../etc/passwd', sizeBytes: 1, sha256: '' })}\n`,
  );
  await expect(verifyBundle(folder)).rejects.toThrow('the bundle names ../../etc/passwd, which lies outside of it');
});

test.each([
  ['no folder', async () => rm(folder, { recursive: true }), 'seal.json cannot be read'],
  ['no JSON', async () => writeFile(file(BUNDLE_FILES.seal), 'x'), 'seal.json is no JSON'],
  [
    'another format',
    async () => writeFile(file(BUNDLE_FILES.seal), '{"format":"zip"}'),
    'is not of format ec2-forensics',
  ],
  [
    'a list with a torn line',
    async () => appendFile(file(BUNDLE_FILES.list), '{"pa'),
    /files\.jsonl line \d+ is no JSON/,
  ],
  ['no key', async () => writeFile(file(BUNDLE_FILES.publicKey), 'x'), 'no PEM of a public key'],
])('%s is said plainly', async (_what, spoil, message) => {
  await spoil();
  const verdict = verifyBundle(folder);
  await expect(verdict).rejects.toThrow(UnreadableBundle);
  await expect(verdict).rejects.toThrow(message);
});
