import type { CustodyFacts } from './custody/facts';
import type { Severity } from './finding';

export const PHASES = ['triage', 'protection', 'acquisition', 'containment', 'examination', 'report'] as const;
export type PhaseName = (typeof PHASES)[number];

export type CaseEventKind =
  | 'case-opened'
  | 'finding-joined'
  | 'phase-started'
  | 'phase-ended'
  | 'exhibit-acquired'
  | 'acquisition-attempt-failed'
  | 'evidence-missing'
  | 'consent-requested'
  | 'consent-reminder'
  | 'consent-escalated'
  | 'decision-taken'
  | 'decision-refused'
  /** Any other signal that could not be read; nothing changed. */
  | 'message-refused'
  | 'contained'
  | 'examined'
  | 'cancelled'
  | 'case-closed';

/** A step of the case in one sentence; written to the case's table, and notified when people should know. */
export interface CaseEvent {
  /** 1, 2, 3 … in the case: with the case id it makes the write idempotent and shows a gap. */
  sequence: number;
  kind: CaseEventKind;
  /** ISO 8601, by the workflow's clock. */
  at: string;
  phase?: PhaseName;
  /** Plain text; may hold attacker-controlled words: escape it where it is shown. */
  message: string;
  severity?: Severity;
  /** Small and JSON-plain. */
  data?: Record<string, unknown>;
  /** True: people are told (SNS), not only the table. */
  notify: boolean;
}

/** An event as it happens; its number and time are given when it is written. */
export type CaseEventDraft = Omit<CaseEvent, 'sequence' | 'at'> & Partial<CustodyFacts>;
