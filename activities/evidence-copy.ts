import { ApplicationFailure } from '@temporalio/common';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  ListMultipartUploadsCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import type { AccountClients } from './aws/clients';
import { awsStep } from './aws/errors';

/** An object in S3 as it was read; the ETag holds the copy to these very bytes. */
export interface CopySource {
  bucket: string;
  key: string;
  etag: string;
  sizeBytes: number;
}

export type CopyTarget = Omit<CreateMultipartUploadCommandInput, 'Bucket' | 'Key'> & {
  Bucket: string;
  Key: string;
  /** Hexadecimal digest of the source, compared with S3's own where S3 reports one. */
  sha256: string;
  onProgress?: (bytesCopied: number) => void;
};

/** CopyObject ends at 5 GiB, a copied part too. Source: S3 API Reference, CopyObject, UploadPartCopy. */
export const LARGEST_SINGLE_COPY = 5 * 1024 ** 3;
const PART_BYTES = 1024 ** 3;
const PARTS_AT_ONCE = 4;

/**
 * Copies inside S3, in parts when the object is larger than one copy may be.
 *
 * @returns the version id of the new object.
 * @throws ApplicationFailure `EvidenceMismatch` (final) when S3's own SHA-256 of the copy is another one.
 */
export async function copyObject(
  clients: Pick<AccountClients, 's3' | 's3WithoutRetries'>,
  source: CopySource,
  target: CopyTarget,
  largestSingleCopy: number = LARGEST_SINGLE_COPY,
  partBytes: number = PART_BYTES,
): Promise<string | undefined> {
  const what = `copying s3://${source.bucket}/${source.key} to s3://${target.Bucket}/${target.Key}`;
  const versionId =
    source.sizeBytes <= largestSingleCopy
      ? await awsStep(what, () => copyAtOnce(clients.s3WithoutRetries, source, target, what))
      : await awsStep(what, () => copyInParts(clients.s3, source, target, partBytes));
  target.onProgress?.(source.sizeBytes);
  return versionId;
}

const copySourceOf = (source: CopySource): string =>
  `${source.bucket}/${source.key.split('/').map(encodeURIComponent).join('/')}`;

function objectFieldsOf(target: CopyTarget): CreateMultipartUploadCommandInput {
  const { sha256: _sha256, onProgress: _onProgress, ...fields } = target;
  return fields;
}

async function copyAtOnce(
  s3: S3Client,
  source: CopySource,
  target: CopyTarget,
  what: string,
): Promise<string | undefined> {
  const answer = await s3.send(
    new CopyObjectCommand({
      ...objectFieldsOf(target),
      CopySource: copySourceOf(source),
      CopySourceIfMatch: source.etag,
      MetadataDirective: 'REPLACE',
      ChecksumAlgorithm: 'SHA256',
    }),
  );
  // A checksum with `-<n>` at its end is one of part checksums and says nothing about the whole.
  const checksum = answer.CopyObjectResult?.ChecksumSHA256;
  if (checksum !== undefined && !checksum.includes('-')) {
    const copied = Buffer.from(checksum, 'base64').toString('hex');
    if (copied !== target.sha256) {
      throw ApplicationFailure.nonRetryable(
        `${what}: S3 computed SHA-256 ${copied} of the copy, ${target.sha256} was expected; both objects are kept`,
        'EvidenceMismatch',
      );
    }
  }
  return answer.VersionId;
}

async function copyInParts(
  s3: S3Client,
  source: CopySource,
  target: CopyTarget,
  partBytes: number,
): Promise<string | undefined> {
  const at = { Bucket: target.Bucket, Key: target.Key };
  await abortEarlier(s3, at);
  const { UploadId } = await s3.send(
    new CreateMultipartUploadCommand({ ...objectFieldsOf(target), ChecksumAlgorithm: 'SHA256' }),
  );
  try {
    const count = Math.ceil(source.sizeBytes / partBytes);
    const parts: CompletedPart[] = [];
    let copied = 0;
    for (let first = 0; first < count; first += PARTS_AT_ONCE) {
      const numbers = Array.from({ length: Math.min(PARTS_AT_ONCE, count - first) }, (_, index) => first + index + 1);
      const batch = await Promise.all(
        numbers.map(async (PartNumber): Promise<CompletedPart> => {
          const from = (PartNumber - 1) * partBytes;
          const to = Math.min(source.sizeBytes, from + partBytes) - 1;
          const { CopyPartResult: part } = await s3.send(
            new UploadPartCopyCommand({
              ...at,
              UploadId,
              PartNumber,
              CopySource: copySourceOf(source),
              CopySourceIfMatch: source.etag,
              CopySourceRange: `bytes=${from}-${to}`,
            }),
          );
          const { ETag, ChecksumSHA256 } = part ?? {};
          return { PartNumber, ETag, ...(ChecksumSHA256 !== undefined && { ChecksumSHA256 }) };
        }),
      );
      parts.push(...batch);
      copied = Math.min(source.sizeBytes, (first + numbers.length) * partBytes);
      target.onProgress?.(copied);
    }
    const answer = await s3.send(
      new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: parts } }),
    );
    return answer.VersionId;
  } catch (error) {
    // An unfinished upload is billed until it is aborted; the source still holds everything.
    await s3.send(new AbortMultipartUploadCommand({ ...at, UploadId })).catch(() => undefined);
    throw error;
  }
}

/** A worker that died in the middle left its upload open, and S3 keeps its parts until somebody aborts it. */
async function abortEarlier(s3: S3Client, at: { Bucket: string; Key: string }): Promise<void> {
  const { Uploads: open } = await s3.send(new ListMultipartUploadsCommand({ Bucket: at.Bucket, Prefix: at.Key }));
  for (const { Key, UploadId } of open ?? [])
    if (Key === at.Key) await s3.send(new AbortMultipartUploadCommand({ ...at, UploadId }));
}
