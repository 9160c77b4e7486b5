import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import {
  BUNDLE_FILES,
  BUNDLE_FORMAT,
  type Manifest,
  rootOfFiles,
  type Seal,
  type SealedFile,
} from '../../domain/custody/bundle';
import { canonicalBytes, verifyChain } from '../../domain/custody/chain';
import type { CustodyEntry } from '../../domain/custody/entry';
import { BundleReader, UnreadableBundle } from './bundle-reader';

export interface Check {
  what: string;
  holds: boolean;
  /** What was found; of a failed check what is wrong, with file and line. */
  detail: string;
}

export interface ExhibitVerdict {
  id: string;
  sha256: string;
  /** `intact`: its bytes are in the bundle and have this digest. `not-included`: only its digest is vouched for. */
  verdict: 'intact' | 'not-included' | 'broken';
  detail: string;
}

export interface BundleVerdict {
  holds: boolean;
  caseId: string;
  sealedAt: string;
  /** SHA-256 (hexadecimal) of the public key in DER: compare it with what the owner of the case tells by another way. */
  keyFingerprint: string;
  checks: Check[];
  exhibits: ExhibitVerdict[];
}

/**
 * Checks a bundle with what lies in it: no network, no AWS, no Temporal. All checks are made, whatever fails before them.
 * @param trustedKey PEM of the key that must have signed; without it the bundle's own key counts, and its fingerprint is
 * the one thing that the reader must know from elsewhere
 * @throws UnreadableBundle when seal or file list cannot be read at all
 */
export async function verifyBundle(folder: string, trustedKey?: string): Promise<BundleVerdict> {
  const reader = new BundleReader(folder);
  const seal = asSeal(await reader.json(BUNDLE_FILES.seal));
  const files = (await reader.records(BUNDLE_FILES.list)) as SealedFile[];
  const key = publicKey(trustedKey ?? (await reader.text(BUNDLE_FILES.publicKey)));
  const checks: Check[] = [
    await signatureCheck(reader, seal, key),
    listCheck(seal, files),
    ...(await Promise.all(files.map((file) => fileCheck(reader, file)))),
    await strangersCheck(reader, files),
  ];
  const log = await attempt(
    'custody log',
    async () => (await reader.records(BUNDLE_FILES.custodyLog)) as CustodyEntry[],
  );
  const manifest = await attempt('manifest', async () => (await reader.json(BUNDLE_FILES.manifest)) as Manifest);
  const entries = 'value' in log ? log.value : [];
  checks.push('value' in log ? chainCheck(entries, seal) : log.failed);
  if ('failed' in manifest) checks.push(manifest.failed);
  else checks.push(...decisionChecks(manifest.value, entries));
  const exhibits =
    'value' in manifest
      ? manifest.value.exhibits.map((exhibit) => exhibitVerdict(exhibit, entries, files, checks))
      : [];
  return {
    holds: checks.every(({ holds }) => holds) && exhibits.every(({ verdict }) => verdict !== 'broken'),
    caseId: seal.caseId,
    sealedAt: seal.sealedAt,
    keyFingerprint: createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
    checks,
    exhibits,
  };
}

function asSeal(value: unknown): Seal {
  const seal = value as Partial<Seal> | null;
  if (seal?.format !== BUNDLE_FORMAT)
    throw new UnreadableBundle(
      `${BUNDLE_FILES.seal} is not of format ${BUNDLE_FORMAT}: this verifier does not know it`,
    );
  if (
    typeof seal.caseId !== 'string' ||
    typeof seal.custody?.hash !== 'string' ||
    typeof seal.files?.merkleRoot !== 'string'
  )
    throw new UnreadableBundle(`${BUNDLE_FILES.seal} lacks caseId, custody or files`);
  return seal as Seal;
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
  const signature = Buffer.from((await reader.text(BUNDLE_FILES.signature)).trim(), 'base64');
  const digestName = key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
  const holds = verify(digestName, canonicalBytes(seal), key, signature);
  return {
    what,
    holds,
    detail: holds ? 'by the key below' : `${BUNDLE_FILES.seal} was altered, or another key signed it`,
  };
}

function listCheck(seal: Seal, files: SealedFile[]): Check {
  const what = 'list of files';
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
  const found = await reader.digest(file.path);
  if (!found) {
    const detail = file.mayBeAbsent ? 'not included in this bundle' : 'missing';
    return { what, holds: file.mayBeAbsent === true, detail };
  }
  if (found.sha256 === file.sha256)
    return { what, holds: true, detail: `${found.sizeBytes} bytes, SHA-256 ${found.sha256}` };
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
  const known = new Set<string>([...own, 'verify.cjs', ...files.map(({ path }) => path)]);
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

function decisionChecks(manifest: Manifest, entries: CustodyEntry[]): Check[] {
  return manifest.decisions.map((decision) => {
    const what = `decision on ${decision.checkpoint}`;
    const entry = entries.find(
      ({ kind, data }) => kind === 'decision-taken' && data?.checkpoint === decision.checkpoint,
    );
    const same =
      entry?.data?.verdict === decision.verdict &&
      entry.data.approver === decision.approver &&
      entry.data.planHash === decision.planHash;
    const said = `${decision.verdict} by ${decision.approver}`;
    return {
      what,
      holds: same,
      detail: same
        ? `${said}, entry ${entry.sequence} of the custody log`
        : `the manifest says ${said}, ${entry ? `entry ${entry.sequence} of the custody log says otherwise` : 'the custody log knows of none'}`,
    };
  });
}

function exhibitVerdict(
  exhibit: Manifest['exhibits'][number],
  entries: CustodyEntry[],
  files: SealedFile[],
  checks: Check[],
): ExhibitVerdict {
  const { id, sha256, path } = exhibit;
  const entry = entries.find(({ kind, data }) => kind === 'exhibit-acquired' && data?.exhibit === id);
  const broken = (detail: string): ExhibitVerdict => ({ id, sha256, verdict: 'broken', detail });
  if (!entry) return broken('the custody log knows of no such exhibit');
  if (entry.data?.sha256 !== sha256)
    return broken(
      `the manifest says ${sha256}, entry ${entry.sequence} of the custody log says ${String(entry.data?.sha256)}`,
    );
  if (path === undefined) return { id, sha256, verdict: 'not-included', detail: 'acquired, not part of the bundle' };
  const file = files.find((one) => one.path === path);
  if (file?.sha256 !== sha256) return broken(`${path} is sealed with another digest: ${file?.sha256 ?? 'none'}`);
  const check = checks.find(({ what }) => what === path);
  if (!check?.holds) return broken(check?.detail ?? 'not checked');
  const included = check.detail !== 'not included in this bundle';
  return {
    id,
    sha256,
    verdict: included ? 'intact' : 'not-included',
    detail: `entry ${entry.sequence} of the custody log`,
  };
}
