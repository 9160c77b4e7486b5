import type { InstanceFacts } from '../instance-facts';
import { type AutomationCaps, CONTAINMENT_PREFERENCES, type ContainmentPreference, type Policy } from './policy';
import { isAtLeast, type PolicySubject } from './rules';
import { tagConditionFails, tagConditionText, tagOf } from './tag-condition';

/** Isolations without a person, this case's included. What is absent could not be counted. */
export interface AutomationCounts {
  /** Cases of the last hour that the policy would isolate without a person. */
  casesLastHour?: number;
  /** Instances of this one's Auto Scaling group that it would isolate so, of the last 24 hours. */
  instancesOfAutoScalingGroup?: number;
}

/**
 * Why a person must be asked before this instance is isolated, although the checkpoint itself asks nobody. Each of these only ever
 * adds consent: none of them can take it away.
 */
export function reasonsToAsk(policy: Policy, subject: PolicySubject, counts: AutomationCounts): string[] {
  return [
    ...protection(policy, subject.facts),
    ...standingPreference(policy, subject),
    ...beyondCaps(policy.caps, subject.facts, counts),
  ];
}

/** Name of the Auto Scaling group, from the tag that only AWS can write (the prefix `aws:` is reserved). */
export const autoScalingGroupOf = (facts: InstanceFacts): string | undefined =>
  tagOf(facts.tags, 'aws:autoscaling:groupName');

function protection({ protectedTag, protectedResources }: Policy, facts: InstanceFacts): string[] {
  const needs = 'isolation needs a person’s consent whatever the policy says';
  const own = new Set([
    facts.target.instanceId,
    facts.imageId,
    ...facts.networkInterfaces.flatMap(({ vpcId, subnetId }) => [vpcId, subnetId]),
  ]);
  return [
    ...((tagOf(facts.tags, protectedTag) ?? 'false') === 'false' ? [] : [`tag ${protectedTag}: ${needs}`]),
    ...protectedResources.tags
      .filter((condition) => tagConditionFails(condition, facts.tags) === undefined)
      .map((condition) => `${tagConditionText(condition)} is protected: ${needs}`),
    ...protectedResources.ids.filter((id) => own.has(id)).map((id) => `${id} is protected: ${needs}`),
  ];
}

function standingPreference(policy: Policy, { facts, finding }: PolicySubject): string[] {
  const held = preferenceOf(policy, facts);
  if (!held) return [];
  const { preference, of } = held;
  const { confirmedSeverity, suspectedSeverity } = policy.preferences;
  const said = `standing preference ${preference} of ${of}`;
  if (preference === 'approval_required') return [`${said}: a person decides in every case`];
  // One person's word: who opens a case may not approve it either.
  if (finding.source === 'manual') return [`${said}: a request by hand confirms nothing, another person decides`];
  const least = preference === 'contain_confirmed' ? confirmedSeverity : suspectedSeverity;
  if (isAtLeast(finding.severity, least)) return [];
  return [`${said} asks for severity ${least}, and this finding is ${finding.severity}: a person decides`];
}

/** The tag's before the account's before the organisation's; the strictest of several tags. */
function preferenceOf(
  { preferences }: Policy,
  facts: InstanceFacts,
): { preference: ContainmentPreference; of: string } | undefined {
  const { accountId } = facts.target;
  const tagged = preferences.tags
    .filter(({ tag }) => tagConditionFails(tag, facts.tags) === undefined)
    .sort((a, b) => CONTAINMENT_PREFERENCES.indexOf(a.preference) - CONTAINMENT_PREFERENCES.indexOf(b.preference));
  const [strictest] = tagged;
  if (strictest) return { preference: strictest.preference, of: tagConditionText(strictest.tag) };
  const account = Object.hasOwn(preferences.accounts, accountId) ? preferences.accounts[accountId] : undefined;
  if (account) return { preference: account, of: `account ${accountId}` };
  return preferences.organisation && { preference: preferences.organisation, of: 'the organisation' };
}

function beyondCaps(caps: AutomationCaps, facts: InstanceFacts, counts: AutomationCounts): string[] {
  const group = autoScalingGroupOf(facts);
  return [
    ...beyond(caps.casesPerHour, counts.casesLastHour, 'case(s) of the last hour'),
    ...(group === undefined
      ? []
      : beyond(
          caps.instancesOfAutoScalingGroup,
          counts.instancesOfAutoScalingGroup,
          `instance(s) of Auto Scaling group ${group} of the last 24 hours`,
        )),
  ];
}

function beyond(cap: number, count: number | undefined, what: string): string[] {
  // Written so that a count which is no number asks, too.
  if (count !== undefined && count <= cap) return [];
  const found = count === undefined ? `the ${what} could not be counted` : `it would be ${count} ${what}`;
  return [`${found}, and without a person the policy isolates up to ${cap}: a person decides`];
}
