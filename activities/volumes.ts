import {
  CopySnapshotCommand,
  DescribeLockedSnapshotsCommand,
  DescribeSnapshotsCommand,
  LockSnapshotCommand,
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
      await setSharing(source(target, caseId), snapshotId, 'add', config.forensicsAccountId);
    },

    async unshareSnapshot({ caseId, target, snapshotId }) {
      try {
        await setSharing(source(target, caseId), snapshotId, 'remove', config.forensicsAccountId);
      } catch (error) {
        // What is gone is shared with nobody.
        if (awsCode(error) !== 'InvalidSnapshot.NotFound') throw error;
      }
    },

    copySnapshotToForensics: (input) => copySnapshot(clients.forensics(), input, 'copy', config.evidenceKeyArn),

    lockSnapshot: ({ caseId, target, owner, snapshotId, days }) =>
      lockSnapshot(ownerOf(owner, target, caseId), snapshotId, days),

    verifyDisk: (input) => verifyDisk(source(input.target, input.caseId), clients.forensics(), config, input),
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
  const [earlier] = await findSnapshotsOf(into.ec2, operation);
  if (earlier?.SnapshotId !== undefined) return { snapshotId: earlier.SnapshotId };

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

/**
 * Governance mode: cannot be deleted but by those with ec2:UnlockSnapshot. A repeated call sets the same number of days
 * anew. A lock that AWS refuses to change since it is stricter (compliance) counts when it holds as long.
 */
async function lockSnapshot(owner: AccountClients, snapshotId: string, days: number): Promise<{ lockedUntil: string }> {
  const wanted = new Date(Date.now() + days * 86_400_000);
  const what = `locking snapshot ${snapshotId} of account ${owner.accountId} for ${days} days`;
  try {
    const lock = await awsStep(what, (options) =>
      owner.ec2.send(
        new LockSnapshotCommand({ SnapshotId: snapshotId, LockMode: 'governance', LockDuration: days }),
        options,
      ),
    );
    return { lockedUntil: (lock.LockExpiresOn ?? wanted).toISOString() };
  } catch (error) {
    const failure = toFailure(error, what);
    if (failure.type !== 'InvalidRequest') throw error;
    const { Snapshots: locks } = await awsStep(`reading the lock of snapshot ${snapshotId}`, (options) =>
      owner.ec2.send(new DescribeLockedSnapshotsCommand({ SnapshotIds: [snapshotId] }), options),
    );
    const until = locks?.[0]?.LockExpiresOn;
    // A day of grace: an earlier attempt of this step may have set the lock a while ago.
    if (locks?.[0]?.LockState === 'compliance' && until && until.getTime() >= wanted.getTime() - 86_400_000) {
      return { lockedUntil: until.toISOString() };
    }
    throw failure;
  }
}
