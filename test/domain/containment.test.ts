import { createHash } from 'node:crypto';
import { planContainment, planHash } from '../../domain/containment';
import { caseRequest, instanceFacts } from '../workflows/case-fixtures';

const request = caseRequest();
const eni = instanceFacts(request).networkInterfaces[0]!;

test('every address of the Internet is taken away first, and the approver reads what each costs', () => {
  const address = { privateIpAddress: '10.0.0.10' };
  const plan = planContainment(
    instanceFacts(request, {
      networkInterfaces: [
        { ...eni, groups: ['sg-2', 'sg-1'] },
        {
          ...eni,
          networkInterfaceId: 'eni-public',
          publicAddresses: [
            { ...address, address: '198.51.100.7', kind: 'elastic' },
            { ...address, address: '198.51.100.8', kind: 'assigned' },
            { ...address, address: '198.51.100.9', kind: 'carrier' },
          ],
        },
        { ...eni, networkInterfaceId: 'eni-v6', ipv6Addresses: ['2001:db8::7'] },
      ],
    }),
  );
  expect(plan.layers.securityGroups.map((one) => one.groupsBefore)).toEqual([['sg-1', 'sg-2'], eni.groups, eni.groups]);
  expect(plan.layers.internetEdge).toEqual([
    { networkInterfaceId: 'eni-public', ...address, address: '198.51.100.7', kind: 'elastic' },
    { networkInterfaceId: 'eni-public', ...address, address: '198.51.100.8', kind: 'assigned' },
    { networkInterfaceId: 'eni-v6', address: '2001:db8::7', kind: 'ipv6' },
  ]);
  expect(plan.blastRadius.join()).toMatch(/198\.51\.100\.7 .*gives it back.*198\.51\.100\.8 .*FOR GOOD.*2001:db8::7/);
  expect(plan.residualPaths.join()).toContain('carrier address 198.51.100.9');
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
