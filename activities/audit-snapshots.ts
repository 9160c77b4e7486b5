import {
  DescribeLockedSnapshotsCommand,
  DescribeSnapshotAttributeCommand,
  DescribeSnapshotsCommand,
  type LockedSnapshotsInfo,
} from '@aws-sdk/client-ec2';
import { ApplicationFailure } from '@temporalio/common';
import { BLOCK_BYTES, BlockTree } from '../domain/custody/block-digests';
import type { KnownSnapshot } from '../domain/evidence-inventory';
import type { InstanceTarget } from '../domain/target';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsStep, currentActivity, isRetryable } from './aws/errors';
import { VOLUME_TAG } from './aws/idempotency';
import { type AuditFindings, compareLockEnd, orDifference } from './audit-findings';
import { BlockDigestThreads } from './block-digest-threads';
import { listSnapshotsOfCase } from './case-evidence';
import { SnapshotReader } from './snapshot-blocks';

/** Locks may be asked for in groups. Source: EC2 API Reference, DescribeLockedSnapshots (no limit is told; this is ours). */
const LOCKS_AT_ONCE = 100;

/** The forensic copies: there, complete, of their size, under their key, shared with nobody, locked; read again if asked. */
export async function auditForensicSnapshots(
  forensics: AccountClients,
  snapshots: readonly KnownSnapshot[],
  reread: boolean,
  found: AuditFindings,
): Promise<{ snapshots: number; snapshotsReread: number }> {
  const locks = await readLocks(
    forensics,
    snapshots.map(({ snapshotId }) => snapshotId),
  );
  let snapshotsReread = 0;
  for (const known of snapshots) {
    const what = `snapshot ${known.snapshotId} of account ${forensics.accountId} (${known.exhibit})`;
    const difference = (problem: string): void => void found.differences.push({ what, problem, severity: 'critical' });
    const there = await orDifference(found, what, () => describe(forensics, known.snapshotId));
    if (!there) continue;
    if (there.State !== 'completed') difference(`its state is ${there.State ?? 'unknown'}, not completed`);
    if ((there.VolumeSize ?? 0) * 2 ** 30 !== known.sizeBytes)
      difference(`it has ${there.VolumeSize ?? 0} GiB, the custody log says ${known.sizeBytes} bytes`);
    if (there.KmsKeyId !== known.keyArn) difference(`its key is ${there.KmsKeyId ?? 'none'}, not ${known.keyArn}`);
    const others = await orDifference(found, what, () => sharedWith(forensics, known.snapshotId));
    if (others && others.length > 0) difference(`it is shared with ${others.join(', ')}`);
    auditLock(found, what, locks.get(known.snapshotId));
    if (!reread) continue;
    if (known.merkleRoot === undefined)
      found.notes.push(`${what} is not read again: the log has no digest of its blocks`);
    else {
      const root = await orDifference(found, what, () => rootOf(forensics, known));
      snapshotsReread += 1;
      if (root !== undefined && root !== known.merkleRoot)
        difference(
          `its blocks are not those that were verified: their Merkle root is ${root}, the custody log says ${known.merkleRoot}`,
        );
    }
  }
  return { snapshots: snapshots.length, snapshotsReread };
}

/** The first snapshots in the suspect's own account: at least one of each disk, and locked. Returns how many were looked at. */
export async function auditSourceSnapshots(
  clients: AwsClients,
  { accountId, region }: InstanceTarget,
  caseId: string,
  copies: readonly KnownSnapshot[],
  found: AuditFindings,
): Promise<number> {
  if (copies.length === 0) return 0;
  try {
    const member = clients.member(accountId, region, 'acquire', caseId);
    const snapshots = await listSnapshotsOfCase(member, caseId);
    const locks = await readLocks(
      member,
      snapshots.map(({ SnapshotId = '' }) => SnapshotId),
    );
    for (const { exhibit } of copies) {
      // A re-encrypted copy on its way carries the volume too and is not locked.
      const ofVolume = snapshots.filter(
        ({ VolumeId, Tags }) =>
          VolumeId === exhibit || Tags?.some(({ Key, Value }) => Key === VOLUME_TAG && Value === exhibit),
      );
      const what = `source snapshot of ${exhibit} in account ${accountId}`;
      const locked = ofVolume.flatMap(({ SnapshotId = '' }) => locks.get(SnapshotId) ?? []);
      const latest = locked.sort((a, b) => (b.LockExpiresOn?.getTime() ?? 0) - (a.LockExpiresOn?.getTime() ?? 0)).at(0);
      if (ofVolume.length === 0)
        found.differences.push({ what, problem: 'it is gone; the forensic copy is what is left', severity: 'high' });
      else auditLock(found, what, latest);
    }
    return snapshots.length;
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || isRetryable(error)) throw error;
    found.notes.push(`the source snapshots in account ${accountId} are not checked: ${error.message}`);
    return 0;
  }
}

function auditLock(found: AuditFindings, what: string, lock: LockedSnapshotsInfo | undefined): void {
  const until = lock?.LockExpiresOn;
  if (!lock)
    found.differences.push({ what, problem: 'it is not locked: whoever may delete can delete it', severity: 'high' });
  else if (lock.LockState === 'expired')
    found.notes.push(`the lock of ${what} ended${until ? ` at ${until.toISOString()}` : ''}`);
  compareLockEnd(found, what, until);
}

async function describe({ ec2 }: AccountClients, snapshotId: string) {
  const { Snapshots: snapshots } = await awsStep(`looking at snapshot ${snapshotId}`, (options) =>
    ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [snapshotId] }), options),
  );
  return snapshots?.[0];
}

async function sharedWith({ ec2 }: AccountClients, SnapshotId: string): Promise<string[]> {
  const { CreateVolumePermissions: permissions } = await awsStep(
    `reading who may use snapshot ${SnapshotId}`,
    (options) =>
      ec2.send(new DescribeSnapshotAttributeCommand({ SnapshotId, Attribute: 'createVolumePermission' }), options),
  );
  return (permissions ?? []).map(({ Group, UserId }) => (Group === 'all' ? 'EVERYBODY' : (UserId ?? 'somebody')));
}

/** Locks by snapshot; an unlocked one has none, and one that ran out is `expired`. */
export async function readLocks(
  { ec2, accountId }: AccountClients,
  ids: string[],
): Promise<Map<string, LockedSnapshotsInfo>> {
  const locks = new Map<string, LockedSnapshotsInfo>();
  for (let from = 0; from < ids.length; from += LOCKS_AT_ONCE) {
    const SnapshotIds = ids.slice(from, from + LOCKS_AT_ONCE);
    const { Snapshots: some } = await awsStep(`reading the locks of snapshots of account ${accountId}`, (options) =>
      ec2.send(new DescribeLockedSnapshotsCommand({ SnapshotIds }), options),
    );
    for (const lock of some ?? []) if (lock.SnapshotId !== undefined) locks.set(lock.SnapshotId, lock);
  }
  return locks;
}

async function rootOf(forensics: AccountClients, { snapshotId, sizeBytes }: KnownSnapshot): Promise<string> {
  const activity = currentActivity();
  const { hashed } = (activity?.info.heartbeatDetails ?? {}) as { hashed?: unknown };
  const threads = new BlockDigestThreads();
  try {
    const reader = await SnapshotReader.open(forensics, snapshotId, threads);
    const tree = new BlockTree();
    for await (const block of reader.digests()) {
      tree.add(block);
      activity?.heartbeat({ hashed, reading: snapshotId, block: block.index });
    }
    return tree.root(sizeBytes / BLOCK_BYTES);
  } finally {
    await threads.end();
  }
}
