import {
  CopySnapshotCommand,
  DescribeSnapshotsCommand,
  ModifySnapshotAttributeCommand,
  type Snapshot,
} from '@aws-sdk/client-ec2';
import { ApplicationFailure } from '@temporalio/common';
import type { InstanceTarget } from '../domain/target';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsCode, awsStep, toFailure } from './aws/errors';
import { findSnapshotsOf, operationOf, operationTags, VOLUME_TAG } from './aws/idempotency';
import { notReady, waitedMs } from './aws/polling';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import { createEvidenceStore } from './evidence-store';
import { lockSnapshot } from './snapshot-lock';
import { snapshotVolumes } from './snapshot-volumes';
import type { SnapshotOwner, VolumeActivities } from './types';
import { verifyDisk } from './verify-disk';

/** EC2's listing may lag behind a call that made a snapshot; until then "not found" means "not yet". Milliseconds. */
const LISTING_LAG_MS = 5 * 60_000;

interface Copy {
  caseId: string;
  target: InstanceTarget;
  volumeId: string;
  snapshotId: string;
}

/** Disks on their way into the forensics account: snapshot, re-encrypt, share, copy, lock, verify. */
export function createVolumeActivities({
  config,
  clients,
}: {
  config: ForensicsConfig;
  clients: AwsClients;
}): VolumeActivities {
  const store = createEvidenceStore({ config, clients });
  const source = (target: InstanceTarget, caseId: string): AccountClients =>
    clients.member(target.accountId, target.region, 'acquire', caseId);
  const ownerOf = (owner: SnapshotOwner, target: InstanceTarget, caseId: string): AccountClients =>
    owner === 'source' ? source(target, caseId) : clients.forensics();

  return {
    createSnapshots: (input) => snapshotVolumes(source(input.target, input.caseId), input),

    async awaitSnapshot({ caseId, target, owner, snapshotId }) {
      const snapshot = await describeSnapshot(ownerOf(owner, target, caseId), snapshotId, config);
      const size = snapshot.VolumeSize ?? 0;
      if (snapshot.State === 'error') {
        throw ApplicationFailure.nonRetryable(
          `snapshot ${snapshotId} in the ${owner} account ended in state error: ` +
            `${snapshot.StateMessage ?? 'AWS gives no reason'}. Check the key and its policy; the source is untouched`,
          'SnapshotFailed',
        );
      }
      if (snapshot.State !== 'completed') {
        const progress = snapshot.Progress ?? '';
        throw notReady(
          `snapshot ${snapshotId} is ${snapshot.State ?? 'unknown'}, ${progress === '' ? '0%' : progress} of ${size} GiB`,
          waitedMs(),
          config.polling,
        );
      }
      return {
        snapshotId,
        sizeGiB: size,
        encrypted: snapshot.Encrypted ?? false,
        ...(snapshot.KmsKeyId !== undefined && { keyArn: snapshot.KmsKeyId }),
      };
    },

    reencryptSnapshot: (input) =>
      copySnapshot(source(input.target, input.caseId), input, 'reencrypt', config.sharingKeyAlias),

    async shareSnapshot({ caseId, target, snapshotId }) {
      const { forensicsAccountId } = config;
      await setSharing(source(target, caseId), snapshotId, 'add', forensicsAccountId);
      noteAct({
        message: `Snapshot ${snapshotId} was shared with the forensics account ${forensicsAccountId}, so that it can be copied there`,
        data: { snapshotId, sharedWith: forensicsAccountId },
      });
    },

    async unshareSnapshot({ caseId, target, snapshotId }) {
      try {
        await setSharing(source(target, caseId), snapshotId, 'remove', config.forensicsAccountId);
      } catch (error) {
        // What is gone is shared with nobody.
        if (awsCode(error) !== 'InvalidSnapshot.NotFound') throw error;
        noteAct({ message: `Snapshot ${snapshotId} is gone, and so is its sharing`, data: { snapshotId } });
        return;
      }
      noteAct({
        message: `Snapshot ${snapshotId} is no longer shared with the forensics account ${config.forensicsAccountId}`,
        data: { snapshotId, noLongerSharedWith: config.forensicsAccountId },
      });
    },

    copySnapshotToForensics: (input) => copySnapshot(clients.forensics(), input, 'copy', config.evidenceKeyArn),

    lockSnapshot: ({ caseId, target, owner, snapshotId, days }) =>
      lockSnapshot(ownerOf(owner, target, caseId), snapshotId, days, config.snapshotLock),

    verifyDisk: (input) => {
      const accounts = { member: source(input.target, input.caseId), forensics: clients.forensics() };
      return verifyDisk(accounts, config, store, input);
    },
  };
}

