import { decide, DEFAULT_POLICY } from '../../domain/policy';
import { severityOfGuardDuty } from '../../domain/finding';
import { caseRequest, instanceFacts } from '../workflows/case-fixtures';

const request = caseRequest();
const facts = (tags: Record<string, string> = {}) => instanceFacts(request, { tags });

test('by default everything is acquired, and isolation needs consent', () => {
  const decision = decide(DEFAULT_POLICY, facts(), request.finding, 'by-policy');
  expect(decision).toMatchObject({ acquireMemory: true, acquireDisks: true, isolation: 'after-memory' });
  expect(decision.isolationConsent.consent).toBe('required');
  expect(decision.acquisitionConsent.consent).toBe('not-required');
});

test('the tag and a low severity keep a finding from acquiring, and a person may ask all the same', () => {
  const minor = { ...request.finding, severity: 'informational' } as const;
  for (const decision of [
    decide(DEFAULT_POLICY, facts({ 'forensics:acquire': 'false' }), request.finding, 'by-policy'),
    decide(DEFAULT_POLICY, facts(), minor, 'by-policy'),
  ]) {
    expect(decision).toMatchObject({ acquireMemory: false, acquireDisks: false, isolation: 'never' });
    expect(decision.reasons[0]).toContain('nothing is acquired');
  }
  expect(decide(DEFAULT_POLICY, facts({ 'forensics:acquire': 'false' }), minor, 'acquire')).toMatchObject({
    acquireMemory: true,
    isolation: 'never',
  });
});

test('who asks for isolation gets it, also where the policy would not isolate', () => {
  const never = { ...DEFAULT_POLICY, isolation: 'never' } as const;
  expect(decide(never, facts(), request.finding, 'by-policy').isolation).toBe('never');
  expect(decide(never, facts(), request.finding, 'acquire-and-isolate').isolation).toBe('after-memory');
});

test('a protected instance is never isolated without a person', () => {
  const { checkpoints } = DEFAULT_POLICY;
  const free = { ...checkpoints, isolation: { ...checkpoints.isolation, consent: 'not-required' as const } };
  const policy = { ...DEFAULT_POLICY, checkpoints: free };
  const consentOf = (tags: Record<string, string>): string =>
    decide(policy, facts(tags), request.finding, 'by-policy').isolationConsent.consent;
  expect(consentOf({})).toBe('not-required');
  expect(consentOf({ 'forensics:protected': 'false' })).toBe('not-required');
  expect(consentOf({ 'forensics:protected': 'payment' })).toBe('required');
});

test.each([
  [0.5, 'informational'],
  [1, 'low'],
  [3.9, 'low'],
  [4, 'medium'],
  [7, 'high'],
  [8.9, 'high'],
  [9, 'critical'],
])('GuardDuty severity %d is %s', (value, label) => expect(severityOfGuardDuty(value)).toBe(label));
