import {
  ApplicationFailure,
  CancellationScope,
  executeChild,
  isCancellation,
  workflowInfo,
} from '@temporalio/workflow';
import type { ProtectionStep } from '../activities/types';
import { outcomeOf } from '../domain/case-phases';
import type { CaseRequest } from '../domain/case-request';
import { caseRequestProblems } from '../domain/case-request-problems';
import { beingExamined, caseCancelled, dryRunTold, sealingFailed, triageStory } from '../domain/case-story';
import { planContainment } from '../domain/containment';
import type { Exhibit } from '../domain/evidence';
import type { InstanceFacts } from '../domain/instance-facts';
import { orderOfVolatility, orderOfVolatilityTold } from '../domain/order-of-volatility';
import type { CaseOutcome } from '../domain/outcome';
import { type PolicyDecision, volumesToAcquire } from '../domain/policy';
import { acquireEvidence, acquireMemoryAgain, CHILD_ENDS_WITH_CASE, type ArrivingExhibit } from './acquisition';
import { mutation, quick } from './activity-options';
import { handleMessages } from './case-messages';
import { together } from './clean-up';
import { consent } from './consent';
import { containInItsTime } from './containment';
import type { FailureType } from './contract/failures';
import { examinationWorkflowId } from './contract/workflow-ids';
import { reviewOfEmergencies } from './emergency-review';
import { examination } from './examination';
import { failureOf, reasonOf } from './failure-reason';
import { RunningCase } from './running-case';

const INVALID_REQUEST: FailureType = 'InvalidRequest';
/** The examination's first look found that nothing can be read of a memory image. */
const UNREADABLE: FailureType = 'ImageUnreadable';
/** Evidence that a case which never came to its policy decision is kept for, e.g. its report. */
const RETENTION_WITHOUT_POLICY_DAYS = 90;

/**
 * A forensic case on one instance, from the finding to the closed record. Ends by returning its outcome, also when it
 * was cancelled or nothing could be had: what was acquired until then is a result that nobody may lose, and a workflow
 * that ends as cancelled or failed has none.
 */
export async function forensicCase(request: CaseRequest): Promise<CaseOutcome> {
  const problems = caseRequestProblems(request);
  if (problems.length > 0) throw ApplicationFailure.nonRetryable(problems.join('; '), INVALID_REQUEST);

  const record = new RunningCase(request);
  handleMessages(record);
  record.opened();
  let retentionDays = RETENTION_WITHOUT_POLICY_DAYS;
  try {
    const { facts, decision } = await triage(record);
    retentionDays = decision.retentionDays;
    await investigate(record, facts, decision);
    await reviewOfEmergencies(record);
  } catch (error) {
    stopped(record, error);
  }
  // What is left to do is only writing down: a cancellation that comes now has nothing more to stop.
  return CancellationScope.nonCancellable(async () => {
    await report(record, retentionDays);
    await seal(record, retentionDays);
    return record.closed();
  });
}

/** The forensic process between triage and report. */
async function investigate(record: RunningCase, facts: InstanceFacts, decision: PolicyDecision): Promise<void> {
  if (!decision.acquireMemory && !decision.acquireDisks && decision.isolation === 'never') {
    decline(record, decision.reasons);
    return;
  }
  if (record.request.dryRun) {
    tellOnly(record, facts, decision);
    return;
  }
  await protect(record, facts, decision);

  const wanted = {
    target: facts.target,
    memory: decision.acquireMemory,
    volumes: volumesToAcquire(decision, facts).map((volume) => volume.volumeId),
  };
  const answer = await consent(record, 'acquisition', wanted, decision.acquisitionConsent);
  if (!answer.given) {
    const { approver } = answer.decision;
    decline(record, [
      `acquisition was declined by ${approver}; the protections of ${facts.target.instanceId} are kept`,
    ]);
    return;
  }

  record.startPhase('acquisition');
  const evidence = acquireEvidence(record, facts, decision);
  const examined = evidence.all.map((arriving) => examineOnceThere(record, facts, arriving, decision));
  await together(
    containInItsTime(record, facts, decision, evidence),
    endOfAcquisition(record, evidence.all),
    endOfExamination(record, examined),
  );
}

/** A dry run: the plan is told, nothing is changed. */
function tellOnly(record: RunningCase, facts: InstanceFacts, decision: PolicyDecision): void {
  const plan = decision.isolation === 'never' ? null : planContainment(facts, decision.containment);
  if (plan) record.planned(plan);
  record.tell(dryRunTold(facts, decision, plan));
  decline(record, ['dry run: nothing was changed']);
}

async function triage(record: RunningCase): Promise<{ facts: InstanceFacts; decision: PolicyDecision }> {
  const { request, caseId } = record;
  record.startPhase('triage');
  const result = await quick(`Read ${request.target.instanceId} and decide by policy`).triageInstance({
    caseId,
    request,
  });
  const { facts, decision } = result;
  record.triaged(facts, decision);
  record.endPhase('triage', { outcome: 'succeeded' }, triageStory(facts, decision.reasons), { facts });
  return result;
}

