import {
  CreateSnapshotCommand,
  CreateSnapshotsCommand,
  DescribeInstancesCommand,
  type Instance,
} from '@aws-sdk/client-ec2';
import { ApplicationFailure } from '@temporalio/common';
import type { InstanceTarget } from '../domain/target';
import type { AccountClients } from './aws/clients';
import { awsStep, currentActivity, isRetryable } from './aws/errors';
import { noteAct } from './custody-acts';
import { findSnapshotsOf, operationOf, operationTags, VOLUME_TAG } from './aws/idempotency';
import type { CreatedSnapshot } from './types';

interface Input {
  caseId: string;
  target: InstanceTarget;
  volumeIds: string[];
}

/** As CreateSnapshots, CreateSnapshot and DescribeSnapshots report it. */
interface ReportedSnapshot {
  SnapshotId?: string | undefined;
  VolumeId?: string | undefined;
  StartTime?: Date | undefined;
}

/**
 * Snapshots of the wanted volumes: those an earlier attempt made, and for the missing ones a single crash-consistent
 * CreateSnapshots over the instance. A volume that was detached meanwhile (or whose instance was terminated) gets a
 * snapshot of its own. A volume that is gone or refused is left out of the answer; none at all is a failure.
 */
export async function snapshotVolumes(
  member: AccountClients,
  { caseId, target, volumeIds }: Input,
): Promise<{ snapshots: CreatedSnapshot[] }> {
  const operation = operationOf(caseId, 'snapshots');
  const byVolume = new Map<string, CreatedSnapshot>();
  const refused: string[] = [];
  const remember = (reported: ReportedSnapshot): void => {
    const { SnapshotId: snapshotId, VolumeId: volumeId, StartTime: started } = reported;
    if (snapshotId === undefined || volumeId === undefined || byVolume.has(volumeId)) return;
    byVolume.set(volumeId, { volumeId, snapshotId, startedAt: (started ?? new Date()).toISOString() });
  };

  (await findSnapshotsOf(member.ec2, operation)).forEach(remember);
  if (byVolume.size > 0) {
    noteAct({
      message: `Snapshots that an earlier attempt of this step had made were found: ${listed([...byVolume.values()])}`,
      data: { snapshots: [...byVolume.values()] },
    });
  }
  const missing = volumeIds.filter((volumeId) => !byVolume.has(volumeId));
  if (missing.length > 0) {
    const instance = await attachedInstance(member, target);
    const attached = new Set(instance?.BlockDeviceMappings?.map((mapping) => mapping.Ebs?.VolumeId));
    const together = missing.filter((volumeId) => attached.has(volumeId));
    if (instance && together.length > 0) {
      (await snapshotTogether(member, instance, together, caseId, operation)).forEach(remember);
      const made = together.flatMap((volumeId) => byVolume.get(volumeId) ?? []);
      noteAct({
        message: `One crash-consistent snapshot of ${made.length} volumes of ${target.instanceId} was begun: ${listed(made)}`,
        data: { instanceId: target.instanceId, snapshots: made },
      });
    }
    for (const volumeId of missing.filter((id) => !attached.has(id))) {
      const alone = await snapshotAlone(member, volumeId, caseId, operation);
      if (alone instanceof ApplicationFailure) {
        refused.push(alone.message);
        continue;
      }
      remember(alone);
      noteAct({
        message: `A snapshot of volume ${volumeId}, which is attached to ${target.instanceId} no more, was begun: ${alone.SnapshotId ?? ''}`,
        exhibit: { id: volumeId, kind: 'disk', source: volumeId },
        data: { snapshotId: alone.SnapshotId ?? '' },
      });
    }
  }

  const snapshots = volumeIds.flatMap((volumeId) => byVolume.get(volumeId) ?? []);
  if (snapshots.length === 0 && volumeIds.length > 0) {
    throw ApplicationFailure.nonRetryable(
      `no snapshot of ${target.instanceId} could be made, since it holds none of ${volumeIds.join(', ')} any more: ` +
        refused.join(' '),
      'InstanceNotFound',
    );
  }
  return { snapshots };
}

const listed = (snapshots: CreatedSnapshot[]): string =>
  snapshots.map(({ snapshotId, volumeId }) => `${snapshotId} of ${volumeId}`).join(', ');

/** The instance as long as it holds volumes; undefined once it is gone. */
async function attachedInstance(member: AccountClients, { instanceId }: InstanceTarget): Promise<Instance | undefined> {
  try {
    const { Reservations: reservations } = await awsStep(`reading the volumes attached to ${instanceId}`, (options) =>
      member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }), options),
    );
    const instance = reservations?.[0]?.Instances?.[0];
    return instance?.State?.Name === 'terminated' ? undefined : instance;
  } catch (error) {
    if (error instanceof ApplicationFailure && error.type === 'InstanceNotFound') return undefined;
    throw error;
  }
}

async function snapshotTogether(
  member: AccountClients,
  instance: Instance,
  volumeIds: string[],
  caseId: string,
  operation: string,
): Promise<ReportedSnapshot[]> {
  const mappings = (instance.BlockDeviceMappings ?? []).flatMap(({ DeviceName, Ebs }) =>
    Ebs?.VolumeId === undefined ? [] : [{ volumeId: Ebs.VolumeId, root: DeviceName === instance.RootDeviceName }],
  );
  const unwanted = mappings.filter(({ volumeId }) => !volumeIds.includes(volumeId));
  const dataVolumes = unwanted.filter(({ root }) => !root).map(({ volumeId }) => volumeId);
  const { Snapshots: snapshots } = await awsStep(
    `creating snapshots of ${volumeIds.join(', ')} of ${instance.InstanceId ?? ''}`,
    (options) =>
      member.ec2WithoutRetries.send(
        new CreateSnapshotsCommand({
          InstanceSpecification: {
            InstanceId: instance.InstanceId,
            ...(unwanted.some(({ root }) => root) && { ExcludeBootVolume: true }),
            ...(dataVolumes.length > 0 && { ExcludeDataVolumeIds: dataVolumes }),
          },
          Description: `Evidence of case ${caseId}`,
          TagSpecifications: [{ ResourceType: 'snapshot', Tags: operationTags(caseId, operation) }],
        }),
        options,
      ),
  );
  return snapshots ?? [];
}

/** A volume that cannot be had (it is gone, it may not be read) must not cost the others: its failure is returned. */
async function snapshotAlone(
  member: AccountClients,
  volumeId: string,
  caseId: string,
  operation: string,
): Promise<ReportedSnapshot | ApplicationFailure> {
  try {
    return await awsStep(`creating a snapshot of detached volume ${volumeId}`, (options) =>
      member.ec2WithoutRetries.send(
        new CreateSnapshotCommand({
          VolumeId: volumeId,
          Description: `Evidence of case ${caseId}: detached before its snapshot`,
          TagSpecifications: [
            { ResourceType: 'snapshot', Tags: operationTags(caseId, operation, { [VOLUME_TAG]: volumeId }) },
          ],
        }),
        options,
      ),
    );
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || isRetryable(error)) throw error;
    currentActivity()?.log.warn('A detached volume has no snapshot', { volumeId, reason: error.message });
    return error;
  }
}
