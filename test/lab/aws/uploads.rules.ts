/** Objects as they are written: streamed, checked by five algorithms, on conditions, in parts and as copies. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  type ChecksumAlgorithm,
  type ChecksumType,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CopyObjectCommand,
  type CopyObjectCommandInput,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  paginateListParts,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectLockConfigurationCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { type AccountClients, type EmulatedAws, refusal, sharedEmulatedAws } from './emulated-aws';

const MIB = 2 ** 20;
let aws: EmulatedAws;
let forensics: AccountClients;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ forensics } = aws);
  for (const Bucket of ['uploads', 'locked-uploads']) {
    const ObjectLockEnabledForBucket = Bucket === 'locked-uploads';
    await forensics.s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket }));
  }
  const Rule = { DefaultRetention: { Mode: 'GOVERNANCE' as const, Days: 30 } };
  await forensics.s3.send(
    new PutObjectLockConfigurationCommand({
      Bucket: 'locked-uploads',
      ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule },
    }),
  );
});

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('base64');
const put = (Key: string, Body: string | Buffer, options: Partial<PutObjectCommandInput> = {}) =>
  forensics.s3.send(new PutObjectCommand({ Bucket: 'uploads', Key, Body, ...options }));
async function bytes(Bucket: string, Key: string, Range?: string): Promise<Buffer> {
  const { Body } = await forensics.s3.send(new GetObjectCommand({ Bucket, Key, Range }));
  return Buffer.from(await Body!.transformToByteArray());
}
const head = (Key: string) =>
  forensics.s3.send(new HeadObjectCommand({ Bucket: 'uploads', Key, ChecksumMode: 'ENABLED' }));

/** The standard check values of the CRCs, and what SHA gives for the same text, base64. */
const CHECKED = '123456789';
const CHECK_VALUES = {
  ChecksumCRC32: Buffer.from('cbf43926', 'hex').toString('base64'),
  ChecksumCRC32C: Buffer.from('e3069283', 'hex').toString('base64'),
  ChecksumCRC64NVME: Buffer.from('ae8b14860a799888', 'hex').toString('base64'),
  ChecksumSHA1: createHash('sha1').update(CHECKED).digest('base64'),
  ChecksumSHA256: createHash('sha256').update(CHECKED).digest('base64'),
};

describe('checksums', () => {
  it.each(Object.entries(CHECK_VALUES))(
    '"S3 compares the checksum that you provide with the one it computes": %s',
    async (name, value) => {
      const wrong = Buffer.from(value, 'base64').reverse().toString('base64');
      expect(await refusal(put(`check-${name}`, CHECKED, { [name]: wrong }))).toBe('BadDigest');
      expect(await refusal(head(`check-${name}`))).toBe('NotFound');
      await put(`check-${name}`, CHECKED, { [name]: value });
      expect(await head(`check-${name}`)).toMatchObject({ [name]: value, ChecksumType: 'FULL_OBJECT' });
    },
  );

  it('a body streamed in chunks is checked by the checksum of its trailer', async () => {
    const body = randomBytes(3 * MIB);
    await put('trailer', body, { ChecksumAlgorithm: 'SHA256' });
    expect((await head('trailer')).ChecksumSHA256).toBe(sha256(body));
    expect((await bytes('uploads', 'trailer')).equals(body)).toBe(true);
  });

  const upload = async (
    Key: string,
    algorithm: ChecksumAlgorithm,
    type: ChecksumType | undefined,
    bodies: Buffer[],
  ) => {
    const create = { Bucket: 'uploads', Key, ChecksumAlgorithm: algorithm, ChecksumType: type };
    const { UploadId } = await forensics.s3.send(new CreateMultipartUploadCommand(create));
    const at = { Bucket: 'uploads', Key, UploadId };
    const Parts: CompletedPart[] = [];
    for (const [index, Body] of bodies.entries()) {
      const part = { ...at, PartNumber: index + 1, Body, ChecksumAlgorithm: algorithm };
      const { ETag, ChecksumCRC32, ChecksumSHA256 } = await forensics.s3.send(new UploadPartCommand(part));
      Parts.push({ PartNumber: index + 1, ETag, ChecksumCRC32, ChecksumSHA256 });
    }
    return (options: Partial<CompleteMultipartUploadCommandInput> = {}) =>
      forensics.s3.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts }, ...options }));
  };
  const two = [randomBytes(5 * MIB), randomBytes(1000)];

  it('FULL_OBJECT: "the checksum of the whole object", compared when the upload is completed', async () => {
    const { ChecksumCRC32: whole } = await put('whole', Buffer.concat(two), { ChecksumAlgorithm: 'CRC32' });
    const complete = await upload('full', 'CRC32', 'FULL_OBJECT', two);
    expect(await refusal(complete({ ChecksumCRC32: CHECK_VALUES.ChecksumCRC32 }))).toBe('BadDigest');
    expect(await refusal(complete({ MpuObjectSize: 5 }))).toBe('InvalidRequest');
    expect(await complete({ ChecksumCRC32: whole })).toMatchObject({
      ChecksumCRC32: whole,
      ChecksumType: 'FULL_OBJECT',
    });
    expect(await head('full')).toMatchObject({ ChecksumCRC32: whole, ChecksumType: 'FULL_OBJECT' });
  });

  it('COMPOSITE: "a checksum of checksums", with the number of parts; SHA-256 has no other type, CRC64NVME not this one', async () => {
    const complete = await upload('composite', 'SHA256', undefined, two);
    const digests = two.map((body) => createHash('sha256').update(body).digest());
    const composite = `${sha256(Buffer.concat(digests))}-2`;
    expect(await complete()).toMatchObject({ ChecksumSHA256: composite, ChecksumType: 'COMPOSITE' });
    expect(await refusal(upload('no', 'SHA256', 'FULL_OBJECT', []))).toBe('InvalidRequest');
    expect(await refusal(upload('no', 'CRC64NVME', 'COMPOSITE', []))).toBe('InvalidRequest');
  });

  it('"The complete request must include the checksum for each part"; a part by another algorithm is refused', async () => {
    const create = { Bucket: 'uploads', Key: 'strict', ChecksumAlgorithm: 'SHA256' as const };
    const { UploadId } = await forensics.s3.send(new CreateMultipartUploadCommand(create));
    const part = { Bucket: 'uploads', Key: 'strict', UploadId, PartNumber: 1, Body: CHECKED };
    const send = (ChecksumAlgorithm: ChecksumAlgorithm) =>
      forensics.s3.send(new UploadPartCommand({ ...part, ChecksumAlgorithm }));
    expect(await refusal(send('CRC32'))).toBe('InvalidRequest');
    const { ETag } = await send('SHA256');
    const complete = new CompleteMultipartUploadCommand({
      Bucket: 'uploads',
      Key: 'strict',
      UploadId,
      MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
    });
    expect(await refusal(forensics.s3.send(complete))).toBe('InvalidRequest');
  });
});

