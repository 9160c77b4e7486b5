import { type Finding, SEVERITIES, type Severity } from '../finding';
import type { InstanceFacts } from '../instance-facts';
import { matchesGlob } from './glob';
import { CRITICALITIES, type Criticality, type Policy, type RuleMatch } from './policy';
import { tagConditionFails, tagOf, type Tags } from './tag-condition';
import { isWithin, type TimeWindow, wallClockText, windowText } from './time-window';

/** What a policy is asked about. */
export interface PolicySubject {
  facts: InstanceFacts;
  finding: Finding;
  /** ISO 8601; the time that conditions on the time of day are measured by. */
  at: string;
}

export interface RuleVerdict {
  rule: string;
  /** `shadowed`: it matches, but an earlier rule fires. */
  verdict: 'fires' | 'shadowed' | 'does-not-match';
  /** The field of `match` that failed first. */
  condition?: keyof RuleMatch;
  because: string;
}

/** Every rule in the policy's order: which one fires, and what kept the others from it. */
export function judgeRules(policy: Policy, subject: PolicySubject): RuleVerdict[] {
  let fired: string | undefined;
  return policy.rules.map(({ name, match }) => {
    const failed = firstFailure(policy, match, subject);
    if (failed) return { rule: name, verdict: 'does-not-match', ...failed };
    if (fired !== undefined)
      return { rule: name, verdict: 'shadowed', because: `it matches, but ${fired} comes first` };
    fired = name;
    const given = CONDITIONS.map(([field]) => field).filter((field) => match[field] !== undefined);
    const because = given.length === 0 ? 'it matches every finding' : `it matches by ${given.join(', ')}`;
    return { rule: name, verdict: 'fires', because };
  });
}

/** By the mapping of the policy; undefined when it has none, or the tag says nothing that it knows. */
export function criticalityOf({ criticality }: Policy, tags: Tags): Criticality | undefined {
  if (!criticality) return undefined;
  const value = tagOf(tags, criticality.tag);
  const known = value !== undefined && Object.hasOwn(criticality.values, value);
  return (known ? criticality.values[value] : undefined) ?? criticality.otherwise;
}

export const isAtLeast = (severity: Severity, least: Severity): boolean =>
  SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);

type Condition = [keyof RuleMatch, (policy: Policy, match: RuleMatch, subject: PolicySubject) => string | undefined];

/** In the order in which a reader would ask. Each tells why it does not hold, or undefined when it does or is not given. */
const CONDITIONS: Condition[] = [
  ['source', (_, { source }, { finding }) => listFails('source', source, finding.source)],
  ['findingType', (_, { findingType }, { finding }) => patternsFail('finding type', findingType, finding.type)],
  [
    'severity',
    (_, { severity }, { finding }) =>
      severity === undefined || isAtLeast(finding.severity, severity)
        ? undefined
        : `severity ${finding.severity} is below ${severity}`,
  ],
  ['account', (_, { account }, { facts }) => listFails('account', account, facts.target.accountId)],
  ['region', (_, { region }, { facts }) => patternsFail('Region', region, facts.target.region)],
  [
    'tags',
    (_, { tags }, { facts }) =>
      tags?.map((condition) => tagConditionFails(condition, facts.tags)).find((failure) => failure !== undefined),
  ],
  ['criticality', (policy, { criticality }, { facts }) => criticalityFails(policy, criticality, facts.tags)],
  ['time', (policy, { time }, { at }) => timeFails(policy, time, at)],
];

function firstFailure(
  policy: Policy,
  match: RuleMatch,
  subject: PolicySubject,
): { condition: keyof RuleMatch; because: string } | undefined {
  for (const [condition, fails] of CONDITIONS) {
    const because = fails(policy, match, subject);
    if (because !== undefined) return { condition, because };
  }
  return undefined;
}

function listFails(what: string, wanted: string[] | undefined, value: string): string | undefined {
  if (!wanted || wanted.includes(value)) return undefined;
  return `${what} ${value} is not ${wanted.join(' or ')}`;
}

function patternsFail(what: string, patterns: string[] | undefined, value: string): string | undefined {
  if (!patterns || patterns.some((pattern) => matchesGlob(pattern, value))) return undefined;
  return `${what} ${value} does not match ${patterns.join(' or ')}`;
}

function criticalityFails(policy: Policy, least: Criticality | undefined, tags: Tags): string | undefined {
  if (least === undefined) return undefined;
  const found = criticalityOf(policy, tags);
  if (found === undefined) return `the instance has no business criticality, and ${least} is asked for`;
  if (CRITICALITIES.indexOf(found) >= CRITICALITIES.indexOf(least)) return undefined;
  return `business criticality ${found} is below ${least}`;
}

function timeFails(policy: Policy, time: RuleMatch['time'], at: string): string | undefined {
  if (time === undefined) return undefined;
  if (Number.isNaN(Date.parse(at))) return `${at} is no time`;
  const window = typeof time === 'string' ? policy.businessHours : time;
  if (!window) return 'the policy has no business hours';
  const within = isWithin(window, at);
  if (within !== (time === 'outside-business-hours')) return undefined;
  return `${wallClockText(window.timeZone, at)} is ${within ? 'within' : 'not within'} ${nameOf(time, window)}`;
}

const nameOf = (time: RuleMatch['time'], window: TimeWindow): string =>
  typeof time === 'string' ? `business hours (${windowText(window)})` : windowText(window);
