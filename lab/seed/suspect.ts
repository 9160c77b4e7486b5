import { randomUUID } from 'node:crypto';
import { cp, mkdir, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  AttachVolumeCommand,
  CreateTagsCommand,
  CreateVolumeCommand,
  DescribeInstancesCommand,
  ModifyInstanceAttributeCommand,
  RegisterImageCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { CreateKeyCommand } from '@aws-sdk/client-kms';
import type { InstanceKind } from '../aws/emulator-client';
import { LAB_ACCOUNTS, LAB_REGION } from '../config';
import type { AccountClients } from './account-clients';
import { labTags } from './deployment';
import { ensureNetwork } from './network';

/** How a volume of the suspect is encrypted: the cases of EBS that a disk acquisition meets. */
export type VolumeEncryption = 'none' | 'customer-key' | 'shared-customer-key' | 'default-key';

export interface SuspectVolume {
  /** Disk image that becomes the volume's bytes. */
  image: string;
  encryption: VolumeEncryption;
}

export interface SuspectSettings {
  kind: InstanceKind;
  /** The first one is the root volume. */
  volumes: SuspectVolume[];
  tags?: Record<string, string>;
  /** Further network interfaces beside the primary one. */
  stateFolder: string;
  instanceType?: string;
}

export interface Suspect {
  instanceId: string;
  kind: InstanceKind;
  volumeIds: string[];
  /** A GuardDuty finding about it in its EventBridge envelope. */
  findingFile: string;
}

/** 1 GiB: the smallest volume that EBS makes; images are sparse, so that it costs what is written. */
const VOLUME_GIB = 1;

/**
 * Launches a suspect in the member account. Its tag `lab:kind` comes last: the lab starts what runs the instance when it
 * sees the tag, and by then the volumes hold their bytes.
 */
export async function launchSuspect(member: AccountClients, settings: SuspectSettings): Promise<Suspect> {
  const { ec2 } = member;
  const network = await ensureNetwork(ec2, `app-${randomUUID().slice(0, 8)}`);
  const [root, ...others] = settings.volumes;
  const image = await ec2.send(
    new RegisterImageCommand({
      Name: `app-${randomUUID()}`,
      Architecture: 'x86_64',
      RootDeviceName: '/dev/xvda',
      VirtualizationType: 'hvm',
    }),
  );
  const run = await ec2.send(
    new RunInstancesCommand({
      ImageId: image.ImageId ?? '',
      InstanceType: (settings.instanceType ?? 't3.nano') as 't3.nano',
      MinCount: 1,
      MaxCount: 1,
      SubnetId: network.subnetId,
      SecurityGroupIds: [network.securityGroupId],
      BlockDeviceMappings: root
        ? [
            {
              DeviceName: '/dev/xvda',
              Ebs: {
                VolumeSize: VOLUME_GIB,
                DeleteOnTermination: true,
                ...(await encryptionOf(member, root.encryption)),
              },
            },
          ]
        : [],
      TagSpecifications: [
        {
          ResourceType: 'instance',
          Tags: [
            { Key: 'Name', Value: 'app-server' },
            ...Object.entries(settings.tags ?? {}).map(([Key, Value]) => ({ Key, Value })),
          ],
        },
      ],
    }),
  );
  const instanceId = run.Instances?.[0]?.InstanceId ?? '';
  const devices = ['/dev/sdf', '/dev/sdg', '/dev/sdh', '/dev/sdi'];
  for (const [index, volume] of others.entries()) {
    const made = await ec2.send(
      new CreateVolumeCommand({
        AvailabilityZone: `${LAB_REGION}a`,
        Size: VOLUME_GIB,
        ...(await encryptionOf(member, volume.encryption)),
      }),
    );
    await ec2.send(
      new AttachVolumeCommand({
        InstanceId: instanceId,
        VolumeId: made.VolumeId ?? '',
        Device: devices[index] ?? '/dev/sdz',
      }),
    );
  }
  const volumeIds = await attachedVolumes(member, instanceId);
  for (const [index, volumeId] of volumeIds.entries()) {
    const volume = settings.volumes[index];
    if (volume) await fillVolume(settings.stateFolder, volumeId, volume.image);
  }
  await ec2.send(
    new ModifyInstanceAttributeCommand({
      InstanceId: instanceId,
      InstanceInitiatedShutdownBehavior: { Value: 'terminate' },
    }),
  );
  await ec2.send(new CreateTagsCommand({ Resources: [instanceId], Tags: labTags({ kind: settings.kind }) }));
  const findingFile = path.join(settings.stateFolder, `finding-${instanceId}.json`);
  await writeFile(findingFile, JSON.stringify(guardDutyEvent(instanceId), null, 2));
  return { instanceId, kind: settings.kind, volumeIds, findingFile };
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

async function fillVolume(stateFolder: string, volumeId: string, image: string): Promise<void> {
  const folder = path.join(stateFolder, 'ebs', 'volumes');
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, `${volumeId}.img`);
  await cp(image, file);
  await truncate(file, VOLUME_GIB * 1024 ** 3);
}

/** Shaped as GuardDuty publishes it; addresses are of the ranges kept for documentation (RFC 5737). */
export function guardDutyEvent(instanceId: string, findingId: string = randomUUID().replaceAll('-', '')): object {
  const now = new Date().toISOString();
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'GuardDuty Finding',
    source: 'aws.guardduty',
    account: LAB_ACCOUNTS.member,
    time: now,
    region: LAB_REGION,
    resources: [],
    detail: {
      schemaVersion: '2.0',
      accountId: LAB_ACCOUNTS.member,
      region: LAB_REGION,
      partition: 'aws',
      id: findingId,
      arn: `arn:aws:guardduty:${LAB_REGION}:${LAB_ACCOUNTS.member}:detector/lab/finding/${findingId}`,
      type: 'Backdoor:EC2/C&CActivity.B',
      resource: {
        resourceType: 'Instance',
        instanceDetails: { instanceId, instanceType: 't3.nano', imageId: 'ami-lab' },
      },
      service: {
        serviceName: 'guardduty',
        action: {
          actionType: 'NETWORK_CONNECTION',
          networkConnectionAction: { remoteIpDetails: { ipAddressV4: '203.0.113.66' } },
        },
        count: 3,
      },
      severity: 8,
      createdAt: now,
      updatedAt: now,
      title: `The EC2 instance ${instanceId} is communicating with a known command and control server.`,
      description: `EC2 instance ${instanceId} communicated with 203.0.113.66, which is associated with a command and control server.`,
    },
  };
}
