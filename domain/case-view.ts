import type { PhaseName } from './case-event';
import type { CaseRequest } from './case-request';
import type { Checkpoints } from './checkpoint';
import type { ContainmentPlan, IsolationMeasurement } from './containment';
import type { Exhibit, MissingEvidence } from './evidence';
import type { ExaminationResult } from './examination';
import type { CaseOutcomeName, CaseStatus, PhaseRecord } from './outcome';

/** Everything a case knows of itself; what `show`, `watch` and a waiting approver read. */
export interface CaseView {
  caseId: string;
  workflowId: string;
  request: CaseRequest;
  /** Later findings that joined, by id; at most `JOINED_FINDINGS_KEPT` (case-limits.ts). */
  joinedFindings: string[];
  /** Findings that joined after those; they count and may raise the severity, and are in the history only. */
  joinedFindingsNotListed?: number;
  status: CaseStatus;
  phase: PhaseName;
  phases: PhaseRecord[];
  checkpoints: Checkpoints;
  /** The card for the approver, when the isolation checkpoint is or was open. */
  plan?: { plan: ContainmentPlan; hash: string };
  /** What still flows, as tried from the isolated instance. */
  measured?: IsolationMeasurement;
  exhibits: Exhibit[];
  missing: MissingEvidence[];
  examinations: ExaminationResult[];
  /** What is running now, one sentence each. */
  inProgress: string[];
  reasons: string[];
  outcome?: CaseOutcomeName;
}
