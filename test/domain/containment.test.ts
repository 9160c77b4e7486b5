import { createHash } from 'node:crypto';
import { LAYER_NAMES, planContainment, planHash } from '../../domain/containment';
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

const every = { mode: 'full', layers: LAYER_NAMES } as const;

test('layers are planned in the order of their dependence, whatever the order of the policy', () => {
  const plan = planContainment(instanceFacts(request), { ...every, layers: [...LAYER_NAMES].reverse() });
  expect(plan.steps.map(({ layer }) => layer)).toEqual([
    'identity',
    'internet-edge',
    'load-balancer',
    'security-groups',
    'network-acl',
    'metadata-service',
    'stop',
  ]);
  expect(planHash(plan)).toBe(planHash(planContainment(instanceFacts(request), every)));
});

test('without word from the policy the network of this instance is cut, and the SSM agent stays reachable', () => {
  const plan = planContainment(instanceFacts(request));
  expect(plan.mode).toBe('keep-ssm');
  expect(plan.steps.map(({ layer }) => layer)).toEqual(['internet-edge', 'security-groups']);
  expect(plan.residualPaths.join()).toContain('HTTPS to the VPC’s own endpoints stays open');
  expect(
    planContainment(instanceFacts(request), { ...every, layers: ['security-groups'] }).residualPaths.join(),
  ).not.toContain('endpoints stays open');
});

test('what no security group stops is said: DNS, metadata, NAT and load balancers (AFO A8)', () => {
  const residual = planContainment(instanceFacts(request)).residualPaths.join('\n');
  expect(residual).toMatch(/DNS through the Amazon resolver, the instance metadata service and Time Sync/);
  expect(residual).toMatch(/NAT gateways.*live on until they time out/);
});

test('a layer that this release lacks is never told to be enforced', () => {
  const plan = planContainment(instanceFacts(request), { mode: 'full', layers: ['dns', 'guest-firewall'] });
  expect(plan.steps).toEqual([]);
  expect(plan.notEnforced.map(({ layer }) => layer)).toEqual(['guest-firewall', 'dns']);
  expect(plan.residualPaths.join()).toMatch(/layer dns was asked for and is not enforced/);
});

test('what neighbours feel and what is lost for good needs a consent of its own', () => {
  const facts = instanceFacts(request, { subnetNeighbours: { [eni.subnetId]: ['i-neighbour'] } });
  const plan = planContainment(facts, every);
  const own = plan.steps.filter(({ needsOwnConsent }) => needsOwnConsent !== undefined);
  expect(own.map(({ layer }) => layer)).toEqual(['network-acl', 'stop']);
  expect(own[0]!.needsOwnConsent).toContain('i-neighbour');
  expect(plan.layers.networkAcl).toEqual([{ subnetId: eni.subnetId, vpcId: eni.vpcId }]);
});

test('sessions of a role are revoked for all only when nobody else is known to have it', () => {
  const arn = 'arn:aws:iam::111122223333:instance-profile/app';
  const identityWith = (profile: object) =>
    planContainment(instanceFacts(request, { instanceProfileArn: arn, instanceProfile: { arn, ...profile } }), every);
  const role = { roleName: 'app' };
  const revoke = (profile: object) => identityWith(profile).layers.identity?.revoke;
  expect(revoke({ ...role, otherHolders: [], assumedByOthers: false })).toBe('whole-role');
  expect(revoke({ ...role, otherHolders: ['i-other'], assumedByOthers: false })).toBe('this-instance');
  expect(revoke({ ...role, otherHolders: [], assumedByOthers: true })).toBe('this-instance');
  expect(revoke({ ...role, otherHolders: [] })).toBe('this-instance');
  expect(revoke({})).toBe('this-instance');
  expect(identityWith(role).blastRadius.join()).toContain('could not be read: only sessions of this instance');
  expect(planContainment(instanceFacts(request), every).layers.identity).toBeUndefined();
});

test('the approver reads of the group, Classic Load Balancers and Spot (AFO A8), and standby changes no plan', () => {
  const planIn = (lifecycleState: string) =>
    planContainment(
      instanceFacts(request, {
        lifecycle: 'spot',
        autoScaling: {
          groupName: 'web',
          lifecycleState,
          protectedFromScaleIn: true,
          classicLoadBalancers: ['old-one'],
        },
      }),
    );
  expect(planIn('InService').blastRadius.join('\n')).toMatch(
    /Auto Scaling group web[^]*Classic Load Balancer old-one[^]*Spot Instance/,
  );
  expect(planHash(planIn('Standby'))).toBe(planHash(planIn('InService')));
});

test('many neighbours are counted, not listed', () => {
  const names = Array.from({ length: 200 }, (_, index) => `i-${index}`);
  const plan = planContainment(instanceFacts(request, { subnetNeighbours: { [eni.subnetId]: names } }), every);
  expect(plan.steps.find(({ layer }) => layer === 'network-acl')!.needsOwnConsent).toMatch(/i-9 and 190 more$/);
});

test('the hash is that of canonical JSON: the order of keys does not count, every value does', () => {
  expect(planHash({ b: 1, a: [2] })).toBe(createHash('sha256').update('{"a":[2],"b":1}').digest('hex'));
  expect(planHash({ a: [2], b: 1 })).toBe(planHash({ b: 1, a: [2] }));
  expect(planHash({ a: [2], b: 2 })).not.toBe(planHash({ a: [2], b: 1 }));
  expect(() => planHash(undefined)).toThrow('a plan must be a JSON value');
});
