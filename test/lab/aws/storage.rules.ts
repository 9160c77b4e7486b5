import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { LAB_ACCOUNTS } from '../../../lab/config';
import { type AccountClients, type EmulatedAws, refusal, sharedEmulatedAws } from './emulated-aws';

const MIB = 2 ** 20;
let aws: EmulatedAws;
let forensics: AccountClients;
let member: AccountClients;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ forensics, member } = aws);
  for (const Bucket of ['staging', 'evidence']) {
    await forensics.s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: Bucket === 'evidence' }));
  }
  await forensics.s3.send(
    new PutObjectLockConfigurationCommand({
      Bucket: 'evidence',
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 30 } },
      },
    }),
  );
});

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('base64');
const put = (Bucket: string, Key: string, Body: string | Buffer) =>
  forensics.s3.send(new PutObjectCommand({ Bucket, Key, Body, ChecksumAlgorithm: 'SHA256' }));
async function bytes(Bucket: string, Key: string, Range?: string): Promise<Buffer> {
  const { Body } = await forensics.s3.send(new GetObjectCommand({ Bucket, Key, Range }));
  return Buffer.from(await Body!.transformToByteArray());
}

describe('objects', () => {
  it('a body that does not have the SHA-256 it claims is refused', async () => {
    const good = Buffer.from('memory image');
    const send = (claimed: Buffer) =>
      forensics.s3.send(
        new PutObjectCommand({ Bucket: 'staging', Key: 'sum', Body: good, ChecksumSHA256: sha256(claimed) }),
      );
    expect(await refusal(send(Buffer.from('other')))).toBe('BadDigest');
    await send(good);
    const head = await forensics.s3.send(
      new HeadObjectCommand({ Bucket: 'staging', Key: 'sum', ChecksumMode: 'ENABLED' }),
    );
    expect(head.ChecksumSHA256).toBe(sha256(good));
  });

  it('a big object is read whole and by ranges', async () => {
    const body = randomBytes(12 * MIB + 5);
    await put('staging', 'big', body);
    expect((await bytes('staging', 'big')).equals(body)).toBe(true);
    expect((await bytes('staging', 'big', 'bytes=5000000-9000000')).equals(body.subarray(5000000, 9000001))).toBe(true);
    expect((await bytes('staging', 'big', 'bytes=-7')).equals(body.subarray(-7))).toBe(true);
    const got = await forensics.s3.send(new GetObjectCommand({ Bucket: 'staging', Key: 'big', Range: 'bytes=0-9' }));
    expect(got).toMatchObject({ ContentRange: `bytes 0-9/${body.length}`, ContentLength: 10 });
    got.Body!.transformToByteArray().catch(() => undefined);
    expect(await refusal(bytes('staging', 'big', 'bytes=99999999-'))).toBe('InvalidRange');
  });

  it('CopyObject goes between buckets, also into one with default retention', async () => {
    await put('staging', 'to copy', 'evidence');
    const copied = await forensics.s3.send(
      new CopyObjectCommand({
        Bucket: 'evidence',
        Key: 'copied',
        CopySource: 'staging/to%20copy',
        ChecksumAlgorithm: 'SHA256',
        ExpectedBucketOwner: LAB_ACCOUNTS.forensics,
        ExpectedSourceBucketOwner: LAB_ACCOUNTS.forensics,
      }),
    );
    expect(copied.CopyObjectResult!.ChecksumSHA256).toBe(sha256(Buffer.from('evidence')));
    expect(copied.VersionId).toBeTruthy();
    const head = await forensics.s3.send(new HeadObjectCommand({ Bucket: 'evidence', Key: 'copied' }));
    expect(head.ObjectLockMode).toBe('GOVERNANCE');
  });

  it('versions are kept, a delete without version hides the object', async () => {
    await forensics.s3.send(new CreateBucketCommand({ Bucket: 'versions' }));
    const VersioningConfiguration = { Status: 'Enabled' as const };
    await forensics.s3.send(new PutBucketVersioningCommand({ Bucket: 'versions', VersioningConfiguration }));
    const [one] = [await put('versions', 'a', '1'), await put('versions', 'a', '2')];
    await forensics.s3.send(new DeleteObjectCommand({ Bucket: 'versions', Key: 'a' }));
    expect(await refusal(bytes('versions', 'a'))).toBe('NoSuchKey');
    const { Versions, DeleteMarkers } = await forensics.s3.send(new ListObjectVersionsCommand({ Bucket: 'versions' }));
    expect([Versions!.length, DeleteMarkers!.length]).toEqual([2, 1]);
    const old = await forensics.s3.send(
      new GetObjectCommand({ Bucket: 'versions', Key: 'a', VersionId: one.VersionId }),
    );
    expect(await old.Body!.transformToString()).toBe('1');
  });
});

