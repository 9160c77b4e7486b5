import { CancellationScope } from '@temporalio/workflow';
import { layerShortfall } from '../domain/case-story';
import { planContainment, planHash, resultOfLayers } from '../domain/containment';
import type { ContainmentPlan, EnforcedLayer, LayerOutcome, PlannedLayer } from '../domain/containment';
import type { InstanceFacts } from '../domain/instance-facts';
import type { PolicyDecision } from '../domain/policy';
import type { ArrivingExhibit } from './acquisition';
import { follow, mutation, quick } from './activity-options';
import { stopIfCancelled } from './clean-up';
import { consent } from './consent';
import { reasonOf } from './failure-reason';
import type { RunningCase } from './running-case';

/** Milliseconds. An instance changes while people decide: a plan that is older is made anew before it is carried out. */
const PLAN_HOLDS = 15 * 60_000;
/** The step itself ends within some two minutes; a worker may be lost in between. */
const MEASUREMENT_SECONDS = 300;

/**
 * Isolates the instance, with consent and when the policy says so. A failed isolation is told and stops nothing: the
 * evidence is none of the case's.
 *
 * `before-acquisition` means that isolation waits for nothing but the consent. The acquisition does not wait for it
 * either: snapshots do not touch the instance, and memory that waits for a person is memory lost.
 */
export async function containInItsTime(
  record: RunningCase,
  facts: InstanceFacts,
  decision: PolicyDecision,
  evidence: { memory: ArrivingExhibit; all: ArrivingExhibit[] },
): Promise<void> {
  const { instanceId } = facts.target;
  if (decision.isolation === 'never') {
    const because = 'the policy or the request asks for no isolation';
    record.needsNoConsent('isolation', because);
    record.endPhase('containment', { outcome: 'skipped', reason: because });
    return;
  }
  const evidenceIsSafe = async (): Promise<unknown> => {
    if (decision.isolation === 'after-memory') return evidence.memory;
    return decision.isolation === 'after-all' ? Promise.all(evidence.all) : undefined;
  };
  try {
    const plan = await agreedPlan(record, facts, decision, evidenceIsSafe);
    if (!plan) return;
    await contain(record, plan, decision);
  } catch (error) {
    stopIfCancelled();
    const reason = `${instanceId} is not isolated: ${reasonOf(error)}`;
    record.fellShort(reason);
    record.endPhase('containment', { outcome: 'failed', reason });
  }
}

/** The plan that people have agreed to and that still fits the instance; none when they said no. */
async function agreedPlan(
  record: RunningCase,
  triaged: InstanceFacts,
  decision: PolicyDecision,
  evidenceIsSafe: () => Promise<unknown>,
): Promise<ContainmentPlan | undefined> {
  let plan = planContainment(triaged, decision.containment);
  record.planned(plan);
  record.startPhase('containment');
  for (;;) {
    const plannedAt = Date.now();
    const answer = await consent(record, 'isolation', plan, decision.isolationConsent);
    if (!answer.given) {
      // A person's decision, not a failure: the case can still be complete.
      record.endPhase('containment', { outcome: 'skipped', reason: `declined by ${answer.decision.approver}` });
      return undefined;
    }
    await evidenceIsSafe();
    stopIfCancelled();
    if (Date.now() - plannedAt < PLAN_HOLDS) return plan;
    const { instanceId } = triaged.target;
    const { request, caseId } = record;
    const { facts } = await quick(`Read ${instanceId} again: the plan is old`).triageInstance({ caseId, request });
    // Our own protections took it out of its target groups, when standby was asked for.
    const { targetGroups } = triaged;
    const now = { ...facts, ...(targetGroups && { targetGroups }) };
    const fresh = planContainment(now, decision.containment);
    if (planHash(fresh) === planHash(plan)) return plan;
    // What was agreed to is not what would be done: people are asked anew.
    plan = fresh;
    record.planned(plan);
  }
}

/** Layer by layer, in the plan's order; those that neighbours feel come last, with a consent of their own. */
async function contain(record: RunningCase, plan: ContainmentPlan, decision: PolicyDecision): Promise<void> {
  const ownConsent = plan.steps.filter((step) => step.needsOwnConsent !== undefined);
  const outcomes: LayerOutcome[] = [];
  const lost: EnforcedLayer[] = [];
  const applyAll = async (steps: readonly PlannedLayer[]): Promise<void> => {
    for (const step of steps) {
      // An isolation that has begun is carried through: a half-isolated instance is the worst of all.
      const outcome = await CancellationScope.nonCancellable(() => applied(record, plan, step));
      if (outcome) outcomes.push(outcome);
      else lost.push(step.layer);
    }
    const result = resultOfLayers(plan, outcomes, lost, new Date(Date.now()).toISOString());
    record.contained(plan, result, decision.releaseConsent);
  };
  await applyAll(plan.steps.filter((step) => !ownConsent.includes(step)));
  // Beside what follows: the containment waits for no measurement.
  const measuring = measure(record, plan, 1);
  let again = false;
  if (ownConsent.length > 0) {
    const { target, layers } = plan;
    const policy = { ...decision.isolationConsent, consent: 'required' as const };
    const asked = { target, steps: ownConsent, networkAcl: layers.networkAcl ?? [] };
    const answer = await consent(record, 'subnet-isolation', asked, policy);
    if (answer.given) await applyAll(ownConsent);
    // A stopped instance tries nothing any more.
    again = answer.given && !ownConsent.some(({ layer }) => layer === 'stop');
  }
  await measuring;
  if (again) await measure(record, plan, 2);
  stopIfCancelled();
}

/** Has the instance try what still gets out. Whatever becomes of that changes nothing of the containment. */
async function measure(record: RunningCase, plan: ContainmentPlan, measurement: 1 | 2): Promise<void> {
  const { caseId } = record;
  const summary = `Measure what still flows from ${plan.target.instanceId}`;
  try {
    record.isolationMeasured(await follow(summary, MEASUREMENT_SECONDS).probeIsolation({ caseId, plan, measurement }));
  } catch (error) {
    record.isolationMeasured({ measured: false, reason: reasonOf(error), flows: [] });
  }
}

/** One layer; when even its step fails, that is told and the next layer is applied all the same. */
async function applied(
  record: RunningCase,
  plan: ContainmentPlan,
  { layer }: PlannedLayer,
): Promise<LayerOutcome | undefined> {
  const { instanceId } = plan.target;
  const { caseId } = record;
  try {
    // In the history before anything is changed: what a release goes back to.
    const before = await quick(`Read ${layer} of ${instanceId}`).readLayer({ caseId, plan, layer });
    return await mutation(`Contain ${instanceId}: ${layer}`).applyLayer({ caseId, plan, layer, before });
  } catch (error) {
    record.fellShort(layerShortfall({ layer, reason: reasonOf(error) }));
    return undefined;
  }
}
