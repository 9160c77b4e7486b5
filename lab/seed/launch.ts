import { randomUUID } from 'node:crypto';
import { cp, mkdir, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import {
  AttachInstancesCommand,
  CreateAutoScalingGroupCommand,
  CreateLaunchConfigurationCommand,
  DescribeAutoScalingGroupsCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  AttachVolumeCommand,
  CreateTagsCommand,
  CreateVolumeCommand,
  DescribeInstancesCommand,
  RegisterImageCommand,
  RunInstancesCommand,
  waitUntilInstanceRunning,
  waitUntilVolumeAvailable,
} from '@aws-sdk/client-ec2';
import { AddRoleToInstanceProfileCommand, CreateInstanceProfileCommand, CreateRoleCommand } from '@aws-sdk/client-iam';
import { CreateKeyCommand } from '@aws-sdk/client-kms';
import { unlessThere } from '../../infra/ensure';
import type { InstanceKind } from '../aws/emulator-client';
import { LAB_ACCOUNTS, LAB_REGION } from '../config';
import type { AccountClients } from './account-clients';
import { labTags } from './deployment';
import { ensureNetwork, type InternetAccess } from './network';

/** How a volume is encrypted: the cases of EBS that a disk acquisition meets. */
export const VOLUME_ENCRYPTIONS = ['none', 'customer-key', 'shared-customer-key', 'default-key'] as const;
export type VolumeEncryption = (typeof VOLUME_ENCRYPTIONS)[number];

export interface LaunchVolume {
  /** Disk image that becomes the volume's bytes; without it the volume is blank. */
  image?: string;
  encryption: VolumeEncryption;
  /** Size in GiB; default the smallest that holds the image, at least 1. Images are sparse and cost what is written. */
  sizeGiB?: number;
}

export interface LaunchSettings {
  kind: InstanceKind;
  /** How many alike; default 1. */
  count?: number;
  /** The first one is the root volume. */
  volumes: LaunchVolume[];
  tags?: Record<string, string>;
  /** An instance profile, made with a role of the same name if there is none. */
  instanceProfile?: string;
  /** An Auto Scaling group that the instance joins, made if there is none. */
  autoScalingGroup?: string;
  /** How it reaches the lab's internet; default `nat-instance`. It is launched into a VPC of its own. */
  internet?: InternetAccess;
  stateFolder: string;
  instanceType?: string;
}

export interface LaunchedInstance {
  instanceId: string;
  kind: InstanceKind;
  volumeIds: string[];
}

/** Seconds; with realistic durations an instance needs about half a minute. */
const PATIENCE = { maxWaitTime: 300, minDelay: 1, maxDelay: 2 };
/** RunInstances refuses more at once. */
const MOST_AT_ONCE = 1000;
const DATA_DEVICES = ['/dev/sdf', '/dev/sdg', '/dev/sdh', '/dev/sdi', '/dev/sdj', '/dev/sdk'];

/**
 * Launches instances in the member account. Their tag `lab:kind` comes last: the lab starts what runs an instance when it
 * sees the tag, and by then the volumes hold their bytes.
 */
export async function launchInstances(member: AccountClients, settings: LaunchSettings): Promise<LaunchedInstance[]> {
  const { kind, volumes, count = 1 } = settings;
  if (!Number.isInteger(count) || count < 1 || count > MOST_AT_ONCE)
    throw new Error(`count ${count}: give a whole number from 1 to ${MOST_AT_ONCE}`);
  if (volumes.length > DATA_DEVICES.length + 1)
    throw new Error(`${volumes.length} volumes: the lab attaches at most ${DATA_DEVICES.length + 1} to an instance`);
  const instanceIds = await run(member, settings, count);
  const launched: LaunchedInstance[] = [];
  for (const instanceId of instanceIds) {
    await attachDataVolumes(member, instanceId, volumes.slice(1));
    const volumeIds = volumes.length > 0 ? await attachedVolumes(member, instanceId) : [];
    for (const [index, volume] of volumes.entries()) await fillVolume(settings.stateFolder, volumeIds[index], volume);
    launched.push({ instanceId, kind, volumeIds });
  }
  if (settings.autoScalingGroup !== undefined)
    await joinAutoScalingGroup(member, settings.autoScalingGroup, instanceIds);
  await member.ec2.send(new CreateTagsCommand({ Resources: instanceIds, Tags: labTags({ kind }) }));
  return launched;
}

async function run(member: AccountClients, settings: LaunchSettings, count: number): Promise<string[]> {
  const { ec2 } = member;
  const network = await ensureNetwork(ec2, `app-${randomUUID().slice(0, 8)}`, 'application', settings.internet);
  const [root] = settings.volumes;
  const image = await ec2.send(
    new RegisterImageCommand({
      Name: `app-${randomUUID()}`,
      Architecture: 'x86_64',
      RootDeviceName: '/dev/xvda',
      VirtualizationType: 'hvm',
    }),
  );
  const profile = settings.instanceProfile;
  if (profile !== undefined) await ensureInstanceProfile(member, profile);
  const answer = await ec2.send(
    new RunInstancesCommand({
      ImageId: image.ImageId ?? '',
      InstanceType: (settings.instanceType ?? 't3.nano') as 't3.nano',
      MinCount: count,
      MaxCount: count,
      SubnetId: network.subnetId,
      SecurityGroupIds: [network.securityGroupId],
      InstanceInitiatedShutdownBehavior: 'terminate',
      ...(profile !== undefined && { IamInstanceProfile: { Name: profile } }),
      BlockDeviceMappings: root
        ? [
            {
              DeviceName: '/dev/xvda',
              Ebs: {
                VolumeSize: await sizeOf(root),
                DeleteOnTermination: true,
                ...(await encryptionOf(member, root.encryption)),
              },
            },
          ]
        : [],
      TagSpecifications: [
        {
          ResourceType: 'instance',
          Tags: Object.entries({ Name: 'app-server', ...settings.tags }).map(([Key, Value]) => ({ Key, Value })),
        },
      ],
    }),
  );
  const instanceIds = (answer.Instances ?? []).flatMap((instance) => instance.InstanceId ?? []);
  await waitUntilInstanceRunning({ client: ec2, ...PATIENCE }, { InstanceIds: instanceIds });
  return instanceIds;
}

async function attachDataVolumes(member: AccountClients, InstanceId: string, volumes: LaunchVolume[]): Promise<void> {
  for (const [index, volume] of volumes.entries()) {
    const made = await member.ec2.send(
      new CreateVolumeCommand({
        AvailabilityZone: `${LAB_REGION}a`,
        Size: await sizeOf(volume),
        ...(await encryptionOf(member, volume.encryption)),
      }),
    );
    await waitUntilVolumeAvailable({ client: member.ec2, ...PATIENCE }, { VolumeIds: [made.VolumeId ?? ''] });
    await member.ec2.send(
      new AttachVolumeCommand({ InstanceId, VolumeId: made.VolumeId ?? '', Device: DATA_DEVICES[index] ?? '' }),
    );
  }
}

async function encryptionOf(
  member: AccountClients,
  encryption: VolumeEncryption,
): Promise<{ Encrypted?: boolean; KmsKeyId?: string }> {
  switch (encryption) {
    case 'none':
      return {};
    case 'default-key':
      return { Encrypted: true };
    case 'shared-customer-key':
    case 'customer-key': {
      const principals = [
        LAB_ACCOUNTS.member,
        ...(encryption === 'shared-customer-key' ? [LAB_ACCOUNTS.forensics] : []),
      ];
      const key = await member.kms.send(
        new CreateKeyCommand({
          Description: 'key of an application',
          Policy: JSON.stringify({
            Version: '2012-10-17',
            Statement: principals.map((account) => ({
              Effect: 'Allow',
              Principal: { AWS: `arn:aws:iam::${account}:root` },
              Action: 'kms:*',
              Resource: '*',
            })),
          }),
        }),
      );
      return { Encrypted: true, KmsKeyId: key.KeyMetadata?.Arn ?? '' };
    }
  }
}

/** In the order of their devices, so that the first is the root volume. */
async function attachedVolumes(member: AccountClients, instanceId: string): Promise<string[]> {
  const found = await member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }));
  const instance = found.Reservations?.[0]?.Instances?.[0];
  const root = instance?.RootDeviceName;
  return (instance?.BlockDeviceMappings ?? [])
    .sort(
      (a, b) =>
        Number(b.DeviceName === root) - Number(a.DeviceName === root) ||
        (a.DeviceName ?? '').localeCompare(b.DeviceName ?? ''),
    )
    .map((mapping) => mapping.Ebs?.VolumeId ?? '');
}

