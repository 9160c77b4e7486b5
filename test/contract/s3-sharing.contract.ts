import { GetObjectCommand, PutBucketPolicyCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { Account } from './account';
import { documented } from './documented';
import { policyDocument, type PolicyStatement } from './resources';
import { target } from './target';
import { outcome, untilOutcome } from './waiting';

/** A bucket of the forensics account with one object. */
const withObject = async (): Promise<string> => {
  const { forensics, resources } = target();
  const Bucket = await resources.bucket(forensics);
  await forensics.s3.send(new PutObjectCommand({ Bucket, Key: 'shared/a', Body: 'evidence' }));
  await forensics.s3.send(new PutObjectCommand({ Bucket, Key: 'private/a', Body: 'evidence' }));
  return Bucket;
};
const get = (account: Account, Bucket: string, Key = 'shared/a', ExpectedBucketOwner?: string) =>
  account.s3.send(new GetObjectCommand({ Bucket, Key, ExpectedBucketOwner }));
const setPolicy = (Bucket: string, ...statements: PolicyStatement[]) =>
  target().forensics.s3.send(new PutBucketPolicyCommand({ Bucket, Policy: policyDocument(...statements) }));
const readers = (Bucket: string, Condition?: PolicyStatement['Condition']): PolicyStatement => ({
  Effect: 'Allow',
  Principal: { AWS: target().member.rootArn },
  Action: 's3:GetObject',
  Resource: `arn:aws:s3:::${Bucket}/shared/*`,
  ...(Condition && { Condition }),
});

describe('S3 between accounts', () => {
  documented(
    'Amazon S3 User Guide: Bucket owner granting cross-account bucket permissions',
    'another account has no access until the bucket policy grants it, and then to what the policy names only',
    async () => {
      const { member } = target();
      const Bucket = await withObject();
      expect(await outcome(get(member, Bucket))).toBe('AccessDenied');
      await setPolicy(Bucket, readers(Bucket));
      await untilOutcome('accepted', () => get(member, Bucket));
      expect(await outcome(get(member, Bucket, 'private/a'))).toBe('AccessDenied');
    },
  );

  documented(
    'IAM User Guide: Cross-account policy evaluation logic',
    'the request is allowed only if the resource-based policy and the identity-based policy in the trusted account both allow it',
    async () => {
      const { member, resources } = target();
      const Bucket = await withObject();
      await setPolicy(Bucket, readers(Bucket));
      await untilOutcome('accepted', () => get(member, Bucket));
      const { name, arn } = await resources.role(member, {
        trust: { Effect: 'Allow', Principal: { AWS: member.rootArn }, Action: 'sts:AssumeRole' },
      });
      const role = await resources.assumed(member, member, arn);
      expect(await outcome(get(role, Bucket))).toBe('AccessDenied');
      await resources.rolePolicy(member, name, { Effect: 'Allow', Action: 's3:GetObject', Resource: '*' });
      await untilOutcome('accepted', () => get(role, Bucket));
    },
  );

  documented(
    'Amazon S3 User Guide: Amazon S3 condition key examples',
    'a condition of a bucket policy limits when its statement is in effect',
    async () => {
      const { member, forensics } = target();
      const Bucket = await withObject();
      await setPolicy(Bucket, readers(Bucket, { StringEquals: { 'aws:PrincipalAccount': member.accountId } }));
      await untilOutcome('accepted', () => get(member, Bucket));
      await setPolicy(Bucket, readers(Bucket, { StringEquals: { 'aws:PrincipalAccount': forensics.accountId } }));
      await untilOutcome('AccessDenied', () => get(member, Bucket));
    },
  );

  documented(
    'IAM User Guide: Policy evaluation logic',
    'an explicit deny in a resource-based policy denies the bucket’s own account as well',
    async () => {
      const { forensics } = target();
      const Bucket = await withObject();
      await setPolicy(Bucket, {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/private/*`,
      });
      await untilOutcome('AccessDenied', () => get(forensics, Bucket, 'private/a'));
      expect(await outcome(get(forensics, Bucket))).toBe('accepted');
    },
  );

  documented(
    'Amazon S3 API Reference: GetObject',
    'ExpectedBucketOwner: if the account ID that you provide does not match the actual owner of the bucket, the request fails with 403 Forbidden (access denied)',
    async () => {
      const { member, forensics } = target();
      const Bucket = await withObject();
      expect(await outcome(get(forensics, Bucket, 'shared/a', forensics.accountId))).toBe('accepted');
      expect(await outcome(get(forensics, Bucket, 'shared/a', member.accountId))).toBe('AccessDenied');
    },
  );
});