describe('conditional writes', () => {
  it('"If-None-Match: uploads the object only if the key does not exist": of eight at once one wins', async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => put('race', String(index), { IfNoneMatch: '*' })),
    );
    const lost = answers.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).name] : []));
    expect(lost).toEqual(Array.from({ length: 7 }, () => 'PreconditionFailed'));
    const winner = answers.findIndex((one) => one.status === 'fulfilled');
    expect((await bytes('uploads', 'race')).toString()).toBe(String(winner));
  });

  it('If-Match compares the ETag of the object that is replaced or deleted', async () => {
    const { ETag } = await put('match', '1');
    expect(await refusal(put('match', '2', { IfMatch: '"0"' }))).toBe('PreconditionFailed');
    expect(await refusal(put('absent', '2', { IfMatch: ETag }))).toBe('NoSuchKey');
    await put('match', '2', { IfMatch: ETag });
    const remove = new DeleteObjectCommand({ Bucket: 'uploads', Key: 'match', IfMatch: ETag });
    expect(await refusal(forensics.s3.send(remove))).toBe('PreconditionFailed');
  });

  it('CompleteMultipartUpload and CopyObject take the same conditions; a copy also those of its source', async () => {
    const source = await put('source', 'bytes');
    await put('target', 'there');
    const copy = (options: Partial<CopyObjectCommandInput>) =>
      forensics.s3.send(
        new CopyObjectCommand({ Bucket: 'uploads', Key: 'target', CopySource: 'uploads/source', ...options }),
      );
    expect(await refusal(copy({ IfNoneMatch: '*' }))).toBe('PreconditionFailed');
    expect(await refusal(copy({ IfMatch: source.ETag }))).toBe('PreconditionFailed');
    expect(await refusal(copy({ CopySourceIfMatch: '"0"' }))).toBe('PreconditionFailed');
    expect(await refusal(copy({ CopySourceIfNoneMatch: source.ETag }))).toBe('PreconditionFailed');
    const anHourAgo = new Date(Date.now() - 3_600_000);
    expect(await refusal(copy({ CopySourceIfUnmodifiedSince: anHourAgo }))).toBe('PreconditionFailed');
    await copy({ CopySourceIfMatch: source.ETag, CopySourceIfUnmodifiedSince: anHourAgo });
    expect((await bytes('uploads', 'target')).toString()).toBe('bytes');

    const { UploadId } = await forensics.s3.send(
      new CreateMultipartUploadCommand({ Bucket: 'uploads', Key: 'target' }),
    );
    const at = { Bucket: 'uploads', Key: 'target', UploadId };
    const { ETag } = await forensics.s3.send(new UploadPartCommand({ ...at, PartNumber: 1, Body: 'part' }));
    const complete = (options: Partial<CompleteMultipartUploadCommandInput>) =>
      forensics.s3.send(
        new CompleteMultipartUploadCommand({
          ...at,
          MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
          ...options,
        }),
      );
    expect(await refusal(complete({ IfNoneMatch: '*' }))).toBe('PreconditionFailed');
    expect(await refusal(complete({ IfMatch: '"0"' }))).toBe('PreconditionFailed');
    await complete({ IfMatch: source.ETag });
    expect((await bytes('uploads', 'target')).toString()).toBe('part');
  });
});