/** The smallest size in GiB that holds the image; EBS makes none below 1. */
async function sizeOf(volume: LaunchVolume): Promise<number> {
  if (volume.sizeGiB !== undefined) return volume.sizeGiB;
  const bytes = volume.image === undefined ? 0 : (await stat(volume.image)).size;
  return Math.max(1, Math.ceil(bytes / 1024 ** 3));
}

async function fillVolume(stateFolder: string, volumeId: string | undefined, volume: LaunchVolume): Promise<void> {
  if (volumeId === undefined || volume.image === undefined) return;
  const folder = path.join(stateFolder, 'ebs', 'volumes');
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, `${volumeId}.img`);
  await cp(volume.image, file);
  await truncate(file, (await sizeOf(volume)) * 1024 ** 3);
}

async function ensureInstanceProfile({ iam }: AccountClients, name: string): Promise<void> {
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  const there = 'EntityAlreadyExistsException';
  await unlessThere(
    () => iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) })),
    there,
  );
  await unlessThere(async () => {
    await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: name }));
    await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: name, RoleName: name }));
  }, there);
}

async function joinAutoScalingGroup({ autoScaling }: AccountClients, name: string, ids: string[]): Promise<void> {
  const found = await autoScaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }));
  if ((found.AutoScalingGroups ?? []).length === 0) {
    // A group needs something to launch from; its capacity stays what is attached, so that it launches nothing.
    await autoScaling.send(
      new CreateLaunchConfigurationCommand({
        LaunchConfigurationName: name,
        ImageId: 'ami-00000000',
        InstanceType: 't3.nano',
      }),
    );
    await autoScaling.send(
      new CreateAutoScalingGroupCommand({
        AutoScalingGroupName: name,
        LaunchConfigurationName: name,
        AvailabilityZones: [`${LAB_REGION}a`],
        MinSize: 0,
        MaxSize: MOST_AT_ONCE,
        DesiredCapacity: 0,
      }),
    );
  }
  await autoScaling.send(new AttachInstancesCommand({ AutoScalingGroupName: name, InstanceIds: ids }));
}
