import { DeleteSnapshotCommand } from '@aws-sdk/client-ec2';
import { DeleteObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { ApplicationFailure } from '@temporalio/common';
import type { CustodyEntry } from '../domain/custody/entry';
import { inventoryOf } from '../domain/evidence-inventory';
import type { PurgedExhibit, PurgePlan, PurgeResult } from '../domain/evidence-purge';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsCode, awsStep, currentActivity, isRetryable } from './aws/errors';
import { readLocks } from './audit-snapshots';
import { caseFolder, listSnapshotsOfCase, type ListedVersion, listVersions, readCaseRecord } from './case-evidence';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import type { CustodyLog } from './custody-log';
import { asPurger } from './purge-role';
import type { KeepingActivities } from './types';

/** The seal and what it was made over: small, and what shows later what there was. */
const keptFolder = (caseId: string): string => `${caseFolder(caseId)}bundle/`;

/** Destroys the evidence of a case after its retention; the custody log, the seal and the bundle's own files stay. */
export function createPurgeActivities(parts: {
  config: ForensicsConfig;
  clients: AwsClients;
  custodyLog: CustodyLog;
}): Pick<KeepingActivities, 'planPurge' | 'purgeCase'> {
  const { config, clients, custodyLog } = parts;
  const forensics = () => clients.forensics();

  return {
    async planPurge({ caseId }) {
      const record = await readCaseRecord(forensics(), config.caseTable, caseId);
      const entries = await custodyLog.read(caseId);
      const versions = await deletable(caseId);
      const snapshots = await listSnapshotsOfCase(forensics(), caseId);
      const ids = snapshots.flatMap(({ SnapshotId }) => SnapshotId ?? []);
      const plan: PurgePlan = {
        caseId,
        objects: versions.map(({ key, versionId, sizeBytes }) => ({ key, versionId, sizeBytes })),
        snapshots: snapshots.map(({ SnapshotId = '', VolumeSize = 0 }) => ({
          snapshotId: SnapshotId,
          sizeGiB: VolumeSize,
        })),
        exhibits: exhibitsOf(entries),
        stays: [
          `the custody log in table ${config.caseTable}`,
          `the seal and the bundle’s own files below s3://${config.buckets.evidence}/${keptFolder(caseId)}`,
          `the source snapshots in account ${record.target.accountId}: they belong to that account, and no role of ours deletes there`,
        ],
      };
      const obstacles = [
        ...(record.status === 'closed' ? [] : [`case ${caseId} is not closed`]),
        ...(inventoryOf(entries).legalHold ? ['the case is under legal hold: lift it first'] : []),
        ...(config.purgeRole === undefined ? ['no role for purging is configured (purgeRole)'] : []),
        ...(await heldObjects(versions)),
        ...(await heldSnapshots(ids)),
      ];
      return { plan, obstacles };
    },

    async purgeCase({ plan }) {
      const { caseId } = plan;
      const left: PurgeResult['left'] = [];
      // What is there now, of what was approved: an earlier attempt may have deleted some, and nothing else is touched.
      const there = new Map(
        (await deletable(caseId)).map((version) => [`${version.key}?${version.versionId}`, version]),
      );
      const objects = plan.objects.flatMap(({ key, versionId }) => there.get(`${key}?${versionId}`) ?? []);
      const present = new Set((await listSnapshotsOfCase(forensics(), caseId)).map(({ SnapshotId }) => SnapshotId));
      const snapshots = plan.snapshots.filter(({ snapshotId }) => present.has(snapshotId));
      const held = [...(await heldObjects(objects)), ...(await heldSnapshots(snapshots.map((one) => one.snapshotId)))];
      if (held.length > 0)
        return { objects: 0, bytes: 0, snapshots: 0, left: held.map((reason) => ({ what: caseId, reason })) };

      await asPurger(parts, caseId, async (purger) => {
        for (const { key, versionId } of objects) {
          await orLeft(left, named(key, versionId), () => deleteVersion(purger, key, versionId));
          currentActivity()?.heartbeat({ deleted: key });
        }
        for (const { snapshotId } of snapshots)
          await orLeft(left, `snapshot ${snapshotId}`, () => deleteSnapshot(purger, snapshotId));
      });
      await verify(plan, left);
      noteAct({
        message: `Evidence of case ${caseId} was destroyed: ${objects.length} object versions and ${snapshots.length} snapshots, ${left.length} left`,
        data: { objects: objects.length, snapshots: snapshots.length, left: left.length },
      });
      const stays = new Set(left.map(({ what }) => what));
      const gone = plan.objects.filter(({ key, versionId }) => !stays.has(named(key, versionId)));
      return {
        objects: gone.length,
        bytes: gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        snapshots: plan.snapshots.filter(({ snapshotId }) => !stays.has(`snapshot ${snapshotId}`)).length,
        left,
      };
    },
  };

  function named(key: string, versionId: string): string {
    return `s3://${config.buckets.evidence}/${key} (version ${versionId})`;
  }

  async function deletable(caseId: string): Promise<ListedVersion[]> {
    const versions = await listVersions(forensics(), config.buckets.evidence, caseFolder(caseId));
    return versions.filter(({ key }) => !key.startsWith(keptFolder(caseId)));
  }

  /** What S3 itself holds: retention that is not over, and legal holds. */
  async function heldObjects(versions: ListedVersion[]): Promise<string[]> {
    const Bucket = config.buckets.evidence;
    const holds: string[] = [];
    for (const { key, versionId, isDeleteMarker } of versions) {
      if (isDeleteMarker) continue;
      const head = await awsStep(`looking at s3://${Bucket}/${key}`, (options) =>
        forensics().s3.send(new HeadObjectCommand({ Bucket, Key: key, VersionId: versionId }), options),
      );
      const until = head.ObjectLockRetainUntilDate;
      if (until && until.getTime() > Date.now())
        holds.push(`s3://${Bucket}/${key} is retained until ${until.toISOString()}`);
      if (head.ObjectLockLegalHoldStatus === 'ON') holds.push(`s3://${Bucket}/${key} is under legal hold`);
    }
    return holds;
  }

  async function heldSnapshots(ids: string[]): Promise<string[]> {
    const locks = [...(await readLocks(forensics(), ids)).values()].filter(({ LockState }) => LockState !== 'expired');
    return locks.map(
      ({ SnapshotId, LockExpiresOn }) =>
        `snapshot ${SnapshotId ?? ''} is locked until ${LockExpiresOn?.toISOString() ?? 'an end that AWS does not tell yet'}`,
    );
  }

  async function deleteVersion(purger: AccountClients, Key: string, VersionId: string): Promise<void> {
    const Bucket = config.buckets.evidence;
    await awsStep(`deleting s3://${Bucket}/${Key}`, (options) =>
      purger.s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }), options),
    );
  }

  /** The listing is what shows that something is gone, not the answer to its deletion. */
  async function verify({ caseId, objects, snapshots }: PurgePlan, left: PurgeResult['left']): Promise<void> {
    const versions = new Set((await deletable(caseId)).map(({ key, versionId }) => `${key}?${versionId}`));
    const still = (what: string): void => {
      if (!left.some((one) => one.what === what)) left.push({ what, reason: 'it is still listed' });
    };
    for (const { key, versionId } of objects) if (versions.has(`${key}?${versionId}`)) still(named(key, versionId));
    const listed = new Set((await listSnapshotsOfCase(forensics(), caseId)).map(({ SnapshotId }) => SnapshotId));
    for (const { snapshotId } of snapshots) if (listed.has(snapshotId)) still(`snapshot ${snapshotId}`);
  }
}

function exhibitsOf(entries: readonly CustodyEntry[]): PurgedExhibit[] {
  return entries.flatMap(({ kind, exhibit, sha256 }) =>
    kind === 'exhibit-acquired' && exhibit && sha256 !== undefined ? [{ ...exhibit, sha256 }] : [],
  );
}

async function deleteSnapshot({ ec2 }: AccountClients, SnapshotId: string): Promise<void> {
  try {
    await awsStep(`deleting snapshot ${SnapshotId}`, (options) =>
      ec2.send(new DeleteSnapshotCommand({ SnapshotId }), options),
    );
  } catch (error) {
    if (awsCode(error) !== 'InvalidSnapshot.NotFound') throw error;
  }
}

async function orLeft(left: PurgeResult['left'], what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || isRetryable(error)) throw error;
    left.push({ what, reason: error.message });
  }
}
