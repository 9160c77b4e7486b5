import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Location } from '../../domain/evidence';

/** Opens an object of the evidence bucket, at the version that the case recorded, with the caller's own credentials. */
export async function openEvidenceObject(location: S3Location): Promise<Readable> {
  const s3 = new S3Client({ forcePathStyle: process.env.AWS_S3_FORCE_PATH_STYLE === 'true' });
  const answer = await s3.send(
    new GetObjectCommand({
      Bucket: location.bucket,
      Key: location.key,
      ...(location.versionId !== undefined && { VersionId: location.versionId }),
    }),
  );
  return answer.Body as Readable;
}

/**
 * Writes an object to a file, and gives it its name only when its SHA-256 is the one that the case recorded.
 * @throws Error when it is not; the bytes stay beside it as `.part`
 */
export async function fetchEvidence(location: S3Location & { sha256: string }, file: string): Promise<void> {
  const hash = createHash('sha256');
  const unchecked = `${file}.part`;
  await mkdir(path.dirname(file), { recursive: true });
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(await openEvidenceObject(location), tap, createWriteStream(unchecked));
  const found = hash.digest('hex');
  if (found !== location.sha256) {
    throw new Error(
      `${unchecked} has SHA-256 ${found}, the case recorded ${location.sha256}: the object is not what was written; do not use it`,
    );
  }
  await rename(unchecked, file);
}
