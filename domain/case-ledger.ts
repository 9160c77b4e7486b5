import type { PhaseName } from './case-event';
import { type ApprovalPolicy, openApproval } from './approval';
import { judgeCase } from './case-judgement';
import { JOINED_FINDINGS_KEPT, keptExamination, keptReasons, sentence } from './case-limits';
import { currentPhase, endPhase, startPhase, type PhaseEnd } from './case-phases';
import type { CaseRequest } from './case-request';
import {
  examinationShortfall,
  edgeShortfalls,
  interfacesNotIsolated,
  layerShortfalls,
  missingSentence,
  notIsolatedSentence,
  outcomeOfContainment,
} from './case-story';
import type { CaseView } from './case-view';
import {
  applyDecision,
  applyToCheckpoint,
  approvalPolicyOf,
  CHECKPOINTS,
  NO_CHECKPOINT_REACHED,
  openCheckpoint,
  type CheckpointName,
  type Checkpoints,
  type CheckpointState,
  type Decider,
  type Decision,
  type RecordedDecision,
} from './checkpoint';
import {
  measuredSentences,
  planHash,
  type ContainmentPlan,
  type ContainmentResult,
  type IsolationMeasurement,
} from './containment';
import type { SealedCase } from './custody/bundle';
import type { Exhibit, MissingEvidence } from './evidence';
import type { ExaminationResult } from './examination';
import { gravest } from './case-severity';
import type { Finding, Severity } from './finding';
import type { InstanceFacts } from './instance-facts';
import type { CaseOutcome, CaseRecord, CaseStatus, PhaseRecord } from './outcome';

export interface CaseIdentity {
  caseId: string;
  workflowId: string;
  runId: string;
  /** ISO 8601. */
  openedAt: string;
}

/**
 * What is known of a case, entry by entry, and the views that are taken of it. Pure: times come in as ISO 8601, and
 * nobody is told anything here. What it keeps is bounded, however much comes in.
 */
export class CaseLedger {
  checkpoints: Checkpoints = NO_CHECKPOINT_REACHED;
  /** Set when the case does not run to its end. */
  ending?: 'cancelled' | 'declined' | 'failed';
  facts?: InstanceFacts;
  evidenceAsked = false;
  plan?: { plan: ContainmentPlan; hash: string };
  report?: NonNullable<CaseOutcome['report']>;
  seal?: SealedCase;
  readonly inProgress = new Set<string>();
  readonly exhibits: Exhibit[] = [];
  readonly missing: MissingEvidence[] = [];
  readonly examinations: ExaminationResult[] = [];
  readonly joinedFindings: string[] = [];
  readonly decisions: RecordedDecision[] = [];
  /** Roles that checkpoints name → patterns of the principals that have them. */
  roles: Record<string, string[]> = {};
  severity: Severity;

  private readonly reasons: string[] = [];
  private phases: PhaseRecord[] = [];
  private joinedNotListed = 0;
  private containment?: ContainmentResult;
  private measurement?: IsolationMeasurement;
  private closedAs?: CaseOutcome['outcome'];

  constructor(
    readonly request: CaseRequest,
    readonly identity: CaseIdentity,
  ) {
    this.severity = request.finding.severity;
  }

  startPhase(name: PhaseName, at: string): void {
    this.phases = startPhase(this.phases, name, at);
  }

  endPhase(name: PhaseName, end: PhaseEnd): void {
    const reason = end.reason === undefined ? {} : { reason: sentence(end.reason) };
    this.phases = endPhase(this.phases, name, { ...end, ...reason });
  }

  /** Ends what still runs, when the case stops in the middle. */
  endRunningPhases(outcome: 'cancelled' | 'failed', at: string): void {
    for (const { name } of this.phases.filter((phase) => phase.outcome === 'running'))
      this.endPhase(name, { outcome, at });
  }

  /** Something that the policy asked for was not done; one sentence each. */
  fellShort(...reasons: string[]): void {
    this.reasons.push(...reasons.map((reason) => sentence(reason)));
  }

  acquired(exhibit: Exhibit, leftUndone: string[]): void {
    this.exhibits.push(exhibit);
    this.fellShort(...leftUndone);
  }

  isMissing(item: MissingEvidence): void {
    this.missing.push({ ...item, reason: sentence(item.reason) });
    this.fellShort(missingSentence(item));
  }

  examined(result: ExaminationResult, leftUndone: string[]): void {
    const exhibitsAtMost = (this.facts?.volumes.length ?? 0) + 1;
    this.examinations.push(keptExamination(result, exhibitsAtMost));
    if (result.outcome !== 'succeeded') this.fellShort(examinationShortfall(result));
    this.fellShort(...leftUndone);
  }

  planned(plan: ContainmentPlan): void {
    this.plan = { plan, hash: planHash(plan) };
  }

  checkpoint(name: CheckpointName, state: CheckpointState): void {
    this.checkpoints = { ...this.checkpoints, [name]: state };
  }

  /** Opens a checkpoint; one that was open or decided before, on another plan, is asked anew. */
  asksFor(name: CheckpointName, hash: string, policy: ApprovalPolicy, at: string): void {
    const state = this.checkpoints[name];
    if (state.state === 'open' || state.state === 'decided') {
      this.checkpoints = applyToCheckpoint(this.checkpoints, name, {
        kind: 'plan-changed',
        planHash: hash,
        at,
      }).checkpoints;
      return;
    }
    const approval = openApproval({
      policy: approvalPolicyOf(policy),
      planHash: hash,
      openedBy: this.request.openedBy,
      openedAt: at,
    });
    this.checkpoint(name, openCheckpoint(approval, false));
  }

