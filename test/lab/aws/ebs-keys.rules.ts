/** Keys of encrypted snapshots and volumes: who may do what with them decides, operation by operation. */
import {
  CopySnapshotCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  ModifySnapshotAttributeCommand,
  type Snapshot,
} from '@aws-sdk/client-ec2';
import { ListSnapshotBlocksCommand } from '@aws-sdk/client-ebs';
import {
  CreateGrantCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  type GrantOperation,
  PutKeyPolicyCommand,
} from '@aws-sdk/client-kms';
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { LAB_ACCOUNTS } from '../../../lab/config';
import {
  type AccountClients,
  assumeRole,
  type EmulatedAws,
  eventually,
  refusal,
  sharedEmulatedAws,
} from './emulated-aws';

const ZONE = 'us-east-1a';
let aws: EmulatedAws;
let member: AccountClients;
let forensics: AccountClients;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ member, forensics } = aws);
});

const root = (account: string) => `arn:aws:iam::${account}:root`;

async function newKey(account: AccountClients): Promise<string> {
  return (await account.kms.send(new CreateKeyCommand({}))).KeyMetadata!.Arn!;
}

async function settled(account: AccountClients, id: string): Promise<Snapshot> {
  return eventually(
    async () => (await account.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }))).Snapshots![0]!,
    (snapshot) => snapshot.State !== 'pending',
  );
}

/** A snapshot of the member account under the key, shared with the forensics account. */
async function sharedSnapshot(key: string): Promise<string> {
  const { VolumeId } = await member.ec2.send(
    new CreateVolumeCommand({ AvailabilityZone: ZONE, Size: 1, Encrypted: true, KmsKeyId: key }),
  );
  const { SnapshotId } = await member.ec2.send(new CreateSnapshotCommand({ VolumeId }));
  expect((await settled(member, SnapshotId!)).State).toBe('completed');
  await member.ec2.send(
    new ModifySnapshotAttributeCommand({
      SnapshotId,
      CreateVolumePermission: { Add: [{ UserId: LAB_ACCOUNTS.forensics }] },
    }),
  );
  return SnapshotId!;
}

async function copy(snapshotId: string, key?: string, account = forensics): Promise<Snapshot> {
  const { SnapshotId } = await account.ec2.send(
    new CopySnapshotCommand({
      SourceRegion: 'us-east-1',
      SourceSnapshotId: snapshotId,
      Encrypted: true,
      KmsKeyId: key,
    }),
  );
  return settled(forensics, SnapshotId!);
}

interface KeyStatement {
  actions: string[];
  condition?: object;
  principal?: string;
}

async function keyPolicy(key: string, ...statements: KeyStatement[]): Promise<void> {
  const own = { Effect: 'Allow', Principal: { AWS: root(LAB_ACCOUNTS.member) }, Action: 'kms:*', Resource: '*' };
  const others = statements.map(({ actions, condition, principal }) => ({
    Effect: 'Allow',
    Principal: { AWS: principal ?? root(LAB_ACCOUNTS.forensics) },
    Action: actions.map((action) => `kms:${action}`),
    Resource: '*',
    ...(condition !== undefined && { Condition: condition }),
  }));
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [own, ...others] });
  await member.kms.send(new PutKeyPolicyCommand({ KeyId: key, PolicyName: 'default', Policy }));
}

const ACCESSIBLE = { State: 'completed' };
const INACCESSIBLE = { State: 'error', StateMessage: 'Given key ID is not accessible' };
const USES = ['Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GenerateDataKeyWithoutPlaintext', 'DescribeKey'] as const;

