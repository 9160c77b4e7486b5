import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { CreateBucketCommand, GetObjectCommand, GetObjectRetentionCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createEvidenceStore } from '../../activities/evidence-store';
import type { VerificationCheckpoint } from '../../activities/disk-verification-checkpoint';
import { verifyDisk } from '../../activities/verify-disk';
import { createVolumeActivities } from '../../activities/volumes';
import type { VolumeActivities } from '../../activities/types';
import { rootOfBlockLines } from '../../domain/custody/block-digests';
import { merkleRoot } from '../../domain/custody/merkle-tree';
import type { Exhibit } from '../../domain/evidence';
import { LAB_ACCOUNTS } from '../../lab/config';
import { actsOf } from './acts';
import {
  type ActivityLab,
  CASE_ID,
  createNetwork,
  failureOf,
  launchSuspect,
  type Network,
  runActivity,
  startActivityLab,
  writeSnapshot,
  writeVolume,
} from './support';

type Input = Parameters<VolumeActivities['verifyDisk']>[0];

interface Progress {
  blocksDone: number;
  blocksTotal: number;
  bytesDone: number;
  bytesTotal: number;
  finished?: VerificationCheckpoint;
}

/** Failures are what is tested. */
const SILENT = { logger: new DefaultLogger('ERROR', () => undefined) };
const BLOCK = 512 * 1024;
const BLOCKS = 2048;
const WRITTEN = [
  { block: 0, data: randomBytes(BLOCK) },
  { block: 3, data: randomBytes(1000) },
  { block: 700, data: randomBytes(2 * BLOCK) },
  { block: 2047, data: randomBytes(BLOCK) },
];
/** Positions of the blocks that these touch. */
const WRITTEN_BLOCKS = [0, 3, 700, 701, 2047];
const device = Buffer.alloc(2 ** 30);
for (const { block, data } of WRITTEN) data.copy(device, block * BLOCK);
const sha256 = createHash('sha256').update(device).digest('hex');
const blockSha256 = (index: number) =>
  createHash('sha256')
    .update(device.subarray(index * BLOCK, (index + 1) * BLOCK))
    .digest();

let lab: ActivityLab;
let volumes: VolumeActivities;
let network: Network;
let cases = 0;

const sharedFolder = os.tmpdir();
let ownFolder: string;

beforeAll(async () => {
  ownFolder = await mkdtemp(path.join(sharedFolder, 'verify-disk-'));
  process.env.TMPDIR = ownFolder;
  lab = await startActivityLab();
  const { s3 } = lab.aws.forensics;
  await s3.send(new CreateBucketCommand({ Bucket: lab.config.buckets.staging }));
  await s3.send(new CreateBucketCommand({ Bucket: lab.config.buckets.evidence, ObjectLockEnabledForBucket: true }));
  volumes = createVolumeActivities(lab);
  network = await createNetwork(lab);
});
afterAll(async () => {
  await lab.stop();
  process.env.TMPDIR = sharedFolder;
  await rm(ownFolder, { recursive: true });
});
afterEach(async () => {
  const left = (await readdir(ownFolder)).filter((name) => name.startsWith('disk-blocks-'));
  expect(left).toEqual([]);
});
beforeEach(async () => {
  await lab.aws.lab.clearFaults();
  await lab.aws.lab.clearCalls();
});

/** Both sides of the root volume, the copy not altered yet. */
async function copiedDisk(): Promise<Input> {
  const suspect = await launchSuspect(lab, network);
  cases += 1;
  const the = { caseId: `${CASE_ID}-${cases}`, target: suspect.target };
  const volumeId = suspect.volumeIds[0]!;
  for (const { block, data } of WRITTEN) await writeVolume(lab, volumeId, data, block * BLOCK);
  const { snapshots } = await runActivity(volumes.createSnapshots.bind(volumes), { ...the, volumeIds: [volumeId] });
  const sourceSnapshotId = snapshots[0]!.snapshotId;
  await runActivity(volumes.shareSnapshot.bind(volumes), { ...the, snapshotId: sourceSnapshotId });
  const { snapshotId } = await runActivity(volumes.copySnapshotToForensics.bind(volumes), {
    ...the,
    volumeId,
    snapshotId: sourceSnapshotId,
  });
  return {
    ...the,
    volumeId,
    sourceSnapshotId,
    forensicSnapshotId: snapshotId,
    acquiredAt: 'now',
    retentionDays: 30,
  };
}