  isOverdue(name: CheckpointName): void {
    const state = this.checkpoints[name];
    if (state.state === 'open') this.checkpoint(name, { ...state, escalated: true });
  }

  /** Whether its time was over: then it is asked anew. */
  expires(name: CheckpointName, at: string): boolean {
    const expired = applyToCheckpoint(this.checkpoints, name, { kind: 'time-passed', at });
    if (expired.refusal !== undefined) return false;
    this.checkpoints = applyToCheckpoint(expired.checkpoints, name, { kind: 'asked-again', at }).checkpoints;
    this.isOverdue(name);
    return true;
  }

  /** Takes a decision that `refusal` has let through. */
  decided(
    decision: Decision,
    by: Decider,
    at: Pick<RecordedDecision, 'decidedAt' | 'door'>,
  ): RecordedDecision | undefined {
    const { checkpoints, recorded } = applyDecision(this.checkpoints, decision, by, at);
    this.checkpoints = checkpoints;
    if (recorded) this.decisions.push(recorded);
    return recorded;
  }

  contained(result: ContainmentResult, at: string): void {
    this.containment = result;
    const { instanceId } = this.request.target;
    const told = new Set(this.reasons);
    const shortfalls = [
      ...edgeShortfalls(result),
      ...layerShortfalls(result),
      ...interfacesNotIsolated(result).map((one) => notIsolatedSentence(one, instanceId)),
    ].map((reason) => sentence(reason));
    // It may be told in two parts: with what neighbours feel, and without.
    this.fellShort(...shortfalls.filter((reason) => !told.has(reason)));
    this.endPhase('containment', { outcome: outcomeOfContainment(result), at });
  }

  /** Whether this is news: one that could not be had takes no place of one that was. */
  measured(measurement: IsolationMeasurement): boolean {
    if (!measurement.measured && this.measurement) return false;
    this.measurement = measurement;
    return true;
  }

  private asMeasured(result: ContainmentResult): ContainmentResult {
    const { measurement } = this;
    if (!measurement) return result;
    const residualPaths = [...result.residualPaths, ...measuredSentences(measurement)];
    return { ...result, residualPaths, measured: measurement };
  }

  /** Whether the finding is a new one that joins by name. One that is known or beyond the limit is not. */
  findingJoins({ id, severity }: Finding): boolean {
    if (id === this.request.finding.id || this.joinedFindings.includes(id)) return false;
    this.severity = gravest(this.severity, severity);
    if (this.joinedFindings.length >= JOINED_FINDINGS_KEPT) {
      this.joinedNotListed += 1;
      return false;
    }
    this.joinedFindings.push(id);
    return true;
  }

  /** From here on the case shows itself as closed. `losses` are events that could not be written. */
  close(losses: string[]): void {
    this.closedAs = this.outcome(losses).outcome;
  }

  outcome(losses: string[]): CaseOutcome {
    const reasons = keptReasons([...this.reasons, ...losses]);
    const judged = judgeCase({
      ...(this.ending && { ending: this.ending }),
      evidenceAsked: this.evidenceAsked,
      exhibits: this.exhibits.length,
      reasons,
    });
    return {
      caseId: this.identity.caseId,
      workflowId: this.identity.workflowId,
      outcome: judged,
      reasons,
      phases: this.phases,
      exhibits: this.exhibits,
      missing: this.missing,
      examinations: this.examinations,
      ...(this.containment && { containment: this.asMeasured(this.containment) }),
      decisions: this.decisions,
      ...(this.report && { report: this.report }),
      ...(this.seal && { seal: this.seal }),
    };
  }

  view(losses: string[]): CaseView {
    return {
      caseId: this.identity.caseId,
      workflowId: this.identity.workflowId,
      request: this.request,
      joinedFindings: this.joinedFindings,
      ...(this.joinedNotListed > 0 && { joinedFindingsNotListed: this.joinedNotListed }),
      status: this.status(),
      phase: currentPhase(this.phases),
      phases: this.phases,
      checkpoints: this.checkpoints,
      ...(this.plan && { plan: this.plan }),
      ...(this.measurement && { measured: this.measurement }),
      exhibits: this.exhibits,
      missing: this.missing,
      examinations: this.examinations,
      inProgress: [...this.inProgress],
      reasons: keptReasons([...this.reasons, ...losses]),
      ...(this.closedAs && { outcome: this.closedAs }),
    };
  }

  /** The case in the list of cases. */
  head(at: string): CaseRecord {
    const { target, finding, openedBy } = this.request;
    return {
      ...this.identity,
      target,
      severity: this.severity,
      findingType: finding.type,
      openedBy,
      status: this.status(),
      phase: currentPhase(this.phases),
      ...(this.closedAs && { outcome: this.closedAs }),
      updatedAt: at,
    };
  }

  /** The checkpoint that waits for a person. */
  awaiting(): CheckpointName | undefined {
    return CHECKPOINTS.find((name) => this.checkpoints[name].state === 'open');
  }

  private status(): CaseStatus {
    if (this.closedAs) return 'closed';
    return this.awaiting() ? 'awaiting-consent' : 'open';
  }
}
