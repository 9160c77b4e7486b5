import { generateKeyPairSync, sign } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BUNDLE_FILES, linesOf, type Manifest, type Seal, type SealedFile } from '../../../domain/custody/bundle';
import { appendEntry, canonicalBytes, emptyChain, headOf } from '../../../domain/custody/chain';
import type { CustodyEntry } from '../../../domain/custody/entry';
import { sha256 } from './bundles';

/** A sealed bundle in the hands of an insider: he may change every file, and computes anew every digest that he can. */
export class BundleInHand {
  constructor(readonly folder: string) {}

  file(name: string): string {
    return path.join(this.folder, name);
  }

  async change(name: string, edit: (text: string) => string): Promise<void> {
    const before = await readFile(this.file(name), 'utf8');
    const after = edit(before);
    if (after === before) throw new Error(`${name} was not changed`);
    await writeFile(this.file(name), after);
  }

  changeLines(name: string, edit: (lines: string[]) => string[]): Promise<void> {
    return this.change(name, (text) => `${edit(text.split('\n').slice(0, -1)).join('\n')}\n`);
  }

  /** Edits one entry, from 1, and computes every hash anew from there. */
  rewriteLog(line: number, edit: (entry: CustodyEntry) => Partial<CustodyEntry>): Promise<void> {
    return this.change(BUNDLE_FILES.custodyLog, (text) => {
      const entries = text
        .split('\n')
        .slice(0, -1)
        .map((one) => JSON.parse(one) as CustodyEntry);
      let head = emptyChain(entries[0]!.caseId);
      const rewritten = entries.map((entry, index) => {
        const { hash: _hash, previous: _previous, sequence: _sequence, caseId: _caseId, ...draft } = entry;
        const next = appendEntry(head, index + 1 === line ? { ...draft, ...edit(entry) } : draft);
        head = headOf(next);
        return next;
      });
      return linesOf(rewritten);
    });
  }

  /** The list says of the file what it is now. */
  async coverUp(name: string): Promise<void> {
    const content = await readFile(this.file(name));
    await this.changeLines(BUNDLE_FILES.list, (lines) =>
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

  async manifest(): Promise<Manifest> {
    return JSON.parse(await readFile(this.file(BUNDLE_FILES.manifest), 'utf8')) as Manifest;
  }
}

export interface Alteration {
  what: string;
  alter: (bundle: BundleInHand) => Promise<void>;
  /** What the verifier must name; `n` is the number of entries in the log. */
  names: (n: number, bundle: BundleInHand) => Promise<string | RegExp> | string | RegExp;
}

const memoryPath = async (bundle: BundleInHand): Promise<string> =>
  (await bundle.manifest()).exhibits.find(({ id }) => id === 'memory')!.path!;

const blocksPath = async (bundle: BundleInHand): Promise<string> => {
  const list = await readFile(bundle.file(BUNDLE_FILES.list), 'utf8');
  return /"path":"(evidence\/blocks\/[^"]+)"/.exec(list)![1]!;
};

