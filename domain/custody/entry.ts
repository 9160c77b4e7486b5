import type { CaseEvent } from '../case-event';
import type { CustodyFacts } from './facts';

/** An event before it has a place in the log; the chain gives it its number. */
export interface CustodyDraft extends Omit<CaseEvent, 'sequence'>, CustodyFacts {
  /** Unique in its case and the same in every attempt to write it: nothing is written twice. */
  entryId: string;
  /** Of an act: name of the step (the Temporal activity type) that did it. */
  step?: string;
}

/**
 * An event of the case in its place in the custody log. The log is the case's events, and nothing beside them: what is told
 * and what is vouched for cannot differ.
 */
export interface CustodyEntry extends CustodyDraft {
  caseId: string;
  /** 1, 2, 3 … without a gap. */
  sequence: number;
  /** `hash` of the entry before; of the first one 64 zeros. */
  previous: string;
  /** SHA-256, hexadecimal, of the entry without this field in canonical JSON (RFC 8785). */
  hash: string;
}
