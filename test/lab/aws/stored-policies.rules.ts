/** Policies that are checked when they are stored: of keys, of buckets, of roles. */
import { CreateKeyCommand, PutKeyPolicyCommand } from '@aws-sdk/client-kms';
import { CreateRoleCommand } from '@aws-sdk/client-iam';
import { CreateBucketCommand, PutBucketPolicyCommand, PutPublicAccessBlockCommand } from '@aws-sdk/client-s3';
import { LAB_ACCOUNTS } from '../../../lab/config';
import { type AccountClients, sharedEmulatedAws } from './emulated-aws';

let forensics: AccountClients;

beforeAll(async () => {
  ({ forensics } = await sharedEmulatedAws());
});

const ACCEPTED = 'accepted';
const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => ACCEPTED,
    (error: unknown) => (error as Error).name,
  );
const policy = (...Statement: object[]): string => JSON.stringify({ Version: '2012-10-17', Statement });
const root = (account: string): string => `arn:aws:iam::${account}:root`;

describe('key policies', () => {
  const keyPolicy = (principal: string, options: object = {}): string =>
    policy({ Effect: 'Allow', Principal: { AWS: principal }, Action: 'kms:*', Resource: '*', ...options });
  const [own, foreign] = [root(LAB_ACCOUNTS.forensics), root(LAB_ACCOUNTS.member)];
  const create = (Policy: string, BypassPolicyLockoutSafetyCheck?: boolean) =>
    outcome(forensics.kms.send(new CreateKeyCommand({ Policy, BypassPolicyLockoutSafetyCheck })));

  it.each([
    ['that names the own account', keyPolicy(own), ACCEPTED],
    ['that names everyone', keyPolicy('*'), ACCEPTED],
    ['that names another account only', keyPolicy(foreign), 'MalformedPolicyDocumentException'],
    ['without kms:PutKeyPolicy', keyPolicy(own, { Action: 'kms:Decrypt' }), 'MalformedPolicyDocumentException'],
    [
      'that admits the own account through EBS only',
      keyPolicy(own, { Condition: { StringEquals: { 'kms:ViaService': 'ec2.us-east-1.amazonaws.com' } } }),
      'MalformedPolicyDocumentException',
    ],
    ['that is none', 'no policy', 'MalformedPolicyDocumentException'],
  ])('a policy %s', async (_what, Policy, expected) => {
    expect(await create(Policy)).toBe(expected);
  });

  it('BypassPolicyLockoutSafetyCheck lets its author out, not a text that is no policy', async () => {
    expect(await create(keyPolicy(foreign), true)).toBe(ACCEPTED);
    expect(await create('no policy', true)).toBe('MalformedPolicyDocumentException');
    const { KeyMetadata } = await forensics.kms.send(new CreateKeyCommand({}));
    const put = (BypassPolicyLockoutSafetyCheck: boolean) =>
      outcome(
        forensics.kms.send(
          new PutKeyPolicyCommand({
            KeyId: KeyMetadata!.KeyId,
            Policy: keyPolicy(foreign),
            BypassPolicyLockoutSafetyCheck,
          }),
        ),
      );
    expect(await put(false)).toBe('MalformedPolicyDocumentException');
    expect(await put(true)).toBe(ACCEPTED);
  });

  it('KeyUsage may be left out for symmetric keys only', async () => {
    expect(await outcome(forensics.kms.send(new CreateKeyCommand({ KeySpec: 'RSA_2048' })))).toBe(
      'ValidationException',
    );
  });
});

describe('bucket policies under BlockPublicPolicy', () => {
  const Bucket = 'not-public';
  const put = (Statement: object) => {
    const Policy = policy({ Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*`, ...Statement });
    return outcome(forensics.s3.send(new PutBucketPolicyCommand({ Bucket, Policy })));
  };

  beforeAll(async () => {
    await forensics.s3.send(new CreateBucketCommand({ Bucket }));
    const PublicAccessBlockConfiguration = { BlockPublicPolicy: true };
    await forensics.s3.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration }));
  });

  it.each([
    ['everyone', { Principal: { AWS: ['*'] } }, 'AccessDenied'],
    ['another account', { Principal: { AWS: [root(LAB_ACCOUNTS.member)] } }, ACCEPTED],
    [
      'an organization',
      { Principal: '*', Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-0123456789' } } },
      ACCEPTED,
    ],
    ['some addresses', { Principal: '*', Condition: { IpAddress: { 'aws:SourceIp': ['192.0.2.0/24'] } } }, ACCEPTED],
    ['all addresses', { Principal: '*', Condition: { IpAddress: { 'aws:SourceIp': ['0.0.0.0/0'] } } }, 'AccessDenied'],
    ['any VPC', { Principal: '*', Condition: { StringLike: { 'aws:SourceVpc': 'vpc-*' } } }, 'AccessDenied'],
    [
      'all but one VPC',
      { Principal: '*', Condition: { StringNotEquals: { 'aws:SourceVpc': 'vpc-1' } } },
      'AccessDenied',
    ],
  ])('that admit %s', async (_whom, statement, expected) => {
    expect(await put({ Effect: 'Allow', ...statement })).toBe(expected);
  });

  it('that deny to everyone are not public', async () => {
    expect(await put({ Effect: 'Deny', Principal: '*' })).toBe(ACCEPTED);
  });
});

describe('trust policies', () => {
  let roles = 0;
  const create = (AssumeRolePolicyDocument: string) => {
    const RoleName = `trust-${++roles}`;
    return outcome(forensics.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument })));
  };
  const trust = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };

  it('without Version, and of version 2008-10-17, are accepted', async () => {
    expect(await create(JSON.stringify({ Statement: trust }))).toBe(ACCEPTED);
    expect(await create(JSON.stringify({ Version: '2008-10-17', Statement: [trust] }))).toBe(ACCEPTED);
  });

  it.each([
    ['that are none', 'no policy'],
    ['without a statement', policy()],
    ['of another version', JSON.stringify({ Version: '1999', Statement: [trust] })],
    ['with a resource', policy({ ...trust, Resource: '*' })],
    ['without a principal', policy({ ...trust, Principal: undefined })],
    ['with an effect of their own', policy({ ...trust, Effect: 'Permit' })],
    ['of actions that are not of STS', policy({ ...trust, Action: 's3:GetObject' })],
  ])('%s are refused', async (_what, document) => {
    expect(await create(document)).toBe('MalformedPolicyDocumentException');
  });
});
