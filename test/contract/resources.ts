import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CompleteSnapshotCommand, PutSnapshotBlockCommand, StartSnapshotCommand } from '@aws-sdk/client-ebs';
import {
  CreateSecurityGroupCommand,
  CreateSnapshotCommand,
  type CreateSnapshotCommandInput,
  CreateVolumeCommand,
  type CreateVolumeCommandInput,
  CreateVpcCommand,
  DeleteSecurityGroupCommand,
  DeleteSnapshotCommand,
  DeleteVolumeCommand,
  DeleteVpcCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  type Instance,
  ModifyInstanceAttributeCommand,
  type ResourceType,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  type Snapshot,
  type TagSpecification,
  TerminateInstancesCommand,
  UnlockSnapshotCommand,
  type Volume,
} from '@aws-sdk/client-ec2';
import {
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { CreateKeyCommand, type CreateKeyCommandInput, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms';
import {
  AbortMultipartUploadCommand,
  type BucketLocationConstraint,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutObjectLegalHoldCommand,
} from '@aws-sdk/client-s3';
import { CreateDocumentCommand, DeleteDocumentCommand } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand } from '@aws-sdk/client-sts';
import type { Account } from './account';
import { until, untilAccepted } from './waiting';

/** Size of a block of the EBS direct APIs, in bytes. */
export const BLOCK_SIZE = 512 * 1024;
/** The fewest days that KMS waits before it deletes a key; a key that waits costs nothing. */
const KEY_DELETION_DAYS = 7;
const PATIENCE_MS = 1_800_000;
const PATIENCE_OF_LAB_MS = 30_000;
const GONE = /NotFound|NoSuch|NotExist|InvalidDocument$/;

export interface PolicyStatement {
  Effect: 'Allow' | 'Deny';
  Action: string | string[];
  Resource?: string | string[];
  Principal?: string | Record<string, string | string[]>;
  Condition?: Record<string, Record<string, string | string[]>>;
}

export const policyDocument = (...Statement: PolicyStatement[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement });

export const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('base64');

/**
 * Makes what tests need, under one prefix and one tag, and deletes it all at the end.
 */
export class Resources {
  /** Begins every name: of roles, buckets, groups, documents. Differs from run to run. */
  readonly prefix = `ec2-forensics-contract-${randomBytes(4).toString('hex')}`;
  private names = 0;
  /** Instances that only the test under way needs. */
  private passing: { account: Account; instanceId: string }[] = [];
  private endings: { what: string; end: () => Promise<unknown> }[] = [];

  /** `disposable`: the target itself ends, so that what cannot be deleted for some minutes may stay. */
  constructor(private readonly options: { pollMs: number; disposable: boolean }) {}

  name(): string {
    this.names += 1;
    return `${this.prefix}-${this.names}`;
  }

  tags(): { Key: string; Value: string }[] {
    return [{ Key: 'ec2-forensics-contract', Value: this.prefix }];
  }

  /** `TagSpecifications` of EC2's calls. */
  tagged(type: ResourceType): TagSpecification[] {
    return [{ ResourceType: type, Tags: this.tags() }];
  }

  /** Remembers how to delete something. Called by everything here; by tests for what they make themselves. */
  later(what: string, end: () => Promise<unknown>): void {
    this.endings.push({ what, end });
  }

  /**
   * Deletes all, last made first; what something else still holds is tried again in the next round.
   *
   * @throws Error that lists what is left.
   */
  async drop(): Promise<void> {
    const deadline = Date.now() + (this.options.disposable ? PATIENCE_OF_LAB_MS : PATIENCE_MS);
    for (;;) {
      const left: { what: string; end: () => Promise<unknown>; reason: string }[] = [];
      for (const { what, end } of this.endings.reverse()) {
        const reason = await end().then(
          () => undefined,
          (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
        );
        if (reason !== undefined && !GONE.test(reason.split(':')[0] ?? '')) left.unshift({ what, end, reason });
      }
      this.endings = left;
      if (left.length === 0) return;
      if (Date.now() > deadline) {
        throw new Error(`not deleted:\n${left.map(({ what, reason }) => `${what}: ${reason}`).join('\n')}`);
      }
      await sleep(this.options.pollMs);
    }
  }

  /** A running instance. */
  async instance(
    account: Account,
    options: Partial<RunInstancesCommandInput> & { ImageId: string },
  ): Promise<Instance> {
    const { Instances } = await account.ec2.send(
      new RunInstancesCommand({
        InstanceType: 't3.micro',
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [...this.tagged('instance'), ...this.tagged('volume')],
        ...options,
      }),
    );
    for (const { InstanceId } of Instances!) this.endInstance(account, InstanceId!);
    return this.runningInstance(account, Instances![0]!.InstanceId!);
  }

  async runningInstance(account: Account, instanceId: string): Promise<Instance> {
    return until(
      `${instanceId} to run`,
      () => this.describedInstance(account, instanceId),
      (instance) => instance.State?.Name === 'running',
    );
  }

  async describedInstance(account: Account, instanceId: string): Promise<Instance> {
    const { Reservations } = await untilAccepted(() =>
      account.ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] })),
    );
    return Reservations![0]!.Instances![0]!;
  }

  /** Ends the instances of a test as it ends: an account's quota of running vCPUs is small. Errors wait for `drop`. */
  async endPassingInstances(): Promise<void> {
    for (const { account, instanceId } of this.passing.splice(0)) {
      await this.terminate(account, instanceId).catch(() => undefined);
    }
  }

  /** Keeps an instance beyond the test in which it was launched. */
  keepInstance(kept: string): void {
    this.passing = this.passing.filter(({ instanceId }) => instanceId !== kept);
  }

  private async terminate(account: Account, instanceId: string): Promise<void> {
    await account.ec2.send(
      new ModifyInstanceAttributeCommand({ InstanceId: instanceId, DisableApiTermination: { Value: false } }),
    );
    await account.ec2.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] }));
  }

  endInstance(account: Account, instanceId: string): void {
    this.passing.push({ account, instanceId });
    this.later(`instance ${instanceId}`, async () => {
      if ((await this.describedInstance(account, instanceId)).State?.Name === 'terminated') return;
      await this.terminate(account, instanceId);
      const { State } = await this.describedInstance(account, instanceId);
      if (State?.Name !== 'terminated') throw new Error(`it is ${State?.Name ?? 'in no state'}`);
    });
  }

  /** An available volume. */
  async volume(
    account: Account,
    options: Partial<CreateVolumeCommandInput> & { AvailabilityZone: string },
  ): Promise<Volume> {
    const { VolumeId } = await account.ec2.send(
      new CreateVolumeCommand({
        ...(options.SnapshotId === undefined && { Size: 1 }),
        TagSpecifications: this.tagged('volume'),
        ...options,
      }),
    );
    this.endVolume(account, VolumeId!);
    return until(
      `${VolumeId} to be available`,
      () => this.describedVolume(account, VolumeId!),
      (volume) => volume.State !== 'creating',
    );
  }

  endVolume(account: Account, volumeId: string): void {
    this.later(`volume ${volumeId}`, () => account.ec2.send(new DeleteVolumeCommand({ VolumeId: volumeId })));
  }

  async describedVolume(account: Account, volumeId: string): Promise<Volume> {
    const { Volumes } = await untilAccepted(() =>
      account.ec2.send(new DescribeVolumesCommand({ VolumeIds: [volumeId] })),
    );
    return Volumes![0]!;
  }

  /** A completed snapshot of a volume. */
  async snapshot(account: Account, options: CreateSnapshotCommandInput): Promise<Snapshot> {
    const { SnapshotId } = await account.ec2.send(
      new CreateSnapshotCommand({ TagSpecifications: this.tagged('snapshot'), ...options }),
    );
    this.endSnapshot(account, SnapshotId!);
    return this.settledSnapshot(account, SnapshotId!);
  }

  /** A completed 1 GiB snapshot with these bytes, by block index; written without a volume. */
  async writtenSnapshot(account: Account, blocks: Map<number, Buffer>, kmsKeyArn?: string): Promise<string> {
    const { SnapshotId } = await account.ebs.send(
      new StartSnapshotCommand({
        VolumeSize: 1,
        Tags: this.tags(),
        ...(kmsKeyArn !== undefined && { Encrypted: true, KmsKeyArn: kmsKeyArn }),
      }),
    );
    this.endSnapshot(account, SnapshotId!);
    for (const [BlockIndex, BlockData] of blocks) {
      await account.ebs.send(
        new PutSnapshotBlockCommand({
          SnapshotId,
          BlockIndex,
          BlockData,
          DataLength: BLOCK_SIZE,
          Checksum: sha256(BlockData),
          ChecksumAlgorithm: 'SHA256',
        }),
      );
    }
    await account.ebs.send(new CompleteSnapshotCommand({ SnapshotId, ChangedBlocksCount: blocks.size }));
    await this.settledSnapshot(account, SnapshotId!);
    return SnapshotId!;
  }

  /** The snapshot once it is no longer pending. */
  async settledSnapshot(account: Account, snapshotId: string): Promise<Snapshot> {
    return until(
      `${snapshotId} to be completed`,
      () => this.describedSnapshot(account, snapshotId),
      (snapshot) => snapshot.State !== 'pending',
    );
  }

  async describedSnapshot(account: Account, snapshotId: string): Promise<Snapshot> {
    const { Snapshots } = await untilAccepted(() =>
      account.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [snapshotId] })),
    );
    return Snapshots![0]!;
  }

  endSnapshot(account: Account, snapshotId: string): void {
    this.later(`snapshot ${snapshotId}`, async () => {
      await account.ec2.send(new UnlockSnapshotCommand({ SnapshotId: snapshotId })).catch(() => undefined);
      await account.ec2.send(new DeleteSnapshotCommand({ SnapshotId: snapshotId }));
    });
  }

  /** A VPC without subnets, for security groups. */
  async vpc(account: Account): Promise<string> {
    const { Vpc } = await account.ec2.send(
      new CreateVpcCommand({ CidrBlock: '10.99.0.0/24', TagSpecifications: this.tagged('vpc') }),
    );
    const VpcId = Vpc!.VpcId!;
    this.later(`VPC ${VpcId}`, () => account.ec2.send(new DeleteVpcCommand({ VpcId })));
    return VpcId;
  }

  async securityGroup(account: Account, VpcId: string, GroupName = this.name()): Promise<string> {
    const { GroupId } = await account.ec2.send(
      new CreateSecurityGroupCommand({
        VpcId,
        GroupName,
        Description: 'contract test',
        TagSpecifications: this.tagged('security-group'),
      }),
    );
    this.later(`security group ${GroupId!}`, () => account.ec2.send(new DeleteSecurityGroupCommand({ GroupId })));
    return GroupId!;
  }

  /** ARN of a symmetric key. Without a policy its account administers it by IAM policies. */
  key(account: Account, Policy?: string): Promise<string> {
    return this.anyKey(account, Policy === undefined ? {} : { Policy });
  }

  /** An asymmetric one, for signatures by ECDSA with P-256. */
  signingKey(account: Account): Promise<string> {
    return this.anyKey(account, { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
  }

  private async anyKey(account: Account, settings: CreateKeyCommandInput): Promise<string> {
    const { KeyMetadata } = await account.kms.send(
      new CreateKeyCommand({
        Description: this.prefix,
        Tags: this.tags().map(({ Key, Value }) => ({ TagKey: Key, TagValue: Value })),
        ...settings,
      }),
    );
    const { KeyId, Arn } = KeyMetadata!;
    this.later(`key ${Arn!}`, () =>
      account.kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: KEY_DELETION_DAYS })),
    );
    return Arn!;
  }

  /** `compliance`: objects of it may be held in compliance mode for a minute or two. */
  async bucket(account: Account, options: { objectLock?: boolean; compliance?: boolean } = {}): Promise<string> {
    const Bucket = this.name();
    const { region } = account.settings;
    await account.s3.send(
      new CreateBucketCommand({
        Bucket,
        ...(options.objectLock === true && { ObjectLockEnabledForBucket: true }),
        ...(region !== 'us-east-1' && {
          CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint },
        }),
      }),
    );
    if (!(options.compliance === true && this.options.disposable)) {
      this.later(`bucket ${Bucket}`, () => emptyAndDelete(account, Bucket, options.objectLock === true));
    }
    return Bucket;
  }

  async role(
    account: Account,
    options: { trust: PolicyStatement; policy?: PolicyStatement[]; maxSessionSeconds?: number },
  ): Promise<{ name: string; arn: string }> {
    const RoleName = this.name();
    const { Role } = await untilAccepted(() =>
      account.iam.send(
        new CreateRoleCommand({
          RoleName,
          AssumeRolePolicyDocument: policyDocument(options.trust),
          MaxSessionDuration: options.maxSessionSeconds ?? 3600,
          Tags: this.tags(),
        }),
      ),
    );
    this.later(`role ${RoleName}`, async () => {
      await account.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: 'contract' })).catch(() => undefined);
      await account.iam.send(new DeleteRoleCommand({ RoleName }));
    });
    if (options.policy) await this.rolePolicy(account, RoleName, ...options.policy);
    return { name: RoleName, arn: Role!.Arn! };
  }

  /** Puts the role's one inline policy in place. */
  async rolePolicy(account: Account, RoleName: string, ...statements: PolicyStatement[]): Promise<void> {
    await account.iam.send(
      new PutRolePolicyCommand({ RoleName, PolicyName: 'contract', PolicyDocument: policyDocument(...statements) }),
    );
  }

  /** The role's clients: in `account`, by `caller`, who is trusted. IAM takes seconds to know a new role everywhere. */
  async assumed(
    account: Account,
    caller: Account,
    RoleArn: string,
    options: { ExternalId?: string; Policy?: string } = {},
  ): Promise<Account> {
    const { Credentials } = await untilAccepted(() =>
      caller.sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'contract', ...options })),
    );
    const assumed = account.as({
      accessKeyId: Credentials!.AccessKeyId!,
      secretAccessKey: Credentials!.SecretAccessKey!,
      sessionToken: Credentials!.SessionToken!,
    });
    this.later(`clients of ${RoleArn}`, () => {
      assumed.close();
      return Promise.resolve();
    });
    return assumed;
  }

  /** A Command document whose steps run these lines with sh. */
  async document(account: Account, content: object): Promise<string> {
    const Name = this.name();
    await account.ssm.send(
      new CreateDocumentCommand({
        Name,
        Content: JSON.stringify(content),
        DocumentType: 'Command',
        DocumentFormat: 'JSON',
        Tags: this.tags(),
      }),
    );
    this.endDocument(account, Name);
    return Name;
  }

  endDocument(account: Account, Name: string): void {
    this.later(`document ${Name}`, () => account.ssm.send(new DeleteDocumentCommand({ Name, Force: true })));
  }
}

async function emptyAndDelete(account: Account, Bucket: string, locked: boolean): Promise<void> {
  const { s3 } = account;
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }));
  for (const { Key, UploadId } of Uploads ?? []) {
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  }
  const { Versions, DeleteMarkers } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
  for (const { Key, VersionId } of Versions ?? []) {
    if (locked) {
      await s3.send(new PutObjectLegalHoldCommand({ Bucket, Key, VersionId, LegalHold: { Status: 'OFF' } }));
    }
    await s3.send(
      new DeleteObjectCommand({ Bucket, Key, VersionId, ...(locked && { BypassGovernanceRetention: true }) }),
    );
  }
  for (const { Key, VersionId } of DeleteMarkers ?? []) {
    await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
  }
  await s3.send(new DeleteBucketCommand({ Bucket }));
}
