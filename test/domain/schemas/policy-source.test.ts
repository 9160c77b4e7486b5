import { readFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { DEFAULT_POLICY } from '../../../domain/policy';
import { nearestWord } from '../../../domain/schemas/nearest-word';
import { policyOfConfiguration, readPolicy } from '../../../domain/schemas/policy-source';
import { problemText, YamlSource } from '../../../domain/schemas/yaml-source';

const problemsOf = (content: string): string[] => readPolicy(content, 'policy.yaml').problems.map(problemText);
const warningsOf = (content: string): string[] => readPolicy(content, 'policy.yaml').warnings.map(problemText);

describe('a policy file', () => {
  test('of a version alone is the default policy, and the default policy written out is itself', () => {
    expect(readPolicy('version: 1', 'policy.yaml')).toEqual({ policy: DEFAULT_POLICY, problems: [], warnings: [] });
    expect(readPolicy(stringify(DEFAULT_POLICY), 'policy.yaml').policy).toEqual(DEFAULT_POLICY);
  });

  test('leaves as they are by default the fields of a group that it does not give', () => {
    const { policy } = readPolicy(
      'version: 1\ncheckpoints: { isolation: { quorum: 2 } }\ncaps: { casesPerHour: 1 }',
      'p',
    );
    expect(policy?.checkpoints.isolation).toEqual({ ...DEFAULT_POLICY.checkpoints.isolation, quorum: 2 });
    expect(policy?.caps).toEqual({ ...DEFAULT_POLICY.caps, casesPerHour: 1 });
  });

  test('that stands as an example in the project is sound', () => {
    const file = path.resolve(__dirname, '../../../policy.example.yaml');
    expect(readPolicy(readFileSync(file, 'utf8'), file)).toMatchObject({ problems: [], warnings: [] });
  });

  test.each([
    ['isolation: never', ['policy.yaml:1:1 version: must be 1, the only version there is']],
    ['', ['policy.yaml:1:1 the file: is null: must be a map of fields']],
    ['version: 2', ['policy.yaml:1:10 version: must be 1, the only version there is']],
    [
      'version: 1\nisolation: after-memroy',
      [
        'policy.yaml:2:12 isolation: is "after-memroy": must be one of before-acquisition, after-memory, after-all, never. Did you mean after-memory?',
      ],
    ],
    ['version: 1\nretentionDays: "90"', ['policy.yaml:2:16 retentionDays: is "90": must be a number']],
    ['version: 1\ndeadlines:\n  copy: 0', ['policy.yaml:3:9 deadlines.copy: must be a number of seconds above 0']],
    [
      'version: 1\ncaps:\n  casesPerHuor: 1',
      [
        'policy.yaml:3:3 caps.casesPerHuor: is not a field here. Remove it, or use one of casesPerHour, instancesOfAutoScalingGroup. Did you mean casesPerHour?',
      ],
    ],
    [
      'version: 1\nrules:\n  - name: a\n    match:\n      account: [111122223333]\n    then: {}',
      ['policy.yaml:5:17 rules.0.match.account.0: must be text: quote it, a leading zero counts'],
    ],
    [
      'version: 1\nrules:\n  - name: a\n    match: {}',
      ['policy.yaml:3:5 rules.0.then: is missing: give a map of fields'],
    ],
    [
      'version: 1\nprotectedResources:\n  tags:\n    - { key: a, equals: b, exists: true }',
      ['policy.yaml:4:7 protectedResources.tags.0: needs exactly one of equals, anyOf, exists'],
    ],
    [
      'version: 1\nbusinessHours: { timeZone: Mars, weekdays: [mon], from: "08:00", to: "25:00" }',
      [
        'policy.yaml:2:28 businessHours.timeZone: must be a time zone by its IANA name, e.g. Europe/Berlin or UTC',
        'policy.yaml:2:70 businessHours.to: must be a time of day such as "08:00"',
      ],
    ],
    ['version: 1\nversion: 1', ['policy.yaml:2:1 the file: Map keys must be unique']],
  ])('%j is refused, with line, column, field and remedy', (content, problems) => {
    expect(problemsOf(content)).toEqual(problems);
  });

  test('tells all of its problems in the order of its lines', () => {
    const lines = problemsOf('retentionDays: x\nversion: 1\nrules: x\nisolation: x').map((text) => text.split(':')[1]);
    expect(lines).toEqual(['1', '3', '4']);
  });

  test('that multiplies itself by aliases is refused', () => {
    const levels = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${`*l${n},`.repeat(9)}]`);
    expect(problemsOf(['l0: &l0 [x]', ...levels].join('\n'))[0]).toMatch(/alias/i);
  });
});

describe('what the fields of a policy say against each other', () => {
  const rule = (match: string, then = '{}', name = 'a'): string =>
    `  - { name: ${name}, match: ${match}, then: ${then} }`;
  const rules = (...all: string[]): string => `version: 1\nrules:\n${all.join('\n')}`;

  test.each([
    [
      'version: 1\ncheckpoints:\n  isolation:\n    roles: [responder]',
      'policy.yaml:4:13 checkpoints.isolation.roles.0: role responder is not defined',
    ],
    [
      rules(rule('{}', '{ checkpoints: { release: { breakGlassRoles: [x] } } }')),
      'breakGlassRoles.0: role x is not defined',
    ],
    [rules(rule('{ criticality: high }')), 'rules.0.match.criticality: no instance has a business criticality'],
    [rules(rule('{ time: business-hours }')), 'rules.0.match.time: the policy has no businessHours'],
    [rules(rule('{ severity: high }'), rule('{}')), 'policy.yaml:4:13 rules.1.name: a is the name of an earlier rule'],
    [
      'version: 1\nisolation: before-acquisition\ncontainment: { mode: full }',
      'policy.yaml:3:1 containment: full containment before the acquisition cuts the agent off',
    ],
    [
      'version: 1\ncontainment: { mode: full }\n' + `rules:\n${rule('{}', '{ isolation: before-acquisition }')}`,
      'rules.0.then.isolation: full containment before the acquisition',
    ],
    [
      'version: 1\nisolation: before-acquisition\ncontainment: { layers: [stop] }',
      'stopping the instance before the acquisition loses its memory',
    ],
  ])('%j is refused', (content, problem) => {
    expect(problemsOf(content).join('\n')).toContain(problem);
  });

  test('full containment at once is sound where no memory is wanted', () => {
    const content =
      'version: 1\nisolation: before-acquisition\ncontainment: { mode: full, layers: [stop] }\nacquire: { memory: false }';
    expect(problemsOf(content)).toEqual([]);
  });

  test.each([
    [
      'version: 1\nroles: { responder: [a] }\ncheckpoints: { isolation: { roles: [responder] } }',
      'policy.yaml:3:16 checkpoints.isolation: roles go by the name that a decision gives',
    ],
    ['version: 1\ncheckpoints: { isolation: { expiresAfterSeconds: 60 } }', 'it expires before it is escalated'],
    [rules(rule('{}'), rule('{ severity: high }', '{}', 'b')), 'policy.yaml:4:5 rules.1: b never fires'],
    ['version: 1\npreferences: { organisation: contain_confirmed }', 'every isolation checkpoint asks for consent'],
  ])('%j is warned of', (content, warning) => {
    expect(problemsOf(content)).toEqual([]);
    expect(warningsOf(content).join('\n')).toContain(warning);
  });
});

describe('the policy of a configuration', () => {
  const nowhere = (file: string): string => `${file} cannot be read`;
  const read = (content: string, open: Parameters<typeof policyOfConfiguration>[1] = nowhere) =>
    policyOfConfiguration(new YamlSource(content, 'forensics.yaml'), open);

  test('is the default, or stands in it, or in a file of its own', () => {
    expect(read('region: us-east-1').policy).toEqual(DEFAULT_POLICY);
    expect(read('policy: { version: 1, retentionDays: 7 }').policy?.retentionDays).toBe(7);
    const named = read('policyFile: p.yaml', (file) => new YamlSource('version: 1\nretentionDays: 8', file));
    expect(named.policy?.retentionDays).toBe(8);
  });

  test('names the file that a problem is in', () => {
    expect(read('region: us-east-1\npolicy:\n  version: 1\n  isolation: x').problems.map(problemText)[0]).toContain(
      'forensics.yaml:4:14 policy.isolation: is "x"',
    );
    const named = read('policyFile: p.yaml', (file) => new YamlSource('version: 3', file));
    expect(named.problems.map(problemText)[0]).toContain('p.yaml:1:10 version');
    expect(read('policyFile: p.yaml').problems.map(problemText)).toEqual([
      'forensics.yaml:1:13 policyFile: p.yaml cannot be read',
    ]);
    expect(read('policyFile: 7').problems.map(problemText)[0]).toContain('policyFile: is 7: must be text');
    expect(read('policyFile: p.yaml\npolicy: { version: 1 }').problems[0]?.message).toContain('keep one of the two');
  });
});

test.each([
  ['hihg', 'high'],
  ['aquire', 'acquire'],
  ['xyz', undefined],
])('%s was probably %s', (written, meant) => {
  expect(nearestWord(written, ['low', 'high', 'acquire'])).toBe(meant);
});
