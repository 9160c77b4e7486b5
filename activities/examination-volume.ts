import { ApplicationFailure } from '@temporalio/common';
import {
  AttachVolumeCommand,
  CreateVolumeCommand,
  DeleteVolumeCommand,
  DescribeVolumesCommand,
  DetachVolumeCommand,
  type Instance,
  type Volume,
} from '@aws-sdk/client-ec2';
import type { AwsClients } from './aws/clients';
import { awsCode, awsStep, type CallOptions } from './aws/errors';
import { clientToken, operationOf } from './aws/idempotency';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import { clientsOfEvidence, describeInstance, type Ec2, madeFor, pollShortly, tagsFor } from './examination-resources';
import type { ExaminationActivities } from './types';

/** Names that EC2 recommends for EBS volumes on Linux instances. Source: EC2 User Guide, "Device names". */
const DEVICE_NAMES = 'f g h i j k l m n o p'.split(' ').map((letter) => `/dev/sd${letter}`);

type VolumeActivities = Pick<ExaminationActivities, 'createEvidenceVolume' | 'attachEvidenceVolume'>;

/** The working volume that is made from a disk exhibit and examined. */
export function createEvidenceVolumeActivities(dependencies: {
  config: ForensicsConfig;
  clients: AwsClients;
}): VolumeActivities {
  const { config, clients } = dependencies;
  const own = (region: string) => clientsOfEvidence(config, clients, region);

  const createEvidenceVolume: VolumeActivities['createEvidenceVolume'] = async (input) => {
    const { caseId, region, exhibit, instance } = input;
    const { ec2 } = own(region);
    if (!('snapshotId' in exhibit.location)) {
      throw ApplicationFailure.nonRetryable(
        `exhibit ${exhibit.id} is no snapshot: no volume can be made of it`,
        'InvalidRequest',
      );
    }
    const { snapshotId } = exhibit.location;
    const operation = operationOf(caseId, 'evidence-volume', exhibit.id);
    const tags = tagsFor(caseId, operation, exhibit.id);
    const volume = await awsStep(`CreateVolume from ${snapshotId}`, (options) =>
      ec2.send(
        new CreateVolumeCommand({
          ClientToken: clientToken(operation, instance.instanceId),
          SnapshotId: snapshotId,
          AvailabilityZone: instance.availabilityZone,
          VolumeType: 'gp3',
          TagSpecifications: [{ ResourceType: 'volume', Tags: tags }],
        }),
        options,
      ),
    );
    const volumeId = volume.VolumeId ?? '';
    noteAct({
      // Asked for again, EC2 answers with the volume that the same client token made before.
      message: `Working volume ${volumeId} is made from ${snapshotId}, the forensic copy of ${exhibit.source}; the copy itself is not touched`,
      exhibit: { id: exhibit.id, kind: exhibit.kind, source: exhibit.source },
      data: { volumeId, snapshotId },
    });
    return { volumeId };
  };

  const attachEvidenceVolume: VolumeActivities['attachEvidenceVolume'] = async ({ region, instance, volume }) => {
    const { ec2 } = own(region);
    const { volumeId } = volume;
    const { instanceId } = instance;
    // `as`: it changes inside of what is polled, which the compiler does not see.
    let asked = false as boolean;
    await pollShortly(`volume ${volumeId} on ${instanceId}`, async () => {
      const found = await describeVolume(ec2, volumeId);
      const attachment = found?.Attachments?.find((one) => one.State !== 'detached');
      if (attachment && attachment.InstanceId !== instanceId) {
        throw ApplicationFailure.nonRetryable(
          `volume ${volumeId} is attached to ${attachment.InstanceId ?? 'another instance'} and not to ${instanceId}: detach it there`,
          'InvalidRequest',
        );
      }
      if (found?.State === 'error') {
        throw ApplicationFailure.nonRetryable(
          `volume ${volumeId} ended in state error: check that the snapshot's key may be used`,
          'SnapshotFailed',
        );
      }
      const host = await describeInstance(ec2, instanceId);
      if (!attachment) {
        if (found?.State !== 'available' || asked) return { done: false, state: found?.State ?? 'unknown' };
        await attach(ec2, instanceId, volumeId, host);
        asked = true;
        return { done: false, state: 'attaching' };
      }
      const mapping = host?.BlockDeviceMappings?.find((one) => one.Ebs?.VolumeId === volumeId);
      const done = attachment.State === 'attached' && (mapping?.Ebs?.Status ?? 'attached') === 'attached' && !!mapping;
      return { done, state: attachment.State ?? 'attaching' };
    });
    noteAct({
      message: `Working volume ${volumeId} is attached to forensic instance ${instanceId}${asked ? '' : ' by an earlier attempt'}`,
      data: { volumeId, instanceId },
    });
  };

  return { createEvidenceVolume, attachEvidenceVolume };
}

