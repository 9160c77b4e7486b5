import { CancellationScope, log } from '@temporalio/workflow';
import type { CaseEventDraft } from '../domain/case-event';
import { sentence } from '../domain/case-limits';
import type { CustodyDraft } from '../domain/custody/entry';
import type { CustodyFacts } from '../domain/custody/facts';
import type { CaseRecord } from '../domain/outcome';
import { quick } from './activity-options';
import { reasonOf } from './failure-reason';

/** How long the writing of events is tried. */
const PATIENCE = '10m';
/** Events that are written in one step. */
const AT_ONCE = 20;
/** Characters: what triage read and decided fits, and an event stays far from the limits of a table's item and of a message. */
const LONGEST_MESSAGE = 4_000;

/** Of what nobody decided: the case does it by itself. */
const BY_ITSELF: CustodyFacts['actor'] = { name: 'ec2-forensics', knownBy: 'service' };

/**
 * Writes the events of a case beside its work, never before it: the case's table shall not delay evidence, and an event
 * that cannot be written never stops the case. Cancelling the case does not stop the writing. What happens while events
 * are written waits and is written together, so that the custody log has them in the order in which they happened.
 */
export class CaseEvents {
  private count = 0;
  private waiting: CustodyDraft[] = [];
  private head?: CaseRecord;
  private writing?: Promise<void>;
  private readonly lost: string[] = [];

  /** `head` is how the case stands at this event. */
  add(event: CaseEventDraft, head: CaseRecord): void {
    this.count += 1;
    this.head = head;
    const message = sentence(event.message, LONGEST_MESSAGE);
    const entryId = `event-${this.count}`;
    this.waiting.push({ actor: BY_ITSELF, ...event, message, at: head.updatedAt, entryId });
    this.writing ??= this.writeAll(head);
  }

  /** Resolves when nothing is left to write, also of what came in meanwhile. */
  async allWritten(): Promise<void> {
    while (this.writing) await this.writing;
  }

  /** A sentence about the events that could not be written, or none. */
  losses(): string[] {
    if (this.lost.length === 0) return [];
    return [`${this.lost.length} case event(s) could not be written to the case's table: ${this.lost.join(', ')}`];
  }

  private async writeAll(first: CaseRecord): Promise<void> {
    // What happens in the same instant belongs to the same step.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const events = this.waiting.splice(0, AT_ONCE);
      await this.write(events, this.head ?? first, this.count - this.waiting.length);
    }
    delete this.writing;
  }

  private async write(events: CustodyDraft[], record: CaseRecord, lastEvent: number): Promise<void> {
    const kinds = events.map(({ kind }) => kind).join(', ');
    const step = quick(`Write ${events.length} event(s): ${kinds}`, { scheduleToCloseTimeout: PATIENCE });
    try {
      await CancellationScope.nonCancellable(() => step.recordEvents({ record, lastEvent, events }));
    } catch (error) {
      this.lost.push(...events.map(({ entryId, kind }) => `${entryId} (${kind})`));
      log.error('case events could not be written', { kinds, reason: reasonOf(error) });
    }
  }
}
