import { webcrypto } from 'node:crypto';
import { GetSnapshotBlockCommand, ListSnapshotBlocksCommand, type Block } from '@aws-sdk/client-ebs';
import { ApplicationFailure } from '@temporalio/common';
import type { AccountClients } from './aws/clients';
import { awsStep, isRetryable } from './aws/errors';

/** Bytes; the only block size that the EBS direct APIs use (EBS User Guide, "EBS direct APIs"). */
export const BLOCK_BYTES = 512 * 1024;

/** Blocks asked for at once. EBS allows 1,000 GetSnapshotBlock a second per account and per snapshot. */
const PARALLEL = 16;
/** A stream may break, or a block arrive damaged, in a reading of millions: the block is read again, not the disk. */
const TRIES_PER_BLOCK = 3;

export interface SnapshotBlock {
  /** Position on the device, in blocks. */
  index: number;
  data: Uint8Array;
}

export interface SnapshotReader {
  sizeBytes: number;
  /** Written blocks in ascending order; what is missing between them reads as zeros. */
  blocks: AsyncGenerator<SnapshotBlock, void, void>;
}

/**
 * Opens a snapshot for reading through the EBS direct APIs: pages of ListSnapshotBlocks, and bounded-parallel
 * GetSnapshotBlock with the SHA-256 that EBS sends along checked on every block. Holds at most some 8 MiB.
 */
export async function openSnapshot(account: AccountClients, snapshotId: string): Promise<SnapshotReader> {
  const first = await listBlocks(account, snapshotId, undefined);
  if (first.BlockSize !== undefined && first.BlockSize !== BLOCK_BYTES) {
    throw ApplicationFailure.nonRetryable(
      `snapshot ${snapshotId} has blocks of ${first.BlockSize} bytes, and only ${BLOCK_BYTES} are known`,
      'InvalidRequest',
    );
  }
  if (!first.VolumeSize) {
    throw ApplicationFailure.nonRetryable(
      `EBS tells no size of snapshot ${snapshotId}: it cannot be read`,
      'InvalidRequest',
    );
  }
  return {
    sizeBytes: first.VolumeSize * 2 ** 30,
    blocks: inOrder(listed(account, snapshotId, first), (block) => readBlock(account, snapshotId, block)),
  };
}

async function listBlocks(account: AccountClients, snapshotId: string, NextToken: string | undefined) {
  return awsStep(`listing the blocks of snapshot ${snapshotId}`, (options) =>
    account.ebs.send(
      new ListSnapshotBlocksCommand({ SnapshotId: snapshotId, MaxResults: 10_000, ...(NextToken && { NextToken }) }),
      options,
    ),
  );
}

async function* listed(
  account: AccountClients,
  snapshotId: string,
  first: Awaited<ReturnType<typeof listBlocks>>,
): AsyncGenerator<Block, void, void> {
  let page = first;
  for (;;) {
    yield* page.Blocks ?? [];
    if (!page.NextToken) return;
    page = await listBlocks(account, snapshotId, page.NextToken);
  }
}

/** Runs `read` on up to `PARALLEL` items ahead of the consumer and yields the results in the items' order. */
async function* inOrder<Item, Result>(
  items: AsyncGenerator<Item, void, void>,
  read: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, void> {
  const ahead: Promise<Result>[] = [];
  try {
    for await (const item of items) {
      const reading = read(item);
      // It is awaited in its turn; until then a failure must not count as unhandled.
      reading.catch(() => undefined);
      ahead.push(reading);
      if (ahead.length < PARALLEL) continue;
      yield await (ahead.shift() as Promise<Result>);
    }
    for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) yield await next;
  } finally {
    // The consumer stopped early: what is under way ends unheard, its failure is nobody's.
    await Promise.allSettled(ahead);
  }
}

async function readBlock(account: AccountClients, snapshotId: string, block: Block): Promise<SnapshotBlock> {
  const index = block.BlockIndex ?? 0;
  const what = `reading block ${index} of snapshot ${snapshotId}`;
  for (let tries = 1; ; tries += 1) {
    try {
      return await awsStep(what, async (options) => {
        const answer = await account.ebs.send(
          new GetSnapshotBlockCommand({ SnapshotId: snapshotId, BlockIndex: index, BlockToken: block.BlockToken }),
          options,
        );
        const data = (await answer.BlockData?.transformToByteArray()) ?? new Uint8Array();
        const digest = Buffer.from(await webcrypto.subtle.digest('SHA-256', data)).toString('base64');
        if (data.length !== BLOCK_BYTES || digest !== answer.Checksum) {
          throw ApplicationFailure.nonRetryable(
            `${what} failed: ${data.length} bytes arrived with SHA-256 ${digest}, EBS says ${answer.Checksum ?? 'nothing'}. ` +
              'Both snapshots are kept; verify the disk again, and ask AWS Support if it stays so',
            'EvidenceMismatch',
          );
        }
        return { index, data };
      });
    } catch (error) {
      const again = error instanceof ApplicationFailure && (isRetryable(error) || error.type === 'EvidenceMismatch');
      if (!again || tries >= TRIES_PER_BLOCK) throw error;
    }
  }
}
