import fc from 'fast-check';
import { LAYER_NAMES } from '../../../domain/containment/layer';
import { type Finding, FINDING_SOURCES, SEVERITIES } from '../../../domain/finding';
import { decide, DEFAULT_POLICY, type PolicyDecision } from '../../../domain/policy';
import {
  CONTAINMENT_PREFERENCES,
  CRITICALITIES,
  ISOLATION_TIMES,
  type PartialSettings,
  type Policy,
  type RuleMatch,
} from '../../../domain/policy/policy';
import type { TagCondition } from '../../../domain/policy/tag-condition';
import { completed } from '../../../domain/policy/settings';
import { TIME_OF_DAY, WEEKDAYS } from '../../../domain/policy/time-window';
import { caseRequest, instanceFacts, volumes } from '../../workflows/case-fixtures';

const request = caseRequest();
const RUNS = { numRuns: 300 };

const some = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(of, { minLength: 1, maxLength: 3 });
const one = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
// Few words, so that conditions meet what they are about; names of inherited properties among them.
const word = fc.oneof(one(['a', 'b', 'constructor', '__proto__', 'forensics:protected', 'false']), fc.string());
const tagCondition: fc.Arbitrary<TagCondition> = fc.oneof(
  fc.record({ key: word, equals: word }),
  fc.record({ key: word, anyOf: some(word) }),
  fc.record({ key: word, exists: fc.boolean() }),
);
const timeOfDay = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
  .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));
const timeWindow = fc.record({
  timeZone: one(['UTC', 'Europe/Berlin', 'Pacific/Kiritimati', 'America/St_Johns']),
  weekdays: some(one(WEEKDAYS)),
  from: timeOfDay,
  to: timeOfDay,
});
const optional = { requiredKeys: [] };
const match: fc.Arbitrary<RuleMatch> = fc.record(
  {
    findingType: some(fc.oneof(one(['*', 'Backdoor:*', '?']), fc.string())),
    severity: one(SEVERITIES),
    account: some(one(['111122223333', '999999999999'])),
    region: some(one(['*', 'us-*', 'eu-*'])),
    tags: some(tagCondition),
    criticality: one(CRITICALITIES),
    time: fc.oneof(timeWindow, one(['business-hours', 'outside-business-hours'] as const)),
    source: some(one(FINDING_SOURCES)),
  },
  optional,
);
const checkpoint = fc.record(
  { consent: one(['required', 'not-required'] as const), quorum: fc.integer({ min: 1, max: 3 }), roles: some(word) },
  optional,
);
const settings: fc.Arbitrary<PartialSettings> = fc.record(
  {
    acquire: fc.record(
      {
        memory: fc.boolean(),
        volumes: fc.oneof(one(['all', 'root', 'none'] as const), fc.record({ tag: tagCondition })),
      },
      optional,
    ),
    isolation: one(ISOLATION_TIMES),
    containment: fc.record({ mode: one(['keep-ssm', 'full'] as const), layers: some(one(LAYER_NAMES)) }, optional),
    checkpoints: fc.record({ acquisition: checkpoint, isolation: checkpoint, release: checkpoint }, optional),
  },
  optional,
);
const policies: fc.Arbitrary<Policy> = fc
  .record({
    own: settings,
    minimumSeverity: one(SEVERITIES),
    rules: fc.array(fc.record({ name: fc.string(), match, then: settings }), { maxLength: 4 }),
    protectedResources: fc.record({
      ids: fc.array(word, { maxLength: 2 }),
      tags: fc.array(tagCondition, { maxLength: 1 }),
    }),
    preferences: fc.record(
      {
        organisation: one(CONTAINMENT_PREFERENCES),
        accounts: fc.dictionary(one(['111122223333']), one(CONTAINMENT_PREFERENCES)),
        tags: fc.array(fc.record({ tag: tagCondition, preference: one(CONTAINMENT_PREFERENCES) }), { maxLength: 2 }),
      },
      optional,
    ),
    caps: fc.record({
      casesPerHour: fc.integer({ min: 0, max: 3 }),
      instancesOfAutoScalingGroup: fc.integer({ min: 0, max: 3 }),
    }),
    roles: fc.dictionary(word, some(word)),
  })
  .map(({ own, ...rest }) => completed({ version: 1, ...own, ...rest }))
  // Beside rules with business hours there are policies without any.
  .chain((policy) => fc.option(timeWindow).map((hours) => (hours ? { ...policy, businessHours: hours } : policy)));
