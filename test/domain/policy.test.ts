import { decide, DEFAULT_POLICY, longestDeadline, type Policy, volumesToAcquire } from '../../domain/policy';
import { severityOfGuardDuty } from '../../domain/finding';
import { completed, type WrittenPolicy } from '../../domain/policy/settings';
import { caseRequest, instanceFacts, volumeId, volumes } from '../workflows/case-fixtures';

const request = caseRequest();
const { finding } = request;
const facts = (tags: Record<string, string> = {}) => instanceFacts(request, { tags });
const at = '2026-11-22T07:02:00.000Z';
/** Nothing else is going on. */
const quiet = { at, casesLastHour: 1, instancesOfAutoScalingGroup: 1 };
const written = (parts: Omit<WrittenPolicy, 'version'>): Policy => completed({ version: 1, ...parts });
/** Isolates without a person, as far as the checkpoint is concerned. */
const automatic = (parts: Omit<WrittenPolicy, 'version'> = {}): Policy =>
  written({ checkpoints: { isolation: { consent: 'not-required' } }, ...parts });

describe('without rules', () => {
  test('by default everything is acquired, and isolation needs consent', () => {
    const decision = decide(DEFAULT_POLICY, facts(), finding, 'by-policy');
    expect(decision).toMatchObject({ acquireMemory: true, acquireDisks: true, isolation: 'after-memory' });
    expect(decision.isolationConsent.consent).toBe('required');
    expect(decision.acquisitionConsent.consent).toBe('not-required');
    expect(decision.releaseConsent.consent).toBe('required');
    expect(decision.containment).toEqual({ mode: 'keep-ssm', layers: ['internet-edge', 'security-groups'] });
    expect(decision).not.toHaveProperty('rule');
  });

  test('the tag and a low severity keep a finding from acquiring, and a person may ask all the same', () => {
    const minor = { ...finding, severity: 'informational' } as const;
    for (const decision of [
      decide(DEFAULT_POLICY, facts({ 'forensics:acquire': 'false' }), finding, 'by-policy'),
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
    expect(decide(never, facts(), finding, 'by-policy').isolation).toBe('never');
    expect(decide(never, facts(), finding, 'acquire-and-isolate').isolation).toBe('after-memory');
  });
});

describe('a rule that fires', () => {
  const policy = written({
    retentionDays: 30,
    roles: { responder: ['arn:*'], nobody: ['none'] },
    rules: [
      {
        name: 'beacons',
        match: { findingType: ['Backdoor:EC2/*'] },
        then: {
          acquire: { volumes: 'root' },
          isolation: 'before-acquisition',
          containment: { layers: ['identity'] },
          examinationProfile: 'network',
          checkpoints: { isolation: { quorum: 2, roles: ['responder'] } },
          deadlines: { copy: 60 },
        },
      },
      { name: 'everything else', match: {}, then: { isolation: 'never' } },
    ],
  });

  test('replaces field by field what the policy says, and is named', () => {
    const decision = decide(policy, facts(), finding, 'by-policy', quiet);
    expect(decision).toMatchObject({
      rule: 'beacons',
      acquireMemory: true,
      isolation: 'before-acquisition',
      containment: { mode: 'keep-ssm', layers: ['identity'] },
      examinationProfile: 'network',
      isolationConsent: { ...DEFAULT_POLICY.checkpoints.isolation, quorum: 2, roles: ['responder'] },
      deadlines: { ...DEFAULT_POLICY.deadlines, copy: 60 },
      retentionDays: 30,
      roles: { responder: ['arn:*'] },
    });
    expect(decision.roles).not.toHaveProperty('nobody');
    expect(decision.reasons[0]).toBe('rule beacons: it matches by findingType');
  });

  test('counts for the longest time that a stage may take', () => {
    expect(longestDeadline(policy, 'copy')).toBe(DEFAULT_POLICY.deadlines.copy);
    const patient = written({ rules: [{ name: 'a', match: {}, then: { deadlines: { memory: 1e6 } } }] });
    expect(longestDeadline(patient, 'memory')).toBe(1e6);
  });

  test('is the first that matches', () => {
    const other = decide(policy, facts(), { ...finding, type: 'Recon:EC2/Portscan' }, 'by-policy', quiet);
    expect(other).toMatchObject({ rule: 'everything else', isolation: 'never' });
  });

  test('that no rule matches is said', () => {
    const [first] = policy.rules;
    const one: Policy = { ...policy, rules: [first!] };
    const { reasons, ...decision } = decide(
      one,
      facts(),
      { ...finding, type: 'Recon:EC2/Portscan' },
      'by-policy',
      quiet,
    );
    expect(decision).not.toHaveProperty('rule');
    expect(reasons[0]).toContain('no rule matches');
  });
});

describe('volumes', () => {
  const three = instanceFacts(request, {
    volumes: volumes(3).map((volume, index) => ({ ...volume, ...(index === 1 && { tags: { evidence: 'yes' } }) })),
  });
  const chosen = (acquire: WrittenPolicy['acquire']): string[] => {
    const decision = decide(written({ acquire: acquire! }), three, finding, 'by-policy');
    return volumesToAcquire(decision, three).map((volume) => volume.volumeId);
  };

  test('are all, the root, those of a tag, or none', () => {
    expect(chosen({ volumes: 'all' })).toEqual([volumeId(1), volumeId(2), volumeId(3)]);
    expect(chosen({ volumes: 'root' })).toEqual([volumeId(1)]);
    expect(chosen({ volumes: { tag: { key: 'evidence', equals: 'yes' } } })).toEqual([volumeId(2)]);
    expect(chosen({ volumes: 'none' })).toEqual([]);
  });

  test('that are left out are named among the reasons', () => {
    const { reasons, leftOutVolumes } = decide(written({ acquire: { volumes: 'root' } }), three, finding, 'by-policy');
    expect(leftOutVolumes).toEqual([volumeId(2), volumeId(3)]);
    expect(reasons.join('\n')).toContain(`${volumeId(2)}, ${volumeId(3)} left out`);
  });

  test('of a policy that acquires nothing are acquired when a person asks', () => {
    const nothing = written({ acquire: { memory: false, volumes: 'none' } });
    expect(decide(nothing, three, finding, 'by-policy')).toMatchObject({ acquireDisks: false, isolation: 'never' });
    expect(decide(nothing, three, finding, 'acquire')).toMatchObject({ acquireMemory: true, acquireDisks: true });
  });

  test('a rule may contain without acquiring, but only when it says so itself', () => {
    const acquire = { memory: false, volumes: 'none' } as const;
    const silent = written({ rules: [{ name: 'a', match: {}, then: { acquire } }] });
    const explicit = written({ rules: [{ name: 'a', match: {}, then: { acquire, isolation: 'after-all' } }] });
    expect(decide(silent, three, finding, 'by-policy').isolation).toBe('never');
    expect(decide(explicit, three, finding, 'by-policy').isolation).toBe('after-all');
  });
});

/** Whether a person is asked, with the reasons why. */
function asked(
  policy: Policy,
  tags: Record<string, string>,
  changes: Partial<typeof finding> = {},
  context = {},
): string {
  const decision = decide(policy, facts(tags), { ...finding, ...changes }, 'by-policy', { ...quiet, ...context });
  return decision.isolationConsent.consent === 'required' ? decision.reasons.join('\n') : 'nobody';
}

describe('a protected instance is never isolated without a person', () => {
  test('by the tag, with any value but false', () => {
    expect(asked(automatic(), {})).toBe('nobody');
    expect(asked(automatic(), { 'forensics:protected': 'false' })).toBe('nobody');
    expect(asked(automatic(), { 'forensics:protected': 'payment' })).toContain('tag forensics:protected');
  });

  test('by an id of its own, its VPC, subnet or image', () => {
    const { networkInterfaces, imageId, target } = facts();
    const ids = [target.instanceId, imageId, networkInterfaces[0]!.vpcId, networkInterfaces[0]!.subnetId];
    for (const id of ids) expect(asked(automatic({ protectedResources: { ids: [id] } }), {})).toContain(id);
    expect(asked(automatic({ protectedResources: { ids: ['vpc-99999999'] } }), {})).toBe('nobody');
  });

  test('by a tag condition', () => {
    const policy = automatic({ protectedResources: { tags: [{ key: 'service', anyOf: ['directory', 'dns'] }] } });
    expect(asked(policy, { service: 'dns' })).toContain('service=directory|dns');
    expect(asked(policy, { service: 'shop' })).toBe('nobody');
  });
});

describe('a standing preference', () => {
  test.each([
    ['approval_required', 'critical', true],
    ['contain_confirmed', 'critical', false],
    ['contain_confirmed', 'high', true],
    ['contain_suspected', 'high', false],
    ['contain_suspected', 'medium', true],
  ] as const)('%s with severity %s: asked %s', (organisation, severity, isAsked) => {
    const policy = automatic({ preferences: { organisation } });
    expect(asked(policy, {}, { severity }) !== 'nobody').toBe(isAsked);
  });

  test('of the account stands above the organisation’s, one of a tag above both; the strictest tag counts', () => {
    const accounts = { [request.target.accountId]: 'contain_suspected' } as const;
    const tags = [
      { tag: { key: 'team', exists: true }, preference: 'contain_suspected' },
      { tag: { key: 'tier', equals: '1' }, preference: 'approval_required' },
    ] as const;
    const policy = automatic({ preferences: { organisation: 'approval_required', accounts, tags: [...tags] } });
    expect(asked(policy, {})).toBe('nobody');
    expect(asked(policy, { tier: '1' })).toContain('approval_required of tag tier=1');
    expect(asked(policy, { tier: '1', team: 'a' })).toContain('approval_required of tag tier=1');
    const strict = { ...policy, preferences: { ...policy.preferences, accounts: {} } };
    expect(asked(strict, { team: 'a' })).toBe('nobody');
    expect(asked(strict, {})).toContain('approval_required of the organisation');
  });

  test('is not met by what one person types', () => {
    const policy = automatic({ preferences: { organisation: 'contain_suspected' } });
    expect(asked(policy, {}, { source: 'manual', severity: 'critical' })).toContain(
      'a request by hand confirms nothing',
    );
  });

  test('takes no consent away that a checkpoint asks for', () => {
    const policy = written({ preferences: { organisation: 'contain_suspected' } });
    expect(asked(policy, {}, { severity: 'critical' })).toContain('the policy asks for consent');
  });
});

describe('a cap', () => {
  const policy = automatic({ caps: { casesPerHour: 3, instancesOfAutoScalingGroup: 1 } });
  const grouped = { 'aws:autoscaling:groupName': 'web' };

  test('has a person asked beyond it', () => {
    expect(asked(policy, {}, {}, { casesLastHour: 3 })).toBe('nobody');
    expect(asked(policy, {}, {}, { casesLastHour: 4 })).toContain('it would be 4 case(s) of the last hour');
    expect(asked(policy, grouped, {}, { instancesOfAutoScalingGroup: 1 })).toBe('nobody');
    expect(asked(policy, grouped, {}, { instancesOfAutoScalingGroup: 2 })).toContain('Auto Scaling group web');
    expect(asked(policy, {}, {}, { instancesOfAutoScalingGroup: 2 })).toBe('nobody');
  });

  test('has a person asked when it could not be counted', () => {
    const decision = decide(policy, facts(grouped), finding, 'by-policy', { at });
    expect(decision.isolationConsent.consent).toBe('required');
    expect(decision.reasons.join('\n')).toMatch(/case\(s\) of the last hour could not be counted[^]*group web/);
  });
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
