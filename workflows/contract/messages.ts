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
  /** Signal; payload {checkpoint, approver, reason?, planHash?, breakGlass?, proof?}. */
  approve: 'approve',
  /** Signal; same payload. */
  reject: 'reject',
  /** Update; payload {checkpoint, verdict, approver, reason?, planHash?, breakGlass?, proof?}; refused with the reason when it cannot be taken. */
  decide: 'decide',
  /** Update; payload `Review`: another person looks at what one person approved alone. */
  review: 'review',
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
  /** Who decided, as it stands in the record, and how that is known. */
  approver: string;
  knownBy: 'proven' | 'claimed';
  /** How many more people must approve. */
  approvalsMissing: number;
}

/** What a reviewer says of an approval that one person gave alone in an emergency. */
export interface Review {
  checkpoint: CheckpointName;
  reviewer: string;
  verdict: 'justified' | 'not-justified';
  note: string;
}
