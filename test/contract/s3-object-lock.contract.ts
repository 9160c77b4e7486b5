import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  type ObjectLockRetentionMode,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { documented } from './documented';
import { target } from './target';
import { outcome, untilOutcome } from './waiting';

/** Compliance mode yields to nobody, so that AWS keeps what is under it for so long. Seconds. */
const COMPLIANCE_SECONDS = 120;
const DAY_SECONDS = 86_400;
const inSeconds = (seconds: number): Date => new Date(Math.floor(Date.now() / 1000 + seconds) * 1000);

let shared: Promise<string> | undefined;
/** One bucket for all tests; objects in it may be held in compliance mode for two minutes. */
const bucket = (): Promise<string> =>
  (shared ??= target().resources.bucket(target().forensics, { objectLock: true, compliance: true }));

interface Version {
  Bucket: string;
  Key: string;
  VersionId: string;
}

const put = async (Key: string, options: Partial<PutObjectCommandInput> = {}): Promise<Version> => {
  const Bucket = await bucket();
  const { VersionId } = await target().forensics.s3.send(
    new PutObjectCommand({ Bucket, Key, Body: 'evidence', ...options }),
  );
  return { Bucket, Key, VersionId: VersionId! };
};
const remove = (version: Version, bypass = false) =>
  outcome(
    target().forensics.s3.send(
      new DeleteObjectCommand({ ...version, ...(bypass && { BypassGovernanceRetention: true }) }),
    ),
  );
const retain = (version: Version, Mode: ObjectLockRetentionMode, RetainUntilDate: Date, bypass = false) =>
  outcome(
    target().forensics.s3.send(
      new PutObjectRetentionCommand({
        ...version,
        Retention: { Mode, RetainUntilDate },
        ...(bypass && { BypassGovernanceRetention: true }),
      }),
    ),
  );
const hold = (version: Version, Status: 'ON' | 'OFF') =>
  target().forensics.s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status } }));

