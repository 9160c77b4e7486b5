import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BUNDLE_FILES, type EvidenceKind, evidenceFolder, type SealedCase } from '../../domain/custody/bundle';
import type { S3Location } from '../../domain/evidence';
import { fetchEvidence, openEvidenceObject } from '../cli/evidence-objects';
import { BundleReader } from '../verify/bundle-reader';
import { asFiles } from '../verify/bundle-shapes';

export interface FetchedBundle {
  folder: string;
  /** Files that came, and evidence that was left out. */
  fetched: number;
  leftOut: number;
}

/** Objects that are fetched at once. */
const FETCHES_AT_ONCE = 4;

/**
 * Downloads a sealed case into a folder, evidence by choice. Each object is taken in the version that was sealed and compared with its
 * digest on the way; whether the seal itself holds is for `verifyBundle` to say.
 * @throws Error when an object has another digest, or S3 refuses
 */
export async function fetchBundle(
  { bundle: { bucket, prefix }, sealObject }: Pick<SealedCase, 'bundle' | 'sealObject'>,
  folder: string,
  kinds: readonly EvidenceKind[],
): Promise<FetchedBundle> {
  await mkdir(folder, { recursive: true });
  const own: [string, S3Location][] = [
    [BUNDLE_FILES.seal, sealObject],
    ...[BUNDLE_FILES.signature, BUNDLE_FILES.publicKey, BUNDLE_FILES.list].map((name): [string, S3Location] => [
      name,
      { bucket, key: `${prefix}${name}` },
    ]),
  ];
  for (const [name, object] of own)
    await pipeline(await openEvidenceObject(object), createWriteStream(path.join(folder, name)));
  const reader = new BundleReader(folder);
  const files = asFiles(await reader.records(BUNDLE_FILES.list));
  const wanted = files.filter(
    ({ path: name, mayBeAbsent }) => !mayBeAbsent || kinds.some((kind) => name.startsWith(evidenceFolder(kind))),
  );
  for (let from = 0; from < wanted.length; from += FETCHES_AT_ONCE) {
    await Promise.all(
      wanted.slice(from, from + FETCHES_AT_ONCE).map(async ({ path: name, sha256, object }) => {
        const location = object ?? { bucket, key: `${prefix}${name}` };
        await fetchEvidence({ ...location, sha256 }, reader.place(name));
      }),
    );
  }
  return { folder, fetched: own.length + wanted.length, leftOut: files.length - wanted.length };
}
