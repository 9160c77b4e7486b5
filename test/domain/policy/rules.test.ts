import { DEFAULT_POLICY } from '../../../domain/policy';
import { matchesGlob } from '../../../domain/policy/glob';
import type { Policy, RuleMatch } from '../../../domain/policy/policy';
import { rolesOf } from '../../../domain/policy/roles';
import { judgeRules } from '../../../domain/policy/rules';
import { isWithin } from '../../../domain/policy/time-window';
import { caseRequest, instanceFacts } from '../../workflows/case-fixtures';

const request = caseRequest();
const { finding } = request;
const tags = { environment: 'production', 'service-tier': 'tier-2' };
const base: Policy = {
  ...DEFAULT_POLICY,
  criticality: { tag: 'service-tier', values: { 'tier-1': 'critical', 'tier-2': 'high' } },
  businessHours: {
    timeZone: 'Europe/Berlin',
    weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'],
    from: '08:00',
    to: '18:00',
  },
};
/** A Tuesday, 09:30 in Berlin. */
const at = '2026-11-24T08:30:00Z';
const judged = (policy: Policy, changes: Partial<Parameters<typeof judgeRules>[1]> = {}) =>
  judgeRules(policy, { facts: instanceFacts(request, { tags }), finding, at, ...changes });
const verdictOf = (match: RuleMatch, policy = base) =>
  judged({ ...policy, rules: [{ name: 'r', match, then: {} }] })[0]!;

test.each<[RuleMatch]>([
  [{}],
  [{ findingType: ['Recon:*', 'Backdoor:EC2/*'] }],
  [{ severity: 'high' }],
  [{ account: ['111122223333'] }],
  [{ region: ['us-*'] }],
  [{ tags: [{ key: 'environment', equals: 'production' }] }],
  [
    {
      tags: [
        { key: 'environment', anyOf: ['a', 'production'] },
        { key: 'team', exists: false },
      ],
    },
  ],
  [{ criticality: 'medium' }],
  [{ time: 'business-hours' }],
  [{ time: { timeZone: 'UTC', weekdays: ['tue'], from: '08:30', to: '08:31' } }],
  [{ source: ['guardduty'] }],
])('%j matches', (match) => expect(verdictOf(match).verdict).toBe('fires'));

test.each<[RuleMatch, keyof RuleMatch, string]>([
  [{ findingType: ['Backdoor:EC2'] }, 'findingType', 'does not match Backdoor:EC2'],
  [{ severity: 'critical' }, 'severity', 'severity high is below critical'],
  [{ account: ['999999999999'] }, 'account', 'account 111122223333 is not 999999999999'],
  [{ region: ['eu-*'] }, 'region', 'Region us-east-1 does not match eu-*'],
  [{ tags: [{ key: 'environment', equals: 'test' }] }, 'tags', 'tag environment is production, not test'],
  [{ tags: [{ key: 'environment', exists: false }] }, 'tags', 'tag environment is there'],
  [{ tags: [{ key: 'toString', exists: true }] }, 'tags', 'tag toString is not there'],
  [{ criticality: 'critical' }, 'criticality', 'business criticality high is below critical'],
  [{ time: 'outside-business-hours' }, 'time', 'tue 09:30 Europe/Berlin is within business hours'],
  [{ source: ['manual'] }, 'source', 'source guardduty is not manual'],
  [{ severity: 'critical', region: ['eu-*'] }, 'severity', 'below critical'],
])('%j does not match, by its first condition that fails', (match, condition, because) => {
  expect(verdictOf(match)).toMatchObject({
    verdict: 'does-not-match',
    condition,
    because: expect.stringContaining(because) as string,
  });
});

test('an instance without the tag has no criticality, or the one for all others', () => {
  const { criticality: _criticality, ...without } = base;
  const untagged = { facts: instanceFacts(request) };
  const rules = [{ name: 'r', match: { criticality: 'low' } as const, then: {} }];
  expect(judged({ ...without, rules })[0]!.because).toContain('has no business criticality');
  expect(judged({ ...base, rules }, untagged)[0]!.because).toContain('has no business criticality');
  const otherwise: Policy = { ...base, rules, criticality: { ...base.criticality!, otherwise: 'low' } };
  expect(judged(otherwise, untagged)[0]!.verdict).toBe('fires');
});

test('of two that match the second is told to be shadowed', () => {
  const rules = ['first', 'second'].map((name) => ({ name, match: {}, then: {} }));
  expect(judged({ ...base, rules }).map(({ verdict, because }) => [verdict, because])).toEqual([
    ['fires', 'it matches every finding'],
    ['shadowed', 'it matches, but first comes first'],
  ]);
});

test.each([
  ['*', '', true],
  ['Backdoor:EC2/*', 'Backdoor:EC2/C&CActivity.B!DNS', true],
  ['Backdoor:EC2/*', 'Backdoor:Lambda/C&CActivity.B', false],
  ['*!DNS', 'Backdoor:EC2/C&CActivity.B!DNS', true],
  ['a*b*c', 'aXbYbZc', true],
  ['a*b*c', 'aXbYbZ', false],
  ['?b', 'ab', true],
  ['?b', 'b', false],
  ['a.c', 'abc', false],
  ['backdoor:*', 'Backdoor:x', false],
])('pattern %s against %j: %s', (pattern, text, fits) => expect(matchesGlob(pattern, text)).toBe(fits));

test('a hostile finding type costs no more than pattern × text', () => {
  // A regular expression of this pattern would backtrack for longer than anybody waits.
  expect(matchesGlob(`${'a*'.repeat(30)}b`, 'a'.repeat(5_000))).toBe(false);
});

describe('time of day', () => {
  const night = { timeZone: 'Europe/Berlin', weekdays: ['fri'] as const, from: '22:00', to: '06:00' };
  const within = (time: string) => isWithin({ ...night, weekdays: [...night.weekdays] }, time);
  test.each([
    ['2026-11-20T21:00:00Z', true, 'Friday 22:00'],
    ['2026-11-20T20:59:00Z', false, 'Friday 21:59'],
    ['2026-11-21T04:59:00Z', true, 'Saturday 05:59, of the Friday night'],
    ['2026-11-21T05:00:00Z', false, 'Saturday 06:00'],
    ['2026-11-20T03:00:00Z', false, 'Friday 04:00, of the Thursday night'],
    ['2026-07-17T20:00:00Z', true, 'Friday 22:00 in summer time'],
  ])('%s in Berlin is within Friday 22:00 to 06:00: %s (%s)', (time, expected) => expect(within(time)).toBe(expected));

  test('24:00 is the end of the day, and a day has its midnight', () => {
    const day = { timeZone: 'UTC', weekdays: ['mon' as const], from: '00:00', to: '24:00' };
    expect(isWithin(day, '2026-11-23T00:00:00Z')).toBe(true);
    expect(isWithin(day, '2026-11-23T23:59:59Z')).toBe(true);
    expect(isWithin(day, '2026-11-24T00:00:00Z')).toBe(false);
  });
});

test('a principal has the roles whose patterns it fits', () => {
  const roles = {
    responder: ['arn:aws:sts::*:assumed-role/Responder/*'],
    owner: ['arn:aws:iam::111122223333:user/ann'],
  };
  expect(rolesOf(roles, 'arn:aws:sts::111122223333:assumed-role/Responder/ann')).toEqual(['responder']);
  expect(rolesOf(roles, 'arn:aws:iam::111122223333:user/ann')).toEqual(['owner']);
  expect(rolesOf(roles, 'ann')).toEqual([]);
});
