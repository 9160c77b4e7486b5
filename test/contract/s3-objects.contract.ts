import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { differsInLab, documented } from './documented';
import { policyDocument, sha256 } from './resources';
import { target } from './target';
import { outcome, until } from './waiting';

let plain: Promise<string> | undefined;
/** One bucket for all tests that change nothing of the bucket itself; each takes keys of its own. */
const bucket = (): Promise<string> => (plain ??= target().resources.bucket(target().forensics));

const put = async (Key: string, Body: string, options: Partial<PutObjectCommandInput> = {}) =>
  target().forensics.s3.send(new PutObjectCommand({ Bucket: await bucket(), Key, Body, ...options }));
const read = async (Key: string, options: { Range?: string; IfMatch?: string } = {}): Promise<string> => {
  const answer = await target().forensics.s3.send(
    new GetObjectCommand({ Bucket: await bucket(), Key, ChecksumMode: 'ENABLED', ...options }),
  );
  return answer.Body!.transformToString();
};

describe('S3 buckets', () => {
  documented(
    'Amazon S3 API Reference: CreateBucket',
    'BucketAlreadyOwnedByYou: in all Regions except us-east-1, where re-creating a bucket that you already own returns 200 OK',
    async () => {
      const { forensics, region } = target();
      const Bucket = await bucket();
      const again = new CreateBucketCommand({
        Bucket,
        ...(region !== 'us-east-1' && { CreateBucketConfiguration: { LocationConstraint: region as 'eu-central-1' } }),
      });
      expect(await outcome(forensics.s3.send(again))).toBe(
        region === 'us-east-1' ? 'accepted' : 'BucketAlreadyOwnedByYou',
      );
    },
  );

  documented(
    'Amazon S3 API Reference: CreateBucket',
    'BucketAlreadyExists: the bucket namespace is shared by all users of the system',
    async () => {
      const Bucket = await bucket();
      const { member, region } = target();
      const taken = new CreateBucketCommand({
        Bucket,
        ...(region !== 'us-east-1' && { CreateBucketConfiguration: { LocationConstraint: region as 'eu-central-1' } }),
      });
      expect(await outcome(member.s3.send(taken))).toBe('BucketAlreadyExists');
    },
  );

  documented(
    'Amazon S3 API Reference: CreateBucket',
    'ObjectLockEnabledForBucket: enabling Object Lock also turns S3 Versioning on',
    async () => {
      const { forensics, resources } = target();
      const Bucket = await resources.bucket(forensics, { objectLock: true });
      const { Status } = await forensics.s3.send(new GetBucketVersioningCommand({ Bucket }));
      expect(Status).toBe('Enabled');
    },
  );

  documented(
    'Amazon S3 API Reference: PutBucketEncryption',
    'configures default encryption: objects that are stored without encryption information are encrypted with the key named',
    async () => {
      const { forensics, resources } = target();
      const [Bucket, key] = [await resources.bucket(forensics), await resources.key(forensics)];
      await forensics.s3.send(
        new PutBucketEncryptionCommand({
          Bucket,
          ServerSideEncryptionConfiguration: {
            Rules: [
              {
                ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: key },
                BucketKeyEnabled: true,
              },
            ],
          },
        }),
      );
      await forensics.s3.send(new PutObjectCommand({ Bucket, Key: 'sealed', Body: 'x' }));
      const head = await forensics.s3.send(new HeadObjectCommand({ Bucket, Key: 'sealed' }));
      expect(head).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: key, BucketKeyEnabled: true });
    },
  );

  documented(
    'Amazon S3 API Reference: PutPublicAccessBlock',
    'BlockPublicPolicy: causes Amazon S3 to reject calls to PUT Bucket policy if the specified bucket policy allows public access',
    async () => {
      const { member, forensics, resources } = target();
      const Bucket = await resources.bucket(forensics);
      await forensics.s3.send(
        new PutPublicAccessBlockCommand({
          Bucket,
          PublicAccessBlockConfiguration: {
            BlockPublicAcls: true,
            BlockPublicPolicy: true,
            IgnorePublicAcls: true,
            RestrictPublicBuckets: true,
          },
        }),
      );
      const Policy = policyDocument({
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/*`,
      });
      expect(await outcome(forensics.s3.send(new PutBucketPolicyCommand({ Bucket, Policy })))).toBe('AccessDenied');
      const ofOneAccount = policyDocument({
        Effect: 'Allow',
        Principal: { AWS: member.rootArn },
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/*`,
      });
      const put = new PutBucketPolicyCommand({ Bucket, Policy: ofOneAccount });
      expect(await outcome(forensics.s3.send(put))).toBe('accepted');
    },
  );

  differsInLab(
    'Amazon S3 User Guide: Blocking public access to your Amazon S3 storage',
    'by default, new buckets don’t allow public access: all settings of Block Public Access are on',
    async () => {
      const { forensics, resources } = target();
      const Bucket = await resources.bucket(forensics);
      const read = await forensics.s3.send(new GetPublicAccessBlockCommand({ Bucket }));
      expect(read.PublicAccessBlockConfiguration).toEqual({
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      });
    },
  );

  documented(
    'Amazon S3 API Reference: PutBucketLifecycleConfiguration',
    'creates a new lifecycle configuration for the bucket or replaces an existing lifecycle configuration',
    async () => {
      const { forensics, resources } = target();
      const Bucket = await resources.bucket(forensics);
      const configure = (Days: number) =>
        forensics.s3.send(
          new PutBucketLifecycleConfigurationCommand({
            Bucket,
            LifecycleConfiguration: {
              Rules: [
                {
                  ID: 'short-lived',
                  Status: 'Enabled',
                  Filter: { Prefix: '' },
                  Expiration: { Days },
                  AbortIncompleteMultipartUpload: { DaysAfterInitiation: Days },
                },
              ],
            },
          }),
        );
      await configure(3);
      await configure(5);
      const rules = await until(
        'the second configuration',
        async () => (await forensics.s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules!,
        (found) => found[0]?.Expiration?.Days === 5,
      );
      expect(rules).toHaveLength(1);
      expect(rules[0]!.AbortIncompleteMultipartUpload).toEqual({ DaysAfterInitiation: 5 });
    },
  );
});

describe('S3 objects', () => {
  documented(
    'Amazon S3 API Reference: PutObject',
    'ChecksumSHA256: the value must match that of the object that S3 received, else the request fails',
    async () => {
      expect(await outcome(put('bad', 'evidence', { ChecksumSHA256: sha256('something else') }))).toBe('BadDigest');
      const stored = await put('good', 'evidence', { ChecksumSHA256: sha256('evidence') });
      expect(stored.ChecksumSHA256).toBe(sha256('evidence'));
    },
  );

  it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1'] as const)(
    'Amazon S3 User Guide: Checking object integrity — %s: Amazon S3 calculates the checksum on the server and validates it against the value provided',
    async (algorithm) => {
      const field = `Checksum${algorithm}` as const;
      const key = `checked-${algorithm}`;
      const made = await put(key, 'evidence', { ChecksumAlgorithm: algorithm });
      expect(made[field]).toBeTruthy();
      const { [field]: other } = await put(`${key}-other`, 'something else', { ChecksumAlgorithm: algorithm });
      expect(await outcome(put(key, 'evidence', { [field]: other }))).toBe('BadDigest');
      expect(await outcome(put(key, 'evidence', { [field]: made[field] }))).toBe('accepted');
    },
  );

  documented(
    'Amazon S3 API Reference: PutObject',
    'IfNoneMatch: uploads the object only if the object key name does not already exist in the bucket; otherwise 412 Precondition Failed',
    async () => {
      await put('once', 'first', { IfNoneMatch: '*' });
      expect(await outcome(put('once', 'second', { IfNoneMatch: '*' }))).toBe('PreconditionFailed');
      expect(await read('once')).toBe('first');
    },
  );

  documented(
    'Amazon S3 API Reference: PutObject',
    'IfMatch: uploads the object only if the ETag (entity tag) value provided matches the ETag of the object in the bucket',
    async () => {
      const { ETag } = await put('changing', 'first');
      await put('changing', 'second', { IfMatch: ETag });
      expect(await outcome(put('changing', 'third', { IfMatch: ETag }))).toBe('PreconditionFailed');
      expect(await read('changing')).toBe('second');
    },
  );

  documented(
    'Amazon S3 API Reference: GetObject',
    'Range: downloads the specified byte range of an object; NoSuchKey: the specified key does not exist',
    async () => {
      await put('range', '0123456789');
      expect(await read('range', { Range: 'bytes=2-4' })).toBe('234');
      expect(await outcome(read('range', { Range: 'bytes=10-' }))).toBe('InvalidRange');
      expect(await outcome(read('not there'))).toBe('NoSuchKey');
    },
  );

  documented(
    'Amazon S3 API Reference: GetObject',
    'IfMatch: return the object only if its entity tag (ETag) is the same as the one specified; otherwise 412 Precondition Failed',
    async () => {
      const { ETag } = await put('tagged', 'x');
      expect(await read('tagged', { IfMatch: ETag! })).toBe('x');
      expect(await outcome(read('tagged', { IfMatch: '"0"' }))).toBe('PreconditionFailed');
    },
  );

  documented(
    'Amazon S3 API Reference: HeadObject',
    'ChecksumMode: to retrieve the checksum, this parameter must be enabled; a missing object is a generic 404 Not Found',
    async () => {
      const { forensics } = target();
      const Bucket = await bucket();
      await put('head', 'evidence', { ChecksumSHA256: sha256('evidence'), Metadata: { case: 'c-1' } });
      const head = (Key: string, ChecksumMode?: 'ENABLED') =>
        forensics.s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode }));
      expect(await head('head', 'ENABLED')).toMatchObject({
        ContentLength: 8,
        ChecksumSHA256: sha256('evidence'),
        ChecksumType: 'FULL_OBJECT',
        Metadata: { case: 'c-1' },
      });
      expect((await head('head')).ChecksumSHA256).toBeUndefined();
      expect(await outcome(head('none'))).toBe('NotFound');
    },
  );

  documented(
    'Amazon S3 API Reference: CopyObject',
    'CopySourceIfMatch: copies the object if its entity tag (ETag) matches the specified tag; ChecksumAlgorithm: calculated for the copy',
    async () => {
      const { forensics } = target();
      const Bucket = await bucket();
      const { ETag } = await put('source of copy', 'evidence');
      const copy = (CopySourceIfMatch: string) =>
        forensics.s3.send(
          new CopyObjectCommand({
            Bucket,
            Key: 'copy',
            CopySource: `${Bucket}/${encodeURIComponent('source of copy')}`,
            CopySourceIfMatch,
            ChecksumAlgorithm: 'SHA256',
          }),
        );
      expect(await outcome(copy('"0"'))).toBe('PreconditionFailed');
      expect((await copy(ETag!)).CopyObjectResult!.ChecksumSHA256).toBe(sha256('evidence'));
      expect(await read('copy')).toBe('evidence');
    },
  );

  documented(
    'Amazon S3 API Reference: DeleteObject',
    'if the bucket is versioning-enabled, the operation inserts a delete marker, which becomes the latest version of the object; to remove a version you must use its version Id',
    async () => {
      const { forensics, resources } = target();
      const Bucket = await resources.bucket(forensics);
      await forensics.s3.send(
        new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
      );
      const { VersionId } = await forensics.s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: '1' }));
      const removed = await forensics.s3.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
      expect(removed.DeleteMarker).toBe(true);
      const get = (version?: string) =>
        forensics.s3.send(new GetObjectCommand({ Bucket, Key: 'a', VersionId: version }));
      expect(await outcome(get())).toBe('NoSuchKey');
      expect(await (await get(VersionId)).Body!.transformToString()).toBe('1');
      await forensics.s3.send(new DeleteObjectCommand({ Bucket, Key: 'a', VersionId }));
      expect(await outcome(get(VersionId))).toBe('NoSuchVersion');
      const { Versions, DeleteMarkers } = await forensics.s3.send(new ListObjectVersionsCommand({ Bucket }));
      expect([Versions?.length ?? 0, DeleteMarkers!.length]).toEqual([0, 1]);
    },
  );

  documented(
    'Amazon S3 API Reference: ListObjectVersions',
    'returns metadata about all versions of the objects in a bucket, delete markers apart; IsTruncated: follow it up with NextKeyMarker and NextVersionIdMarker',
    async () => {
      const { forensics, resources } = target();
      const Bucket = await resources.bucket(forensics, { objectLock: true });
      const made: string[] = [];
      for (const Key of ['cases/1/a', 'cases/1/a', 'cases/1/b', 'cases/2/a'])
        made.push((await forensics.s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))).VersionId!);
      await forensics.s3.send(new DeleteObjectCommand({ Bucket, Key: 'cases/1/b' }));
      const listed: string[] = [];
      const markers: string[] = [];
      let next: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } | undefined = {};
      let pages = 0;
      while (next) {
        const page: ListObjectVersionsCommandOutput = await forensics.s3.send(
          new ListObjectVersionsCommand({ Bucket, Prefix: 'cases/1/', MaxKeys: 2, ...next }),
        );
        listed.push(...(page.Versions ?? []).map(({ VersionId }) => VersionId!));
        markers.push(...(page.DeleteMarkers ?? []).map(({ Key, IsLatest }) => `${Key!} ${String(IsLatest)}`));
        pages += 1;
        next = page.IsTruncated
          ? { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
          : undefined;
      }
      // Of one key the newest version comes first.
      expect(listed).toEqual([made[1], made[0], made[2]]);
      expect(markers).toEqual(['cases/1/b true']);
      expect(pages).toBeGreaterThan(1);
    },
  );

  documented(
    'Amazon S3 User Guide: Download and upload objects with presigned URLs',
    'anyone with a valid presigned URL can do what it was signed for, and that only; it expires',
    async () => {
      const { forensics } = target();
      const Bucket = await bucket();
      await put('signed', 'evidence');
      await put('unsigned', 'other');
      const get = new GetObjectCommand({ Bucket, Key: 'signed' });
      const url = await getSignedUrl(forensics.s3, get, { expiresIn: 300 });
      expect(await (await fetch(url)).text()).toBe('evidence');
      expect((await fetch(url.replace('/signed?', '/unsigned?'))).status).toBe(403);
      expect((await fetch(url, { method: 'PUT', body: 'changed' })).status).toBe(403);
      const brief = await getSignedUrl(forensics.s3, get, { expiresIn: 1 });
      const expired = await until(
        'the URL to expire',
        async () => {
          const answer = await fetch(brief);
          return { status: answer.status, text: await answer.text() };
        },
        ({ status }) => status === 403,
      );
      expect(expired.text).toContain('Request has expired');
    },
  );
});