/** Keeps the evidence from vanishing. What cannot be protected is told; the evidence is acquired all the same. */
async function protect(record: RunningCase, facts: InstanceFacts, decision: PolicyDecision): Promise<void> {
  const { caseId } = record;
  const { instanceId } = facts.target;
  const said = (step: ProtectionStep): string =>
    `${step.step} of ${instanceId} could not be set: ${step.reason ?? 'no reason was given'}`;
  record.startPhase('protection');
  try {
    // Cut off from its load balancer or its network it fails health checks, and its Auto Scaling group would end it.
    const standby = decision.isolation !== 'never';
    const { steps } = await mutation(`Protect ${instanceId}`).protectInstance({ caseId, facts, standby });
    const failed = steps.filter((step) => step.outcome === 'failed');
    record.fellShort(...failed.map(said));
    const end = {
      outcome: outcomeOf(steps.length, steps.length - failed.length),
      ...(failed.length > 0 && { reason: failed.map(said).join('; ') }),
    };
    record.endPhase('protection', end, undefined, { steps });
  } catch (error) {
    if (isCancellation(error)) throw error;
    const reason = `${instanceId} is not protected against termination: ${reasonOf(error)}`;
    record.fellShort(reason);
    record.endPhase('protection', { outcome: 'failed', reason });
  }
}

/** Examines one exhibit as soon as it is there, whatever the others still do. */
async function examineOnceThere(
  record: RunningCase,
  facts: InstanceFacts,
  arriving: ArrivingExhibit,
  decision: PolicyDecision,
): Promise<Exhibit | undefined> {
  const exhibit = await arriving;
  if (!exhibit) return undefined;
  const { id, kind } = exhibit;
  const workflowId = examinationWorkflowId(record.caseId, id);
  record.startPhase('examination');
  try {
    const child = executeChild(examination, {
      ...CHILD_ENDS_WITH_CASE,
      workflowId,
      staticSummary: kind === 'memory' ? 'Examination of the memory image' : `Examination of disk ${id}`,
      args: [
        {
          caseId: record.caseId,
          region: record.request.target.region,
          exhibit,
          deadlineSeconds: decision.deadlines.examination,
          retentionDays: decision.retentionDays,
        },
      ],
    });
    const { result, leftUndone } = await record.whileShowing(
      beingExamined(exhibit),
      { title: `examination ${id}`, workflowId },
      child,
    );
    record.examined(result, leftUndone);
    return result.outcome === 'failed' ? undefined : exhibit;
  } catch (error) {
    const reason = reasonOf(error);
    record.examined({ exhibit: id, kind, outcome: 'failed', reason, findings: [], tools: [] }, []);
    // Once only: the second image has an unreadable one before it.
    const isFirst = !exhibit.attempts?.some((attempt) => attempt.outcome === 'image-unreadable');
    if (kind !== 'memory' || !isFirst || !failureOf(error, [UNREADABLE])) return undefined;
    return examineOnceThere(record, facts, acquireMemoryAgain(record, facts, decision, exhibit, reason), decision);
  }
}

async function endOfAcquisition(record: RunningCase, arriving: ArrivingExhibit[]): Promise<void> {
  const exhibits = (await together(...arriving)).filter((exhibit) => exhibit !== undefined);
  const count = `${exhibits.length} of ${arriving.length} exhibit(s) acquired`;
  const outcome = arriving.length === 0 ? 'skipped' : outcomeOf(arriving.length, exhibits.length);
  record.endPhase('acquisition', { outcome }, count);
  const { exhibits: held, missing } = record.view();
  record.tell(orderOfVolatilityTold(orderOfVolatility(held, missing)));
}

async function endOfExamination(record: RunningCase, running: ArrivingExhibit[]): Promise<void> {
  const examined = (await together(...running)).filter((exhibit) => exhibit !== undefined);
  const asked = record.view().exhibits.length;
  if (asked === 0) record.endPhase('examination', { outcome: 'skipped', reason: 'there is no exhibit to examine' });
  else record.endPhase('examination', { outcome: outcomeOf(asked, examined.length) });
}

function decline(record: RunningCase, reasons: string[]): void {
  record.endsAs('declined');
  record.fellShort(...reasons);
}

/** The case does not run to its end: a person cancelled it, or the instance could not even be read. */
function stopped(record: RunningCase, error: unknown): void {
  if (isCancellation(error)) {
    record.endsAs('cancelled');
    record.endRunningPhases('cancelled');
    record.fellShort('the case was cancelled by a person; what was acquired until then is kept');
    record.tell(caseCancelled(record.caseId));
    return;
  }
  // Every later phase handles its own failures, so this one is of triage.
  const reason = `triage of ${record.request.target.instanceId} failed: ${reasonOf(error)}`;
  record.endsAs('failed');
  record.fellShort(reason);
  record.endPhase('triage', { outcome: 'failed', reason });
}

/** Writes the report of whatever the case came to. */
async function report(record: RunningCase, retentionDays: number): Promise<void> {
  record.startPhase('report');
  try {
    const written = await mutation('Write the report').writeReport({
      request: record.request,
      facts: record.facts ?? null,
      plan: record.containmentPlan ?? null,
      outcome: record.outcome(),
      retentionDays,
    });
    record.reported(written);
  } catch (error) {
    const reason = `the report could not be written: ${reasonOf(error)}`;
    record.fellShort(reason);
    record.endPhase('report', { outcome: 'failed', reason });
  }
}

/** Seals and signs what the case came to: from here on whatever is altered shows. */
async function seal(record: RunningCase, retentionDays: number): Promise<void> {
  await record.allTold();
  const { request, caseId, childWorkflowIds } = record;
  const { workflowId, runId } = workflowInfo();
  try {
    const sealed = await mutation('Seal the case').sealCase({
      caseId,
      workflowId,
      runId,
      childWorkflowIds,
      request,
      facts: record.facts ?? null,
      plan: record.containmentPlan ?? null,
      outcome: record.outcome(),
      retentionDays,
    });
    record.sealed(sealed);
  } catch (error) {
    const reason = `the case is not sealed: ${reasonOf(error)}`;
    record.fellShort(reason);
    record.tell(sealingFailed(reason));
  }
}
