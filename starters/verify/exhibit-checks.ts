import type { Manifest, SealedFile } from '../../domain/custody/bundle';
import { BlockTree, blockOfLine } from '../../domain/custody/block-digests';
import type { CustodyEntry } from '../../domain/custody/entry';
import type { BundleReader } from './bundle-reader';
import type { Check } from './check';

export interface ExhibitVerdict {
  id: string;
  sha256: string;
  /**
   * `intact`: its bytes are in the bundle and have this digest. `blocks-intact`: of a disk, the digests of its blocks are, and lead to
   * its Merkle root. `not-included`: only its digest is vouched for.
   */
  verdict: 'intact' | 'blocks-intact' | 'not-included' | 'broken';
  detail: string;
}

type SealedExhibit = Manifest['exhibits'][number];

/** What is needed beside the manifest. `checks` are those of the files, each named by its path. */
export interface ExhibitEvidence {
  reader: BundleReader;
  entries: readonly CustodyEntry[];
  files: readonly SealedFile[];
  checks: readonly Check[];
}

/** An exhibit of the manifest must be the one that the custody log tells of, and its bytes those that were sealed. */
export async function exhibitVerdict(exhibit: SealedExhibit, evidence: ExhibitEvidence): Promise<ExhibitVerdict> {
  const { id, sha256, path, blocks } = exhibit;
  const { entries, files, checks } = evidence;
  const is = (verdict: ExhibitVerdict['verdict'], detail: string): ExhibitVerdict => ({ id, sha256, verdict, detail });
  const entry = entries.find(({ kind, data }) => kind === 'exhibit-acquired' && data?.exhibit === id);
  if (!entry) return is('broken', 'the custody log knows of no such exhibit');
  const where = `entry ${entry.sequence} of the custody log`;
  if (entry.data?.sha256 !== sha256)
    return is('broken', `the manifest says ${sha256}, ${where} says ${String(entry.data?.sha256)}`);
  const [acquired, stated] = [rootOf(entry.data.blocks), blocks?.merkleRoot ?? 'none'];
  if (acquired !== stated) return is('broken', `the manifest says Merkle root ${stated}, ${where} says ${acquired}`);
  if (path !== undefined) {
    const file = files.find((one) => one.path === path);
    if (file?.sha256 !== sha256)
      return is('broken', `${path} is sealed with another digest: ${file?.sha256 ?? 'none'}`);
    const check = checks.find(({ what }) => what === path);
    if (!check?.holds) return is('broken', check?.detail ?? 'not checked');
    return is(check.file === 'absent' ? 'not-included' : 'intact', where);
  }
  const list =
    blocks && files.find(({ object }) => object?.key === blocks.list.key && object.versionId === blocks.list.versionId);
  const check = list && checks.find(({ what }) => what === list.path);
  if (!list || !check || check.file === 'absent')
    return is('not-included', `${where}; its blocks are not in this bundle`);
  if (!check.holds) return is('broken', check.detail);
  const root = await rootOfList(evidence.reader, list.path, blocks.count);
  if (root !== blocks.merkleRoot)
    return is('broken', `${list.path} leads to Merkle root ${root}, the manifest says ${blocks.merkleRoot}`);
  return is('blocks-intact', `${where}; ${blocks.count} blocks, Merkle root ${root}`);
}

/** Of the digests of blocks in an entry of the log. */
const rootOf = (blocks: unknown): string =>
  typeof blocks === 'object' && blocks !== null && 'merkleRoot' in blocks && typeof blocks.merkleRoot === 'string'
    ? blocks.merkleRoot
    : 'none';

/** The Merkle root, or what is wrong with the list. */
async function rootOfList(reader: BundleReader, path: string, count: number): Promise<string> {
  const tree = new BlockTree();
  try {
    for await (const line of reader.lines(path)) tree.add(blockOfLine(line));
    return tree.root(count);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return `none (${error.message})`;
    throw error;
  }
}

/** What the log tells of and the manifest leaves out: an exhibit may not vanish between the two. */
export function vanishedExhibits(manifest: Manifest, entries: readonly CustodyEntry[]): Check {
  const named = new Set(manifest.exhibits.map(({ id }) => id));
  const vanished = entries.filter(({ kind, data }) => kind === 'exhibit-acquired' && !named.has(String(data?.exhibit)));
  const [first] = vanished;
  return {
    what: 'exhibits of the custody log',
    holds: !first,
    detail: first
      ? `the manifest lacks ${vanished.map(({ data }) => String(data?.exhibit)).join(', ')}, entry ${first.sequence} of the custody log`
      : 'all of them are in the manifest',
  };
}
