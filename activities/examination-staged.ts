import { createHash } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { S3Location } from '../domain/evidence';
import { awsStep } from './aws/errors';
import type { CopySource } from './evidence-copy';

/** What a compressed timeline may grow to: text of this kind shrinks to a twentieth, a bomb to a thousandth. */
const MOST_GROWTH = 100;
const GROWTH_ALLOWANCE = 64 * 1024 ** 2;
const HEARTBEAT_MS = 1_000;

/** Streams a staged object: its digest, and its bytes (unpacked if compressed) to whom it concerns. */
export async function readStaged(
  s3: S3Client,
  location: S3Location,
  largest: number,
  take: (chunk: Buffer) => void = () => undefined,
  compressed = false,
): Promise<{ source: CopySource; sha256: string }> {
  const { bucket, key } = location;
  return awsStep(`reading s3://${bucket}/${key}`, async (options) => {
    const answer = await s3
      .send(new GetObjectCommand({ Bucket: bucket, Key: key }), options)
      .catch((error: unknown) => {
        if (error instanceof Error && error.name === 'NoSuchKey')
          throw mismatch(key, 'it was announced and never arrived');
        throw error;
      });
    const { Body: body, ContentLength: sizeBytes = 0, ETag: etag = '' } = answer;
    if (!(body instanceof Readable)) throw unusable(key, 'S3 answered without a body');
    if (sizeBytes > largest) {
      body.destroy();
      throw unusable(key, `it has ${sizeBytes} bytes, more than the ${largest} that are read`);
    }
    const hash = createHash('sha256');
    const hashing = new PassThrough();
    hashing.on('data', (chunk: Buffer) => hash.update(chunk));
    let refused: ApplicationFailure | undefined;
    const bounded = boundedReader(key, sizeBytes, take, (failure) => (refused = failure));
    const unpacking = compressed ? createGunzip() : new PassThrough();
    unpacking.once('error', (error) => {
      // Broken compression is the content's fault, not the network's.
      if ('code' in error && String(error.code).startsWith('Z_'))
        refused ??= unusable(key, 'it is not what gzip writes');
    });
    await pipeline(body, hashing, unpacking, bounded, {
      ...(options.abortSignal && { signal: options.abortSignal }),
    }).catch((error: unknown) => {
      // Another stream may end first, with an error that says nothing.
      throw refused ?? error;
    });
    return { source: { bucket, key, etag, sizeBytes }, sha256: hash.digest('hex') };
  });
}

/** Ends a pipeline: hands chunks on, heartbeats, and refuses content that unpacks to something absurd. */
function boundedReader(
  key: string,
  sizeBytes: number,
  take: (chunk: Buffer) => void,
  refuse: (failure: ApplicationFailure) => void,
) {
  return async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    let total = 0;
    let lastHeartbeat = 0;
    for await (const chunk of chunks) {
      total += chunk.length;
      if (total > sizeBytes * MOST_GROWTH + GROWTH_ALLOWANCE) {
        const failure = unusable(key, `it unpacks to more than ${MOST_GROWTH} times its size`);
        refuse(failure);
        throw failure;
      }
      take(chunk);
      if (Date.now() - lastHeartbeat >= HEARTBEAT_MS) {
        lastHeartbeat = Date.now();
        heartbeat({ step: 'reading', output: key, bytesRead: total });
      }
    }
  };
}

/** The staged object is not the one that was announced. */
export function mismatch(key: string, why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `staged output ${key}: ${why}. Nothing was deleted; examine the exhibit again`,
    'EvidenceMismatch',
  );
}

/** The staged object is none that can be read. */
export function unusable(key: string, why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `staged output ${key}: ${why}. Nothing was deleted; examine the exhibit again`,
    'EvidenceUnusable',
  );
}