describe('S3 Object Lock', () => {
  documented(
    'Amazon S3 User Guide: Locking objects with Object Lock',
    'in governance mode, users can’t overwrite or delete an object version or alter its lock settings unless they have special permissions',
    async () => {
      const version = await put('governance', {
        ObjectLockMode: 'GOVERNANCE',
        ObjectLockRetainUntilDate: inSeconds(DAY_SECONDS),
      });
      expect(await remove(version)).toBe('AccessDenied');
      expect(await retain(version, 'GOVERNANCE', inSeconds(60))).toBe('AccessDenied');
      expect(await retain(version, 'GOVERNANCE', inSeconds(2 * DAY_SECONDS))).toBe('accepted');
      expect(await retain(version, 'GOVERNANCE', inSeconds(3600), true)).toBe('accepted');
    },
  );

  documented(
    'Amazon S3 User Guide: Locking objects with Object Lock',
    'to bypass governance mode, you must have the s3:BypassGovernanceRetention permission and include x-amz-bypass-governance-retention:true',
    async () => {
      const { forensics, resources } = target();
      const locked = {
        ObjectLockMode: 'GOVERNANCE',
        ObjectLockRetainUntilDate: inSeconds(DAY_SECONDS),
      } as const;
      const [first, second] = [await put('bypass-1', locked), await put('bypass-2', locked)];
      const { arn } = await resources.role(forensics, {
        trust: { Effect: 'Allow', Principal: { AWS: forensics.rootArn }, Action: 'sts:AssumeRole' },
        policy: [{ Effect: 'Allow', Action: ['s3:DeleteObjectVersion', 's3:GetObjectVersion'], Resource: '*' }],
      });
      const without = await resources.assumed(forensics, forensics, arn);
      await untilOutcome('accepted', () => without.s3.send(new HeadObjectCommand(first)));
      const bypass = new DeleteObjectCommand({ ...first, BypassGovernanceRetention: true });
      expect(await outcome(without.s3.send(bypass))).toBe('AccessDenied');
      expect(await remove(second)).toBe('AccessDenied');
      expect(await remove(second, true)).toBe('accepted');
    },
  );

  documented(
    'Amazon S3 User Guide: Locking objects with Object Lock',
    'in compliance mode, a protected object version can’t be overwritten or deleted by any user; its retention mode can’t be changed, and its retention period can’t be shortened',
    async () => {
      const until = inSeconds(COMPLIANCE_SECONDS);
      const version = await put('compliance', { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until });
      expect(await remove(version, true)).toBe('AccessDenied');
      expect(await retain(version, 'COMPLIANCE', new Date(until.getTime() - 30_000), true)).toBe('AccessDenied');
      expect(await retain(version, 'GOVERNANCE', until, true)).toBe('AccessDenied');
      expect(await retain(version, 'COMPLIANCE', new Date(until.getTime() + 10_000))).toBe('accepted');
    },
  );

  documented(
    'Amazon S3 User Guide: Locking objects with Object Lock',
    'a legal hold prevents an object version from being overwritten or deleted; it doesn’t have an associated retention period and remains in effect until removed',
    async () => {
      const version = await put('held', { ObjectLockLegalHoldStatus: 'ON' });
      expect(await remove(version, true)).toBe('AccessDenied');
      await hold(version, 'OFF');
      expect(await remove(version)).toBe('accepted');
    },
  );

  documented(
    'Amazon S3 API Reference: PutObjectLegalHold',
    'applies a legal hold configuration to the specified object; versionId: the version ID of the object that you want to place a legal hold on',
    async () => {
      const { forensics } = target();
      const [held, other] = [await put('one of two'), await put('one of two')];
      await hold(held, 'ON');
      await hold(held, 'ON');
      const statusOf = async (version: Version) =>
        (await forensics.s3.send(new HeadObjectCommand(version))).ObjectLockLegalHoldStatus ?? 'OFF';
      expect([await statusOf(held), await statusOf(other)]).toEqual(['ON', 'OFF']);
      expect([await remove(held, true), await remove(other)]).toEqual(['AccessDenied', 'accepted']);
      await hold(held, 'OFF');
      expect(await statusOf(held)).toBe('OFF');
      expect(await remove(held)).toBe('accepted');
    },
  );

  documented(
    'Amazon S3 User Guide: Locking objects with Object Lock',
    'a simple DELETE of a protected object returns 200 OK and inserts a delete marker; the version stays',
    async () => {
      const { forensics } = target();
      const version = await put('marked', {
        ObjectLockMode: 'GOVERNANCE',
        ObjectLockRetainUntilDate: inSeconds(DAY_SECONDS),
      });
      const { Bucket, Key } = version;
      const answer = await forensics.s3.send(new DeleteObjectCommand({ Bucket, Key }));
      expect(answer.DeleteMarker).toBe(true);
      expect((await forensics.s3.send(new HeadObjectCommand(version))).ContentLength).toBe(8);
    },
  );

  documented(
    'Amazon S3 API Reference: CopyObject',
    'ObjectLockMode, ObjectLockRetainUntilDate: the Object Lock mode and the date that you want to apply to the object copy',
    async () => {
      const { forensics } = target();
      const { Bucket, Key } = await put('to be sealed');
      const until = inSeconds(DAY_SECONDS);
      const { VersionId } = await forensics.s3.send(
        new CopyObjectCommand({
          Bucket,
          Key: 'sealed',
          CopySource: `${Bucket}/${encodeURIComponent(Key)}`,
          ChecksumAlgorithm: 'SHA256',
          ObjectLockMode: 'GOVERNANCE',
          ObjectLockRetainUntilDate: until,
        }),
      );
      const sealed = { Bucket, Key: 'sealed', VersionId: VersionId! };
      const { Retention } = await forensics.s3.send(new GetObjectRetentionCommand(sealed));
      expect(Retention).toEqual({ Mode: 'GOVERNANCE', RetainUntilDate: until });
      expect(await remove(sealed)).toBe('AccessDenied');
    },
  );

  documented(
    'Amazon S3 API Reference: PutObject',
    'Content-MD5 or x-amz-sdk-checksum-algorithm is required for any request to upload an object with a retention period configured using S3 Object Lock',
    async () => {
      const { forensics, resources } = target();
      const Bucket = await resources.bucket(forensics, { objectLock: true });
      await forensics.s3.send(
        new PutObjectLockConfigurationCommand({
          Bucket,
          ObjectLockConfiguration: {
            ObjectLockEnabled: 'Enabled',
            Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } },
          },
        }),
      );
      // The SDK itself always sends a checksum; what is pre-signed without a body carries none.
      const command = new PutObjectCommand({ Bucket, Key: 'bare' });
      command.middlewareStack.remove('flexibleChecksumsMiddleware');
      const url = await getSignedUrl(forensics.s3, command, { expiresIn: 300 });
      const bare = await fetch(url, { method: 'PUT', body: 'x' });
      expect([bare.status, await bare.text()]).toEqual([400, expect.stringContaining('<Code>InvalidRequest</Code>')]);
      const { VersionId } = await forensics.s3.send(new PutObjectCommand({ Bucket, Key: 'checked', Body: 'x' }));
      const head = await forensics.s3.send(new HeadObjectCommand({ Bucket, Key: 'checked', VersionId }));
      expect(head.ObjectLockMode).toBe('GOVERNANCE');
    },
  );
});
