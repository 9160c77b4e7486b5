import { type BlockDigest, ZERO_BLOCK_SHA256 } from '../domain/custody/block-digests';
import type { SnapshotBlock } from './snapshot-blocks';

/** Positions of differing blocks that are named; the number of all of them is told too. */
const DIFFERENCES_NAMED = 5;

export interface BlockDifferences {
  count: number;
  /** Positions of the first ones. */
  first: number[];
}

/** A block of the device that at least one side holds. */
export interface ComparedBlock {
  index: number;
  reference: BlockDigest | undefined;
  copy: SnapshotBlock | undefined;
  equal: boolean;
}

/**
 * Walks over two sides of a disk and compares each block that one of them holds, by SHA-256; what a side does not hold reads as
 * zeros there.
 *
 * @throws ListingError when a side lists blocks out of order or beyond the end of the device
 */
export async function* compareBlocks(
  reference: AsyncGenerator<BlockDigest, void, void>,
  copy: AsyncGenerator<SnapshotBlock, void, void>,
  blocksTotal: number,
): AsyncGenerator<ComparedBlock, void, void> {
  const sides = { reference: new Cursor(reference), copy: new Cursor(copy) };
  await Promise.all([sides.reference.advance(), sides.copy.advance()]);
  for (let position = 0; ;) {
    const index = Math.min(sides.reference.index, sides.copy.index);
    if (index === Number.POSITIVE_INFINITY) return;
    if (index < position || index >= blocksTotal)
      throw new ListingError('EBS lists blocks out of order or beyond the end of the device');
    const ofReference = sides.reference.at(index);
    const ofCopy = sides.copy.at(index);
    const equal = (ofReference?.sha256 ?? ZERO_BLOCK_SHA256) === (ofCopy?.sha256 ?? ZERO_BLOCK_SHA256);
    yield { index, reference: ofReference, copy: ofCopy, equal };
    await Promise.all([ofReference && sides.reference.advance(), ofCopy && sides.copy.advance()]);
    position = index + 1;
  }
}

/** The differences with one more. */
export function withDifference({ count, first }: BlockDifferences, index: number): BlockDifferences {
  return { count: count + 1, first: first.length < DIFFERENCES_NAMED ? [...first, index] : first };
}

/** The sides cannot be held against each other: different sizes, or a listing that is none. */
export class ListingError extends Error {}

/** One side's blocks, looked at one by one. */
class Cursor<Block extends BlockDigest> {
  private current: Block | undefined;

  constructor(private readonly blocks: AsyncGenerator<Block, void, void>) {}

  async advance(): Promise<void> {
    const next = await this.blocks.next();
    this.current = next.done ? undefined : next.value;
  }

  /** Position of the block that is looked at; infinite after the last one. */
  get index(): number {
    return this.current?.index ?? Number.POSITIVE_INFINITY;
  }

  at(index: number): Block | undefined {
    return this.current?.index === index ? this.current : undefined;
  }
}