/** What must never pass unnoticed. */
export const ALTERATIONS: Alteration[] = [
  {
    what: 'one byte of an exhibit',
    alter: async (bundle) => bundle.change(await memoryPath(bundle), (text) => text.replace('bytes', 'bytez')),
    names: async (_n, bundle) => `${await memoryPath(bundle)}: altered`,
  },
  {
    what: 'an entry removed',
    alter: (bundle) => bundle.changeLines(BUNDLE_FILES.custodyLog, (lines) => lines.toSpliced(2, 1)),
    names: () => 'custody.jsonl line 3: it is entry 4 where entry 3 must stand',
  },
  {
    what: 'entries in another order',
    alter: (bundle) =>
      bundle.changeLines(BUNDLE_FILES.custodyLog, (lines) => lines.toSpliced(2, 2, lines[3]!, lines[2]!)),
    names: () => 'custody.jsonl line 3: it is entry 4',
  },
  {
    what: 'an entry edited, and every hash computed anew from there',
    alter: (bundle) => bundle.rewriteLog(2, () => ({ message: 'nothing happened' })),
    names: (n) =>
      new RegExp(`custody\\.jsonl line ${n}: entry ${n} is not the one that was sealed[^]*altered, first at line 2`),
  },
  {
    what: 'the log cut short',
    alter: (bundle) => bundle.changeLines(BUNDLE_FILES.custodyLog, (lines) => lines.slice(0, -1)),
    names: (n) => `custody.jsonl line ${n}: the log ends at entry ${n - 1}, but entry ${n} was sealed`,
  },
  {
    what: 'an exhibit swapped for another, its hash replaced in the manifest and in the list',
    alter: async (bundle) => {
      const name = await memoryPath(bundle);
      await writeFile(bundle.file(name), 'another image');
      await bundle.change(BUNDLE_FILES.manifest, (text) => {
        const manifest = JSON.parse(text) as Manifest;
        manifest.exhibits.find(({ id }) => id === 'memory')!.sha256 = sha256('another image');
        return JSON.stringify(manifest);
      });
      await bundle.coverUp(name);
      await bundle.coverUp(BUNDLE_FILES.manifest);
    },
    names: () =>
      /list of files: files\.jsonl was altered[^]*memory: the manifest says [0-9a-f]{64}, entry \d+ of the custody log says/,
  },
  {
    what: 'a signature by another key',
    alter: async (bundle) => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const seal = JSON.parse(await readFile(bundle.file(BUNDLE_FILES.seal), 'utf8')) as Seal;
      await writeFile(
        bundle.file(BUNDLE_FILES.signature),
        sign('sha256', canonicalBytes(seal), privateKey).toString('base64'),
      );
    },
    names: () => 'signature of the seal: seal.json was altered, or another key signed it',
  },
  {
    what: 'a decision altered in the manifest',
    alter: async (bundle) => {
      await bundle.change(BUNDLE_FILES.manifest, (text) => {
        const manifest = JSON.parse(text) as Manifest;
        manifest.decisions[0]!.verdict = 'reject';
        return JSON.stringify(manifest);
      });
      await bundle.coverUp(BUNDLE_FILES.manifest);
    },
    names: () => /decision on isolation: the manifest says reject by ann, entry \d+ of the custody log says otherwise/,
  },
  {
    what: 'a decision altered in the log, and every hash computed anew',
    alter: async (bundle) => {
      const log = await readFile(bundle.file(BUNDLE_FILES.custodyLog), 'utf8');
      const line = log.split('\n').findIndex((one) => one.includes('"decision-taken"')) + 1;
      await bundle.rewriteLog(line, ({ data }) => ({ data: { ...data, approver: 'eve' } }));
      await bundle.coverUp(BUNDLE_FILES.custodyLog);
    },
    names: (n) => `custody.jsonl line ${n}: entry ${n} is not the one that was sealed`,
  },
  {
    what: 'an event of a Temporal history',
    alter: (bundle) =>
      bundle.changeLines('history/case.jsonl', (lines) =>
        lines.map((line, index) => (index === 1 ? line.replace(/"eventId":"?2"?/, '"eventId":"9"') : line)),
      ),
    names: () => 'history/case.jsonl: altered, first at line 2',
  },
  {
    what: 'a file of the bundle taken away',
    alter: (bundle) => rm(bundle.file('history/case.jsonl')),
    names: () => 'history/case.jsonl: missing',
  },
  {
    what: 'an exhibit left out of the manifest',
    alter: async (bundle) => {
      await bundle.change(BUNDLE_FILES.manifest, (text) => {
        const manifest = JSON.parse(text) as Manifest;
        manifest.exhibits = manifest.exhibits.filter(({ id }) => id !== 'memory');
        return JSON.stringify(manifest);
      });
      await bundle.coverUp(BUNDLE_FILES.manifest);
    },
    names: () => /the manifest lacks memory, entry \d+ of the custody log/,
  },
  {
    what: 'the digest of a block of a disk',
    alter: async (bundle) => {
      const list = await blocksPath(bundle);
      await bundle.change(list, (text) => text.replace(/^3 ../m, '3 zz'));
      await bundle.coverUp(list);
    },
    names: () => /list of files: files\.jsonl was altered[^]*vol-\w+: /,
  },
  {
    what: 'the Merkle root of a disk in the manifest',
    alter: async (bundle) => {
      await bundle.change(BUNDLE_FILES.manifest, (text) => text.replace(/("merkleRoot": ")[0-9a-f]{4}/, '$10000'));
      await bundle.coverUp(BUNDLE_FILES.manifest);
    },
    names: () => /vol-\w+: the manifest says Merkle root 0000[0-9a-f]{60}, entry \d+ of the custody log says/,
  },
];