describe('the key of a shared snapshot', () => {
  it('"If you specify a key that is not valid, the request can appear to complete, but eventually fails": Given key ID is not accessible', async () => {
    const id = await sharedSnapshot(await newKey(member));
    expect(await copy(id)).toMatchObject(INACCESSIBLE);
  });

  it('"Users of your shared key must be granted DescribeKey, CreateGrant, Decrypt, ReEncrypt": by policy, with CreateGrant for AWS resources only', async () => {
    const key = await newKey(member);
    const id = await sharedSnapshot(key);
    const condition = { Bool: { 'kms:GrantIsForAWSResource': 'true' } };
    await keyPolicy(key, { actions: [...USES] }, { actions: ['CreateGrant'], condition });
    expect(await copy(id)).toMatchObject(ACCESSIBLE);
  });

  it.each([
    ['CreateGrant', USES],
    ['Decrypt', ['CreateGrant', ...USES.filter((use) => use !== 'Decrypt')]],
    ['ReEncrypt', ['CreateGrant', 'Decrypt', 'DescribeKey', 'GenerateDataKeyWithoutPlaintext']],
  ])('without %s the copy fails', async (_name, actions) => {
    const key = await newKey(member);
    const id = await sharedSnapshot(key);
    await keyPolicy(key, { actions: [...actions] });
    expect(await copy(id)).toMatchObject(INACCESSIBLE);
  });

  it('a condition that is not met admits nothing: another service, another account', async () => {
    const key = await newKey(member);
    const id = await sharedSnapshot(key);
    const actions = [...USES, 'CreateGrant'];
    await keyPolicy(key, { actions, condition: { StringEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } } });
    expect(await copy(id)).toMatchObject(INACCESSIBLE);
    await keyPolicy(key, { actions, principal: root('777788889999') });
    expect(await copy(id)).toMatchObject(INACCESSIBLE);
    await keyPolicy(key, { actions, condition: { StringEquals: { 'kms:ViaService': 'ec2.us-east-1.amazonaws.com' } } });
    expect(await copy(id)).toMatchObject(ACCESSIBLE);
  });

  it('a grant counts for the operations that it names', async () => {
    const grant = async (...Operations: GrantOperation[]) => {
      const key = await newKey(member);
      const id = await sharedSnapshot(key);
      const GranteePrincipal = root(LAB_ACCOUNTS.forensics);
      await member.kms.send(new CreateGrantCommand({ KeyId: key, GranteePrincipal, Operations }));
      return copy(id);
    };
    expect(await grant('Decrypt', 'DescribeKey', 'CreateGrant', 'ReEncryptFrom')).toMatchObject(ACCESSIBLE);
    expect(await grant('DescribeKey')).toMatchObject(INACCESSIBLE);
  });

  it('a disabled key, of the source or of the copy, is not accessible', async () => {
    const [source, target] = [await newKey(member), await newKey(forensics)];
    const id = await sharedSnapshot(source);
    await keyPolicy(source, { actions: ['*'] });
    expect(await copy(id, target)).toMatchObject({ ...ACCESSIBLE, KmsKeyId: target });
    await forensics.kms.send(new DisableKeyCommand({ KeyId: target }));
    expect(await copy(id, target)).toMatchObject(INACCESSIBLE);
    await member.kms.send(new DisableKeyCommand({ KeyId: source }));
    expect(await copy(id)).toMatchObject(INACCESSIBLE);
  });

  it('EBS direct APIs need kms:Decrypt of an encrypted snapshot', async () => {
    const key = await newKey(member);
    const id = await sharedSnapshot(key);
    const list = () => forensics.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId: id }));
    await keyPolicy(key, { actions: ['DescribeKey'] });
    expect(await refusal(list())).toBe('AccessDeniedException');
    await keyPolicy(key, { actions: ['Decrypt'] });
    expect((await list()).VolumeSize).toBe(1);
  });
});

describe('the key of a volume', () => {
  it('an encrypted volume shows the ARN of its key; without access to the key it ends in error', async () => {
    const key = await newKey(member);
    const make = async (KmsKeyId: string) =>
      (await member.ec2.send(new CreateVolumeCommand({ AvailabilityZone: ZONE, Size: 1, Encrypted: true, KmsKeyId })))
        .VolumeId!;
    const good = await make(key.split('/')[1]!);
    const bad = await make(await newKey(forensics));
    const { Volumes } = await member.ec2.send(new DescribeVolumesCommand({ VolumeIds: [good, bad] }));
    const found = new Map(Volumes!.map((one) => [one.VolumeId, one]));
    expect(found.get(good)).toMatchObject({ KmsKeyId: key, Encrypted: true, State: 'available' });
    expect(found.get(bad)!.State).toBe('error');
  });
});

describe('with IAM enforced', () => {
  afterEach(() => aws.lab.enforceIam(false));

  it('EBS uses the key with the permissions of whoever calls: without kms actions of its own a role makes no copy', async () => {
    const Principal = { AWS: root(LAB_ACCOUNTS.forensics) };
    const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' }] };
    const RoleName = 'copier';
    await forensics.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) }));
    const allow = (PolicyName: string, Action: string[], Condition?: object) =>
      forensics.iam.send(
        new PutRolePolicyCommand({
          RoleName,
          PolicyName,
          PolicyDocument: JSON.stringify({
            Version: '2012-10-17',
            Statement: [{ Effect: 'Allow', Action, Resource: '*', ...(Condition !== undefined && { Condition }) }],
          }),
        }),
      );
    await allow('snapshots', ['ec2:CopySnapshot', 'ec2:DescribeSnapshots']);
    const [source, target] = [await newKey(member), await newKey(forensics)];
    const id = await sharedSnapshot(source);
    await keyPolicy(source, { actions: ['*'] });
    const copier = aws.clients(
      LAB_ACCOUNTS.forensics,
      await assumeRole(forensics.sts, LAB_ACCOUNTS.forensics, RoleName),
    );
    await aws.lab.enforceIam(true);
    expect(await copy(id, target, copier)).toMatchObject(INACCESSIBLE);
    const through = { 'kms:ViaService': 'ec2.us-east-1.amazonaws.com' };
    await allow(
      'keys',
      [...USES, 'CreateGrant'].map((use) => `kms:${use}`),
      { StringEquals: through },
    );
    expect(await copy(id, target, copier)).toMatchObject(ACCESSIBLE);
  });
});
