import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { BUNDLE_FILES, linesOf as lines, type Manifest, sealOf, type SealedFile } from '../../../domain/custody/bundle';
import { appendEntry, canonicalBytes, emptyChain, headOf } from '../../../domain/custody/chain';
import type { CustodyDraft, CustodyEntry } from '../../../domain/custody/entry';

export const CASE_ID = '111122223333.us-east-1.i-0000000000000000a.1';
export const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const at = '2026-11-22T07:00:00.000Z';
const MEMORY = Buffer.from('bytes of a memory image');

export const newKey = (curve = 'P-256') => generateKeyPairSync('ec', { namedCurve: curve });

function entries(): CustodyEntry[] {
  const service = { name: 'arn:aws:sts::444455556666:assumed-role/worker/1', knownBy: 'service' } as const;
  const drafts: Omit<CustodyDraft, 'entryId'>[] = [
    { kind: 'case-opened', message: 'opened', actor: service, at, notify: true },
    {
      kind: 'decision-taken',
      message: 'approved',
      actor: { name: 'ann', knownBy: 'claimed' },
      at,
      notify: true,
      data: { checkpoint: 'isolation', verdict: 'approve', approver: 'ann', planHash: 'a'.repeat(64) },
    },
    {
      kind: 'exhibit-acquired',
      message: 'memory acquired',
      actor: service,
      at,
      notify: false,
      data: { exhibit: 'memory', sha256: sha256(MEMORY) },
    },
    { kind: 'case-closed', message: 'closed', actor: service, at, notify: true },
  ];
  let head = emptyChain(CASE_ID);
  return drafts.map((draft, index) => {
    const entry = appendEntry(head, { entryId: `entry-${index}`, ...draft });
    head = headOf(entry);
    return entry;
  });
}

const manifest: Manifest = {
  caseId: CASE_ID,
  exhibits: [
    {
      id: 'memory',
      kind: 'memory',
      source: 'i-0000000000000000a',
      sha256: sha256(MEMORY),
      sizeBytes: MEMORY.length,
      location: { s3: { bucket: 'evidence', key: 'memory' } },
      acquiredAt: at,
      tool: { name: 'avml', version: '0.21.0' },
      notes: [],
      path: 'evidence/memory.lime',
    },
  ],
  missing: [],
  derived: [],
  decisions: [
    { checkpoint: 'isolation', verdict: 'approve', approver: 'ann', planHash: 'a'.repeat(64), decidedAt: at },
  ],
};

const digestsOfLines = (text: string): string[] => text.split('\n').slice(0, -1).map(sha256);

/** Writes a bundle as the sealing of a case does. */
export async function writeBundle(privateKey: KeyObject, publicKey: KeyObject): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'bundle-'));
  const log = entries();
  const contents: Record<string, string | Buffer> = {
    [BUNDLE_FILES.custodyLog]: lines(log),
    [BUNDLE_FILES.manifest]: JSON.stringify(manifest),
    'evidence/memory.lime': MEMORY,
    'history/case.jsonl': lines([1, 2, 3].map((eventId) => ({ eventId }))),
  };
  const files: SealedFile[] = [];
  for (const [name, content] of Object.entries(contents).sort(([a], [b]) => (a < b ? -1 : 1))) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
    files.push({
      path: name,
      sizeBytes: content.length,
      sha256: sha256(content),
      ...(name.startsWith('evidence/') && { mayBeAbsent: true as const }),
      ...(name.endsWith('.jsonl') && { lines: digestsOfLines(content.toString()) }),
    });
  }
  const seal = sealOf(headOf(log.at(-1)!), files, at);
  const digestName = publicKey.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
  await writeFile(path.join(folder, BUNDLE_FILES.list), lines(files));
  await writeFile(path.join(folder, BUNDLE_FILES.seal), JSON.stringify(seal));
  await writeFile(
    path.join(folder, BUNDLE_FILES.signature),
    sign(digestName, canonicalBytes(seal), privateKey).toString('base64'),
  );
  await writeFile(path.join(folder, BUNDLE_FILES.publicKey), publicKey.export({ type: 'spki', format: 'pem' }));
  return folder;
}