describe('parts of copies', () => {
  it('UploadPartCopy takes a range of its source, with the checksum of the upload; GetObject reads by part number', async () => {
    const body = randomBytes(11 * MIB);
    await put('to copy', body);
    const create = { Bucket: 'uploads', Key: 'in parts', ChecksumAlgorithm: 'SHA256' as const };
    const { UploadId } = await forensics.s3.send(new CreateMultipartUploadCommand(create));
    const at = { Bucket: 'uploads', Key: 'in parts', UploadId };
    const from = (PartNumber: number, first: number, last: number) =>
      forensics.s3.send(
        new UploadPartCopyCommand({
          ...at,
          PartNumber,
          CopySource: 'uploads/to%20copy',
          CopySourceRange: `bytes=${first}-${last}`,
        }),
      );
    expect(await refusal(from(1, 0, 11 * MIB))).toBe('InvalidArgument');
    const results = [await from(1, 0, 6 * MIB - 1), await from(2, 6 * MIB, 11 * MIB - 1)];
    const Parts = results.map(({ CopyPartResult }, index) => ({
      PartNumber: index + 1,
      ETag: CopyPartResult!.ETag,
      ChecksumSHA256: CopyPartResult!.ChecksumSHA256,
    }));
    expect(Parts[0]!.ChecksumSHA256).toBe(sha256(body.subarray(0, 6 * MIB)));
    await forensics.s3.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }));
    expect((await bytes('uploads', 'in parts')).equals(body)).toBe(true);
    const second = await forensics.s3.send(new GetObjectCommand({ Bucket: 'uploads', Key: 'in parts', PartNumber: 2 }));
    expect(second).toMatchObject({ PartsCount: 2, ContentRange: `bytes ${6 * MIB}-${11 * MIB - 1}/${11 * MIB}` });
    expect(Buffer.from(await second.Body!.transformToByteArray()).equals(body.subarray(6 * MIB))).toBe(true);
  });

  it('paginateListParts ends: "When a list is truncated, NextPartNumberMarker specifies the last part in the list"', async () => {
    const { UploadId } = await forensics.s3.send(
      new CreateMultipartUploadCommand({ Bucket: 'uploads', Key: 'listed' }),
    );
    const at = { Bucket: 'uploads', Key: 'listed', UploadId };
    for (const PartNumber of [1, 2, 3, 7]) {
      await forensics.s3.send(new UploadPartCommand({ ...at, PartNumber, Body: 'x' }));
    }
    const found: number[] = [];
    for await (const page of paginateListParts({ client: forensics.s3, pageSize: 2 }, at)) {
      found.push(...(page.Parts ?? []).map((part) => part.PartNumber!));
      expect(found.length).toBeLessThanOrEqual(4);
    }
    expect(found).toEqual([1, 2, 3, 7]);
  });
});

