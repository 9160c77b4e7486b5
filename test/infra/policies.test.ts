/**
 * The product's own policies, enforced: each role does what its purpose needs and no more. What they allow is shown by the
 * cases that pass through an enforced lab (test/e2e); here is what they refuse, and the least of what they allow.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  CopySnapshotCommand,
  CreateSnapshotCommand,
  CreateTagsCommand,
  CreateVolumeCommand,
  DeleteSnapshotCommand,
  DeleteVolumeCommand,
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DisassociateAddressCommand,
  ModifyInstanceAttributeCommand,
  ModifyNetworkInterfaceAttributeCommand,
  ModifySnapshotAttributeCommand,
  RegisterImageCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { CreateRoleCommand, CreateUserCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { CreateBucketCommand, DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SendCommandCommand } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand } from '@aws-sdk/client-sts';
import type { MemberPurpose } from '../../activities/aws/clients';
import { revocationPolicy } from '../../domain/containment';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { deploy, type LabDeployment } from '../../lab/seed/deployment';
import { type AccountClients, type EmulatedAws, refusal, startEmulatedAws } from '../lab/aws/emulated-aws';
import { workerPolicy } from '../../infra/worker-policy';

const CASE = [{ Key: 'forensics:case', Value: 'case-1' }];
const ofCase = (ResourceType: 'volume' | 'snapshot' | 'instance') => [{ ResourceType, Tags: CASE }];
const DENIED = 'UnauthorizedOperation';

describe('policies of the product', () => {
  let aws: EmulatedAws;
  let deployment: LabDeployment;
  let folder: string;
  let worker: AccountClients;
  let suspect: { instanceId: string; interfaceId: string; volumeId: string };

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'policies-'));
    aws = await startEmulatedAws({ snapshotSeconds: 0, copySeconds: 0 });
    deployment = await deploy({
      endpoints: { aws: aws.emulator.url, ssm: aws.emulator.url },
      temporalAddress: 'none',
      stateFolder: folder,
      memoryTools: [],
    });
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = deployment.environment;
    worker = aws.clients(LAB_ACCOUNTS.forensics, { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! });
    const { ImageId } = await deployment.member.ec2.send(
      new RegisterImageCommand({ Name: 'suspect', RootDeviceName: '/dev/xvda', VirtualizationType: 'hvm' }),
    );
    const { Instances } = await deployment.member.ec2.send(
      new RunInstancesCommand({ ImageId, InstanceType: 'm5.large', MinCount: 1, MaxCount: 1 }),
    );
    const volume = await deployment.member.ec2.send(
      new CreateVolumeCommand({ AvailabilityZone: `${LAB_REGION}a`, Size: 1 }),
    );
    suspect = {
      instanceId: Instances![0]!.InstanceId!,
      interfaceId: Instances![0]!.NetworkInterfaces![0]!.NetworkInterfaceId!,
      volumeId: volume.VolumeId!,
    };
  });

  afterAll(async () => {
    await aws.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** As the worker enters: with its own key, the external id, and a session policy if one is given. */
  async function enter(purpose: MemberPurpose, session: { ExternalId?: string | undefined; Policy?: string } = {}) {
    const { Credentials: given } = await worker.sts.send(
      new AssumeRoleCommand({
        RoleArn: `arn:aws:iam::${LAB_ACCOUNTS.member}:role/${deployment.config.memberRoles[purpose]}`,
        RoleSessionName: 'case-1',
        ExternalId: deployment.config.externalId,
        ...session,
      }),
    );
    return aws.clients(LAB_ACCOUNTS.member, {
      accessKeyId: given!.AccessKeyId!,
      secretAccessKey: given!.SecretAccessKey!,
      sessionToken: given!.SessionToken!,
    });
  }

  const protect = (account: AccountClients) =>
    account.ec2.send(
      new ModifyInstanceAttributeCommand({ InstanceId: suspect.instanceId, DisableApiTermination: { Value: true } }),
    );
  const snapshot = (account: AccountClients) =>
    account.ec2.send(new CreateSnapshotCommand({ VolumeId: suspect.volumeId, TagSpecifications: ofCase('snapshot') }));
  const isolate = (account: AccountClients) =>
    account.ec2.send(
      new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: suspect.interfaceId, Groups: ['sg-1'] }),
    );
  const describeInstances = (account: AccountClients) => account.ec2.send(new DescribeInstancesCommand({}));
  const readEvidence = (account: AccountClients) =>
    account.s3.send(new GetObjectCommand({ Bucket: deployment.config.buckets.evidence, Key: 'cases/a' }));

  describe('member roles', () => {
    it('let nobody in without the external id, nor anybody but the worker', async () => {
      expect(await refusal(enter('triage', { ExternalId: 'another' }))).toBe('AccessDenied');
      expect(await refusal(enter('triage', { ExternalId: undefined }))).toBe('AccessDenied');
      const { arn } = { arn: `arn:aws:iam::${LAB_ACCOUNTS.member}:role/${deployment.config.memberRoles.triage}` };
      const administrator = aws.forensics.sts.send(
        new AssumeRoleCommand({
          RoleArn: arn,
          RoleSessionName: 'somebody',
          ExternalId: deployment.config.externalId,
        }),
      );
      expect(await refusal(administrator)).toBe('AccessDenied');
    });

    it('triage changes nothing', async () => {
      const triage = await enter('triage');
      await describeInstances(triage);
      for (const change of [protect, snapshot, isolate]) expect(await refusal(change(triage))).toBe(DENIED);
      const tag = new CreateTagsCommand({ Resources: [suspect.instanceId], Tags: CASE });
      expect(await refusal(triage.ec2.send(tag))).toBe(DENIED);
    });

    it('acquisition protects and snapshots; it cannot contain, delete, change what is not protection, share with others', async () => {
      const acquire = await enter('acquire');
      await protect(acquire);
      const { SnapshotId } = await snapshot(acquire);
      expect(await refusal(isolate(acquire))).toBe(DENIED);
      expect(await refusal(acquire.ec2.send(new DeleteSnapshotCommand({ SnapshotId })))).toBe(DENIED);
      const { instanceId: InstanceId } = suspect;
      for (const change of [
        new ModifyInstanceAttributeCommand({ InstanceId, UserData: { Value: Buffer.from('x') } }),
        new ModifyInstanceAttributeCommand({ InstanceId, Groups: ['sg-1'] }),
        new TerminateInstancesCommand({ InstanceIds: [InstanceId] }),
      ]) {
        expect(await refusal(acquire.ec2.send(change as TerminateInstancesCommand))).toBe(DENIED);
      }
      const share = new ModifySnapshotAttributeCommand({
        SnapshotId,
        OperationType: 'add',
        UserIds: ['777788889999'],
        Attribute: 'createVolumePermission',
      });
      expect(await refusal(acquire.ec2.send(share))).toBe(DENIED);
      await acquire.ec2.send(new ModifySnapshotAttributeCommand({ ...share.input, UserIds: [LAB_ACCOUNTS.forensics] }));
    });

    it('acquisition runs the documents that are made for a suspect and no other', async () => {
      const acquire = await enter('acquire');
      const send = (DocumentName: string) =>
        acquire.ssm.send(new SendCommandCommand({ DocumentName, InstanceIds: [suspect.instanceId] }));
      expect(await refusal(send('AWS-RunShellScript'))).toBe('AccessDeniedException');
      await send(deployment.config.documents.acquireMemoryLinux.arn);
      await send(deployment.config.documents.probeIsolation.arn);
    });

    it('containment takes an Elastic IP address off and gives it back, but gets itself no other one', async () => {
      const { ec2 } = deployment.member;
      const { AllocationId, PublicIp } = await ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
      const associate = new AssociateAddressCommand({ AllocationId, NetworkInterfaceId: suspect.interfaceId });
      await ec2.send(associate);
      const contain = await enter('contain');
      const { Addresses } = await contain.ec2.send(
        new DescribeAddressesCommand({ Filters: [{ Name: 'public-ip', Values: [PublicIp!] }] }),
      );
      await contain.ec2.send(new DisassociateAddressCommand({ AssociationId: Addresses![0]!.AssociationId }));
      await contain.ec2.send(associate);
      expect(await refusal(contain.ec2.send(new AllocateAddressCommand({ Domain: 'vpc' })))).toBe(DENIED);
    });

    it('containment gives roles to instances only, and never changes what the product’s own roles may do', async () => {
      const contain = await enter('contain');
      const policy = { PolicyName: 'more', PolicyDocument: JSON.stringify(revocationPolicy('2026-01-01T00:00:00Z')) };
      for (const RoleName of Object.values(deployment.config.memberRoles))
        expect(await refusal(contain.iam.send(new PutRolePolicyCommand({ RoleName, ...policy })))).toMatch(
          /AccessDenied/,
        );
      expect(
        await refusal(contain.iam.send(new CreateRoleCommand({ RoleName: 'more', AssumeRolePolicyDocument: '{}' }))),
      ).toMatch(/AccessDenied/);
    });

    it('containment reads neither evidence nor snapshots, and makes none', async () => {
      const contain = await enter('contain');
      await describeInstances(contain);
      for (const change of [protect, snapshot]) expect(await refusal(change(contain))).toBe(DENIED);
      expect(await refusal(readEvidence(contain))).toBe('AccessDenied');
      const copy = new CopySnapshotCommand({ SourceRegion: LAB_REGION, SourceSnapshotId: 'snap-1' });
      expect(await refusal(contain.ec2.send(copy))).toBe(DENIED);
      // It may: that there is no such group is another matter.
      expect(await refusal(isolate(contain))).toBe('InvalidGroup.NotFound');
    });

    it('a session policy narrows what a role may do', async () => {
      const Policy = JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: 'ec2:DescribeVolumes', Resource: '*' }],
      });
      const narrow = await enter('triage', { Policy });
      await expect(describeInstances(narrow)).rejects.toMatchObject({
        name: DENIED,
        message: expect.stringContaining('because no session policy allows the ec2:DescribeInstances action') as string,
      });
    });
  });

  describe('the worker', () => {
    it('has a policy that fits into a managed one', () => {
      const { config } = deployment;
      const memberAccountIds = [LAB_ACCOUNTS.member, '777788889999', '888899990000'];
      const text = JSON.stringify(workerPolicy({ ...config, memberAccountIds }));
      expect(text.replace(/\s/g, '').length).toBeLessThanOrEqual(6144);
    });

    it('reaches its own buckets, writes evidence once, and no other bucket', async () => {
      await deployment.forensics.s3.send(new CreateBucketCommand({ Bucket: 'somebody-elses' }));
      const { evidence } = deployment.config.buckets;
      const put = (Bucket: string) => worker.s3.send(new PutObjectCommand({ Bucket, Key: 'cases/a', Body: 'a' }));
      const { VersionId } = await put(evidence);
      await readEvidence(worker);
      expect(await refusal(put('somebody-elses'))).toBe('AccessDenied');
      for (const version of [undefined, VersionId]) {
        const remove = new DeleteObjectCommand({ Bucket: evidence, Key: 'cases/a', VersionId: version });
        expect(await refusal(worker.s3.send(remove))).toBe('AccessDenied');
      }
    });

    it('uses up what was made for a case only', async () => {
      const volume = async (tagged: boolean): Promise<string> => {
        const { VolumeId } = await deployment.forensics.ec2.send(
          new CreateVolumeCommand({
            AvailabilityZone: `${LAB_REGION}a`,
            Size: 1,
            ...(tagged && { TagSpecifications: ofCase('volume') }),
          }),
        );
        return VolumeId!;
      };
      const remove = async (tagged: boolean) =>
        worker.ec2.send(new DeleteVolumeCommand({ VolumeId: await volume(tagged) }));
      expect(await refusal(remove(false))).toBe(DENIED);
      await remove(true);
      const untagged = worker.ec2.send(new CreateVolumeCommand({ AvailabilityZone: `${LAB_REGION}a`, Size: 1 }));
      expect(await refusal(untagged)).toBe(DENIED);
      // Tags are given by what makes a thing, never added to a stranger's.
      const tag = new CreateTagsCommand({ Resources: [await volume(false)], Tags: CASE });
      expect(await refusal(worker.ec2.send(tag))).toBe(DENIED);
    });

    it('gives itself nothing, and enters an account by the member roles alone', async () => {
      const user = new CreateUserCommand({ UserName: 'back-door' });
      expect(await refusal(worker.iam.send(user))).toBe('AccessDenied');
      const administrator = new AssumeRoleCommand({
        RoleArn: `arn:aws:iam::${LAB_ACCOUNTS.member}:role/OrganizationAccountAccessRole`,
        RoleSessionName: 'worker',
      });
      expect(await refusal(worker.sts.send(administrator))).toBe('AccessDenied');
    });
  });
});
