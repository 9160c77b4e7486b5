import { createHash } from 'node:crypto';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import type { MemoryTransfer } from '../domain/evidence';
import { awsStep } from './aws/errors';
import { type EvidenceStore, STORED_EVIDENCE } from './evidence-store';
import {
  LARGEST_PART_DIGESTS,
  PART_DIGESTS,
  type PartDigest,
  readPartDigests,
  renderPartDigests,
} from './memory-parts';
import { headObject } from './memory-upload';
import type { MemoryCapture, MemoryCaptureReport } from './types';

/** Digests of parts that travel with the exhibit through the workflow's history; the list of all of them lies beside it. */
const PARTS_IN_EXHIBIT = 100;

export const MEMORY_TRANSFER = z.object({
  partSizeBytes: z.number(),
  parts: z.number(),
  list: STORED_EVIDENCE,
  compared: z.boolean(),
  partSha256: z.array(z.string()).exactOptional(),
});

/** Key of what the document staged beside the image. */
export const stagedBeside = ({ upload }: MemoryCapture, name: string): string => upload.key.replace(/[^/]*$/, name);

/**
 * The digests of the parts as the suspect computed them before it sent them; or why there are none to compare with, as a
 * phrase. Their lack costs no image: the digest of the whole is compared in any case.
 */
export async function sentParts(
  s3: S3Client,
  { capture, report }: { capture: MemoryCapture; report: MemoryCaptureReport },
): Promise<{ parts: PartDigest[] } | { reason: string }> {
  const { partDigests: reported } = report;
  if (reported === undefined) return { reason: 'the document told none' };
  if ('reason' in reported) return { reason: `the instance’s own ones did not come: ${reported.reason}` };
  const source = await headObject(s3, capture.upload.bucket, stagedBeside(capture, PART_DIGESTS));
  if (!source) return { reason: `${PART_DIGESTS} was reported and did not arrive` };
  if (source.sizeBytes > LARGEST_PART_DIGESTS) {
    return { reason: `${PART_DIGESTS} has ${source.sizeBytes} bytes, more than its parts can need` };
  }
  const text = await awsStep(`reading s3://${source.bucket}/${source.key}`, async (options) => {
    const get = new GetObjectCommand({ Bucket: source.bucket, Key: source.key, IfMatch: source.etag });
    return (await (await s3.send(get, options)).Body?.transformToString('latin1')) ?? '';
  });
  const found = createHash('sha256').update(text, 'latin1').digest('hex');
  if (found !== reported.sha256) {
    return { reason: `${PART_DIGESTS} has SHA-256 ${found}, ${reported.sha256} was reported` };
  }
  try {
    return { parts: readPartDigests(text) };
  } catch (error) {
    return { reason: `${PART_DIGESTS} cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** The list that is kept is the one of the forensics account: the suspect's is only compared with it. */
export async function keepParts(
  store: EvidenceStore,
  key: string,
  { capture, retentionDays }: { capture: MemoryCapture; retentionDays: number },
  parts: PartDigest[],
  compared: boolean,
): Promise<MemoryTransfer> {
  const list = await store.putEvidence({
    key,
    body: Buffer.from(renderPartDigests(parts)),
    contentType: 'text/plain; charset=us-ascii',
    retentionDays,
  });
  return {
    partSizeBytes: capture.upload.partSizeBytes,
    parts: parts.length,
    list,
    compared,
    ...(parts.length <= PARTS_IN_EXHIBIT && { partSha256: parts.map((part) => part.sha256) }),
  };
}
