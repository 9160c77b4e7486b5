import { ApplicationFailure } from '@temporalio/common';
import type { AccountClients, AwsClients } from './aws/clients';
import { isRetryable } from './aws/errors';
import { readLocks } from './audit-snapshots';
import { caseFolder, listSnapshotsOfCase, listVersions, readCaseRecord } from './case-evidence';
import type { ForensicsConfig } from './config';
import { createEvidenceStore } from './evidence-store';
import { lockSnapshot } from './snapshot-lock';
import type { HeldSnapshot, KeepingActivities } from './types';

/**
 * Legal hold of a case's evidence. S3 has legal holds: each object version gets one, and it stays until it is lifted. EBS has
 * none: a snapshot's lock has an end, which a hold puts off; the audit tells when it comes near. Lifting a hold shortens no lock.
 */
export function createLegalHoldActivities(parts: {
  config: ForensicsConfig;
  clients: AwsClients;
}): Pick<KeepingActivities, 'setCaseHold'> {
  const { config, clients } = parts;
  const store = createEvidenceStore(parts);
  return {
    async setCaseHold({ caseId, on, snapshotDays }) {
      const forensics = clients.forensics();
      const { target } = await readCaseRecord(forensics, config.caseTable, caseId);
      const bucket = config.buckets.evidence;
      const versions = (await listVersions(forensics, bucket, caseFolder(caseId))).filter(
        ({ isDeleteMarker }) => !isDeleteMarker,
      );
      await store.setLegalHold(
        versions.map(({ key, versionId }) => ({ bucket, key, versionId })),
        on,
      );
      const snapshots: HeldSnapshot[] = [];
      const notEnforced: string[] = [];
      if (on) {
        const member = clients.member(target.accountId, target.region, 'acquire', caseId);
        for (const owner of [forensics, member]) {
          try {
            snapshots.push(...(await extendLocks(owner, caseId, snapshotDays, config)));
          } catch (error) {
            if (!(error instanceof ApplicationFailure) || isRetryable(error)) throw error;
            notEnforced.push(`snapshots of account ${owner.accountId} are not locked for longer: ${error.message}`);
          }
        }
        if (snapshots.length > 0)
          notEnforced.push(
            'EBS knows no legal hold: the locks of the snapshots end when they say, and have to be put off before',
          );
      }
      return { objects: versions.length, snapshots, notEnforced };
    },
  };
}

/** Of the snapshots that were locked as evidence, also of those whose lock has ended since. */
async function extendLocks(
  owner: AccountClients,
  caseId: string,
  days: number,
  { snapshotLock }: ForensicsConfig,
): Promise<HeldSnapshot[]> {
  const ids = (await listSnapshotsOfCase(owner, caseId)).flatMap(({ SnapshotId }) => SnapshotId ?? []);
  const evidence = [...(await readLocks(owner, ids)).keys()];
  const held: HeldSnapshot[] = [];
  for (const snapshotId of evidence) {
    const { lockedUntil } = await lockSnapshot(owner, snapshotId, days, snapshotLock);
    held.push({ snapshotId, accountId: owner.accountId, lockedUntil });
  }
  return held;
}