const verify = (input: Input): Promise<Exhibit> => runActivity(volumes.verifyDisk.bind(volumes), input);

/** One attempt that makes a range of every two blocks, with what it told by heartbeat. */
async function attempt(input: Input, earlier?: Progress) {
  const progress: Progress[] = [];
  const environment = new MockActivityEnvironment(earlier && { heartbeatDetails: earlier }, SILENT);
  environment.on('heartbeat', (details: Progress) => progress.push(details));
  const store = createEvidenceStore(lab);
  const member = lab.clients.member(input.target.accountId, input.target.region, 'acquire', input.caseId);
  const accounts = { member, forensics: lab.clients.forensics() };
  const exhibit: Promise<Exhibit> = environment.run(
    (given: Input) => verifyDisk(accounts, lab.config, store, given, 2),
    input,
  );
  const ended: { exhibit?: Exhibit; failure?: unknown } = await exhibit.then(
    (made) => ({ exhibit: made }),
    (failure: unknown) => ({ failure }),
  );
  return { ...ended, progress };
}

/** What the last heartbeat of a worker said that died when so many ranges were finished. */
const lastWords = ({ progress }: { progress: Progress[] }, ranges: number): Progress =>
  progress.findLast(({ finished }) => finished?.ranges === ranges)!;

/** Blocks that an account has read since the calls were cleared. */
async function blocksRead(accountId: string): Promise<number> {
  const calls = await lab.aws.lab.calls();
  return calls.filter(({ action, account }) => action === 'GetSnapshotBlock' && account === accountId).length;
}

const textOf = async (location: { bucket: string; key: string; versionId?: string }): Promise<string> => {
  const answer = await lab.aws.forensics.s3.send(
    new GetObjectCommand({ Bucket: location.bucket, Key: location.key, VersionId: location.versionId }),
  );
  return answer.Body!.transformToString();
};

