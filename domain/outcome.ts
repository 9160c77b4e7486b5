import type { Severity } from './finding';
import type { InstanceTarget } from './target';
import type { RecordedDecision } from './checkpoint';
import type { ContainmentResult } from './containment';
import type { SealedCase } from './custody/bundle';
import type { Exhibit, MissingEvidence, S3Location } from './evidence';
import type { ExaminationResult } from './examination';
import type { PhaseName } from './case-event';

/**
 * How a case ended.
 * - `complete`: everything the policy asked for was done.
 * - `partial`: some evidence, the isolation or an examination is missing; the reasons say which.
 * - `declined`: a person said no to the acquisition, or the policy asks for nothing.
 * - `cancelled`: stopped by a person; what was had by then is kept.
 * - `failed`: nothing could be acquired or the instance could not be found.
 */
export type CaseOutcomeName = 'complete' | 'partial' | 'declined' | 'cancelled' | 'failed';

export interface PhaseRecord {
  name: PhaseName;
  startedAt: string;
  endedAt?: string;
  outcome: 'running' | 'succeeded' | 'partial' | 'failed' | 'skipped' | 'cancelled';
  reason?: string;
}

/** The result of a case; what `show`, the report and the closing notification tell. */
export interface CaseOutcome {
  caseId: string;
  workflowId: string;
  outcome: CaseOutcomeName;
  /** Why it is not complete; empty when it is. */
  reasons: string[];
  phases: PhaseRecord[];
  exhibits: Exhibit[];
  missing: MissingEvidence[];
  examinations: ExaminationResult[];
  containment?: ContainmentResult;
  decisions: RecordedDecision[];
  report?: S3Location & { sha256: string; sizeBytes: number };
  seal?: SealedCase;
}

export type CaseStatus = 'open' | 'awaiting-consent' | 'closed';

/** Head of a case in the table: enough for a list and for finding the workflow. */
export interface CaseRecord {
  caseId: string;
  workflowId: string;
  runId: string;
  target: InstanceTarget;
  severity: Severity;
  findingType: string;
  openedBy: string;
  openedAt: string;
  status: CaseStatus;
  phase: PhaseName;
  outcome?: CaseOutcomeName;
  updatedAt: string;
}
