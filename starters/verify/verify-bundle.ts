import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { BUNDLE_FILES, type Manifest, rootOfFiles, type Seal, type SealedFile } from '../../domain/custody/bundle';
import { canonicalBytes, verifyChain } from '../../domain/custody/chain';
import type { CustodyEntry } from '../../domain/custody/entry';
import { BundleReader, UnreadableBundle } from './bundle-reader';
import { asEntries, asFiles, asManifest, asSeal } from './bundle-shapes';
import type { Check } from './check';
import { type ExhibitVerdict, exhibitVerdict, vanishedExhibits } from './exhibit-checks';

export interface BundleVerdict {
  holds: boolean;
  caseId: string;
  sealedAt: string;
  /** SHA-256 (hexadecimal) of the public key in DER: compare it with what the owner of the case tells by another way. */
  keyFingerprint: string;
  /** In the order in which one builds on the other. */
  checks: Check[];
  exhibits: ExhibitVerdict[];
  /** The first thing that does not hold. */
  firstBroken?: { what: string; detail: string };
}

/** What the reader knows from elsewhere. */
export interface Known {
  /** PEM of the key that must have signed; without it the bundle's own key counts, and its fingerprint is the one thing to compare. */
  publicKey?: string;
  /** Where the custody log stood at some time before the seal, as a notification told it. */
  head?: { sequence: number; hash: string };
}

/**
 * Checks a bundle with what lies in it: no network, no AWS, no Temporal. All checks are made, whatever fails before them.
 * @throws UnreadableBundle when seal, file list or key cannot be read at all
 */
export async function verifyBundle(folder: string, known: Known = {}): Promise<BundleVerdict> {
  const reader = new BundleReader(folder);
  const seal = asSeal(await reader.json(BUNDLE_FILES.seal));
  const files = asFiles(await reader.records(BUNDLE_FILES.list));
  for (const { path } of files) reader.place(path);
  const key = publicKey(known.publicKey ?? (await reader.text(BUNDLE_FILES.publicKey)));
  const log = await attempt('custody log', async () => asEntries(await reader.records(BUNDLE_FILES.custodyLog)));
  const manifest = await attempt('manifest', async () => asManifest(await reader.json(BUNDLE_FILES.manifest)));
  const entries = 'value' in log ? log.value : [];
  const ofFiles: Check[] = [];
  for (const file of files) ofFiles.push(await fileCheck(reader, file));
  const checks: Check[] = [
    await signatureCheck(reader, seal, key),
    listCheck(seal, files),
    'value' in log ? chainCheck(entries, seal) : log.failed,
    ...(known.head ? [headCheck(known.head, entries, seal)] : []),
    ...('failed' in manifest
      ? [manifest.failed]
      : [
          caseCheck(manifest.value, seal),
          ...decisionChecks(manifest.value, entries),
          vanishedExhibits(manifest.value, entries),
        ]),
    ...ofFiles,
    await strangersCheck(reader, files),
  ];
  const exhibits: ExhibitVerdict[] = [];
  for (const exhibit of 'value' in manifest ? manifest.value.exhibits : [])
    exhibits.push(await exhibitVerdict(exhibit, { reader, entries, files, checks: ofFiles }));
  const firstBroken =
    checks.find(({ holds }) => !holds) ??
    exhibits
      .filter(({ verdict }) => verdict === 'broken')
      .map(({ id, detail }) => ({ what: `exhibit ${id}`, detail }))
      .at(0);
  return {
    holds: firstBroken === undefined,
    caseId: seal.caseId,
    sealedAt: seal.sealedAt,
    keyFingerprint: createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
    checks,
    exhibits,
    ...(firstBroken && { firstBroken: { what: firstBroken.what, detail: firstBroken.detail } }),
  };
}

function publicKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch {
    throw new UnreadableBundle('the public key is no PEM of a public key');
  }
}

async function attempt<T>(what: string, read: () => Promise<T>): Promise<{ value: T } | { failed: Check }> {
  try {
    return { value: await read() };
  } catch (error) {
    if (!(error instanceof UnreadableBundle)) throw error;
    return { failed: { what, holds: false, detail: error.message } };
  }
}

async function signatureCheck(reader: BundleReader, seal: Seal, key: KeyObject): Promise<Check> {
  const what = 'signature of the seal';
  const text = await attempt(what, () => reader.text(BUNDLE_FILES.signature));
  if ('failed' in text) return text.failed;
  const digestName = key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
  const holds = verify(digestName, canonicalBytes(seal), key, Buffer.from(text.value.trim(), 'base64'));
  return {
    what,
    holds,
    detail: holds ? 'by the key below' : `${BUNDLE_FILES.seal} was altered, or another key signed it`,
  };
}

