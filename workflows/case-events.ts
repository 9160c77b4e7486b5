import { CancellationScope, log } from '@temporalio/workflow';
import type { CaseEventDraft } from '../domain/case-event';
import { appendEntry, type ChainHead, emptyChain, headOf } from '../domain/custody/chain';
import type { CustodyEntry } from '../domain/custody/entry';
import type { CustodyFacts } from '../domain/custody/facts';
import { sentence } from '../domain/case-limits';
import type { CaseRecord } from '../domain/outcome';
import { quick } from './activity-options';
import { reasonOf } from './failure-reason';

/** How long the writing of one event is tried. */
const PATIENCE = '10m';
/** Characters: what triage read and decided fits, and an event stays far from the limits of a table's item and of a message. */
const LONGEST_MESSAGE = 4_000;

/** Of what nobody decided: the case does it by itself. */
const BY_ITSELF: CustodyFacts['actor'] = { name: 'ec2-forensics', knownBy: 'service' };

/**
 * Writes the events of a case beside its work, never before it: the case's table shall not delay evidence, and an event
 * that cannot be written never stops the case. Cancelling the case does not stop the writing. Events may arrive in any
 * order; their numbers tell it, and a chain of hashes that none was altered, added or taken out: they are the custody log.
 */
export class CaseEvents {
  private end: ChainHead;
  private readonly beingWritten = new Set<Promise<void>>();
  private readonly lost: number[] = [];

  constructor(caseId: string) {
    this.end = emptyChain(caseId);
  }

  /** The last entry of the custody log. */
  get custody(): ChainHead {
    return this.end;
  }

  /** `head` is how the case stands at this event. */
  add(event: CaseEventDraft, head: CaseRecord): void {
    const message = sentence(event.message, LONGEST_MESSAGE);
    const entry = appendEntry(this.end, { actor: BY_ITSELF, ...event, message, at: head.updatedAt });
    this.end = headOf(entry);
    this.beingWritten.add(this.write(entry, head));
  }

  /** Resolves when nothing is left to write, also of what came in meanwhile. */
  async allWritten(): Promise<void> {
    while (this.beingWritten.size > 0) {
      const batch = [...this.beingWritten];
      await Promise.all(batch);
      batch.forEach((writing) => this.beingWritten.delete(writing));
    }
  }

  /** A sentence about the events that could not be written, or none. */
  losses(): string[] {
    if (this.lost.length === 0) return [];
    return [
      `${this.lost.length} case event(s) could not be written to the case's table: number ${this.lost.join(', ')}`,
    ];
  }

  private async write(event: CustodyEntry, record: CaseRecord): Promise<void> {
    const step = quick(`Event ${event.sequence}: ${event.kind}`, { scheduleToCloseTimeout: PATIENCE });
    try {
      await CancellationScope.nonCancellable(() => step.recordEvent({ record, event }));
    } catch (error) {
      this.lost.push(event.sequence);
      log.error('a case event could not be written', { sequence: event.sequence, reason: reasonOf(error) });
    }
  }
}
