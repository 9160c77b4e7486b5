import { ApplicationFailure } from '@temporalio/common';
import { BLOCK_BYTES } from '../domain/custody/block-digests';
import type { Exhibit } from '../domain/evidence';
import type { AccountClients } from './aws/clients';
import { currentActivity } from './aws/errors';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import { DiskBlockList } from './disk-block-list';
import { ListingError } from './disk-comparison';
import { compareDisk, type VerificationAttempt, type VerifiedDisk } from './disk-verification';
import { checkpointOf } from './disk-verification-checkpoint';
import type { EvidenceStore } from './evidence-store';
import { stagingPrefix } from './manifests';
import type { VolumeActivities } from './types';

type Input = Parameters<VolumeActivities['verifyDisk']>[0];

const TOOL = { name: 'ebs-direct', version: '2019-11-02' };

/** Where a disk's list of blocks lies in the evidence bucket. */
export const blockListKey = (caseId: string, volumeId: string): string =>
  `cases/${caseId}/disks/${volumeId}/blocks.txt`;

/**
 * Proves that the forensic copy of a disk is equal to its source: each block's digest was taken here from the bytes that
 * arrived, and held against the one that EBS sent, so equality spans the change of key. An attempt after a crash goes on where
 * the last finished range ended (docs/decisions/0013).
 *
 * @param rangeBlocks written blocks of the first ranges; without it 1 GiB
 */
export async function verifyDisk(
  accounts: { member: AccountClients; forensics: AccountClients },
  config: ForensicsConfig,
  store: EvidenceStore,
  input: Input,
  rangeBlocks?: number,
): Promise<Exhibit> {
  const { caseId, volumeId, sourceSnapshotId, forensicSnapshotId } = input;
  const { member, forensics } = accounts;
  const list = await DiskBlockList.create(forensics.s3, {
    bucket: config.buckets.staging,
    prefix: stagingPrefix(caseId, volumeId, 'verification'),
  });
  try {
    const earlier = checkpointOf(currentActivity()?.info.heartbeatDetails);
    const resumed = earlier !== undefined && (await list.restore(earlier)) ? earlier : undefined;
    const disk = await compared(input, {
      source: { account: member, snapshotId: sourceSnapshotId },
      copy: { account: forensics, snapshotId: forensicSnapshotId },
      list,
      resumed,
      rangeBlocks,
    });
    const { sha256, sizeBytes, written } = disk;
    const kept = await list.keep(store, blockListKey(caseId, volumeId), disk.blocks, input.retentionDays);
    const blocks = { blockSizeBytes: BLOCK_BYTES, count: disk.blocks, ...kept };
    noteAct({
      message:
        `The forensic copy ${forensicSnapshotId} of ${volumeId} was read block by block and is equal to ` +
        `the source snapshot ${sourceSnapshotId}`,
      exhibit: { id: volumeId, kind: 'disk', source: volumeId },
      tool: TOOL,
      sha256,
      data: { sourceSnapshotId, forensicSnapshotId, blocks, written },
    });
    return {
      id: volumeId,
      kind: 'disk',
      source: volumeId,
      sha256,
      sizeBytes,
      location: {
        snapshotId: forensicSnapshotId,
        accountId: forensics.accountId,
        region: forensics.region,
        keyArn: config.evidenceKeyArn,
      },
      acquiredAt: input.acquiredAt,
      tool: TOOL,
      notes: notesOf(input, disk, resumed?.position),
      companions: [kept.list],
      blocks,
    };
  } finally {
    await list.end();
  }
}

/** @throws ApplicationFailure `EvidenceMismatch` (final) when a block differs, or what EBS lists cannot be */
async function compared(input: Input, attempt: VerificationAttempt): Promise<VerifiedDisk> {
  const disk = await compareDisk(attempt).catch((error: unknown) => {
    throw error instanceof ListingError ? mismatch(input, error.message) : error;
  });
  const { count, first } = disk.differences;
  if (count === 0) return disk;
  const { volumeId, sourceSnapshotId, forensicSnapshotId } = input;
  noteAct({
    message:
      `The forensic copy ${forensicSnapshotId} of ${volumeId} was read block by block and is NOT equal to the source snapshot ` +
      `${sourceSnapshotId}: ${count} blocks differ`,
    exhibit: { id: volumeId, kind: 'disk', source: volumeId },
    tool: TOOL,
    sha256: disk.sha256,
    data: { sourceSnapshotId, forensicSnapshotId, differences: disk.differences, written: disk.written },
  });
  throw mismatch(input, `${count} of ${disk.blocks} blocks differ, the first at ${first.join(', ')}`);
}

function notesOf({ sourceSnapshotId, forensicSnapshotId }: Input, disk: VerifiedDisk, resumedAt?: number): string[] {
  const { written, blocks } = disk;
  const notes = [
    `every block of ${sourceSnapshotId} (source account) and ${forensicSnapshotId} (forensics account) was read ` +
      'through the EBS direct APIs, checked against its SHA-256 checksum and compared: all are equal',
    `${written.source} blocks of 512 KiB are written in the source and ${written.copy} in the copy; ` +
      `the other blocks of ${blocks} read as zeros`,
    'the SHA-256 is that of the raw device as the forensic copy holds it',
  ];
  if (resumedAt === undefined) return notes;
  return [
    ...notes,
    `the comparison was interrupted and went on at block ${resumedAt}; up to there the copy was read again and is equal ` +
      'to what was listed when it was compared',
  ];
}

function mismatch({ volumeId, sourceSnapshotId, forensicSnapshotId }: Input, difference: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `the forensic copy ${forensicSnapshotId} of ${volumeId} is not equal to its source ${sourceSnapshotId}: ` +
      `${difference}. Both are kept: compare them before either is used as evidence`,
    'EvidenceMismatch',
  );
}
