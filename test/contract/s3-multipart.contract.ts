import { createHash, randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  paginateListParts,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { documented } from './documented';
import { sha256 } from './resources';
import { target } from './target';
import { outcome, until } from './waiting';

/** The smallest part that is not the last one. */
const MIN_PART = 5 * 1024 ** 2;
const PARTS = [randomBytes(MIN_PART), randomBytes(1000)] as const;

interface Upload {
  Bucket: string;
  Key: string;
  UploadId: string;
}

let shared: Promise<string> | undefined;
const bucket = (): Promise<string> => (shared ??= target().resources.bucket(target().forensics));

const begin = async (Key: string, options: Partial<CreateMultipartUploadCommandInput> = {}): Promise<Upload> => {
  const Bucket = await bucket();
  const { UploadId } = await target().forensics.s3.send(
    new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: 'SHA256', ...options }),
  );
  return { Bucket, Key, UploadId: UploadId! };
};
const send = async (upload: Upload, PartNumber: number, Body: Buffer, ChecksumSHA256 = sha256(Body)) => {
  const command = new UploadPartCommand({ ...upload, PartNumber, Body, ChecksumSHA256 });
  const { ETag } = await target().forensics.s3.send(command);
  return { PartNumber, ETag: ETag!, ChecksumSHA256 };
};
const complete = (upload: Upload, Parts: CompletedPart[], options: { IfNoneMatch?: string } = {}) =>
  target().forensics.s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...options }));

