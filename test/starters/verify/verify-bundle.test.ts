import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { appendFile, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Headers, pack } from 'tar-stream';
import { BUNDLE_FILES, linesOf, type Manifest } from '../../../domain/custody/bundle';
import { appendEntry, emptyChain, headOf } from '../../../domain/custody/chain';
import type { CustodyEntry } from '../../../domain/custody/entry';
import { packBundle, unpackBundle } from '../../../starters/export/bundle-archive';
import { UnreadableBundle } from '../../../starters/verify/bundle-reader';
import { knownFrom } from '../../../starters/verify/known';
import { verdictText } from '../../../starters/verify/verdict-text';
import { type BundleVerdict, verifyBundle } from '../../../starters/verify/verify-bundle';
import { BundleInHand } from './alterations';
import { CASE_ID, newKey, sha256, writeBundle } from './bundles';

const { privateKey, publicKey } = newKey();
let folder: string;
beforeEach(async () => {
  folder = await writeBundle(privateKey, publicKey);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const inHand = (): BundleInHand => new BundleInHand(folder);
const file = (name: string): string => inHand().file(name);
const change = (name: string, edit: (text: string) => string): Promise<void> => inHand().change(name, edit);
const changeLines = (name: string, edit: (lines: string[]) => string[]): Promise<void> =>
  inHand().changeLines(name, edit);
const coverUp = (name: string): Promise<void> => inHand().coverUp(name);
const failed = (verdict: BundleVerdict): string =>
  verdict.checks
    .filter(({ holds }) => !holds)
    .map(({ what, detail }) => `${what}: ${detail}`)
    .join('\n');

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
      return linesOf([entry]).trimEnd();
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
  expect((await verifyBundle(second, { publicKey: known })).holds).toBe(false);
  expect((await verifyBundle(folder, { publicKey: known })).holds).toBe(true);
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

describe('the end of the log that a notification told of', () => {
  const told = async (line: number): Promise<{ sequence: number; hash: string }> => {
    const log = (await readFile(file(BUNDLE_FILES.custodyLog), 'utf8')).split('\n');
    return JSON.parse(log[line - 1]!) as CustodyEntry;
  };

  test('is found in the log', async () => {
    expect((await verifyBundle(folder, { head: await told(3) })).holds).toBe(true);
  });

  test('is another one: log and seal were made anew as a whole', async () => {
    const head = { sequence: 3, hash: 'f'.repeat(64) };
    expect(failed(await verifyBundle(folder, { head }))).toContain(
      'known end of the log: custody.jsonl line 3: entry 3 has hash',
    );
  });

  test('lies behind the seal: the log may have been cut short before it was sealed', async () => {
    const head = { sequence: 9, hash: 'f'.repeat(64) };
    expect(failed(await verifyBundle(folder, { head }))).toContain('entry 9 was not sealed: the seal ends at entry 4');
  });

  test.each(['9', '9:abc', '0:'.padEnd(66, 'a'), `1:${'F'.repeat(64)}`])('cannot be %s', (head) => {
    expect(() => knownFrom({ head })).toThrow('is no end of a log');
  });
});

describe('a bundle by somebody who means harm', () => {
  test.each([
    ['a list of numbers', BUNDLE_FILES.list, '1\n2\n', 'files.jsonl line 1 lacks'],
    ['a list with no paths', BUNDLE_FILES.list, '{"path":7}\n', 'files.jsonl line 1 lacks'],
    ['half of a surrogate pair', BUNDLE_FILES.list, '{"path":"\\ud800"}\n', 'holds half of a surrogate pair'],
    ['a seal that is null', BUNDLE_FILES.seal, 'null', 'is not of format'],
    ['a seal without numbers', BUNDLE_FILES.seal, '{"format":"ec2-forensics-bundle/1"}', 'lacks caseId'],
  ])('%s makes it unreadable', async (_what, name, content, message) => {
    await writeFile(file(name), content);
    const verdict = verifyBundle(folder);
    await expect(verdict).rejects.toThrow(UnreadableBundle);
    await expect(verdict).rejects.toThrow(message);
  });

  test.each([
    ['manifest of nothing', BUNDLE_FILES.manifest, '{}', 'manifest: manifest.json lacks'],
    ['manifest of null', BUNDLE_FILES.manifest, 'null', 'manifest: manifest.json lacks'],
    [
      'manifest with blocks that are none',
      BUNDLE_FILES.manifest,
      '{"caseId":"x","decisions":[],"exhibits":[{"id":"v","sha256":"","kind":"disk","blocks":5}]}',
      'manifest: manifest.json lacks',
    ],
    ['log of lists', BUNDLE_FILES.custodyLog, '[]\n', 'custody log: custody.jsonl line 1 lacks'],
    ['signature of noise', BUNDLE_FILES.signature, '\u0000ü', 'signature of the seal: seal.json was altered'],
  ])('a %s is broken', async (_what, name, content, message) => {
    await writeFile(file(name), content);
    expect(failed(await verifyBundle(folder))).toContain(message);
  });

  test('a link or a pipe in the place of a file is not followed', async () => {
    await rm(file('history/case.jsonl'));
    await symlink('/etc/hostname', file('history/case.jsonl'));
    await rm(file('evidence/memory.lime'));
    execFileSync('mkfifo', [file('evidence/memory.lime')]);
    const verdict = failed(await verifyBundle(folder));
    expect(verdict).toContain('history/case.jsonl: history/case.jsonl is no regular file');
    expect(verdict).toContain('evidence/memory.lime: evidence/memory.lime is no regular file');
  });

  test('a file named twice', async () => {
    await changeLines(BUNDLE_FILES.list, (lines) => [...lines, lines[0]!]);
    expect(failed(await verifyBundle(folder))).toContain('files.jsonl names custody.jsonl twice');
  });

  test('what it says drives no terminal and forges no line', async () => {
    const hostile = 'x\u001b[2J\nEVERYTHING HOLDS\u202e';
    await change(BUNDLE_FILES.manifest, (text) => {
      const manifest = JSON.parse(text) as Manifest;
      manifest.exhibits[0]!.id = hostile;
      manifest.decisions[0]!.approver = hostile;
      return JSON.stringify(manifest);
    });
    await writeFile(file(`evidence/${hostile.replaceAll('/', '')}`), 'x');
    const text = verdictText(await verifyBundle(folder), {});
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(text.split('\n')).not.toContain('EVERYTHING HOLDS');
    expect(text).toContain('x\\x1b[2J\\nEVERYTHING HOLDS\\u202e');
    expect(text.split('\n').at(-1)).toMatch(/^NOT INTACT\. First broken link: /);
  });
});

describe('an archive by somebody who means harm', () => {
  const archive = async (headers: Headers, content = 'x'): Promise<string> => {
    const tar = pack();
    if (headers.type === undefined || headers.type === 'file') tar.entry(headers, content);
    else tar.entry(headers);
    tar.finalize();
    const packed = path.join(folder, 'hostile.tar.gz');
    await pipeline(tar, createGzip(), createWriteStream(packed));
    return packed;
  };

  test.each<[string, Headers, string]>([
    ['a path that leads out', { name: '../../out.txt' }, 'lies outside of it'],
    ['an absolute path', { name: '/tmp/out.txt' }, 'lies outside of it'],
    ['a link', { name: 'seal.json', type: 'symlink', linkname: '/etc/passwd' }, 'is a symlink'],
    ['a pipe', { name: 'seal.json', type: 'fifo' }, 'is a fifo'],
  ])('%s is not unpacked', async (_what, headers, message) => {
    const packed = await archive(headers);
    const target = await mkdtemp(path.join(folder, 'target-'));
    await expect(unpackBundle(packed, target)).rejects.toThrow(message);
    expect(await readdir(target)).toEqual([]);
  });

  test('one that is cut short is unreadable', async () => {
    const whole = path.join(folder, '..', `${path.basename(folder)}.tar.gz`);
    await packBundle(folder, 'case', whole);
    await truncate(whole, 600);
    const target = await mkdtemp(path.join(folder, 'target-'));
    await expect(unpackBundle(whole, target)).rejects.toThrow(UnreadableBundle);
    await rm(whole);
  });

  test('another file is said to be none', async () => {
    await expect(unpackBundle(file(BUNDLE_FILES.seal), folder)).rejects.toThrow('neither a folder nor');
  });
});