async function describeSnapshot(
  account: AccountClients,
  snapshotId: string,
  config: ForensicsConfig,
): Promise<Snapshot> {
  const what = `reading snapshot ${snapshotId} of account ${account.accountId}`;
  try {
    const { Snapshots: snapshots } = await awsStep(what, (options) =>
      account.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [snapshotId] }), options),
    );
    const [snapshot] = snapshots ?? [];
    if (snapshot) return snapshot;
  } catch (error) {
    if (awsCode(error) !== 'InvalidSnapshot.NotFound') throw error;
  }
  if (waitedMs() < LISTING_LAG_MS) {
    throw notReady(`snapshot ${snapshotId} is not listed yet`, waitedMs(), config.polling);
  }
  throw ApplicationFailure.nonRetryable(
    `${what} failed: there is no such snapshot. Somebody deleted it, or it lies in another account or Region`,
    'SnapshotFailed',
  );
}

/**
 * Copies within the Region under another key; returns at once. CopySnapshot takes no client token, so the step's tag is
 * looked for first and is set by the call itself; a key that does not work shows later, as state `error`.
 */
async function copySnapshot(
  into: AccountClients,
  { caseId, target, volumeId, snapshotId }: Copy,
  step: 'reencrypt' | 'copy',
  key: string,
): Promise<{ snapshotId: string }> {
  const operation = operationOf(caseId, step, volumeId);
  const tell = (copyId: string, by: string): void =>
    noteAct({
      message:
        step === 'copy'
          ? `Snapshot ${snapshotId} of ${volumeId} is copied into the forensics account under its own key, as ${copyId}${by}`
          : `Snapshot ${snapshotId} of ${volumeId} is copied within its account under the key for sharing, as ${copyId}${by}`,
      exhibit: { id: volumeId, kind: 'disk', source: volumeId },
      data: { from: snapshotId, snapshotId: copyId, accountId: into.accountId, key },
    });
  const [earlier] = await findSnapshotsOf(into.ec2, operation);
  if (earlier?.SnapshotId !== undefined) {
    tell(earlier.SnapshotId, ', which an earlier attempt of this step had begun');
    return { snapshotId: earlier.SnapshotId };
  }

  const what = `copying snapshot ${snapshotId} of ${volumeId} in account ${into.accountId} under key ${key}`;
  const copy = await awsStep(what, (options) =>
    into.ec2WithoutRetries.send(
      new CopySnapshotCommand({
        SourceRegion: target.region,
        SourceSnapshotId: snapshotId,
        Description: `Evidence of case ${caseId}: ${volumeId}`,
        Encrypted: true,
        KmsKeyId: key,
        TagSpecifications: [
          { ResourceType: 'snapshot', Tags: operationTags(caseId, operation, { [VOLUME_TAG]: volumeId }) },
        ],
      }),
      options,
    ),
  );
  if (copy.SnapshotId === undefined) throw toFailure(new Error('AWS answered without a snapshot id'), what);
  tell(copy.SnapshotId, '');
  return { snapshotId: copy.SnapshotId };
}

async function setSharing(
  owner: AccountClients,
  snapshotId: string,
  operation: 'add' | 'remove',
  withAccount: string,
): Promise<void> {
  const what =
    operation === 'add'
      ? `sharing snapshot ${snapshotId} with account ${withAccount}`
      : `taking snapshot ${snapshotId} back from account ${withAccount}`;
  await awsStep(what, (options) =>
    owner.ec2.send(
      new ModifySnapshotAttributeCommand({
        SnapshotId: snapshotId,
        Attribute: 'createVolumePermission',
        OperationType: operation,
        UserIds: [withAccount],
      }),
      options,
    ),
  );
}