describe('S3 multipart uploads', () => {
  documented(
    'Amazon S3 API Reference: CompleteMultipartUpload',
    'concatenates all the parts in ascending order by part number to create a new object',
    async () => {
      const { forensics } = target();
      const upload = await begin('joined');
      const last = await send(upload, 7, PARTS[1]);
      const first = await send(upload, 3, PARTS[0]);
      expect(await outcome(complete(upload, [last, first]))).toBe('InvalidPartOrder');
      await complete(upload, [first, last]);
      const { Body } = await forensics.s3.send(new GetObjectCommand({ Bucket: upload.Bucket, Key: 'joined' }));
      expect(Buffer.concat(PARTS).equals(await Body!.transformToByteArray())).toBe(true);
    },
  );

  documented(
    'Amazon S3 User Guide: Checking object integrity',
    'for multipart uploads a composite checksum is calculated from the checksums of the parts, followed by a hyphen and the number of parts',
    async () => {
      const { forensics } = target();
      const upload = await begin('composite');
      const sent = [await send(upload, 1, PARTS[0]), await send(upload, 2, PARTS[1])];
      const digests = PARTS.map((part) => createHash('sha256').update(part).digest());
      const composite = `${sha256(Buffer.concat(digests))}-2`;
      expect((await complete(upload, sent)).ChecksumSHA256).toBe(composite);
      const { Bucket, Key } = upload;
      const head = await forensics.s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
      expect(head).toMatchObject({ ChecksumSHA256: composite, ChecksumType: 'COMPOSITE' });
    },
  );

  documented(
    'Amazon S3 User Guide: Checking object integrity',
    'a full object checksum (CRC64NVME, CRC32, CRC32C) of a multipart upload is that of the whole object',
    async () => {
      const { forensics } = target();
      const Bucket = await bucket();
      const whole = Buffer.concat(PARTS);
      const { ChecksumCRC64NVME } = await forensics.s3.send(
        new PutObjectCommand({ Bucket, Key: 'whole', Body: whole, ChecksumAlgorithm: 'CRC64NVME' }),
      );
      const upload = await begin('full', { ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'FULL_OBJECT' });
      const sent: CompletedPart[] = [];
      for (const [index, Body] of PARTS.entries()) {
        const part = new UploadPartCommand({
          ...upload,
          PartNumber: index + 1,
          Body,
          ChecksumAlgorithm: 'CRC64NVME',
        });
        const { ETag, ChecksumCRC64NVME: ofPart } = await forensics.s3.send(part);
        sent.push({ PartNumber: index + 1, ETag, ChecksumCRC64NVME: ofPart });
      }
      const done = await complete(upload, sent);
      expect(done).toMatchObject({ ChecksumCRC64NVME, ChecksumType: 'FULL_OBJECT' });
    },
  );

  documented(
    'Amazon S3 API Reference: UploadPart',
    'ChecksumSHA256: to ensure that data is not corrupted traversing the network; a part that does not match is refused',
    async () => {
      const upload = await begin('corrupted');
      expect(await outcome(send(upload, 1, PARTS[1], sha256('something else')))).toBe('BadDigest');
      expect((await send(upload, 1, PARTS[1])).ETag).toBeTruthy();
    },
  );

  documented(
    'Amazon S3 API Reference: CompleteMultipartUpload',
    'EntityTooSmall: each part must be at least 5 MB in size, except the last part; InvalidPart: one or more of the specified parts could not be found',
    async () => {
      const upload = await begin('small');
      const parts = [await send(upload, 1, PARTS[1]), await send(upload, 2, PARTS[1])];
      expect(await outcome(complete(upload, parts))).toBe('EntityTooSmall');
      expect(await outcome(complete(upload, [{ ...parts[0]!, ETag: '"0"' }]))).toBe('InvalidPart');
    },
  );

  documented(
    'Amazon S3 API Reference: CompleteMultipartUpload',
    'IfNoneMatch: uploads the object only if the object key name does not already exist in the bucket',
    async () => {
      const { forensics } = target();
      await forensics.s3.send(new PutObjectCommand({ Bucket: await bucket(), Key: 'taken', Body: 'first' }));
      const upload = await begin('taken');
      const parts = [await send(upload, 1, PARTS[1])];
      expect(await outcome(complete(upload, parts, { IfNoneMatch: '*' }))).toBe('PreconditionFailed');
    },
  );

  documented(
    'Amazon S3 API Reference: CreateMultipartUpload',
    'returns an upload ID; parts that are sent with pre-signed URLs belong to it',
    async () => {
      const { forensics } = target();
      const upload = await begin('pre-signed', { ChecksumAlgorithm: undefined });
      const part = new UploadPartCommand({ ...upload, PartNumber: 1 });
      const url = await getSignedUrl(forensics.s3, part, { expiresIn: 300 });
      const answer = await fetch(url, { method: 'PUT', body: 'sent without credentials' });
      expect(answer.status).toBe(200);
      await complete(upload, [{ PartNumber: 1, ETag: answer.headers.get('etag')! }]);
      const { Bucket, Key } = upload;
      const { Body } = await forensics.s3.send(new GetObjectCommand({ Bucket, Key }));
      expect(await Body!.transformToString()).toBe('sent without credentials');
    },
  );

  documented(
    'Amazon S3 API Reference: ListParts',
    'IsTruncated, NextPartNumberMarker: when a list is truncated, this element specifies the value that you should use for the next request',
    async () => {
      const { forensics } = target();
      const upload = await begin('listed');
      for (const number of [1, 2, 3]) await send(upload, number, PARTS[1]);
      const first = await forensics.s3.send(new ListPartsCommand({ ...upload, MaxParts: 2 }));
      expect(first).toMatchObject({ IsTruncated: true, NextPartNumberMarker: '2' });
      const numbers: number[] = [];
      for await (const page of paginateListParts({ client: forensics.s3, pageSize: 2 }, upload)) {
        numbers.push(...page.Parts!.map((part) => part.PartNumber!));
        if (numbers.length > 3) break;
      }
      expect(numbers).toEqual([1, 2, 3]);
    },
  );

  documented(
    'Amazon S3 API Reference: ListMultipartUploads',
    'lists in-progress multipart uploads: initiated, but not yet completed or aborted',
    async () => {
      const { forensics } = target();
      const [open, completed] = [await begin('uploads/open'), await begin('uploads/completed')];
      await complete(completed, [await send(completed, 1, PARTS[1])]);
      const { Uploads } = await forensics.s3.send(
        new ListMultipartUploadsCommand({ Bucket: open.Bucket, Prefix: 'uploads/' }),
      );
      expect(Uploads!.map(({ Key, UploadId }) => [Key, UploadId])).toEqual([['uploads/open', open.UploadId]]);
    },
  );

  documented(
    'Amazon S3 API Reference: AbortMultipartUpload',
    'after a multipart upload is aborted, no additional parts can be uploaded using that upload ID',
    async () => {
      const { forensics } = target();
      const upload = await begin('aborted');
      await send(upload, 1, PARTS[1]);
      await forensics.s3.send(new AbortMultipartUploadCommand(upload));
      expect(await outcome(send(upload, 2, PARTS[1]))).toBe('NoSuchUpload');
      expect(await outcome(forensics.s3.send(new ListPartsCommand(upload)))).toBe('NoSuchUpload');
      await until(
        'a second abort to be refused',
        () => outcome(forensics.s3.send(new AbortMultipartUploadCommand(upload))),
        (result) => result === 'NoSuchUpload',
      );
    },
  );

  documented(
    'Amazon S3 API Reference: UploadPartCopy',
    'uploads a part by copying data from an existing object; CopySourceRange: the range of bytes to copy',
    async () => {
      const { forensics } = target();
      const Bucket = await bucket();
      const source = Buffer.concat([PARTS[0], PARTS[0], PARTS[1]]);
      await forensics.s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: source }));
      const upload = await begin('copied');
      const Parts: CompletedPart[] = [];
      for (const [index, range] of [`0-${2 * MIN_PART - 1}`, `${2 * MIN_PART}-${source.length - 1}`].entries()) {
        const { CopyPartResult } = await forensics.s3.send(
          new UploadPartCopyCommand({
            ...upload,
            PartNumber: index + 1,
            CopySource: `${Bucket}/source`,
            CopySourceRange: `bytes=${range}`,
          }),
        );
        const { ETag, ChecksumSHA256 } = CopyPartResult!;
        Parts.push({ PartNumber: index + 1, ETag, ChecksumSHA256 });
      }
      expect(Parts[1]!.ChecksumSHA256).toBe(sha256(PARTS[1]));
      await complete(upload, Parts);
      const { Body } = await forensics.s3.send(new GetObjectCommand({ Bucket, Key: 'copied' }));
      expect(source.equals(await Body!.transformToByteArray())).toBe(true);
    },
  );
});
