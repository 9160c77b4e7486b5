import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Calls a second that one worker makes at most. EBS allows 1,000 GetSnapshotBlock for an account and for a snapshot, and 50
 * ListSnapshotBlocks for an account (EBS endpoints and quotas); the rest is left to others. What is throttled all the same
 * slows the client down (its adaptive retry mode).
 */
const BLOCKS_PER_SECOND = 900;
const LISTINGS_PER_SECOND = 40;
/** Milliseconds of calls that may be made at once after a pause: timers are not exact enough for one call at a time. */
const BURST = 50;

/** Spaces calls so that no more than a number of them start in a second. */
export class CallRate {
  /** When the next call may start, by `now`. */
  private next = 0;
  private readonly interval: number;

  /** @param now milliseconds of a clock that never goes back */
  constructor(
    perSecond: number,
    private readonly now: () => number = () => performance.now(),
    private readonly wait: (milliseconds: number) => Promise<unknown> = sleep,
  ) {
    this.interval = 1000 / perSecond;
  }

  /** Resolves when it is this call's turn; turns come in the order of the calls. */
  async take(): Promise<void> {
    const now = this.now();
    const turn = Math.max(this.next, now - BURST);
    this.next = turn + this.interval;
    if (turn > now) await this.wait(turn - now);
  }
}

export interface EbsReadRates {
  blocks: CallRate;
  listings: CallRate;
}

/** One for each account and Region that this process reads snapshots of: the quotas are theirs. */
const rates = new Map<string, EbsReadRates>();

/** What all readings of an account and Region in this process share. */
export function ebsReadRates(accountId: string, region: string): EbsReadRates {
  const key = `${accountId}/${region}`;
  const known = rates.get(key);
  if (known !== undefined) return known;
  const made = { blocks: new CallRate(BLOCKS_PER_SECOND), listings: new CallRate(LISTINGS_PER_SECOND) };
  rates.set(key, made);
  return made;
}
