import type { CreatedSnapshot, SnapshotOwner } from '../activities/types';
import { diskPath } from '../domain/disk-path';
import type { Exhibit } from '../domain/evidence';
import type { VolumeFacts } from '../domain/instance-facts';
import type { StageDeadlines } from '../domain/policy';
import type { InstanceTarget } from '../domain/target';
import { follow, mutation, poll } from './activity-options';
import { carryThrough, withEarlyCleanUp, type Finished } from './clean-up';

export interface DiskAcquisitionInput {
  caseId: string;
  target: InstanceTarget;
  volume: VolumeFacts;
  /** Taken of this volume together with all others of the instance. */
  snapshot: CreatedSnapshot;
  deadlines: StageDeadlines;
  retentionDays: number;
}

/**
 * Brings one volume's snapshot into the forensics account under its key, proves that the copy is the same, and locks
 * both. Whatever happens, the permission to copy is taken back, as soon as the copy is there or given up.
 */
export async function diskAcquisition(input: DiskAcquisitionInput): Promise<Finished<Exhibit>> {
  const { caseId, target, volume, snapshot, deadlines, retentionDays } = input;
  const { volumeId } = volume;
  const the = { caseId, target };

  const completed = (owner: SnapshotOwner, snapshotId: string, deadlineSeconds: number): Promise<unknown> =>
    poll(`Wait for ${snapshotId} of ${volumeId}`, deadlineSeconds).awaitSnapshot({ ...the, owner, snapshotId });
  const lock = (owner: SnapshotOwner, snapshotId: string): Promise<string[]> =>
    carryThrough({
      ifItFails: `snapshot ${snapshotId} of ${volumeId} is not locked and could be deleted: lock it by hand`,
      run: () => mutation(`Lock ${snapshotId}`).lockSnapshot({ ...the, owner, snapshotId, days: retentionDays }),
    });

  await completed('source', snapshot.snapshotId, deadlines.snapshot);

  let shareable = snapshot.snapshotId;
  const route = diskPath(volume.key);
  if (route.path === 're-encrypt-then-share') {
    const copy = await mutation(`Re-encrypt ${shareable}: ${route.because}`).reencryptSnapshot({
      ...the,
      volumeId,
      snapshotId: shareable,
    });
    await completed('source', copy.snapshotId, deadlines.copy);
    shareable = copy.snapshotId;
  }

  const unshare = {
    ifItFails: `snapshot ${shareable} of ${volumeId} is still shared with the forensics account: unshare it by hand`,
    run: () => mutation(`Unshare ${shareable}`).unshareSnapshot({ ...the, snapshotId: shareable }),
  };
  const copied = async (): Promise<string> => {
    await mutation(`Share ${shareable}`).shareSnapshot({ ...the, snapshotId: shareable });
    const copy = await mutation(`Copy ${shareable} to the forensics account`).copySnapshotToForensics({
      ...the,
      volumeId,
      snapshotId: shareable,
    });
    await completed('forensics', copy.snapshotId, deadlines.copy);
    return copy.snapshotId;
  };
  // Each account reads its own snapshot, so the permission goes as soon as the copy is there.
  const { result, leftUndone } = await withEarlyCleanUp(unshare, copied, async (forensic) => {
    const exhibit = await follow(`Verify the copy of ${volumeId} block by block`, deadlines.copy).verifyDisk({
      ...the,
      volumeId,
      acquiredAt: snapshot.startedAt,
      // The first snapshot and not its re-encrypted copy: the proof spans the whole way.
      sourceSnapshotId: snapshot.snapshotId,
      forensicSnapshotId: forensic,
      retentionDays,
    });
    // Verified evidence is kept even when a lock fails; what is left to do is told. A cancellation does not stop it.
    const unlocked = await Promise.all([lock('source', snapshot.snapshotId), lock('forensics', forensic)]);
    return { exhibit, unlocked: unlocked.flat() };
  });
  return { result: result.exhibit, leftUndone: [...result.unlocked, ...leftUndone] };
}