const tags = fc.oneof(
  fc.dictionary(word, word, { maxKeys: 4 }),
  fc.constant({ 'aws:autoscaling:groupName': 'web', environment: 'production' }),
);
const findings: fc.Arbitrary<Finding> = fc.record({
  ...(Object.fromEntries(['id', 'title', 'description', 'createdAt'].map((key) => [key, fc.string()])) as Record<
    'id' | 'title' | 'description' | 'createdAt',
    fc.Arbitrary<string>
  >),
  source: one(FINDING_SOURCES),
  type: fc.oneof(fc.constant('Backdoor:EC2/C&CActivity.B!DNS'), fc.string()),
  severity: one(SEVERITIES),
});
const actions = one(['by-policy', 'acquire', 'acquire-and-isolate'] as const);
const counts = fc.record(
  { casesLastHour: fc.integer({ min: 0, max: 6 }), instancesOfAutoScalingGroup: fc.integer({ min: 0, max: 6 }) },
  optional,
);
const times = fc.oneof(
  fc
    .date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  fc.constant('no time at all'),
);
const isAsked = ({ isolationConsent }: PolicyDecision): boolean => isolationConsent.consent === 'required';

test('any policy decides about any instance and finding, by one of its rules, with reasons and as plain JSON', () => {
  fc.assert(
    fc.property(policies, tags, findings, actions, times, counts, (policy, tagsOf, finding, action, at, counted) => {
      const facts = instanceFacts(request, { tags: tagsOf, volumes: volumes(2) });
      const decision = decide(policy, facts, finding, action, { at, ...counted });
      expect(ISOLATION_TIMES).toContain(decision.isolation);
      expect(decision.reasons.length).toBeGreaterThan(0);
      expect(decision.reasons.every((reason) => reason.length > 0)).toBe(true);
      if (decision.rule !== undefined) expect(policy.rules.map(({ name }) => name)).toContain(decision.rule);
      expect(JSON.parse(JSON.stringify(decision))).toEqual(decision);
    }),
    RUNS,
  );
});

test('what is protected is never isolated without a person', () => {
  const ways = fc.constantFrom('tag', 'id', 'condition');
  fc.assert(
    fc.property(policies, tags, findings, actions, counts, ways, (policy, tagsOf, finding, action, counted, way) => {
      const { ids } = policy.protectedResources;
      const facts = instanceFacts(request, {
        tags: { ...tagsOf, ...(way === 'tag' && { 'forensics:protected': 'yes' }) },
      });
      const protectedResources = {
        ids: way === 'id' ? [...ids, facts.target.instanceId] : ids,
        tags: way === 'condition' ? [{ key: 'no such tag', exists: false }] : [],
      };
      const context = { at: '2026-11-22T07:00:00Z', ...counted };
      const decision = decide({ ...policy, protectedResources }, facts, finding, action, context);
      expect(decision.isolation === 'never' || isAsked(decision)).toBe(true);
    }),
    RUNS,
  );
});

test('caps, counts, preferences and protection only ever add consent, and change nothing else', () => {
  fc.assert(
    fc.property(policies, tags, findings, actions, counts, (policy, tagsOf, finding, action, counted) => {
      const facts = instanceFacts(request, { tags: tagsOf });
      const at = '2026-11-22T07:00:00Z';
      const bare: Policy = {
        ...policy,
        protectedTag: 'no such tag',
        protectedResources: { ids: [], tags: [] },
        preferences: DEFAULT_POLICY.preferences,
        caps: { casesPerHour: 1, instancesOfAutoScalingGroup: 1 },
      };
      const without = decide(bare, facts, finding, action, { at, casesLastHour: 1, instancesOfAutoScalingGroup: 1 });
      const withAll = decide(policy, facts, finding, action, { at, ...counted });
      if (isAsked(without)) expect(isAsked(withAll)).toBe(true);
      const rest = ({ isolationConsent, reasons: _reasons, ...others }: PolicyDecision) => ({
        ...others,
        isolationConsent: { ...isolationConsent, consent: 'either' },
      });
      expect(rest(withAll)).toEqual(rest(without));
    }),
    RUNS,
  );
});

test('a higher count never takes consent away', () => {
  fc.assert(
    fc.property(
      policies,
      tags,
      findings,
      actions,
      counts,
      fc.nat(5),
      (policy, tagsOf, finding, action, counted, more) => {
        const facts = instanceFacts(request, { tags: tagsOf });
        const at = '2026-11-22T07:00:00Z';
        const fewer = decide(policy, facts, finding, action, { at, ...counted });
        const higher = Object.fromEntries(Object.entries(counted).map(([name, value]) => [name, value + more]));
        if (isAsked(fewer)) expect(isAsked(decide(policy, facts, finding, action, { at, ...higher }))).toBe(true);
      },
    ),
    RUNS,
  );
});

test('the times of day that are made here are such as a policy may have', () => {
  fc.assert(fc.property(timeOfDay, (time) => TIME_OF_DAY.test(time)));
});
