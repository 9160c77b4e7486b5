import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { cancellationSignal, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type Part,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { MemoryImageFacts } from '../domain/memory-image';
import { awsStep } from './aws/errors';
import type { CopySource } from './evidence-copy';
import { MemoryImageReader } from './memory-image';
import { type PartDigest, PartHasher } from './memory-parts';

const MIB = 1024 ** 2;
/** S3 allows 10,000 parts; some are left for images that turn out larger than planned. */
const MOST_PARTS = 9_500;
const HEARTBEAT_MS = 1_000;

/**
 * Parts for a memory of this size: LiME headers and memory that the instance type does not count (firmware, rounding) are
 * allowed for with 5 % and 64 MiB. Parts grow where 10,000 of the configured size would not hold the image.
 */
export function planParts(memoryMiB: number, partSizeBytes: number): { partSizeBytes: number; partCount: number } {
  const largest = Math.ceil(memoryMiB * MIB * 1.05) + 64 * MIB;
  const smallestPart = Math.ceil(largest / MOST_PARTS / MIB) * MIB;
  const partSize = Math.max(partSizeBytes, smallestPart);
  return { partSizeBytes: partSize, partCount: Math.ceil(largest / partSize) };
}

/** The upload that is open for the key, the oldest if a lost answer left several. */
export async function openUpload(s3: S3Client, bucket: string, key: string): Promise<string> {
  const found = await findUploads(s3, bucket, key);
  if (found[0] !== undefined) return found[0];
  const { UploadId } = await awsStep(`opening an upload to s3://${bucket}/${key}`, (options) =>
    s3.send(
      new CreateMultipartUploadCommand({ Bucket: bucket, Key: key, ContentType: 'application/octet-stream' }),
      options,
    ),
  );
  if (UploadId === undefined) {
    throw ApplicationFailure.create({ message: `S3 gave no upload id for s3://${bucket}/${key}`, type: 'Unavailable' });
  }
  return UploadId;
}

/** Ids of the uploads open for exactly this key, oldest first. */
export async function findUploads(s3: S3Client, bucket: string, key: string): Promise<string[]> {
  const { Uploads: uploads } = await awsStep(`looking for uploads to s3://${bucket}/${key}`, (options) =>
    s3.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key }), options),
  );
  return (uploads ?? [])
    .filter((upload) => upload.Key === key && upload.UploadId !== undefined)
    .sort((a, b) => (a.Initiated?.getTime() ?? 0) - (b.Initiated?.getTime() ?? 0))
    .map((upload) => upload.UploadId ?? '');
}

export interface Upload {
  bucket: string;
  key: string;
  uploadId: string;
}

/** The parts that have arrived, in order; undefined when the upload is not open any more. */
export async function listParts(s3: S3Client, upload: Upload): Promise<Part[] | undefined> {
  return awsStep(`listing parts of s3://${upload.bucket}/${upload.key}`, async (options) => {
    const parts: Part[] = [];
    try {
      // Not by the SDK's paginator: S3 gives a next marker with the last page too, and the paginator goes on for ever.
      for (let marker: string | undefined, more = true; more;) {
        const page = await s3.send(
          new ListPartsCommand({
            Bucket: upload.bucket,
            Key: upload.key,
            UploadId: upload.uploadId,
            ...(marker !== undefined && { PartNumberMarker: marker }),
          }),
          options,
        );
        parts.push(...(page.Parts ?? []));
        marker = page.NextPartNumberMarker;
        more = page.IsTruncated === true && marker !== undefined;
      }
    } catch (error) {
      if (error instanceof Error && error.name === 'NoSuchUpload') return undefined;
      throw error;
    }
    return parts;
  });
}

/**
 * Closes the upload with the parts that arrived. Safe to repeat: a closed one is recognized by the object that it left.
 *
 * @returns the object, and how many parts it was made of when this call closed it; undefined when there is nothing.
 */
export async function completeUpload(
  s3: S3Client,
  upload: Upload,
): Promise<{ object: CopySource; parts?: number } | undefined> {
  const parts = await listParts(s3, upload);
  if (parts !== undefined && parts.length > 0) {
    await awsStep(`completing the upload to s3://${upload.bucket}/${upload.key}`, async (options) => {
      try {
        await s3.send(
          new CompleteMultipartUploadCommand({
            Bucket: upload.bucket,
            Key: upload.key,
            UploadId: upload.uploadId,
            MultipartUpload: { Parts: parts.map<CompletedPart>(({ PartNumber, ETag }) => ({ PartNumber, ETag })) },
          }),
          options,
        );
      } catch (error) {
        // The SDK has asked again after a lost answer: whether it was closed, the object tells.
        if (!(error instanceof Error) || error.name !== 'NoSuchUpload') throw error;
      }
    });
  }
  const object = await headObject(s3, upload.bucket, upload.key);
  return object && { object, ...(parts !== undefined && { parts: parts.length }) };
}

export async function headObject(s3: S3Client, bucket: string, key: string): Promise<CopySource | undefined> {
  return awsStep(`reading s3://${bucket}/${key}`, async (options) => {
    try {
      const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), options);
      return { bucket, key, etag: head.ETag ?? '', sizeBytes: head.ContentLength ?? 0 };
    } catch (error) {
      if (error instanceof Error && (error.name === 'NotFound' || error.name === 'NoSuchKey')) return undefined;
      throw error;
    }
  });
}

export interface ReadImage extends MemoryImageFacts {
  sha256: string;
  sizeBytes: number;
  /** Of the parts in which it was uploaded. */
  parts: PartDigest[];
}

/**
 * Reads the whole image once: digests of it and of its parts, size, header walk and kernel banner (the expected one where
 * it is known) in one pass. Heartbeats the bytes read.
 */
export async function readMemoryImage(
  s3: S3Client,
  source: CopySource,
  partSizeBytes: number,
  expectedBanner: string | undefined,
): Promise<ReadImage> {
  const hash = createHash('sha256');
  const parts = new PartHasher(partSizeBytes);
  const image = new MemoryImageReader(expectedBanner);
  let sizeBytes = 0;
  let lastHeartbeat = 0;
  await awsStep(`reading s3://${source.bucket}/${source.key}`, async (options) => {
    const { Body: body } = await s3.send(
      new GetObjectCommand({ Bucket: source.bucket, Key: source.key, IfMatch: source.etag }),
      options,
    );
    if (!(body instanceof Readable)) throw new Error('S3 answered without a body');
    const signal = cancellationSignal();
    const stop = (): void => void body.destroy(new Error('the step was cancelled'));
    signal.addEventListener('abort', stop);
    try {
      for await (const chunk of body) {
        const bytes = chunk as Buffer;
        hash.update(bytes);
        parts.update(bytes);
        image.update(bytes);
        sizeBytes += bytes.length;
        if (Date.now() - lastHeartbeat >= HEARTBEAT_MS) {
          lastHeartbeat = Date.now();
          heartbeat({ step: 're-reading', bytesRead: sizeBytes, bytesExpected: source.sizeBytes });
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
  });
  return { ...image.finish(), sha256: hash.digest('hex'), sizeBytes, parts: parts.finish() };
}
