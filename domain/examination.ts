import type { ExhibitKind, S3Location } from './evidence';
import type { Severity } from './finding';

export type FindingCategory =
  'process' | 'connection' | 'persistence' | 'login' | 'file' | 'account' | 'module' | 'indicator';

/** What an examination found, with the way back to the evidence. Text fields hold attacker-controlled data: escape them. */
export interface ExaminationFinding {
  /** Unique in its case: `<exhibit>-<rule>-<n>`. */
  id: string;
  severity: Severity;
  category: FindingCategory;
  /** One plain sentence a responder can read aloud. */
  title: string;
  detail: string;
  /** ISO 8601, if the evidence carries a time. */
  time?: string;
  evidence: {
    exhibit: string;
    /** E.g. `linux.sockstat` or `plaso`. */
    tool: string;
    /** Which record of the tool's output: line number or key. */
    record: string;
  };
}

/** A tool that ran on an exhibit, with how it ended; one failing plugin never fails an examination. */
export interface ToolRun {
  tool: string;
  version: string;
  outcome: 'succeeded' | 'failed';
  /** Rows or events that it printed. */
  records: number;
  seconds: number;
  /** Why it failed or what it could not do. */
  note?: string;
  output?: S3Location & { sha256: string; sizeBytes: number };
}

/** A workflow's history holds results of a few KB; the rest travels as a location. */
export const FINDINGS_KEPT_IN_HISTORY = 50;

export interface TimelineEvent {
  /** ISO 8601, UTC. */
  time: string;
  exhibit: string;
  source: string;
  message: string;
}

export interface ExaminationResult {
  exhibit: string;
  kind: ExhibitKind;
  outcome: 'succeeded' | 'partial' | 'failed';
  reason?: string;
  /** The gravest ones first, at most `FINDINGS_KEPT_IN_HISTORY`; all of them lie in `allFindings`. */
  findings: ExaminationFinding[];
  /** Every finding as a JSON array, in the evidence bucket. */
  allFindings?: S3Location & { sha256: string; sizeBytes: number; count: number };
  tools: ToolRun[];
  /** Where the full timeline lies, when the examination makes one. */
  timeline?: S3Location & { sha256: string; sizeBytes: number; events: number };
}
