import { z } from 'zod';
import type { BlockDifferences } from './disk-comparison';
import type { ListedRanges } from './disk-block-list';

/** What a verification tells by heartbeat, so that another attempt goes on after the last finished range. Some 300 bytes. */
export interface VerificationCheckpoint extends ListedRanges {
  /** Last block that the source listed by then; its listing begins there again. */
  sourceBlock: number;
  /** Written blocks up to there. */
  written: { source: number; copy: number };
  differences: BlockDifferences;
}

/** Written blocks of the first ranges: 1 GiB. */
const FIRST_RANGES = 2048;
/** Written blocks of the largest range, 64 GiB: some 10 MB of list are in memory then. */
const LARGEST_RANGE = 131_072;
/** A range may grow to this part of what has been read: a crash loses no more of it, and a disk of 16 TiB has some 350 ranges. */
const SHARE = 1 / 32;

/**
 * Whether so many blocks since the last range make another one.
 * @param first written blocks of the first ranges
 */
export const rangeIsFull = (blocks: number, readSoFar: number, first = FIRST_RANGES): boolean =>
  blocks >= Math.max(first, Math.min(LARGEST_RANGE, readSoFar * SHARE));

const count = z.number().int().nonnegative();
const PROGRESS = z.object({
  finished: z.object({
    ranges: count,
    position: count,
    merkleRoot: z.string(),
    sourceBlock: count,
    written: z.object({ source: count, copy: count }),
    differences: z.object({ count, first: z.array(count) }),
  }),
});

/** The checkpoint in heartbeat details of an earlier attempt; undefined for a first attempt, or when there is none. */
export function checkpointOf(heartbeatDetails: unknown): VerificationCheckpoint | undefined {
  const read = PROGRESS.safeParse(heartbeatDetails);
  return read.success ? read.data.finished : undefined;
}
