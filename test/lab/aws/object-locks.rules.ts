/** S3 Object Lock: what is retained or held stays. */
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectLegalHoldCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  type ObjectLockRetentionMode,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { type AccountClients, eventually, refusal, sharedEmulatedAws } from './emulated-aws';

const Bucket = 'locked';
const DAY = 86_400_000;
let forensics: AccountClients;

beforeAll(async () => {
  ({ forensics } = await sharedEmulatedAws());
  await forensics.s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
});

const until = (days: number) => new Date(Math.floor(Date.now() / 1000) * 1000 + days * DAY);

interface Version {
  Key: string;
  VersionId: string;
}

async function put(Key: string, options: Partial<PutObjectCommandInput> = {}): Promise<Version> {
  const command = new PutObjectCommand({ Bucket, Key, Body: Key, ChecksumAlgorithm: 'SHA256', ...options });
  return { Key, VersionId: (await forensics.s3.send(command)).VersionId! };
}

const retain = (version: Version, Mode: ObjectLockRetentionMode, days: number, BypassGovernanceRetention?: boolean) =>
  forensics.s3.send(
    new PutObjectRetentionCommand({
      Bucket,
      ...version,
      Retention: { Mode, RetainUntilDate: until(days) },
      BypassGovernanceRetention,
    }),
  );
const hold = (version: Version, Status: 'ON' | 'OFF') =>
  forensics.s3.send(new PutObjectLegalHoldCommand({ Bucket, ...version, LegalHold: { Status } }));
const remove = (version: Version, BypassGovernanceRetention?: boolean) =>
  forensics.s3.send(new DeleteObjectCommand({ Bucket, ...version, BypassGovernanceRetention }));
const removeAll = (version: Version, BypassGovernanceRetention?: boolean) =>
  forensics.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [version] }, BypassGovernanceRetention }));

describe('object lock', () => {
  it('governance mode: "users can\'t overwrite or delete an object version or alter its lock settings" without the bypass', async () => {
    const version = await put('governance');
    await retain(version, 'GOVERNANCE', 30);
    expect(await refusal(remove(version))).toBe('AccessDenied');
    expect(await refusal(remove(version, false))).toBe('AccessDenied');
    expect((await removeAll(version)).Errors!.map((error) => error.Code)).toEqual(['AccessDenied']);
    expect(await refusal(retain(version, 'GOVERNANCE', 1))).toBe('AccessDenied');
    await retain(version, 'GOVERNANCE', 40);
    await retain(version, 'GOVERNANCE', 1, true);
    expect((await removeAll(version, true)).Errors ?? []).toEqual([]);
  });

  it('compliance mode: "a protected object version can\'t be overwritten or deleted by any user", its mode and date not reduced', async () => {
    const version = await put('compliance');
    await retain(version, 'COMPLIANCE', 60);
    for (const bypass of [false, true]) {
      expect(await refusal(retain(version, 'COMPLIANCE', 1, bypass))).toBe('AccessDenied');
      expect(await refusal(retain(version, 'GOVERNANCE', 90, bypass))).toBe('AccessDenied');
      expect(await refusal(remove(version, bypass))).toBe('AccessDenied');
    }
    await retain(version, 'COMPLIANCE', 90);
    const { Retention } = await forensics.s3.send(new GetObjectRetentionCommand({ Bucket, ...version }));
    expect(Retention!.Mode).toBe('COMPLIANCE');
    expect(Math.abs(Retention!.RetainUntilDate!.getTime() - until(90).getTime())).toBeLessThan(120_000);
  });

  it('legal hold: "remains in effect until removed", whatever the retention, and no bypass lifts it', async () => {
    const version = await put('held', { ObjectLockLegalHoldStatus: 'ON' });
    expect(await refusal(remove(version, true))).toBe('AccessDenied');
    expect((await removeAll(version, true)).Errors).toHaveLength(1);
    await retain(version, 'GOVERNANCE', 1);
    await retain(version, 'GOVERNANCE', 2);
    const { LegalHold } = await forensics.s3.send(new GetObjectLegalHoldCommand({ Bucket, ...version }));
    expect(LegalHold!.Status).toBe('ON');
    await hold(version, 'OFF');
    expect(await refusal(remove(version))).toBe('AccessDenied');
    await remove(version, true);
  });

  it('a delete without version puts a marker over the version, which stays', async () => {
    const version = await put('marked', { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until(1) });
    const { DeleteMarker } = await forensics.s3.send(new DeleteObjectCommand({ Bucket, Key: version.Key }));
    expect(DeleteMarker).toBe(true);
    const kept = await forensics.s3.send(new HeadObjectCommand({ Bucket, ...version }));
    expect(kept.ObjectLockMode).toBe('COMPLIANCE');
  });

  it('a version is free when its date has passed; "the retain until date must be in the future"', async () => {
    const soon = new Date(Date.now() + 10_000);
    const version = await put('short', { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: soon });
    expect(await refusal(retain(version, 'COMPLIANCE', -1))).toMatch(/InvalidArgument|AccessDenied/);
    await eventually(
      () =>
        remove(version).then(
          () => 'removed',
          (error: unknown) => (error as Error).name,
        ),
      (outcome) => outcome === 'removed',
    );
    const free = await put('free');
    expect(await refusal(retain(free, 'GOVERNANCE', -1))).toBe('InvalidArgument');
  });

  it("the bucket's default retention holds for every new version", async () => {
    const bucket = 'locked-by-default';
    await forensics.s3.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    const Rule = { DefaultRetention: { Mode: 'GOVERNANCE' as const, Days: 30 } };
    await forensics.s3.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket,
        ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule },
      }),
    );
    const put = new PutObjectCommand({ Bucket: bucket, Key: 'a', Body: 'a', ChecksumAlgorithm: 'SHA256' });
    const { VersionId } = await forensics.s3.send(put);
    const head = await forensics.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'a' }));
    expect(head.ObjectLockMode).toBe('GOVERNANCE');
    expect(Math.abs(head.ObjectLockRetainUntilDate!.getTime() - until(30).getTime())).toBeLessThan(120_000);
    const remove = new DeleteObjectCommand({ Bucket: bucket, Key: 'a', VersionId });
    expect(await refusal(forensics.s3.send(remove))).toBe('AccessDenied');
  });

  it('"Content-MD5 OR x-amz-checksum- HTTP header is required"; the name of the algorithm is not', async () => {
    const lock = { ObjectLockMode: 'GOVERNANCE' as const, ObjectLockRetainUntilDate: until(1) };
    const without = (header: RegExp) => {
      const command = new PutObjectCommand({ Bucket, Key: 'sum', Body: 'sum', ChecksumAlgorithm: 'SHA256', ...lock });
      command.middlewareStack.add(
        (next) => (args) => {
          const { headers } = args.request as { headers: Record<string, string> };
          for (const name of Object.keys(headers)) if (header.test(name)) Reflect.deleteProperty(headers, name);
          return next(args);
        },
        { step: 'build', priority: 'low' },
      );
      return forensics.s3.send(command);
    };
    expect(await refusal(without(/^x-amz-(checksum|sdk-checksum)-/i))).toBe('InvalidRequest');
    expect((await without(/^x-amz-sdk-checksum-/i)).ChecksumSHA256).toBeTruthy();
  });
});