describe('a disk', () => {
  it('is compared block by block and hashed, holes as zeros, with progress', async () => {
    const input = await copiedDisk();
    const progress: Progress[] = [];
    const environment = new MockActivityEnvironment();
    environment.on('heartbeat', (details: Progress) => progress.push(details));
    const exhibit: Exhibit = await environment.run((given: Input) => volumes.verifyDisk(given), input);
    expect(exhibit).toMatchObject({
      id: input.volumeId,
      kind: 'disk',
      source: input.volumeId,
      sha256,
      sizeBytes: 2 ** 30,
      location: {
        snapshotId: input.forensicSnapshotId,
        accountId: LAB_ACCOUNTS.forensics,
        region: 'us-east-1',
        keyArn: lab.config.evidenceKeyArn,
      },
      tool: { name: 'ebs-direct' },
    });
    expect(exhibit.notes.join()).toContain('5 blocks of 512 KiB are written in the source and 5 in the copy');
    expect(progress.at(-1)).toEqual({
      blocksDone: BLOCKS,
      blocksTotal: BLOCKS,
      bytesDone: 2 ** 30,
      bytesTotal: 2 ** 30,
    });
    expect(progress.length).toBeGreaterThan(10);
  });

  it('has its blocks listed write-once, and their Merkle root holds for every block of the device', async () => {
    const input = await copiedDisk();
    const { blocks, companions } = await verify(input);
    const leaves = Array.from({ length: BLOCKS }, (_, index) => blockSha256(index));
    expect(blocks).toMatchObject({ blockSizeBytes: BLOCK, count: BLOCKS });
    expect(blocks!.merkleRoot).toBe(Buffer.from(merkleRoot(leaves)).toString('hex'));
    expect(companions).toEqual([blocks!.list]);
    const text = await textOf(blocks!.list);
    const lines = text.split('\n').slice(0, -1);
    expect(lines).toEqual(WRITTEN_BLOCKS.map((index) => `${index} ${blockSha256(index).toString('hex')}`));
    expect(createHash('sha256').update(text).digest('hex')).toBe(blocks!.list.sha256);
    expect(rootOfBlockLines(lines, BLOCKS)).toBe(blocks!.merkleRoot);
    const { bucket: Bucket, key: Key, versionId: VersionId } = blocks!.list;
    const { Retention } = await lab.aws.forensics.s3.send(new GetObjectRetentionCommand({ Bucket, Key, VersionId }));
    expect(Retention!.RetainUntilDate!.getTime()).toBeGreaterThan(Date.now() + 29 * 86_400_000);
    expect((await verify(input)).blocks).toEqual(blocks);
  });

  it('is told to the custody log, with both snapshots and both digests', async () => {
    const input = await copiedDisk();
    const acts = await actsOf(() => verify(input));
    expect(acts).toMatchObject([
      {
        message: expect.stringContaining('is equal to the source snapshot') as string,
        exhibit: { id: input.volumeId, kind: 'disk' },
        tool: { name: 'ebs-direct' },
        sha256,
        data: {
          sourceSnapshotId: input.sourceSnapshotId,
          forensicSnapshotId: input.forensicSnapshotId,
          blocks: { merkleRoot: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
          written: { source: 5, copy: 5 },
        },
      },
    ]);
  });

  it('without a written block has the digests of zeros, and an empty list', async () => {
    const input = await copiedDisk();
    for (const snapshotId of [input.sourceSnapshotId, input.forensicSnapshotId])
      for (const { block, data } of WRITTEN)
        await writeSnapshot(lab, snapshotId, Buffer.alloc(data.length), block * BLOCK);
    const { blocks, sha256: ofZeros } = await verify(input);
    expect(ofZeros).toBe(
      createHash('sha256')
        .update(Buffer.alloc(2 ** 30))
        .digest('hex'),
    );
    expect(blocks!.list.sizeBytes).toBe(0);
    expect(blocks!.merkleRoot).toBe(rootOfBlockLines([], BLOCKS));
  });
});

describe('a copy that differs', () => {
  it('by one byte: EvidenceMismatch, final, with the place', async () => {
    const input = await copiedDisk();
    await writeSnapshot(lab, input.forensicSnapshotId, Buffer.from([1]), 3 * BLOCK + 2000);
    const failure = await failureOf(verify(input));
    expect(failure).toMatchObject({ type: 'EvidenceMismatch', nonRetryable: true });
    expect(failure.message).toMatch(/1 of 2048 blocks differ, the first at 3\. Both are kept/);
  });

  it('is told to the custody log as such', async () => {
    const input = await copiedDisk();
    await writeSnapshot(lab, input.forensicSnapshotId, Buffer.from('x'), 3 * BLOCK + 2000);
    expect(await actsOf(() => failureOf(verify(input)))).toMatchObject([
      {
        message: expect.stringContaining('is NOT equal') as string,
        exhibit: { id: input.volumeId },
        data: { differences: { count: 1, first: [3] } },
      },
    ]);
  });

  it('in many places: the first ones are named, and all are counted', async () => {
    const input = await copiedDisk();
    for (let index = 100; index < 108; index += 1)
      await writeSnapshot(lab, input.forensicSnapshotId, Buffer.from('x'), index * BLOCK);
    const { message } = await failureOf(verify(input));
    expect(message).toContain('8 of 2048 blocks differ, the first at 100, 101, 102, 103, 104.');
  });

  it('costs its own volume only: its sibling is verified', async () => {
    const [corrupted, sound] = [await copiedDisk(), await copiedDisk()];
    await writeSnapshot(lab, corrupted.forensicSnapshotId, Buffer.from('not what was snapshotted'), 701 * BLOCK);
    const [ofCorrupted, ofSound] = await Promise.allSettled([verify(corrupted), verify(sound)]);
    expect(ofCorrupted).toMatchObject({ reason: { message: expect.stringContaining('the first at 701') as string } });
    expect(ofSound).toMatchObject({ value: { sha256 } });
  });

  it('in what is listed only: a written block of zeros is equal to a hole', async () => {
    const input = await copiedDisk();
    await writeSnapshot(lab, input.forensicSnapshotId, Buffer.alloc(BLOCK), 100 * BLOCK);
    const exhibit = await verify(input);
    expect(exhibit.notes.join()).toContain('5 blocks of 512 KiB are written in the source and 6 in the copy');
    expect((await textOf(exhibit.blocks!.list)).split('\n')).toHaveLength(6);
  });
});

describe('after a crash', () => {
  it('goes on after the last finished range: of the source nothing before it is read again', async () => {
    const input = await copiedDisk();
    const first = await attempt(input);
    await lab.aws.lab.clearCalls();
    const second = await attempt(input, lastWords(first, 2));
    const { notes, ...exhibit } = first.exhibit!;
    expect(second.exhibit).toMatchObject(exhibit);
    expect(second.exhibit!.notes).toEqual([...notes, expect.stringContaining('went on at block 702')]);
    // The last block before the crash stands at the head of the new listing.
    expect(await blocksRead(LAB_ACCOUNTS.member)).toBe(2);
    expect(await blocksRead(LAB_ACCOUNTS.forensics)).toBe(5);
    // What an attempt heartbeats is all that the next one has: it keeps what the one before it had.
    expect(second.progress[0]!.finished!.ranges).toBe(2);
  });

  it('finds the copy altered since: EvidenceMismatch', async () => {
    const input = await copiedDisk();
    const first = await attempt(input);
    await writeSnapshot(lab, input.forensicSnapshotId, Buffer.from('x'), 3 * BLOCK + 2000);
    const { failure } = await attempt(input, lastWords(first, 2));
    expect(failure).toMatchObject({
      type: 'EvidenceMismatch',
      message: expect.stringContaining('1 of 2048 blocks differ, the first at 3.') as string,
    });
  });

  it('does not forget the differences that it had found before', async () => {
    const input = await copiedDisk();
    await writeSnapshot(lab, input.forensicSnapshotId, Buffer.from('x'), 3 * BLOCK + 2000);
    const first = await attempt(input);
    expect(first.failure).toMatchObject({ type: 'EvidenceMismatch' });
    const second = await attempt(input, lastWords(first, 2));
    expect(second.failure).toMatchObject({
      message: expect.stringContaining('1 of 2048 blocks differ, the first at 3.') as string,
    });
  });

  it.each(['altered', 'gone'])('begins anew when the staged list is %s', async (what) => {
    const input = await copiedDisk();
    const first = await attempt(input);
    const earlier = lastWords(first, 2);
    const Bucket = lab.config.buckets.staging;
    const Key = `${input.caseId}/${input.volumeId}/verification/blocks/000001.txt`;
    const list = await textOf({ bucket: Bucket, key: Key });
    if (what === 'altered')
      await lab.aws.forensics.s3.send(
        new PutObjectCommand({ Bucket, Key, Body: list.replace(/.\n$/, (end) => (end === '0\n' ? '1\n' : '0\n')) }),
      );
    else earlier.finished!.ranges = 3;
    await lab.aws.lab.clearCalls();
    const second = await attempt(input, earlier);
    expect(second.exhibit).toEqual(first.exhibit);
    expect(await blocksRead(LAB_ACCOUNTS.member)).toBe(5);
  });
});

describe('EBS', () => {
  it('throttles and breaks off: the reading goes on', async () => {
    const input = await copiedDisk();
    await lab.aws.lab.setFaults([
      { service: 'ebs', action: 'GetSnapshotBlock', code: 'RequestThrottledException', times: 2 },
      { service: 'ebs', action: 'GetSnapshotBlock', code: 'InternalServerException', status: 500, times: 2 },
    ]);
    expect((await verify(input)).sha256).toBe(sha256);
  });

  it('takes the tokens of a listing no more: blocks are listed anew', async () => {
    const input = await copiedDisk();
    await lab.aws.lab.setFaults([
      { service: 'ebs', action: 'GetSnapshotBlock', code: 'ValidationException', status: 400, times: 3 },
    ]);
    expect((await verify(input)).sha256).toBe(sha256);
    const listings = (await lab.aws.lab.calls()).filter(({ action }) => action === 'ListSnapshotBlocks');
    expect(listings.length).toBeGreaterThan(2);
  });

  it('takes new tokens neither: final', async () => {
    const input = await copiedDisk();
    await lab.aws.lab.setFaults([
      { service: 'ebs', action: 'GetSnapshotBlock', code: 'ValidationException', status: 400, times: 999 },
    ]);
    expect(await failureOf(verify(input))).toMatchObject({ type: 'InvalidRequest', nonRetryable: true });
  });

  it('does not let the source be read: AccessDenied, final', async () => {
    const input = await copiedDisk();
    const { member: account } = LAB_ACCOUNTS;
    await lab.aws.lab.setFaults([
      { service: 'ebs', action: 'GetSnapshotBlock', code: 'AccessDeniedException', account, times: 99 },
    ]);
    expect(await failureOf(verify(input))).toMatchObject({ type: 'AccessDenied', nonRetryable: true });
  });
});

test('a cancellation ends it at once', async () => {
  const input = await copiedDisk();
  const environment = new MockActivityEnvironment();
  environment.once('heartbeat', () => environment.cancel());
  await expect(environment.run((given: Input) => volumes.verifyDisk(given), input)).rejects.toThrow(
    /CANCELLED|cancel/i,
  );
});
