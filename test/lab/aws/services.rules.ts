import { createHash, generateKeyPairSync, verify } from 'node:crypto';
import {
  ConditionalCheckFailedException,
  CreateTableCommand,
  GetItemCommand,
  PutItemCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import {
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
  GetConsoleScreenshotCommand,
} from '@aws-sdk/client-ec2';
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import {
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  GetPublicKeyCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
  SignCommand,
  VerifyCommand,
} from '@aws-sdk/client-kms';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateTopicCommand, PublishCommand } from '@aws-sdk/client-sns';
import {
  CreateDocumentCommand,
  DescribeDocumentCommand,
  GetDocumentCommand,
  ModifyDocumentPermissionCommand,
  SendCommandCommand,
  UpdateDocumentCommand,
  UpdateDocumentDefaultVersionCommand,
} from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { LAB_ACCOUNTS } from '../../../lab/config';
import { startEmulator } from '../../../lab/aws/emulator';
import {
  type AccountClients,
  assumeRole,
  type EmulatedAws,
  emulatorPython,
  refusal,
  sharedEmulatedAws,
} from './emulated-aws';

let aws: EmulatedAws;
let forensics: AccountClients;
let member: AccountClients;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ forensics, member } = aws);
});

const rootOf = (account: string) => `arn:aws:iam::${account}:root`;

describe('KMS', () => {
  it.each([
    ['ECC_NIST_P256', 'ECDSA_SHA_256', 'sha256'],
    ['ECC_NIST_P384', 'ECDSA_SHA_384', 'sha384'],
    ['RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_256', 'sha256'],
  ] as const)('a DIGEST signed with %s verifies with the public key alone, offline', async (spec, scheme, hash) => {
    const created = await forensics.kms.send(new CreateKeyCommand({ KeySpec: spec, KeyUsage: 'SIGN_VERIFY' }));
    const KeyId = created.KeyMetadata!.Arn!;
    const text = Buffer.from('custody log, entry 7');
    const Message = createHash(hash).update(text).digest();
    const use = { KeyId, Message, MessageType: 'DIGEST' as const, SigningAlgorithm: scheme };
    const { Signature } = await forensics.kms.send(new SignCommand(use));
    const { PublicKey } = await forensics.kms.send(new GetPublicKeyCommand({ KeyId }));
    const key = { key: Buffer.from(PublicKey!), format: 'der' as const, type: 'spki' as const };
    expect(verify(hash, text, key, Signature!)).toBe(true);
    expect(verify(hash, Buffer.from('altered'), key, Signature!)).toBe(false);
    expect((await forensics.kms.send(new VerifyCommand({ ...use, Signature }))).SignatureValid).toBe(true);
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    expect(verify('sha256', text, foreign, Signature!)).toBe(false);
    const altered = createHash(hash).update('altered').digest();
    expect(await refusal(forensics.kms.send(new VerifyCommand({ ...use, Message: altered, Signature })))).toBe(
      'KMSInvalidSignatureException',
    );
  });

  it('a disabled key is refused; a key of another account needs its policy', async () => {
    const { KeyMetadata } = await forensics.kms.send(new CreateKeyCommand({}));
    const KeyId = KeyMetadata!.Arn!;
    const encrypt = (account: AccountClients) =>
      account.kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }));
    expect(await refusal(encrypt(member))).toBe('AccessDeniedException');
    const Statement = Object.values(LAB_ACCOUNTS).map((account) => ({
      Effect: 'Allow',
      Principal: { AWS: rootOf(account) },
      Action: 'kms:*',
      Resource: '*',
    }));
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await forensics.kms.send(new PutKeyPolicyCommand({ KeyId, PolicyName: 'default', Policy }));
    await encrypt(member);
    await forensics.kms.send(new DisableKeyCommand({ KeyId }));
    expect(await refusal(encrypt(forensics))).toBe('DisabledException');
  });

  it('the aws/ebs key belongs to AWS: its policy and life are not the account’s', async () => {
    const { KeyMetadata } = await member.kms.send(new DescribeKeyCommand({ KeyId: 'alias/aws/ebs' }));
    expect(KeyMetadata!.KeyManager).toBe('AWS');
    const remove = new ScheduleKeyDeletionCommand({ KeyId: KeyMetadata!.Arn });
    expect(await refusal(member.kms.send(remove))).toBe('AccessDeniedException');
  });
});

