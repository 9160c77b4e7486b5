import type { CaseRequest } from '../domain/case-request';
import type { InstanceFacts } from '../domain/instance-facts';
import { decide, type PolicyDecision } from '../domain/policy';
import { type AutomationCounts, autoScalingGroupOf } from '../domain/policy/reasons-to-ask';
import { countAutomaticIsolations } from './automatic-isolations';
import type { AwsClients } from './aws/clients';
import { orElse } from './aws/tolerance';
import type { ForensicsConfig } from './config';

/**
 * Applies the policy to a triaged instance. Only where nobody would be asked before an isolation is it counted how many
 * isolations there are of that kind. If they cannot be counted, a person is asked.
 */
export async function decideByPolicy(
  { config, clients }: { config: Pick<ForensicsConfig, 'policy' | 'caseTable'>; clients: AwsClients },
  { caseId, request, facts }: { caseId: string; request: CaseRequest; facts: InstanceFacts },
): Promise<PolicyDecision> {
  const { finding, requestedAction, target } = request;
  const decideWith = (counts: AutomationCounts): PolicyDecision =>
    decide(config.policy, facts, finding, requestedAction, { at: facts.readAt, ...counts });
  const alone = decideWith({ casesLastHour: 0, instancesOfAutoScalingGroup: 0 });
  if (alone.isolation === 'never' || alone.isolationConsent.consent === 'required') return alone;
  if (request.dryRun) {
    return {
      ...alone,
      reasons: [...alone.reasons, 'the caps are not applied: a dry run is not counted among isolations'],
    };
  }

  const uncounted: string[] = [];
  const counts = await orElse<AutomationCounts>({}, uncounted, () =>
    countAutomaticIsolations({ config, clients }, { caseId, target, group: autoScalingGroupOf(facts) }),
  );
  const decision = decideWith(counts);
  return { ...decision, reasons: [...decision.reasons, ...uncounted] };
}
