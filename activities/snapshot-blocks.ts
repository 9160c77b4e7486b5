import { Readable } from 'node:stream';
import { GetSnapshotBlockCommand, ListSnapshotBlocksCommand, type Block } from '@aws-sdk/client-ebs';
import { ApplicationFailure } from '@temporalio/common';
import { BLOCK_BYTES, type BlockDigest } from '../domain/custody/block-digests';
import type { AccountClients } from './aws/clients';
import { awsCode, awsStep, isRetryable } from './aws/errors';
import type { BlockDigestThreads } from './block-digest-threads';
import { BlockMemory } from './block-memory';
import { ebsReadRates, type EbsReadRates } from './disk-read-rates';

/** Blocks asked for at once of one snapshot; at 20 ms a block this is 400 MiB/s, near what EBS allows. */
const PARALLEL = 16;
/** Blocks that may be held beside those that are being read: what waits for the digest of the whole device. */
const HELD = 20;
/** Blocks in one page of a listing: the most that ListSnapshotBlocks gives. */
const PAGE = 10_000;
/** Milliseconds until the bytes of one block must have come. */
const BLOCK_TIMEOUT = 60_000;
/** A stream may break, or a block arrive damaged, in a reading of millions: the block is read again, not the disk. */
const TRIES_PER_BLOCK = 3;

export interface SnapshotBlock extends BlockDigest {
  data: Uint8Array;
  /** Gives the memory of `data` back for a later block. */
  release: () => void;
}

type Page = Awaited<ReturnType<typeof listBlocks>>;

/**
 * Reads a snapshot through the EBS direct APIs: pages of ListSnapshotBlocks, and bounded-parallel GetSnapshotBlock. Each
 * block's SHA-256 is taken here, in threads, and held against the one that EBS sends along. Holds at most 18 MiB of blocks.
 */
export class SnapshotReader {
  private readonly rates: EbsReadRates;
  /** Tokens that were fetched anew because those of the listing were not taken any more. */
  private readonly freshTokens = new Map<number, string>();
  private refreshing: Promise<void> | undefined;
  private readonly memory = new BlockMemory(PARALLEL + HELD);

  private constructor(
    private readonly account: AccountClients,
    private readonly snapshotId: string,
    private readonly threads: BlockDigestThreads,
    private first: Page | undefined,
    /** Bytes of the device. */
    readonly sizeBytes: number,
  ) {
    this.rates = ebsReadRates(account.accountId, account.region);
  }

  /** @param from the listing begins with this block, which should be one that the snapshot holds, or 0 */
  static async open(
    account: AccountClients,
    snapshotId: string,
    threads: BlockDigestThreads,
    from = 0,
  ): Promise<SnapshotReader> {
    const first = await listBlocks(account, snapshotId, { StartingBlockIndex: from });
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
    return new SnapshotReader(account, snapshotId, threads, first, first.VolumeSize * 2 ** 30);
  }

  /** Written blocks in ascending order, once; what is missing between them reads as zeros. */
  blocks(): AsyncGenerator<SnapshotBlock, void, void> {
    return inOrder(this.listed(), (block) => this.read(block));
  }

  /** The same without their bytes. */
  digests(): AsyncGenerator<BlockDigest, void, void> {
    return inOrder(this.listed(), async (block) => {
      const { index, sha256, release } = await this.read(block);
      release();
      return { index, sha256 };
    });
  }

  private list(where: { StartingBlockIndex: number } | { NextToken: string }) {
    return listBlocks(this.account, this.snapshotId, where);
  }

  private async *listed(): AsyncGenerator<Block, void, void> {
    let page = this.first;
    // A page is some MiB, and the reader lives as long as the reading.
    this.first = undefined;
    while (page !== undefined) {
      yield* page.Blocks ?? [];
      if (!page.NextToken) return;
      const last = page.Blocks?.at(-1)?.BlockIndex;
      // By position, since how long a page's token lasts is documented nowhere, and a page may take minutes to read.
      page = await this.list(last === undefined ? { NextToken: page.NextToken } : { StartingBlockIndex: last + 1 });
    }
  }