describe('multipart uploads', () => {
  const create = async (Bucket: string, Key: string) =>
    (await forensics.s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: 'SHA256' }))).UploadId!;

  it('parts of any order and number join; parts are listed; the checksum is composite; retention is the default', async () => {
    const UploadId = await create('locked-uploads', 'memory');
    const at = { Bucket: 'locked-uploads', Key: 'memory', UploadId };
    const parts = new Map([4, 2, 9].map((number) => [number, randomBytes(number === 9 ? 1000 : 5 * MIB)]));
    for (const [PartNumber, Body] of parts) {
      const sent = await forensics.s3.send(
        new UploadPartCommand({ ...at, PartNumber, Body, ChecksumSHA256: sha256(Body) }),
      );
      expect(sent.ChecksumSHA256).toBe(sha256(Body));
    }
    const bad = new UploadPartCommand({ ...at, PartNumber: 5, Body: 'x', ChecksumSHA256: sha256(Buffer.from('y')) });
    expect(await refusal(forensics.s3.send(bad))).toBe('BadDigest');

    const first = await forensics.s3.send(new ListPartsCommand({ ...at, MaxParts: 2 }));
    expect(first.Parts!.map((part) => [part.PartNumber, part.Size])).toEqual([
      [2, 5 * MIB],
      [4, 5 * MIB],
    ]);
    expect(first.IsTruncated).toBe(true);
    const rest = await forensics.s3.send(new ListPartsCommand({ ...at, PartNumberMarker: first.NextPartNumberMarker }));
    expect(rest.Parts!.map((part) => part.ChecksumSHA256)).toEqual([sha256(parts.get(9)!)]);
    expect(rest.IsTruncated).toBe(false);

    const Parts = [...first.Parts!, ...rest.Parts!].map(({ PartNumber, ETag, ChecksumSHA256 }) => ({
      PartNumber,
      ETag,
      ChecksumSHA256,
    }));
    const complete = (chosen: typeof Parts) =>
      forensics.s3.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts: chosen } }));
    expect(await refusal(complete([...Parts].reverse()))).toBe('InvalidPartOrder');
    expect(await refusal(complete([{ ...Parts[0]!, ETag: '"0"' }]))).toBe('InvalidPart');
    const done = await complete(Parts);
    const digests = [2, 4, 9].map((number) => createHash('sha256').update(parts.get(number)!).digest());
    const composite = `${sha256(Buffer.concat(digests))}-3`;
    expect(done.ChecksumSHA256).toBe(composite);
    expect(done.VersionId).toBeTruthy();
    const head = await forensics.s3.send(
      new HeadObjectCommand({ Bucket: 'locked-uploads', Key: 'memory', ChecksumMode: 'ENABLED' }),
    );
    expect(head).toMatchObject({
      ChecksumSHA256: composite,
      ObjectLockMode: 'GOVERNANCE',
      ContentLength: 10 * MIB + 1000,
    });
    const whole = Buffer.concat([2, 4, 9].map((number) => parts.get(number)!));
    expect((await bytes('locked-uploads', 'memory')).equals(whole)).toBe(true);
    expect(await refusal(forensics.s3.send(new ListPartsCommand(at)))).toBe('NoSuchUpload');
    expect((await complete(Parts)).ETag).toBe(done.ETag);
  });

  it('a part under 5 MiB that is not the last is refused', async () => {
    const at = { Bucket: 'uploads', Key: 'small', UploadId: await create('uploads', 'small') };
    const Parts = [];
    for (const PartNumber of [1, 2]) {
      const { ETag, ChecksumSHA256 } = await forensics.s3.send(
        new UploadPartCommand({ ...at, PartNumber, Body: 'tiny', ChecksumAlgorithm: 'SHA256' }),
      );
      Parts.push({ PartNumber, ETag, ChecksumSHA256 });
    }
    expect(
      await refusal(forensics.s3.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }))),
    ).toBe('EntityTooSmall');
  });

  it('PutObject, parts, completion, copy and download of big objects pass through without being held in memory', async () => {
    const part = randomBytes(16 * MIB);
    const digest = sha256(part);
    await put('warm', part); // buffers of one request are there before the measure
    await bytes('uploads', 'warm');
    const before = await residentMegabytes(aws.emulator.pid);
    const at = { Bucket: 'uploads', Key: 'image', UploadId: await create('uploads', 'image') };
    const count = 8;
    const Parts = [];
    for (let PartNumber = 1; PartNumber <= count; PartNumber += 1) {
      const { ETag } = await forensics.s3.send(
        new UploadPartCommand({ ...at, PartNumber, Body: part, ChecksumSHA256: digest }),
      );
      Parts.push({ PartNumber, ETag, ChecksumSHA256: digest });
    }
    await forensics.s3.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }));
    await forensics.s3.send(
      new CopyObjectCommand({ Bucket: 'uploads', Key: 'image copy', CopySource: 'uploads/image' }),
    );
    const { Body, ContentLength } = await forensics.s3.send(
      new GetObjectCommand({ Bucket: 'uploads', Key: 'image copy' }),
    );
    const got = createHash('sha256');
    for await (const piece of Body as AsyncIterable<Buffer>) got.update(piece);
    const expected = createHash('sha256');
    for (let index = 0; index < count; index += 1) expected.update(part);
    expect(ContentLength).toBe(count * 16 * MIB);
    expect(got.digest('hex')).toBe(expected.digest('hex'));
    // 128 MiB went in, over and out.
    expect((await residentMegabytes(aws.emulator.pid)) - before).toBeLessThan(96);
  });
});

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024;
}