describe('assuming roles', () => {
  const trust = (principal: string, externalId?: string) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: principal },
          Action: 'sts:AssumeRole',
          ...(externalId === undefined ? {} : { Condition: { StringEquals: { 'sts:ExternalId': externalId } } }),
        },
      ],
    });
  const role = (RoleName: string, AssumeRolePolicyDocument: string, account = member) =>
    account.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));

  it('needs a role that is there, trusts the caller’s account, and the ExternalId', async () => {
    await role('triage', trust(rootOf(LAB_ACCOUNTS.forensics), 'case-secret'));
    await role('closed', trust(rootOf('777788889999')));
    const assume = (name: string, id?: string) => assumeRole(forensics.sts, LAB_ACCOUNTS.member, name, id);
    expect(await refusal(assume('absent'))).toBe('AccessDenied');
    expect(await refusal(assume('closed'))).toBe('AccessDenied');
    expect(await refusal(assume('triage'))).toBe('AccessDenied');
    expect(await refusal(assume('triage', 'guess'))).toBe('AccessDenied');
    const credentials = await assume('triage', 'case-secret');
    const identity = await aws.clients(LAB_ACCOUNTS.member, credentials).sts.send(new GetCallerIdentityCommand({}));
    expect(identity.Account).toBe(LAB_ACCOUNTS.member);
    expect(identity.Arn).toBe(`arn:aws:sts::${LAB_ACCOUNTS.member}:assumed-role/triage/test`);
    expect(await aws.lab.accountOf(credentials.accessKeyId)).toBe(LAB_ACCOUNTS.member);
  });

  it('a trust that names one role admits that role only', async () => {
    await role('worker', trust(rootOf(LAB_ACCOUNTS.forensics)), forensics);
    await role('contain', trust(`arn:aws:iam::${LAB_ACCOUNTS.forensics}:role/worker`));
    expect(await refusal(assumeRole(forensics.sts, LAB_ACCOUNTS.member, 'contain'))).toBe('AccessDenied');
    const worker = await assumeRole(forensics.sts, LAB_ACCOUNTS.forensics, 'worker');
    const { sts } = aws.clients(LAB_ACCOUNTS.forensics, worker);
    expect((await assumeRole(sts, LAB_ACCOUNTS.member, 'contain')).accessKeyId).toBeTruthy();
  });
});

