import type { Approval } from '../../domain/approval';
import type { HeldSnapshot, ProtectionUndo } from '../../activities/types';
import type { LayerUndo } from '../../domain/containment';
import type { PurgePlan, PurgeResult } from '../../domain/evidence-purge';

/** Workflow types for evidence of closed cases, as they stand in histories: renaming one breaks running ones. */
export const KEEPING_WORKFLOWS = {
  evidenceAudit: 'evidenceAudit',
  evidencePurge: 'evidencePurge',
  evidenceThreat: 'evidenceThreat',
  legalHold: 'legalHold',
  release: 'release',
} as const;

/** One hold at a time, one purge at a time of a case. */
export const legalHoldWorkflowId = (caseId: string): string => `legal-hold/${caseId}`;
export const releaseWorkflowId = (caseId: string): string => `release/${caseId}`;
export const purgeWorkflowId = (caseId: string): string => `evidence-purge/${caseId}`;
export const auditWorkflowId = (name: string): string => `evidence-audit/${name}`;
export const threatWorkflowId = (eventId: string): string => `evidence-threat/${eventId}`;
export const auditScheduleId = (region: string): string => `evidence-audit/${region}`;

/** Messages of a workflow that waits for consent; payload `ApprovalMessage` (domain/approval-message.ts). */
export const APPROVAL_MESSAGES = {
  /** Signal; payload {approver, reason?, planHash?}. */
  approve: 'approve',
  /** Signal; same payload. */
  reject: 'reject',
  /** Update; payload {verdict, approver, reason?, planHash?}; answers `ApprovalReceipt`, or refuses with the reason. */
  decide: 'decide',
  /** Query; answers `ApprovalView`. */
  approvalStatus: 'approvalStatus',
} as const;

/** Answer to an accepted decision. */
export interface ApprovalReceipt {
  status: Approval['status'];
  planHash: string;
  /** How many more people must approve. */
  missing: number;
}

/** What waits for whom; `approval` is absent until it is asked. */
export interface ApprovalView {
  what: string;
  plan?: unknown;
  approval?: Approval;
  missing?: number;
}

/** A hold or a purge that somebody asks for. */
export interface KeepingRequest {
  caseId: string;
  openedBy: string;
  /** Stands in the custody log. */
  reason: string;
  /** People have so long to decide; a week by default. After that nothing is done. */
  withinSeconds?: number;
}

export interface LegalHoldRequest extends KeepingRequest {
  hold: 'on' | 'off';
}

export interface LegalHoldOutcome {
  caseId: string;
  hold: 'on' | 'off';
  outcome: 'done' | 'rejected' | 'expired';
  objects: number;
  snapshots: HeldSnapshot[];
  /** What could not be enforced; sentences. */
  notEnforced: string[];
}

export interface ReleaseRequest extends KeepingRequest {
  /** The protections too (against termination, stop, scale-in): only when the evidence is safe. */
  protections: boolean;
}

export interface ReleaseOutcome {
  caseId: string;
  /**
   * `released`: everything is as it was before the containment. `partly-released`: something could not come back, or somebody else
   * had changed it and people said to go on. `stopped`: people did not say so; what was not reached stays contained.
   */
  outcome: 'released' | 'partly-released' | 'stopped' | 'rejected' | 'expired';
  /** Last one applied first. */
  layers: LayerUndo[];
  protections: ProtectionUndo[];
}

export interface PurgeOutcome {
  caseId: string;
  /** `refused`: it may not be purged yet, and nobody was asked. */
  outcome: 'done' | 'partly-done' | 'rejected' | 'expired' | 'refused';
  obstacles: string[];
  plan: PurgePlan;
  result?: PurgeResult;
}

export interface ThreatOutcome {
  caseIds: string[];
  because: string;
}