describe('presigned URLs', () => {
  it('GET, PUT and UploadPart work without credentials; the calls are journalled as presigned', async () => {
    await put('staging', 'tool', 'binary');
    const s3 = forensics.s3;
    const get = await getSignedUrl(s3, new GetObjectCommand({ Bucket: 'staging', Key: 'tool' }), { expiresIn: 60 });
    expect(await (await fetch(get)).text()).toBe('binary');

    const send = (url: string, body: string, headers: Record<string, string> = {}) =>
      fetch(url, { method: 'PUT', body, headers });
    const toPut = await getSignedUrl(s3, new PutObjectCommand({ Bucket: 'staging', Key: 'a b+c' }), { expiresIn: 60 });
    expect((await send(toPut, 'x=1', { 'Content-Type': 'application/x-www-form-urlencoded' })).status).toBe(200);
    expect((await bytes('staging', 'a b+c')).toString()).toBe('x=1');

    const created = await s3.send(new CreateMultipartUploadCommand({ Bucket: 'staging', Key: 'upload' }));
    const at = { Bucket: 'staging', Key: 'upload', UploadId: created.UploadId };
    const toPart = await getSignedUrl(s3, new UploadPartCommand({ ...at, PartNumber: 1 }), { expiresIn: 60 });
    const answer = await send(toPart, 'part');
    const Parts = [{ PartNumber: 1, ETag: answer.headers.get('etag')! }];
    await s3.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }));
    expect((await bytes('staging', 'upload')).toString()).toBe('part');
    const uploads = (await aws.lab.calls()).filter((call) => call.action === 'UploadPart');
    expect(uploads.at(-1)).toMatchObject({
      account: LAB_ACCOUNTS.forensics,
      parameters: { Bucket: 'staging', Key: 'upload', PartNumber: '1', Presigned: true },
    });
  });

  it('a checksum header counts when it was signed; a header that was not signed is refused', async () => {
    const [good, bad] = [Buffer.from('good'), Buffer.from('bad')];
    const put = new PutObjectCommand({ Bucket: 'staging', Key: 'signed', ChecksumSHA256: sha256(good) });
    const unhoistableHeaders = new Set(['x-amz-checksum-sha256']);
    const url = await getSignedUrl(forensics.s3, put, { expiresIn: 60, unhoistableHeaders });
    const headers = { 'x-amz-checksum-sha256': sha256(good) };
    const send = async (to: string, body: Buffer) => {
      const answer = await fetch(to, { method: 'PUT', body, headers });
      return [answer.status, /<Code>(.*)<\/Code>/.exec(await answer.text())?.[1]];
    };
    expect(await send(url, bad)).toEqual([400, 'BadDigest']);
    expect(await send(url, good)).toEqual([200, undefined]);
    const bare = await getSignedUrl(forensics.s3, new PutObjectCommand({ Bucket: 'staging', Key: 'signed' }));
    expect(await send(bare, good)).toEqual([403, 'AccessDenied']);
  });

  it('a presigned URL expires, and is worth nothing for another key', async () => {
    await put('staging', 'one', '1');
    await put('staging', 'two', '2');
    const get = new GetObjectCommand({ Bucket: 'staging', Key: 'one' });
    const url = await getSignedUrl(forensics.s3, get, { expiresIn: 60 });
    const tampered = await fetch(url.replace('/one', '/two'));
    expect([tampered.status, await tampered.text()]).toEqual([403, expect.stringContaining('SignatureDoesNotMatch')]);
    const anHourAgo = new Date(Date.now() - 3_600_000);
    const late = await fetch(await getSignedUrl(forensics.s3, get, { expiresIn: 60, signingDate: anHourAgo }));
    expect([late.status, await late.text()]).toEqual([403, expect.stringContaining('Request has expired')]);
  });

  it('a PUT without Content-Length (chunked) is not implemented by S3', async () => {
    const url = await getSignedUrl(forensics.s3, new PutObjectCommand({ Bucket: 'staging', Key: 'chunked' }), {
      expiresIn: 60,
    });
    const status = await new Promise<number>((resolve, reject) => {
      const sent = request(url, { method: 'PUT', headers: { 'Transfer-Encoding': 'chunked' } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode!);
      });
      sent.on('error', reject);
      sent.end('body');
    });
    expect(status).toBe(501);
  });
});

describe('who may reach a bucket', () => {
  it('another account is refused until the bucket policy names it; ExpectedBucketOwner is checked', async () => {
    await put('staging', 'shared', 's');
    const read = (account: AccountClients, ExpectedBucketOwner?: string) =>
      account.s3.send(new GetObjectCommand({ Bucket: 'staging', Key: 'shared', ExpectedBucketOwner }));
    expect(await refusal(read(member))).toBe('AccessDenied');
    expect(await refusal(read(forensics, LAB_ACCOUNTS.member))).toBe('AccessDenied');
    await read(forensics, LAB_ACCOUNTS.forensics);
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: `arn:aws:iam::${LAB_ACCOUNTS.member}:root` },
          Action: 's3:GetObject',
          Resource: 'arn:aws:s3:::staging/*',
        },
        {
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:*',
          Resource: 'arn:aws:s3:::staging/*',
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        },
      ],
    });
    await forensics.s3.send(new PutBucketPolicyCommand({ Bucket: 'staging', Policy }));
    expect(await (await read(member)).Body!.transformToString()).toBe('s');
  });
});

describe('faults', () => {
  it('reach object and bucket calls, before and after the action', async () => {
    await aws.lab.setFaults([
      { service: 's3', action: 'PutObject', code: 'SlowDown', match: { Key: 'slow' } },
      { service: 's3', action: 'PutObject', code: 'InternalError', when: 'after', match: { Key: 'lost' } },
      { service: 's3', action: 'ListObjectsV2', code: 'AccessDenied' },
    ]);
    expect(await refusal(put('staging', 'slow', '1'))).toBe('SlowDown');
    await put('staging', 'slow', '1');
    expect(await refusal(put('staging', 'lost', '2'))).toBe('InternalError');
    expect((await bytes('staging', 'lost')).toString()).toBe('2');
    const list = () => forensics.s3.send(new ListObjectsV2Command({ Bucket: 'staging' }));
    expect(await refusal(list())).toBe('AccessDenied');
    expect((await list()).KeyCount).toBeGreaterThan(0);
    const calls = (await aws.lab.calls()).filter((call) => call.parameters?.Key === 'slow');
    expect(calls.map((call) => [call.action, call.error, call.status])).toEqual([
      ['PutObject', 'SlowDown', 503],
      ['PutObject', null, 200],
    ]);
  });
});