  private async read(block: Block): Promise<SnapshotBlock> {
    const index = block.BlockIndex ?? 0;
    const data = await this.memory.take();
    let refreshed = false;
    for (let tries = 1; ; tries += 1) {
      const token = this.freshTokens.get(index) ?? block.BlockToken;
      try {
        const sha256 = await this.readOnce(index, token, data);
        return { index, sha256, data, release: () => this.memory.giveBack(data) };
      } catch (error) {
        if (!(error instanceof ApplicationFailure)) throw error;
        if (awsCode(error) === 'ValidationException' && !refreshed) {
          // What EBS answers to a token that has expired (INVALID_BLOCK_TOKEN). They last 7 days.
          refreshed = true;
          await this.refreshToken(index, token);
          continue;
        }
        const again = isRetryable(error) || error.type === 'EvidenceMismatch';
        if (!again || tries >= TRIES_PER_BLOCK) throw error;
      }
    }
  }

  /** Reads a block into `data`; gives its SHA-256. */
  private async readOnce(index: number, token: string | undefined, data: Uint8Array): Promise<string> {
    const what = `reading block ${index} of snapshot ${this.snapshotId}`;
    await this.rates.blocks.take();
    return awsStep(what, async (options) => {
      const answer = await this.account.ebs.send(
        new GetSnapshotBlockCommand({ SnapshotId: this.snapshotId, BlockIndex: index, BlockToken: token }),
        options,
      );
      const length = await fill(data, answer.BlockData);
      const sha256 = length === BLOCK_BYTES ? await this.threads.digest(data) : 'none';
      const expected = Buffer.from(answer.Checksum ?? '', 'base64').toString('hex');
      if (sha256 !== expected) {
        throw ApplicationFailure.nonRetryable(
          `${what} failed: ${length} bytes arrived with SHA-256 ${sha256}, EBS says ${expected}. ` +
            'Both snapshots are kept; verify the disk again, and ask AWS Support if it stays so',
          'EvidenceMismatch',
        );
      }
      return sha256;
    });
  }

  /** Lists a page anew from this block on, once for all blocks that wait for it. */
  private async refreshToken(index: number, refused: string | undefined): Promise<void> {
    await this.refreshing;
    const known = this.freshTokens.get(index);
    if (known !== undefined && known !== refused) return;
    this.refreshing = this.list({ StartingBlockIndex: index }).then((page) => {
      this.freshTokens.clear();
      for (const { BlockIndex, BlockToken } of page.Blocks ?? [])
        if (BlockIndex !== undefined && BlockToken !== undefined) this.freshTokens.set(BlockIndex, BlockToken);
    });
    try {
      await this.refreshing;
    } finally {
      this.refreshing = undefined;
    }
  }
}

async function listBlocks(
  account: AccountClients,
  snapshotId: string,
  where: { StartingBlockIndex: number } | { NextToken: string },
) {
  await ebsReadRates(account.accountId, account.region).listings.take();
  return awsStep(`listing the blocks of snapshot ${snapshotId}`, (options) =>
    account.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId: snapshotId, MaxResults: PAGE, ...where }), options),
  );
}

/** Puts the bytes of a stream into `block`; gives their number, also of those that found no place. */
async function fill(block: Uint8Array, stream: unknown): Promise<number> {
  if (!(stream instanceof Readable)) return 0;
  // The SDK's own time-out ends with the headers.
  const stalled = setTimeout(() => stream.destroy(new Error('it stopped coming')), BLOCK_TIMEOUT);
  try {
    return await new Promise((resolve, reject) => {
      let length = 0;
      stream.on('data', (chunk: Buffer) => {
        if (length + chunk.length <= block.length) block.set(chunk, length);
        length += chunk.length;
      });
      stream.once('end', () => resolve(length));
      const broken = (why: string): void => reject(new Error(`socket hang up in the middle of a block: ${why}`));
      stream.once('error', (error) => broken(error.message));
      // After `end` it is of no account.
      stream.once('close', () => broken('closed'));
    });
  } finally {
    clearTimeout(stalled);
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
