/** Writing snapshots by the EBS direct APIs; reading them is in snapshots.rules.ts. */
import { createHash } from 'node:crypto';
import {
  CompleteSnapshotCommand,
  GetSnapshotBlockCommand,
  ListChangedBlocksCommand,
  ListSnapshotBlocksCommand,
  PutSnapshotBlockCommand,
  StartSnapshotCommand,
  type StartSnapshotCommandInput,
} from '@aws-sdk/client-ebs';
import { DescribeSnapshotsCommand } from '@aws-sdk/client-ec2';
import { type AccountClients, type EmulatedAws, eventually, refusal, sharedEmulatedAws } from './emulated-aws';

const BLOCK = 512 * 1024;
let aws: EmulatedAws;
let member: AccountClients;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ member } = aws);
});

const digest = (data: Buffer) => createHash('sha256').update(data).digest();
const filled = (seed: number) => Buffer.alloc(BLOCK, digest(Buffer.from(String(seed))));

const start = (options: Partial<StartSnapshotCommandInput> = {}) =>
  member.ebs.send(new StartSnapshotCommand({ VolumeSize: 1, ...options }));

const put = (SnapshotId: string, BlockIndex: number, data: Buffer, claimed = data) =>
  member.ebs.send(
    new PutSnapshotBlockCommand({
      SnapshotId,
      BlockIndex,
      BlockData: data,
      DataLength: data.length,
      Checksum: digest(claimed).toString('base64'),
      ChecksumAlgorithm: 'SHA256',
    }),
  );

const complete = (SnapshotId: string, ChangedBlocksCount: number, Checksum?: string) =>
  member.ebs.send(
    new CompleteSnapshotCommand({
      SnapshotId,
      ChangedBlocksCount,
      ...(Checksum !== undefined && { Checksum, ChecksumAlgorithm: 'SHA256', ChecksumAggregationMethod: 'LINEAR' }),
    }),
  );

const completed = (id: string) =>
  eventually(
    async () => (await member.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }))).Snapshots![0]!,
    (snapshot) => snapshot.State === 'completed',
  );

describe('writing snapshots', () => {
  it('StartSnapshot, PutSnapshotBlock, CompleteSnapshot: 512 KiB blocks with SHA-256, and one over all in ascending order', async () => {
    const { SnapshotId, Status, BlockSize } = await start();
    expect([Status, BlockSize]).toEqual(['pending', BLOCK]);
    const id = SnapshotId!;
    await put(id, 7, filled(7));
    await put(id, 2, filled(1));
    await put(id, 2, filled(2));
    expect(await refusal(put(id, 3, filled(3), filled(4)))).toBe('ValidationException');
    expect(await refusal(put(id, 3, Buffer.alloc(4096)))).toBe('ValidationException');
    expect(await refusal(put(id, 2048, filled(1)))).toBe('ValidationException');
    const whole = digest(Buffer.concat([digest(filled(2)), digest(filled(7))])).toString('base64');
    expect(await refusal(complete(id, 3, whole))).toBe('ValidationException');
    expect(await refusal(complete(id, 2, digest(filled(7)).toString('base64')))).toBe('ValidationException');
    await complete(id, 2, whole);
    expect((await completed(id)).FullSnapshotSizeInBytes).toBe(2 * BLOCK);
    expect(await refusal(put(id, 3, filled(3)))).toBe('ValidationException');
    const { Blocks } = await member.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId: id }));
    expect(Blocks!.map((block) => block.BlockIndex)).toEqual([2, 7]);
    const { BlockIndex, BlockToken } = Blocks![0]!;
    const place = { BlockIndex, BlockToken };
    const { BlockData } = await member.ebs.send(new GetSnapshotBlockCommand({ SnapshotId: id, ...place }));
    expect(Buffer.from(await BlockData!.transformToByteArray()).equals(filled(2))).toBe(true);
  });

  it('a snapshot with a parent holds its blocks and what was put over them', async () => {
    const parent = (await start()).SnapshotId!;
    await put(parent, 0, filled(1));
    await put(parent, 1, filled(2));
    await complete(parent, 2);
    await completed(parent);
    const child = (await start({ ParentSnapshotId: parent })).SnapshotId!;
    await put(child, 1, filled(3));
    await complete(child, 1);
    await completed(child);
    const { Blocks } = await member.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId: child }));
    expect(Blocks!.map((block) => block.BlockIndex)).toEqual([0, 1]);
    const { ChangedBlocks } = await member.ebs.send(
      new ListChangedBlocksCommand({ FirstSnapshotId: parent, SecondSnapshotId: child }),
    );
    expect(ChangedBlocks!.map((block) => block.BlockIndex)).toEqual([1]);
  });

  it('ClientToken makes StartSnapshot idempotent; with other parameters it is a ConflictException', async () => {
    const ClientToken = 'write-1';
    const first = await start({ ClientToken });
    expect((await start({ ClientToken })).SnapshotId).toBe(first.SnapshotId);
    expect(await refusal(start({ ClientToken, VolumeSize: 2 }))).toBe('ConflictException');
  });

  it('"Timeout: 10 to 4320 minutes"; the volume is no smaller than its parent', async () => {
    expect(await refusal(start({ Timeout: 5 }))).toBe('ValidationException');
    const parent = (await start({ VolumeSize: 2 })).SnapshotId!;
    await complete(parent, 0);
    await completed(parent);
    expect(await refusal(start({ VolumeSize: 1, ParentSnapshotId: parent }))).toBe('ValidationException');
  });
});
