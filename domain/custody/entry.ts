import type { ExhibitKind } from '../evidence';

/** What was done. Every act on the suspect or on evidence has one entry, also the ones that came to nothing. */
export const CUSTODY_ACTS = [
  'case-opened',
  'facts-read',
  'protection-applied',
  'consent-requested',
  'decision-taken',
  'decision-refused',
  'acquisition-started',
  'exhibit-acquired',
  'exhibit-verified',
  'exhibit-locked',
  'exhibit-rejected',
  'evidence-not-available',
  'containment-applied',
  'containment-released',
  'examination-started',
  'examination-ended',
  'legal-hold-set',
  'legal-hold-released',
  'audit-passed',
  'audit-failed',
  'report-written',
  'case-closed',
] as const;
export type CustodyAct = (typeof CUSTODY_ACTS)[number];

/** Who did it, and how that is known: nobody is named as certain who only typed a name. */
export interface CustodyActor {
  /** ARN of the principal, or the name that was given. */
  name: string;
  /** `proven`: STS vouched for the principal. `service`: a role of the product. `claimed`: a name somebody typed. */
  knownBy: 'proven' | 'service' | 'claimed';
}

export interface CustodyTool {
  name: string;
  version: string;
  /** SHA-256, hexadecimal, of the program as it was run. */
  sha256?: string;
  arguments?: string[];
}

/** What an entry says before it has a place in the log. All of it is plain JSON. */
export interface CustodyDraft {
  act: CustodyAct;
  /** One sentence; may hold words of the suspect: escape it where it is shown. */
  summary: string;
  actor: CustodyActor;
  /** ISO 8601, UTC: when it was done. */
  at: string;
  exhibit?: { id: string; kind: ExhibitKind; source: string };
  tool?: CustodyTool;
  /** SSM document that was run: its name, version and SHA-256. */
  document?: { name: string; version: string; sha256: string };
  /** Request ids of AWS, by which CloudTrail has the same act. */
  awsRequestIds?: string[];
  /** SHA-256, hexadecimal, of what came out. */
  sha256?: string;
  /** Decision under which it was done: the checkpoint and the hash of the plan that was approved. */
  authority?: { checkpoint: string; planHash: string };
  /** Seconds by which the suspect's clock was ahead of ours (negative: behind), as measured at the act. */
  clockOffsetSeconds?: number;
  /** Further facts of the act. */
  details?: Record<string, unknown>;
}

/** An entry in its place. Format: docs/evidence-format.md. */
export interface CustodyEntry extends CustodyDraft {
  caseId: string;
  /** 1, 2, 3 … without a gap. */
  sequence: number;
  /** `hash` of the entry before; of the first one 64 zeros. */
  previous: string;
  /** SHA-256, hexadecimal, of the entry without this field in canonical JSON (RFC 8785). */
  hash: string;
}