describe('IAM enforcement', () => {
  afterEach(() => aws.lab.enforceIam(false));

  it('a role does what its policies allow, with signatures checked; presigned URLs obey them too', async () => {
    const AssumeRolePolicyDocument = JSON.stringify({
      Statement: [{ Effect: 'Allow', Principal: { AWS: rootOf(LAB_ACCOUNTS.forensics) }, Action: 'sts:AssumeRole' }],
    });
    const RoleName = 'reader';
    await forensics.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));
    const policy = (Effect: string, Action: string[]) =>
      forensics.iam.send(
        new PutRolePolicyCommand({
          RoleName,
          PolicyName: Effect,
          PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect, Action, Resource: '*' }] }),
        }),
      );
    await policy('Allow', ['s3:GetObject', 'ec2:DescribeVpcs']);
    await forensics.s3.send(new CreateBucketCommand({ Bucket: 'enforced' }));
    await forensics.s3.send(new PutObjectCommand({ Bucket: 'enforced', Key: 'a', Body: 'a' }));
    const credentials = await assumeRole(forensics.sts, LAB_ACCOUNTS.forensics, RoleName);
    const reader = aws.clients(LAB_ACCOUNTS.forensics, credentials);
    await aws.lab.enforceIam(true);
    await reader.ec2.send(new DescribeVpcsCommand({}));
    expect(await refusal(reader.ec2.send(new DescribeVolumesCommand({})))).toBe('UnauthorizedOperation');
    expect(await refusal(reader.s3.send(new ListObjectsV2Command({ Bucket: 'enforced' })))).toBe('AccessDenied');
    const wrong = aws.clients(LAB_ACCOUNTS.forensics, { ...credentials, secretAccessKey: 'wrong' });
    expect(await refusal(wrong.ec2.send(new DescribeVpcsCommand({})))).toBe('AuthFailure');
    const get = new GetObjectCommand({ Bucket: 'enforced', Key: 'a' });
    const put = new PutObjectCommand({ Bucket: 'enforced', Key: 'a' });
    const [toGet, toPut] = [await getSignedUrl(reader.s3, get), await getSignedUrl(reader.s3, put)];
    expect((await fetch(toGet)).status).toBe(200);
    expect((await fetch(toPut, { method: 'PUT', body: 'b' })).status).toBe(403);
    await aws.lab.enforceIam(false);
    await policy('Deny', ['*']);
    await aws.lab.enforceIam(true);
    expect((await fetch(toGet)).status).toBe(403);
  });
});

describe('SSM documents', () => {
  const content = (text: string) =>
    JSON.stringify({
      schemaVersion: '2.2',
      description: text,
      mainSteps: [{ action: 'aws:runShellScript', name: 'run', inputs: { runCommand: [`echo ${text}`] } }],
    });

  it('are found by name, by version, and by ARN from the accounts they are shared with; SendCommand is a gate', async () => {
    const Name = 'acquire-memory';
    const create = new CreateDocumentCommand({ Name, Content: content('one'), DocumentType: 'Command' });
    const { DocumentDescription } = await forensics.ssm.send(create);
    expect(DocumentDescription!.Owner).toBe(LAB_ACCOUNTS.forensics);
    expect(await refusal(forensics.ssm.send(create))).toBe('DocumentAlreadyExists');
    const update = new UpdateDocumentCommand({ Name, Content: content('two'), DocumentVersion: '$LATEST' });
    expect((await forensics.ssm.send(update)).DocumentDescription!.DocumentVersion).toBe('2');
    const ask = (version?: string) => aws.lab.document(LAB_ACCOUNTS.forensics, 'us-east-1', Name, version);
    expect((await ask()).Content.description).toBe('one');
    expect((await ask('$LATEST')).Content.description).toBe('two');
    await forensics.ssm.send(new UpdateDocumentDefaultVersionCommand({ Name, DocumentVersion: '2' }));
    expect(await ask('$DEFAULT')).toMatchObject({ DocumentVersion: '2', Owner: LAB_ACCOUNTS.forensics });
    expect((await ask('1')).Content.description).toBe('one');

    const arn = `arn:aws:ssm:us-east-1:${LAB_ACCOUNTS.forensics}:document/${Name}`;
    const fromMember = () => aws.lab.document(LAB_ACCOUNTS.member, 'us-east-1', arn);
    const send = (DocumentName: string) =>
      member.ssm.send(
        new SendCommandCommand({ DocumentName, InstanceIds: ['i-0fedcba98765'], Parameters: { a: ['b'] } }),
      );
    await expect(fromMember()).rejects.toThrow('404');
    expect(await refusal(send(arn))).toBe('InvalidDocument');
    expect(await refusal(send(Name))).toBe('InvalidDocument');
    await forensics.ssm.send(
      new ModifyDocumentPermissionCommand({ Name, PermissionType: 'Share', AccountIdsToAdd: [LAB_ACCOUNTS.member] }),
    );
    expect((await fromMember()).Content.description).toBe('two');
    expect((await member.ssm.send(new DescribeDocumentCommand({ Name: arn }))).Document!.Status).toBe('Active');
    expect((await member.ssm.send(new GetDocumentCommand({ Name: arn }))).DocumentVersion).toBe('2');
    await aws.lab.clearCalls();
    expect((await send(arn)).Command!.InstanceIds).toEqual(['i-0fedcba98765']);
    expect((await send('AWS-RunShellScript')).Command!.CommandId).toBeTruthy();
    expect(await aws.lab.calls()).toMatchObject([
      { service: 'ssm', action: 'SendCommand', account: member.accountId, parameters: { Parameters: { a: ['b'] } } },
      { service: 'ssm', action: 'SendCommand', error: null },
    ]);
  });
});