function listCheck(seal: Seal, files: SealedFile[]): Check {
  const what = 'list of files';
  const named = new Set<string>();
  for (const { path } of files) {
    if (named.has(path)) return { what, holds: false, detail: `${BUNDLE_FILES.list} names ${path} twice` };
    named.add(path);
  }
  const root = rootOfFiles(files);
  if (root === seal.files.merkleRoot)
    return { what, holds: true, detail: `${files.length} files, Merkle root ${root}` };
  return {
    what,
    holds: false,
    detail: `${BUNDLE_FILES.list} was altered: its Merkle root is ${root}, sealed was ${seal.files.merkleRoot}`,
  };
}

async function fileCheck(reader: BundleReader, file: SealedFile): Promise<Check> {
  const what = file.path;
  const read = await attempt(what, () => reader.digest(file.path));
  if ('failed' in read) return read.failed;
  const found = read.value;
  if (!found)
    return file.mayBeAbsent
      ? { what, holds: true, detail: 'not included in this bundle', file: 'absent' }
      : { what, holds: false, detail: 'missing' };
  if (found.sha256 === file.sha256)
    return { what, holds: true, detail: `${found.sizeBytes} bytes, SHA-256 ${found.sha256}`, file: 'included' };
  const line = file.lines && (await reader.firstAlteredLine(file.path, file.lines));
  const where = line === undefined ? '' : `, first at line ${line}`;
  return {
    what,
    holds: false,
    detail: `altered${where}: SHA-256 is ${found.sha256} (${found.sizeBytes} bytes), sealed was ${file.sha256} (${file.sizeBytes} bytes)`,
  };
}

/** A file that nobody sealed could pass for evidence. */
async function strangersCheck(reader: BundleReader, files: SealedFile[]): Promise<Check> {
  const own = [BUNDLE_FILES.seal, BUNDLE_FILES.signature, BUNDLE_FILES.publicKey, BUNDLE_FILES.list];
  const known = new Set<string>([...own, ...files.map(({ path }) => path)]);
  const strangers = (await reader.files()).filter((name) => !known.has(name));
  return {
    what: 'nothing else in the bundle',
    holds: strangers.length === 0,
    detail: strangers.length === 0 ? 'every file is sealed' : `never sealed: ${strangers.join(', ')}`,
  };
}

function chainCheck(entries: CustodyEntry[], seal: Seal): Check {
  const what = 'custody log';
  const verdict = verifyChain(entries, seal.caseId, { caseId: seal.caseId, ...seal.custody });
  if (!verdict.holds)
    return { what, holds: false, detail: `${BUNDLE_FILES.custodyLog} line ${verdict.line}: ${verdict.problem}` };
  if (verdict.head.sequence !== seal.custody.sequence) {
    const line = seal.custody.sequence + 1;
    return { what, holds: false, detail: `${BUNDLE_FILES.custodyLog} line ${line}: added after the seal` };
  }
  return { what, holds: true, detail: `${entries.length} entries, each follows the one before it` };
}

function headCheck(head: NonNullable<Known['head']>, entries: readonly CustodyEntry[], seal: Seal): Check {
  const what = 'known end of the log';
  const is = (holds: boolean, detail: string): Check => ({ what, holds, detail });
  if (head.sequence > seal.custody.sequence)
    return is(
      false,
      `entry ${head.sequence} was not sealed: the seal ends at entry ${seal.custody.sequence}. Either it was written after the seal ` +
        '(then take a notification from before it), or the log was cut short before it was sealed',
    );
  const entry = entries.find(({ sequence }) => sequence === head.sequence);
  if (entry?.hash === head.hash) return is(true, `entry ${head.sequence} is the one that was told`);
  return is(
    false,
    `${BUNDLE_FILES.custodyLog} line ${head.sequence}: entry ${head.sequence} has hash ${entry?.hash ?? 'none'}, told was ${head.hash}: ` +
      'the log is not the one that people were told of',
  );
}

const caseCheck = (manifest: Manifest, seal: Seal): Check => ({
  what: 'manifest',
  holds: manifest.caseId === seal.caseId,
  detail: `of case ${manifest.caseId}${manifest.caseId === seal.caseId ? '' : `, but ${seal.caseId} was sealed`}`,
});

function decisionChecks(manifest: Manifest, entries: CustodyEntry[]): Check[] {
  return manifest.decisions.map((decision) => {
    const what = `decision on ${decision.checkpoint}`;
    const told = entries.filter(
      ({ kind, data }) => kind === 'decision-taken' && data?.checkpoint === decision.checkpoint,
    );
    // A checkpoint may ask for more than one decision.
    const same = told.find(
      ({ data }) =>
        data?.verdict === decision.verdict &&
        data.approver === decision.approver &&
        data.planHash === decision.planHash,
    );
    const entry = same ?? told[0];
    const said = `${decision.verdict} by ${decision.approver}`;
    return {
      what,
      holds: same !== undefined,
      detail: same
        ? `${said}, entry ${same.sequence} of the custody log`
        : `the manifest says ${said}, ${entry ? `entry ${entry.sequence} of the custody log says otherwise` : 'the custody log knows of none'}`,
    };
  });
}
