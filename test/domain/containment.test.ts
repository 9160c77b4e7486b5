import { createHash } from 'node:crypto';
import { planContainment, planHash } from '../../domain/containment';
import { caseRequest, instanceFacts } from '../workflows/case-fixtures';

const request = caseRequest();
const eni = instanceFacts(request).networkInterfaces[0]!;

test('a private interface is untracked first; a public one never stands open, not even for a moment', () => {
  const plan = planContainment(
    instanceFacts(request, {
      networkInterfaces: [
        { ...eni, groups: ['sg-2', 'sg-1'] },
        { ...eni, networkInterfaceId: 'eni-public', publicIpAddresses: ['198.51.100.7'] },
        { ...eni, networkInterfaceId: 'eni-v6', ipv6Addresses: ['2001:db8::7'] },
      ],
    }),
  );
  const [first, second, third] = plan.layers[0].interfaces;
  expect(first).toMatchObject({ steps: 'untrack-then-isolate', groupsBefore: ['sg-1', 'sg-2'] });
  expect(second).toMatchObject({ steps: 'isolate' });
  expect(third).toMatchObject({ steps: 'isolate' });
  expect(plan.residualPaths.join()).toContain('eni-public, eni-v6');
});

test('the approver reads of the Auto Scaling group', () => {
  const plan = planContainment(instanceFacts(request, { tags: { 'aws:autoscaling:groupName': 'web' } }));
  expect(plan.blastRadius.join()).toContain('Auto Scaling group web');
});

test('the hash is that of canonical JSON: the order of keys does not count, every value does', () => {
  expect(planHash({ b: 1, a: [2] })).toBe(createHash('sha256').update('{"a":[2],"b":1}').digest('hex'));
  expect(planHash({ a: [2], b: 1 })).toBe(planHash({ b: 1, a: [2] }));
  expect(planHash({ a: [2], b: 2 })).not.toBe(planHash({ a: [2], b: 1 }));
  expect(() => planHash(undefined)).toThrow('a plan must be a JSON value');
});