describe('DynamoDB and SNS', () => {
  it('conditional writes and transactions fail as a whole', async () => {
    const TableName = 'cases';
    await forensics.dynamodb.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      }),
    );
    const item = (pk: string) => ({
      TableName,
      Item: { pk: { S: pk } },
      ConditionExpression: 'attribute_not_exists(pk)',
    });
    await forensics.dynamodb.send(new PutItemCommand(item('a')));
    await expect(forensics.dynamodb.send(new PutItemCommand(item('a')))).rejects.toThrow(
      ConditionalCheckFailedException,
    );
    const both = new TransactWriteItemsCommand({ TransactItems: [{ Put: item('b') }, { Put: item('a') }] });
    await expect(forensics.dynamodb.send(both)).rejects.toThrow(TransactionCanceledException);
    const { Item } = await forensics.dynamodb.send(new GetItemCommand({ TableName, Key: { pk: { S: 'b' } } }));
    expect(Item).toBeUndefined();
    const token = { TransactItems: [{ Put: item('c') }], ClientRequestToken: 'once' };
    await forensics.dynamodb.send(new TransactWriteItemsCommand(token));
  });

  it('a message is published to a topic that is there only', async () => {
    const { TopicArn } = await forensics.sns.send(new CreateTopicCommand({ Name: 'cases' }));
    expect((await forensics.sns.send(new PublishCommand({ TopicArn, Message: 'm' }))).MessageId).toBeTruthy();
    const gone = new PublishCommand({ TopicArn: `${TopicArn!}-gone`, Message: 'm' });
    expect(await refusal(forensics.sns.send(gone))).toBe('NotFoundException');
  });
});

