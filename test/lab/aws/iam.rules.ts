import { CreateKeyCommand, PutKeyPolicyCommand } from '@aws-sdk/client-kms';
import { DescribeVolumesCommand, DescribeVpcsCommand } from '@aws-sdk/client-ec2';
import {
  CreatePolicyCommand,
  CreateRoleCommand,
  DeleteRolePolicyCommand,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { CreateBucketCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { PublishCommand } from '@aws-sdk/client-sns';
import { ListCommandsCommand } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand } from '@aws-sdk/client-sts';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { LAB_ACCOUNTS } from '../../../lab/config';
import {
  type AccountClients,
  assumeRole,
  type Credentials,
  type EmulatedAws,
  refusal,
  sharedEmulatedAws,
} from './emulated-aws';

let aws: EmulatedAws;
let forensics: AccountClients;

const policy = (...Statement: object[]): string => JSON.stringify({ Version: '2012-10-17', Statement });
const allow = (Action: string | string[], Resource = '*', Condition = {}): object => ({
  Effect: 'Allow',
  Action,
  Resource,
  Condition,
});
const vpcs = ({ ec2 }: AccountClients) => ec2.send(new DescribeVpcsCommand({}));

/** IAM User Guide and the services' own pages on errors; with everything enforced. */
describe('IAM, enforced', () => {
  const Bucket = 'enforced-bucket';
  let roles = 0;

  beforeAll(async () => {
    aws = await sharedEmulatedAws();
    ({ forensics } = aws);
    await forensics.s3.send(new CreateBucketCommand({ Bucket }));
    await aws.lab.enforceIam(true);
  });
  afterAll(() => aws.lab.enforceIam(false));

  /** A role of the forensics account that its principals may assume. */
  async function role(...statements: object[]): Promise<string> {
    const RoleName = `enforced-${++roles}`;
    const AssumeRolePolicyDocument = policy({
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:root` },
      Action: 'sts:AssumeRole',
    });
    await forensics.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));
    if (statements.length > 0) await permit(RoleName, ...statements);
    return RoleName;
  }
  const permit = (RoleName: string, ...statements: object[]) =>
    forensics.iam.send(
      new PutRolePolicyCommand({ RoleName, PolicyName: 'test', PolicyDocument: policy(...statements) }),
    );
  async function session(name: string): Promise<AccountClients & { credentials: Credentials }> {
    return aws.clients(LAB_ACCOUNTS.forensics, await assumeRole(forensics.sts, LAB_ACCOUNTS.forensics, name));
  }

  it('a request is refused when it changed after it was signed, when the secret, the key or the token is wrong', async () => {
    const reader = await session(await role(allow('*')));
    await vpcs(reader);
    const tampered = aws.clients(LAB_ACCOUNTS.forensics, reader.credentials);
    tampered.ec2.middlewareStack.add(
      (next) => (call) => {
        const request = call.request as { body: string };
        request.body = request.body.replace('DescribeVpcs', 'DescribeVolumes');
        return next(call);
      },
      { step: 'finalizeRequest', priority: 'low' },
    );
    expect(await refusal(vpcs(tampered))).toBe('AuthFailure');
    const wrong = (changes: Partial<Credentials>) =>
      aws.clients(LAB_ACCOUNTS.forensics, { ...reader.credentials, ...changes });
    const badSecret = wrong({ secretAccessKey: 'wrong' });
    expect(await refusal(vpcs(badSecret))).toBe('AuthFailure');
    expect(await refusal(badSecret.ssm.send(new ListCommandsCommand({})))).toBe('InvalidSignatureException');
    expect(await refusal(badSecret.s3.send(new GetObjectCommand({ Bucket, Key: 'a' })))).toBe('SignatureDoesNotMatch');
    const badKey = wrong({ accessKeyId: 'ASIAZZZZZZZZZZZZZZZZ' });
    expect(await refusal(vpcs(badKey))).toBe('AuthFailure');
    expect(await refusal(badKey.ssm.send(new ListCommandsCommand({})))).toBe('UnrecognizedClientException');
    expect(await refusal(badKey.s3.send(new GetObjectCommand({ Bucket, Key: 'a' })))).toBe('InvalidAccessKeyId');
    expect(await refusal(vpcs(wrong({ sessionToken: 'another' })))).toBe('AuthFailure');
  });

  it('credentials of a session end with it', async () => {
    const reader = await session(await role(allow('*')));
    await vpcs(reader);
    const url = await getSignedUrl(reader.s3, new GetObjectCommand({ Bucket, Key: 'a' }));
    await aws.lab.expireSession(reader.credentials.accessKeyId);
    expect(await refusal(vpcs(reader))).toBe('RequestExpired');
    expect(await refusal(reader.ssm.send(new ListCommandsCommand({})))).toBe('ExpiredTokenException');
    expect(await refusal(reader.s3.send(new GetObjectCommand({ Bucket, Key: 'a' })))).toBe('ExpiredToken');
    expect(await (await fetch(url)).text()).toContain('<Code>ExpiredToken</Code>');
  });

  it('a session of a role that assumes another one may not be asked for longer than an hour', async () => {
    const first = await session(await role(allow('sts:AssumeRole')));
    const name = await role();
    const assume = (DurationSeconds: number) =>
      first.sts.send(
        new AssumeRoleCommand({
          RoleArn: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:role/${name}`,
          RoleSessionName: 'chained',
          DurationSeconds,
        }),
      );
    await assume(3600);
    await expect(assume(7200)).rejects.toMatchObject({
      name: 'ValidationError',
      message: 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
    });
  });

  it('AWSRevokeOlderSessions ends the sessions that there are; new ones work', async () => {
    const name = await role(allow('ec2:*'));
    const older = await session(name);
    await vpcs(older);
    // Sessions know their time to the second: the policy's time is the one after theirs.
    const revokedAt = new Date(Math.ceil((Date.now() + 1) / 1000) * 1000).toISOString();
    await permit(name, allow('ec2:*'), {
      Effect: 'Deny',
      Action: '*',
      Resource: '*',
      Condition: { DateLessThan: { 'aws:TokenIssueTime': revokedAt } },
    });
    await expect(vpcs(older)).rejects.toMatchObject({
      name: 'UnauthorizedOperation',
      message: expect.stringContaining('with an explicit deny in an identity-based policy') as string,
    });
    let newer = await session(name);
    while (Date.now() < Date.parse(revokedAt) + 1000) newer = await session(name);
    await vpcs(newer);
  });

  it('a pre-signed URL is worth what its signer may do at the time of its use', async () => {
    await forensics.s3.send(new PutObjectCommand({ Bucket, Key: 'signed', Body: 'a' }));
    const name = await role(allow('s3:GetObject', `arn:aws:s3:::${Bucket}/*`));
    const reader = await session(name);
    const url = await getSignedUrl(reader.s3, new GetObjectCommand({ Bucket, Key: 'signed' }));
    expect((await fetch(url)).status).toBe(200);
    await forensics.iam.send(new DeleteRolePolicyCommand({ RoleName: name, PolicyName: 'test' }));
    const refused = await fetch(url);
    expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining('AccessDenied')]);
  });

  it('GetObject without s3:ListBucket: a missing object is AccessDenied, with it NoSuchKey', async () => {
    const name = await role(allow('s3:GetObject', `arn:aws:s3:::${Bucket}/*`));
    const reader = await session(name);
    const get = () => reader.s3.send(new GetObjectCommand({ Bucket, Key: 'missing' }));
    expect(await refusal(get())).toBe('AccessDenied');
    await expect(reader.s3.send(new HeadObjectCommand({ Bucket, Key: 'missing' }))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 403 },
    });
    await permit(name, allow('s3:GetObject'), allow('s3:ListBucket', `arn:aws:s3:::${Bucket}`));
    expect(await refusal(get())).toBe('NoSuchKey');
  });

  it('to read an object under a KMS key, the reader needs kms:Decrypt on the key, and the key policy’s consent', async () => {
    const { KeyMetadata } = await forensics.kms.send(new CreateKeyCommand({}));
    const { Arn: SSEKMSKeyId = '' } = KeyMetadata!;
    const put = { Bucket, Key: 'encrypted', Body: 'a', ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId };
    await forensics.s3.send(new PutObjectCommand(put));
    const name = await role(allow('s3:*'));
    const reader = await session(name);
    const get = () => reader.s3.send(new GetObjectCommand({ Bucket, Key: 'encrypted' }));
    await expect(get()).rejects.toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining('kms:Decrypt') as string,
    });
    await permit(
      name,
      allow('s3:*'),
      allow('kms:Decrypt', SSEKMSKeyId, {
        StringEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' },
      }),
    );
    await get();
    expect(await refusal(reader.s3.send(new PutObjectCommand(put)))).toBe('AccessDenied');
    const administratorsOnly = policy({
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:role/OrganizationAccountAccessRole` },
      Action: 'kms:*',
      Resource: '*',
    });
    await forensics.kms.send(new PutKeyPolicyCommand({ KeyId: SSEKMSKeyId, Policy: administratorsOnly }));
    expect(await refusal(get())).toBe('AccessDenied');
  });

  it('a key policy that leaves it to IAM policies must find kms:PutKeyPolicy in those of its author', async () => {
    const name = await role(allow('kms:CreateKey'));
    const author = await session(name);
    const Policy = policy({
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:root` },
      Action: 'kms:*',
      Resource: '*',
    });
    const create = () => author.kms.send(new CreateKeyCommand({ Policy }));
    expect(await refusal(create())).toBe('MalformedPolicyDocumentException');
    await permit(name, allow(['kms:CreateKey', 'kms:PutKeyPolicy']));
    expect((await create()).KeyMetadata!.KeyUsage).toBe('ENCRYPT_DECRYPT');
  });

  it('a permissions boundary limits a role', async () => {
    const name = await role(allow('ec2:*'));
    const { Policy } = await forensics.iam.send(
      new CreatePolicyCommand({ PolicyName: 'boundary', PolicyDocument: policy(allow('ec2:DescribeVpcs')) }),
    );
    await forensics.iam.send(
      new PutRolePermissionsBoundaryCommand({ RoleName: name, PermissionsBoundary: Policy!.Arn }),
    );
    const reader = await session(name);
    await vpcs(reader);
    expect(await refusal(reader.ec2.send(new DescribeVolumesCommand({})))).toBe('UnauthorizedOperation');
  });

  it('a refusal is each service’s own', async () => {
    const nobody = await session(await role());
    expect(await refusal(vpcs(nobody))).toBe('UnauthorizedOperation');
    expect(await refusal(nobody.ssm.send(new ListCommandsCommand({})))).toBe('AccessDeniedException');
    const topic = `arn:aws:sns:us-east-1:${LAB_ACCOUNTS.forensics}:topic`;
    expect(await refusal(nobody.sns.send(new PublishCommand({ TopicArn: topic, Message: 'a' })))).toMatch(
      /^AuthorizationError/,
    );
    const create = new CreateRoleCommand({ RoleName: 'other', AssumeRolePolicyDocument: policy() });
    await expect(nobody.iam.send(create)).rejects.toMatchObject({
      name: 'AccessDenied',
      message:
        `User: arn:aws:sts::${LAB_ACCOUNTS.forensics}:assumed-role/enforced-${roles}/test is not authorized to perform: ` +
        `iam:CreateRole on resource: arn:aws:iam::${LAB_ACCOUNTS.forensics}:role/other because no identity-based policy ` +
        'allows the iam:CreateRole action',
    });
  });

  it('an unsigned request has what a bucket policy gives to everyone: nothing', async () => {
    expect((await fetch(`${aws.emulator.url}/${Bucket}/a`)).status).toBe(403);
  });

  it('the lab tells which permissions it judges by their action alone', async () => {
    const answer = await fetch(`${aws.emulator.url}/moto-api/lab/iam`);
    expect(await answer.json()).toMatchObject({ enforced: true, judgedByActionOnly: expect.any(Array) as string[] });
  });
});
