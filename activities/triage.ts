import {
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  type Instance,
  paginateDescribeVolumes,
  type Tag,
  type Volume,
  type _InstanceType as InstanceType,
} from '@aws-sdk/client-ec2';
import { ApplicationFailure } from '@temporalio/common';
import type { InstanceFacts, VolumeFacts } from '../domain/instance-facts';
import { type InstanceTarget, targetProblems } from '../domain/target';
import { readAgent } from './aws/agent-state';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsStep } from './aws/errors';
import { readInstanceAttributes } from './aws/instance-attributes';
import { networkInterfaceFacts } from './aws/network-interfaces';
import { readSurroundings } from './aws/surroundings';
import { orElse } from './aws/tolerance';
import { readVolumeKeys } from './aws/volume-keys';
import type { ForensicsConfig } from './config';
import { decideByPolicy } from './policy-decision';
import type { TriageActivities } from './types';

/**
 * Reads everything that the case is decided by. Only the instance and its volumes must be readable: whatever else
 * cannot be read is a fact with its reason, since a dead agent or a missing permission must cost no disk and no isolation.
 */
export function createTriageActivities({
  config,
  clients,
}: {
  config: ForensicsConfig;
  clients: AwsClients;
}): TriageActivities {
  const memoryOf = memoryReader();
  return {
    async triageInstance({ caseId, request }) {
      const { target } = request;
      assertServed(target, config.region);
      const member = clients.member(target.accountId, target.region, 'triage', caseId);
      const instance = await readInstance(member, target);
      const unreadable: string[] = [];

      const [volumes, memoryMiB, protection, agent, surroundings] = await Promise.all([
        readVolumes(member, clients.forensics(), instance, unreadable),
        orElse(0, unreadable, () => memoryOf(member, instance.InstanceType)),
        readInstanceAttributes(member, target.instanceId, unreadable),
        readAgent(member, target.instanceId),
        readSurroundings(member, instance, unreadable),
      ]);
      const facts: InstanceFacts = {
        target,
        readAt: new Date().toISOString(),
        state: instance.State?.Name ?? 'pending',
        instanceType: instance.InstanceType ?? 'unknown',
        memoryMiB,
        architecture: instance.Architecture ?? 'unknown',
        imageId: instance.ImageId ?? 'unknown',
        launchTime: instance.LaunchTime?.toISOString() ?? 'unknown',
        availabilityZone: instance.Placement?.AvailabilityZone ?? 'unknown',
        tags: sortedTags(instance.Tags),
        volumes,
        networkInterfaces: networkInterfaceFacts(instance),
        ...(instance.IamInstanceProfile?.Arn !== undefined && { instanceProfileArn: instance.IamInstanceProfile.Arn }),
        ...surroundings,
        agent,
        protection,
        ...(unreadable.length > 0 && { unreadable: unreadable.sort() }),
      };
      return { facts, decision: await decideByPolicy({ config, clients }, { caseId, request, facts }) };
    },
  };
}

function assertServed(target: InstanceTarget, region: string): void {
  const problems = targetProblems(target);
  if (target.region !== region) {
    problems.push(
      `the instance is in ${target.region} and this worker serves ${region}: evidence stays in its Region, ` +
        `so start the case on the task queue of ${target.region}`,
    );
  }
  if (problems.length > 0) {
    throw ApplicationFailure.nonRetryable(
      `triage of ${target.instanceId} was not started: ${problems.join('; ')}`,
      'InvalidRequest',
    );
  }
}

async function readInstance(member: AccountClients, target: InstanceTarget): Promise<Instance> {
  const { instanceId, accountId, region } = target;
  const { Reservations: reservations } = await awsStep(
    `reading instance ${instanceId} of account ${accountId} in ${region}`,
    (options) => member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }), options),
  );
  const instance = reservations?.[0]?.Instances?.[0];
  // A terminated instance is listed for about an hour; its interfaces are gone and its volumes are detached.
  if (!instance || instance.State?.Name === 'terminated') {
    throw ApplicationFailure.nonRetryable(
      `instance ${instanceId} of account ${accountId} in ${region} ${instance ? 'is terminated' : 'does not exist'}: ` +
        'nothing can be acquired from it. Look for volumes and snapshots that outlived it',
      'InstanceNotFound',
    );
  }
  return instance;
}

async function readVolumes(
  member: AccountClients,
  forensics: AccountClients,
  instance: Instance,
  unreadable: string[],
): Promise<VolumeFacts[]> {
  const instanceId = instance.InstanceId ?? '';
  const volumes = await awsStep(`reading the volumes of ${instanceId}`, async (options) => {
    const found: Volume[] = [];
    const query = { Filters: [{ Name: 'attachment.instance-id', Values: [instanceId] }] };
    for await (const page of paginateDescribeVolumes({ client: member.ec2 }, query, options)) {
      found.push(...(page.Volumes ?? []));
    }
    return found;
  });
  const keys = await readVolumeKeys(
    member,
    forensics,
    volumes.flatMap((volume) => (volume.Encrypted && volume.KmsKeyId ? [volume.KmsKeyId] : [])),
    unreadable,
  );
  return volumes
    .map((volume): VolumeFacts => {
      const attachment = volume.Attachments?.find((at) => at.InstanceId === instanceId);
      const mapping = instance.BlockDeviceMappings?.find((at) => at.Ebs?.VolumeId === volume.VolumeId);
      const key = volume.Encrypted && volume.KmsKeyId ? keys.get(volume.KmsKeyId) : undefined;
      const device = mapping?.DeviceName ?? attachment?.Device ?? 'unknown';
      return {
        volumeId: volume.VolumeId ?? '',
        device,
        root: device === instance.RootDeviceName,
        sizeGiB: volume.Size ?? 0,
        availabilityZone: volume.AvailabilityZone ?? 'unknown',
        deleteOnTermination: mapping?.Ebs?.DeleteOnTermination ?? attachment?.DeleteOnTermination ?? false,
        ...(key && { key }),
        ...(volume.Tags?.length && { tags: sortedTags(volume.Tags) }),
      };
    })
    .sort((a, b) => a.volumeId.localeCompare(b.volumeId));
}

/** Memory of an instance type in MiB; asked once a type, since it never changes. */
function memoryReader(): (member: AccountClients, type: InstanceType | undefined) => Promise<number> {
  const known = new Map<string, number>();
  return async (member, type) => {
    if (type === undefined) return 0;
    const cached = known.get(type);
    if (cached !== undefined) return cached;
    const { InstanceTypes: types } = await awsStep(`reading the memory size of instance type ${type}`, (options) =>
      member.ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: [type] }), options),
    );
    const size = types?.[0]?.MemoryInfo?.SizeInMiB ?? 0;
    known.set(type, size);
    return size;
  };
}

function sortedTags(tags: Tag[] | undefined): Record<string, string> {
  const pairs = (tags ?? []).map(({ Key, Value }): [string, string] => [Key ?? '', Value ?? '']);
  return Object.fromEntries(pairs.sort(([a], [b]) => a.localeCompare(b)));
}