async function attach(ec2: Ec2, instanceId: string, volumeId: string, host: Instance | undefined): Promise<void> {
  const used = new Set(host?.BlockDeviceMappings?.map((mapping) => mapping.DeviceName));
  const Device = DEVICE_NAMES.find((name) => !used.has(name));
  if (Device === undefined) {
    throw ApplicationFailure.nonRetryable(`${instanceId} has no free device name for ${volumeId}`, 'InvalidRequest');
  }
  await awsStep(`AttachVolume ${volumeId} to ${instanceId} as ${Device}`, (options) =>
    ec2.send(new AttachVolumeCommand({ InstanceId: instanceId, VolumeId: volumeId, Device }), options),
  ).catch((error: unknown) => {
    // The SDK has asked again after a lost answer: to whom it is attached, the next look tells.
    if (awsCode(error) !== 'VolumeInUse') throw error;
  });
}

/** Deletes a volume unless something still holds it; one look of several. */
export async function deleteIfFree(ec2: Ec2, volume: Volume, terminated: Set<string>): Promise<void> {
  const volumeId = volume.VolumeId ?? '';
  const attachment = volume.Attachments?.find((one) => one.State !== 'detached');
  if (attachment) {
    // A terminated instance lets go of its volumes by itself; one that hangs is helped along.
    if (attachment.InstanceId !== undefined && terminated.has(attachment.InstanceId)) {
      const detach = new DetachVolumeCommand({ VolumeId: volumeId, Force: true });
      if (await isDone(`DetachVolume ${volumeId}`, /NotFound|IncorrectState/, (options) => ec2.send(detach, options))) {
        const message = `Working volume ${volumeId} is detached from forensic instance ${attachment.InstanceId}, which has ended`;
        noteAct({ message, data: { volumeId, instanceId: attachment.InstanceId } });
      }
    }
    return;
  }
  if (volume.State !== 'available' && volume.State !== 'error') return;
  const remove = new DeleteVolumeCommand({ VolumeId: volumeId });
  const unless = /^InvalidVolume\.NotFound$|VolumeInUse/;
  if (await isDone(`DeleteVolume ${volumeId}`, unless, (options) => ec2.send(remove, options))) {
    const message = `Working volume ${volumeId} is deleted; the forensic copy that it was made from stays`;
    noteAct({ message, data: { volumeId } });
  }
}

/** False when EC2 refuses with one of these codes: the next look shows what there is to do. */
async function isDone(
  what: string,
  unless: RegExp,
  call: (options: CallOptions) => Promise<unknown>,
): Promise<boolean> {
  try {
    await awsStep(what, call);
    return true;
  } catch (error) {
    if (unless.test(awsCode(error) ?? '')) return false;
    throw error;
  }
}

export async function findVolumes(ec2: Ec2, caseId: string, exhibitId: string): Promise<Volume[]> {
  const { Volumes } = await awsStep(`looking for the volumes of exhibit ${exhibitId}`, (options) =>
    ec2.send(new DescribeVolumesCommand({ Filters: madeFor(caseId, exhibitId) }), options),
  );
  return Volumes ?? [];
}

async function describeVolume(ec2: Ec2, volumeId: string): Promise<Volume | undefined> {
  const { Volumes } = await awsStep(`DescribeVolumes of ${volumeId}`, (options) =>
    ec2.send(new DescribeVolumesCommand({ VolumeIds: [volumeId] }), options),
  );
  return Volumes?.[0];
}
