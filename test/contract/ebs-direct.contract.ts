import {
  CompleteSnapshotCommand,
  GetSnapshotBlockCommand,
  ListSnapshotBlocksCommand,
  type ListSnapshotBlocksCommandOutput,
  PutSnapshotBlockCommand,
  StartSnapshotCommand,
} from '@aws-sdk/client-ebs';
import { documented } from './documented';
import { BLOCK_SIZE, sha256 } from './resources';
import { target } from './target';
import { outcome } from './waiting';

const filled = (text: string): Buffer => Buffer.alloc(BLOCK_SIZE, text);
const list = (SnapshotId: string): Promise<ListSnapshotBlocksCommandOutput> =>
  target().member.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId }));
const written = (blocks: [number, Buffer][]): Promise<string> =>
  target().resources.writtenSnapshot(target().member, new Map(blocks));

describe('EBS direct APIs', () => {
  documented(
    'EBS direct APIs Reference: ListSnapshotBlocks',
    'Blocks: an array of objects containing information about the blocks: those that hold data; BlockSize is 524288 bytes',
    async () => {
      const id = await written([
        [0, filled('first')],
        [7, filled('middle')],
        [2047, filled('last')],
      ]);
      const found = await list(id);
      expect(found.BlockSize).toBe(BLOCK_SIZE);
      expect(found.VolumeSize).toBe(1);
      expect(found.Blocks!.map((block) => block.BlockIndex)).toEqual([0, 7, 2047]);
      expect(found.ExpiryTime!.getTime()).toBeGreaterThan(Date.now());
    },
  );

  documented(
    'EBS direct APIs Reference: ListSnapshotBlocks',
    'NextToken, MaxResults (100 or more): the token to use to retrieve the next page of results',
    async () => {
      const { member } = target();
      const blocks = Array.from({ length: 101 }, (_, index): [number, Buffer] => [index * 3, filled(`${index}`)]);
      const SnapshotId = await written(blocks);
      const indexes: number[] = [];
      const sizes: number[] = [];
      let NextToken: string | undefined;
      do {
        const page: ListSnapshotBlocksCommandOutput = await member.ebs.send(
          new ListSnapshotBlocksCommand({ SnapshotId, MaxResults: 100, ...(NextToken !== undefined && { NextToken }) }),
        );
        sizes.push(page.Blocks!.length);
        indexes.push(...page.Blocks!.map((block) => block.BlockIndex!));
        NextToken = page.NextToken;
      } while (NextToken !== undefined && NextToken !== '');
      expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
      expect(indexes).toEqual(blocks.map(([index]) => index));
    },
  );

  documented(
    'EBS direct APIs Reference: GetSnapshotBlock',
    'Checksum: the checksum generated for the block, which is Base64 encoded; ChecksumAlgorithm: SHA256',
    async () => {
      const { member } = target();
      const SnapshotId = await written([[5, filled('evidence')]]);
      const [block] = (await list(SnapshotId)).Blocks!;
      const answer = await member.ebs.send(
        new GetSnapshotBlockCommand({ SnapshotId, BlockIndex: 5, BlockToken: block!.BlockToken }),
      );
      const data = await answer.BlockData!.transformToByteArray();
      expect(answer).toMatchObject({ DataLength: BLOCK_SIZE, ChecksumAlgorithm: 'SHA256', Checksum: sha256(data) });
      expect(filled('evidence').equals(data)).toBe(true);
    },
  );

  documented(
    'EBS direct APIs Reference: GetSnapshotBlock',
    'BlockToken: you can obtain it by running the ListSnapshotBlocks operation; another one is a ValidationException',
    async () => {
      const { member } = target();
      const SnapshotId = await written([[1, filled('x')]]);
      const get = new GetSnapshotBlockCommand({ SnapshotId, BlockIndex: 1, BlockToken: 'AAABAAAAAAAA' });
      expect(await outcome(member.ebs.send(get))).toBe('ValidationException');
    },
  );

  documented(
    'EBS direct APIs Reference: PutSnapshotBlock',
    'if the checksums do not correspond, the request fails',
    async () => {
      const { member, resources } = target();
      const { SnapshotId } = await member.ebs.send(new StartSnapshotCommand({ VolumeSize: 1, Tags: resources.tags() }));
      resources.endSnapshot(member, SnapshotId!);
      const put = new PutSnapshotBlockCommand({
        SnapshotId,
        BlockIndex: 0,
        BlockData: filled('a'),
        DataLength: BLOCK_SIZE,
        Checksum: sha256(filled('b')),
        ChecksumAlgorithm: 'SHA256',
      });
      expect(await outcome(member.ebs.send(put))).toBe('ValidationException');
      await member.ebs.send(new CompleteSnapshotCommand({ SnapshotId, ChangedBlocksCount: 0 }));
    },
  );

  documented(
    'EBS direct APIs Reference: ListSnapshotBlocks',
    'a snapshot that is not yours, nor shared with you, cannot be listed',
    async () => {
      const { forensics } = target();
      const SnapshotId = await written([[0, filled('x')]]);
      const foreign = forensics.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId }));
      expect(await outcome(foreign)).toMatch(/^(ResourceNotFound|AccessDenied|Validation)Exception$/);
    },
  );
});