describe('faults and the journal', () => {
  const makeVolume = () => member.ec2.send(new CreateVolumeCommand({ AvailabilityZone: 'us-east-1a', Size: 1 }));

  it('an error before the action leaves nothing behind, one after it loses the answer', async () => {
    const { VolumeId } = await makeVolume();
    const snapshot = () => member.ec2.send(new CreateSnapshotCommand({ VolumeId }));
    const count = async () => {
      const Filters = [{ Name: 'volume-id', Values: [VolumeId!] }];
      return (await member.ec2.send(new DescribeSnapshotsCommand({ Filters }))).Snapshots!.length;
    };
    const match = { VolumeId: VolumeId! };
    await aws.lab.setFaults([{ service: 'ec2', action: 'CreateSnapshot', code: 'RequestLimitExceeded', match }]);
    expect(await refusal(snapshot())).toBe('RequestLimitExceeded');
    expect(await count()).toBe(0);
    await aws.lab.setFaults([
      { service: 'ec2', action: 'CreateSnapshot', code: 'InternalError', when: 'after', match },
    ]);
    expect(await refusal(snapshot())).toBe('InternalError');
    expect(await count()).toBe(1);
    await snapshot();
    expect(await count()).toBe(2);
  });

  it('match keeps a fault to calls with those parameters, account to those of an account, times counts down', async () => {
    const describeIds = (account: AccountClients, id: string) =>
      refusal(account.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] })));
    await aws.lab.setFaults([
      { action: 'DescribeInstances', code: 'Unavailable', match: { InstanceIds: 'i-00000001' }, times: 2 },
      { action: 'ListKeys', account: LAB_ACCOUNTS.member, code: 'ThrottlingException' },
    ]);
    expect(await describeIds(member, 'i-00000002')).toBe('InvalidInstanceID.NotFound');
    expect(await describeIds(member, 'i-00000001')).toBe('Unavailable');
    expect((await aws.lab.faults()).map((fault) => fault.times)).toEqual([1, 1]);
    expect(await describeIds(forensics, 'i-00000001')).toBe('Unavailable');
    expect(await describeIds(member, 'i-00000001')).toBe('InvalidInstanceID.NotFound');
    await expect(aws.lab.addFaults({ action: 'X' })).rejects.toThrow('does nothing');
  });

  it.each([
    ['ssm', 'GetDocument', 'ThrottlingException', () => member.ssm.send(new GetDocumentCommand({ Name: 'x-y' }))],
    [
      'dynamodb',
      'GetItem',
      'ProvisionedThroughputExceededException',
      () => member.dynamodb.send(new GetItemCommand({ TableName: 'none', Key: { a: { S: 'b' } } })),
    ],
    ['kms', 'DescribeKey', 'KMSInternalException', () => member.kms.send(new DescribeKeyCommand({ KeyId: 'k' }))],
    ['sns', 'CreateTopic', 'Throttled', () => member.sns.send(new CreateTopicCommand({ Name: 'n' }))],
    ['sts', 'GetCallerIdentity', 'ExpiredToken', () => member.sts.send(new GetCallerIdentityCommand({}))],
  ])('an injected error reaches the SDK in the wire format of %s', async (service, action, code, call) => {
    await aws.lab.setFaults([{ service, action, code }]);
    const name = await refusal(call());
    expect([code, `${code}Exception`]).toContain(name);
  });

  it('the journal names caller, parameters, agent and error; long parameters are cut', async () => {
    await aws.lab.clearCalls();
    const Description = 'd'.repeat(5000);
    const { VolumeId } = await makeVolume();
    await member.ec2.send(new CreateSnapshotCommand({ VolumeId, Description }));
    await refusal(member.ec2.send(new DescribeVolumesCommand({ VolumeIds: ['vol-0'] })));
    const [created, snapshot, read] = await aws.lab.calls();
    expect(created).toMatchObject({
      service: 'ec2',
      action: 'CreateVolume',
      account: LAB_ACCOUNTS.member,
      region: 'us-east-1',
      error: null,
      status: 200,
      parameters: { AvailabilityZone: 'us-east-1a', Size: 1 },
    });
    expect(created!.userAgent).toContain('aws-sdk-js');
    expect(created!.milliseconds).toBeGreaterThan(0);
    expect(JSON.stringify(snapshot!.parameters).length).toBeLessThan(2048);
    expect(read).toMatchObject({ action: 'DescribeVolumes', error: 'InvalidVolume.NotFound', status: 400 });
    expect(read!.parameters).toBeUndefined();
  });

  it('what the emulator lacks comes as an AWS error, not as a page', async () => {
    const screenshot = new GetConsoleScreenshotCommand({ InstanceId: 'i-0fedcba98765' });
    expect(await refusal(member.ec2.send(screenshot))).toBe('UnknownOperationException');
  });
});

describe('starting', () => {
  it('names the reason and the log when the emulator cannot start', async () => {
    const options = {
      port: Number(new URL(aws.emulator.url).port),
      dataFolder: aws.dataFolder,
      durations: { snapshotSeconds: 0, copySeconds: 0 },
      logFile: `${aws.dataFolder}/second.log`,
    };
    await expect(startEmulator({ ...options, python: emulatorPython() })).rejects.toThrow('answers already');
    await expect(startEmulator({ ...options, port: options.port + 1, python: '/bin/false' })).rejects.toThrow(
      /did not start .* exit code 1/,
    );
    await expect(startEmulator({ ...options, port: options.port + 1, python: '/no/python' })).rejects.toThrow(
      'could not be started',
    );
  });
});
