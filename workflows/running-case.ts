import {
  CancellationScope,
  condition,
  allHandlersFinished,
  setCurrentDetails,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import { renderCaseDetails, type CaseChild } from '../domain/case-details';
import type { CaseEventDraft, PhaseName } from '../domain/case-event';
import type { SealedCase } from '../domain/custody/bundle';
import { CaseLedger } from '../domain/case-ledger';
import { findingIdsForMemo, REFUSALS_KEPT } from '../domain/case-limits';
import type { PhaseEnd } from '../domain/case-phases';
import type { CaseRequest } from '../domain/case-request';
import * as story from '../domain/case-story';
import {
  applyToCheckpoint,
  reviewsDue,
  type CheckpointName,
  type Checkpoints,
  type Decider,
  type Decision,
  type RecordedDecision,
} from '../domain/checkpoint';
import type { ContainmentPlan, ContainmentResult, IsolationMeasurement } from '../domain/containment';
import type { Exhibit, MissingEvidence } from '../domain/evidence';
import type { ExaminationResult } from '../domain/examination';
import type { Finding } from '../domain/finding';
import type { InstanceFacts } from '../domain/instance-facts';
import type { CaseOutcome } from '../domain/outcome';
import type { CheckpointPolicy, PolicyDecision } from '../domain/policy';
import { CaseEvents } from './case-events';
import { CaseSearchAttributes } from './case-search-attributes';
import type { CaseView, DecisionReceipt, Review } from './contract/messages';
import { caseIdOf } from './contract/workflow-ids';

const now = (): string => new Date(Date.now()).toISOString();

/**
 * A case while it runs. Each method notes one thing that happened in the ledger and tells it to everyone who watches:
 * the case's table and topic (events), the list of cases (search attributes), the page in the Temporal UI.
 */
export class RunningCase {
  private readonly ledger: CaseLedger;
  private readonly events = new CaseEvents();
  private readonly attributes = new CaseSearchAttributes();
  private readonly children: CaseChild[] = [];
  private refusals = 0;

  constructor(readonly request: CaseRequest) {
    const { workflowId, runId, startTime } = workflowInfo();
    const caseId = caseIdOf(request.target, startTime, request.dryRun);
    this.ledger = new CaseLedger(request, { caseId, workflowId, runId, openedAt: now() });
  }

  get caseId(): string {
    return this.ledger.identity.caseId;
  }

  get facts(): InstanceFacts | undefined {
    return this.ledger.facts;
  }

  get checkpoints(): Checkpoints {
    return this.ledger.checkpoints;
  }

  get containmentPlan(): ContainmentPlan | undefined {
    return this.ledger.plan?.plan;
  }

  opened(): void {
    this.tell(story.caseOpened(this.caseId, this.request));
  }

  triaged(facts: InstanceFacts, decision: PolicyDecision): void {
    this.ledger.facts = facts;
    this.ledger.evidenceAsked = decision.acquireMemory || decision.acquireDisks;
    this.ledger.roles = decision.roles;
  }

  /** Roles that checkpoints name → patterns of the principals that have them. */
  get roles(): Record<string, string[]> {
    return this.ledger.roles;
  }

  // ---- phases ------------------------------------------------------------------------------------------------------

  startPhase(name: PhaseName): void {
    this.ledger.startPhase(name, now());
    this.show();
  }

  /** `told` is what the phase came to, for people; its reason when nothing else is told. `data` is for later steps. */
  endPhase(name: PhaseName, end: Omit<PhaseEnd, 'at'>, told?: string, data?: Record<string, unknown>): void {
    this.ledger.endPhase(name, { ...end, at: now() });
    this.tell(story.phaseEnded(name, end, told, data));
  }

  endRunningPhases(outcome: 'cancelled' | 'failed'): void {
    this.ledger.endRunningPhases(outcome, now());
    this.show();
  }

  /** Shows a sentence as long as the work runs, and a link to its workflow for good. */
  async whileShowing<T>(sentence: string, child: CaseChild, work: Promise<T>): Promise<T> {
    this.ledger.inProgress.add(sentence);
    this.children.push(child);
    this.show();
    try {
      return await work;
    } finally {
      this.ledger.inProgress.delete(sentence);
      this.show();
    }
  }

  // ---- evidence ----------------------------------------------------------------------------------------------------

  acquired(exhibit: Exhibit, leftUndone: string[]): void {
    this.ledger.acquired(exhibit, leftUndone);
    this.tell(story.exhibitAcquired(exhibit));
  }

  isMissing(item: MissingEvidence): void {
    this.ledger.isMissing(item);
    this.tell(story.evidenceMissing(item, CancellationScope.current().consideredCancelled));
  }

  examined(result: ExaminationResult, leftUndone: string[]): void {
    this.ledger.examined(result, leftUndone);
    this.tell(story.exhibitExamined(result));
  }

  // ---- consent and containment -------------------------------------------------------------------------------------

  planned(plan: ContainmentPlan): void {
    this.ledger.planned(plan);
    this.show();
  }

  needsNoConsent(name: CheckpointName, because: string): void {
    this.ledger.checkpoint(name, { state: 'not-needed', because });
    this.show();
  }

  asksFor(name: CheckpointName, hash: string, policy: CheckpointPolicy): void {
    this.ledger.asksFor(name, hash, policy, now());
    this.show();
  }

  isOverdue(name: CheckpointName): void {
    this.ledger.isOverdue(name);
    this.show();
  }

  /** Whether the time for the answer was over; then approvals until now count no more, and it is asked anew. */
  expires(name: CheckpointName): boolean {
    const expired = this.ledger.expires(name, now());
    this.show();
    return expired;
  }

  /** Takes a decision that may be taken. */
  decisionTaken(decision: Decision, by: Decider, door: RecordedDecision['door']): DecisionReceipt {
    const recorded = this.ledger.decided(decision, by, { decidedAt: now(), door });
    if (!recorded) throw new TypeError('a decision that may not be taken was let through');
    const state = this.checkpoints[decision.checkpoint];
    const approvalsMissing = state.state === 'open' ? state.approvalsMissing : 0;
    this.tell(story.decisionTaken(recorded, approvalsMissing));
    if (recorded.breakGlass) this.tell(story.reviewDue(decision.checkpoint));
    const { checkpoint, verdict, planHash, decidedAt, approver, knownBy } = recorded;
    return { caseId: this.caseId, checkpoint, verdict, planHash, decidedAt, approver, knownBy, approvalsMissing };
  }

  /** Where somebody went ahead alone and nobody has looked at it yet. */
  get reviewsDue(): CheckpointName[] {
    return reviewsDue(this.checkpoints);
  }

  /** Takes a review, or tells in one sentence why not. */
  reviewed({ checkpoint, reviewer, verdict, note }: Review): string | undefined {
    const by = { name: reviewer, knownBy: 'claimed' as const, roles: [] };
    const event = { kind: 'reviewed' as const, by, at: now(), verdict, note };
    const { checkpoints, refusal } = applyToCheckpoint(this.checkpoints, checkpoint, event);
    if (refusal !== undefined) return refusal;
    this.ledger.checkpoints = checkpoints;
    this.tell(story.reviewed(checkpoint, { reviewer, verdict, note }));
    return undefined;
  }

  contained(plan: ContainmentPlan, result: ContainmentResult, releaseConsent: CheckpointPolicy): void {
    this.ledger.contained(result, now());
    const by = { plan, releaseConsent, roles: this.roles };
    this.tell(story.instanceContained(result, this.request.target.instanceId, by));
  }

  isolationMeasured(measurement: IsolationMeasurement): void {
    // That nobody has configured a measurement is in the report; it is no event.
    if (this.ledger.measured(measurement) && measurement.measured) {
      this.tell(story.isolationMeasured(measurement, this.request.target.instanceId));
    } else {
      this.show();
    }
  }

  // ---- signals from outside ----------------------------------------------------------------------------------------

  findingJoined(finding: Finding): void {
    const joins = this.ledger.findingJoins(finding);
    if (!joins) {
      this.show();
      return;
    }
    // By the memo a starter recognises a finding that is delivered again after the case has closed.
    upsertMemo({ findingIds: findingIdsForMemo(this.request.finding.id, this.ledger.joinedFindings) });
    this.tell(story.findingJoined(finding));
  }

  /** A signal that changes nothing. Signals come without end; events about them do not. */
  signalRefused(signal: string, because: string): void {
    this.refusals += 1;
    if (this.refusals > REFUSALS_KEPT) return;
    this.tell(story.messageRefused(signal, because, this.refusals === REFUSALS_KEPT));
  }

  // ---- the end -----------------------------------------------------------------------------------------------------

  /** Something that the policy asked for was not done; one sentence each. */
  fellShort(...reasons: string[]): void {
    this.ledger.fellShort(...reasons);
    this.show();
  }

  /** The case does not run to its end. */
  endsAs(ending: 'cancelled' | 'declined' | 'failed'): void {
    this.ledger.ending = ending;
  }

  /** The report is written. No event of its own: the closing of the case, which follows at once, carries it. */
  reported(report: NonNullable<CaseOutcome['report']>): void {
    this.ledger.report = report;
    this.ledger.endPhase('report', { outcome: 'succeeded', at: now() });
  }

  /** Resolves when the custody log has all that happened until now. */
  async allTold(): Promise<void> {
    await this.events.allWritten();
  }

  /** What the seal has to cover beside the case's own history. */
  get childWorkflowIds(): string[] {
    return [...new Set(this.children.map(({ workflowId }) => workflowId))];
  }

  sealed(seal: SealedCase): void {
    this.ledger.seal = seal;
    this.tell(story.caseSealed(seal));
  }

  /** The last entry of the case. Returns when every event is written. */
  async closed(): Promise<CaseOutcome> {
    this.ledger.close(this.events.losses());
    this.tell(story.caseClosed(this.outcome(), this.ledger.severity));
    await this.events.allWritten();
    await condition(allHandlersFinished);
    return this.outcome();
  }

  outcome(): CaseOutcome {
    return this.ledger.outcome(this.events.losses());
  }

  // ---- what others see ---------------------------------------------------------------------------------------------

  view(): CaseView {
    return this.ledger.view(this.events.losses());
  }

  /** Tells people and the case's table what happened, and brings everything that shows the case up to date. */
  tell(event: CaseEventDraft): void {
    this.show();
    this.events.add(event, this.ledger.head(now()));
  }

  private show(): void {
    this.attributes.publish(this.ledger.head(now()), this.ledger.awaiting());
    setCurrentDetails(renderCaseDetails(this.view(), this.children));
  }
}
