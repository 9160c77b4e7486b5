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
  /** What was had and what not, from the most volatile down (RFC 3227). */
  | 'order-of-volatility'
  | 'consent-requested'
  | 'consent-reminder'
  | 'consent-escalated'
  | 'consent-expired'
  /** Somebody went ahead alone in an emergency; another person has to look at it. */
  | 'review-due'
  | 'reviewed'
  | 'decision-taken'
  | 'decision-refused'
  /** Any other signal that could not be read; nothing changed. */
  | 'message-refused'
  | 'contained'
  /** What still flows, as tried from the isolated instance. */
  | 'isolation-measured'
  /** What a case would do, were it no dry run. */
  | 'dry-run'
  /** A layer of the containment, or a protection, was taken back, or could not be. */
  | 'released'
  | 'examined'
  /** A step did something to the suspect or to evidence. */
  | 'act'
  /** The case's evidence was sealed and signed, or could not be. */
  | 'case-sealed'
  | 'sealing-failed'
  /** Something threatens evidence of the case: an audit found a difference, or somebody works on its locks or keys. */
  | 'evidence-alert'
  | 'evidence-audited'
  | 'legal-hold-changed'
  | 'evidence-purged'
  | 'cancelled'
  | 'case-closed';

/** A step of the case in one sentence; written to the case's table, and notified when people should know. */
export interface CaseEvent {
  /** 1, 2, 3 … in the case without a gap: its place in the custody log. */
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

/** An event as it happens; its time and its place in the log are given when it is written. */
export type CaseEventDraft = Omit<CaseEvent, 'sequence' | 'at'> & Partial<CustodyFacts>;
