import { CancellationScope } from '@temporalio/workflow';
import { planContainment } from '../domain/containment';
import type { InstanceFacts } from '../domain/instance-facts';
import type { PolicyDecision } from '../domain/policy';
import { mutation } from './activity-options';
import type { ArrivingExhibit } from './acquisition';
import { stopIfCancelled } from './clean-up';
import { consent } from './consent';
import { reasonOf } from './failure-reason';
import type { RunningCase } from './running-case';

/**
 * Isolates the instance, with a person's consent, when its time has come. People are asked as soon as the plan is known,
 * while evidence is still being acquired, so that their time to think costs none of the case's.
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
  const plan = planContainment(facts);
  record.planned(plan);
  record.startPhase('containment');

  const answer = await consent(record, 'isolation', plan, decision.isolationConsent);
  if (!answer.given) {
    // A person's decision, not a failure: the case can still be complete.
    record.endPhase('containment', { outcome: 'skipped', reason: `declined by ${answer.decision.approver}` });
    return;
  }
  if (decision.isolation === 'after-memory') await evidence.memory;
  if (decision.isolation === 'after-all') await Promise.all(evidence.all);
  stopIfCancelled();

  try {
    // An isolation that has begun is carried through: a half-isolated instance is the worst of all.
    const result = await CancellationScope.nonCancellable(() =>
      mutation(`Isolate ${instanceId}`).isolateInstance({ caseId: record.caseId, plan }),
    );
    record.contained(result);
  } catch (error) {
    const reason = `${instanceId} is not isolated: ${reasonOf(error)}`;
    record.fellShort(reason);
    record.endPhase('containment', { outcome: 'failed', reason });
  }
}
