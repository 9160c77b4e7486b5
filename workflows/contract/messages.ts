import type { CheckpointName } from '../../domain/checkpoint';

/** Answer to the query `caseStatus`. */
export type { CaseView } from '../../domain/case-view';

/** Workflow types, as they stand in histories: renaming one breaks running cases. */
export const WORKFLOW_TYPES = {
  forensicCase: 'forensicCase',
  memoryAcquisition: 'memoryAcquisition',
  diskAcquisition: 'diskAcquisition',
  examination: 'examination',
} as const;

/** Names of the messages of a case. Payload types: `Decision` for the first three, `AdditionalFinding` for the fourth. */
export const MESSAGES = {
  /** Signal; payload {checkpoint, approver, reason?, planHash?}. */
  approve: 'approve',
  /** Signal; same payload. */
  reject: 'reject',
  /** Update; payload {checkpoint, verdict, approver, reason?, planHash?}; refused with the reason when it cannot be taken. */
  decide: 'decide',
  /** Signal; a further finding on the same instance. */
  findingReported: 'findingReported',
  /** Query; answers `CaseView`. */
  caseStatus: 'caseStatus',
} as const;

/** Answer to an accepted update `decide`. */
export interface DecisionReceipt {
  caseId: string;
  checkpoint: CheckpointName;
  verdict: 'approve' | 'reject';
  planHash: string;
  decidedAt: string;
}
