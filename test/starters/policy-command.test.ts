import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { addPolicyCommands } from '../../starters/cli/commands/policy';
import { UsageError } from '../../starters/cli/output';
import type { PolicyDecision } from '../../domain/policy';
import type { RuleVerdict } from '../../domain/policy/rules';

const POLICY = `
version: 1
checkpoints: { isolation: { consent: not-required } }
businessHours: { timeZone: UTC, weekdays: [mon, tue, wed, thu, fri], from: '08:00', to: '18:00' }
rules:
  - name: production
    match: { tags: [{ key: environment, equals: production }] }
    then: { checkpoints: { isolation: { consent: required, quorum: 2 } } }
  - name: night
    match: { severity: high, time: outside-business-hours }
    then: { isolation: before-acquisition }
  - name: rest
    match: {}
    then: { isolation: after-all }
`;
const FINDING = {
  source: 'aws.guardduty',
  'detail-type': 'GuardDuty Finding',
  detail: {
    accountId: '111122223333',
    region: 'us-east-1',
    id: 'finding-1',
    type: 'Backdoor:EC2/C&CActivity.B!DNS',
    severity: 8,
    createdAt: '2026-11-22T07:00:00Z',
    resource: { resourceType: 'Instance', instanceDetails: { instanceId: 'i-0123456789abcdef0' } },
  },
};

let folder: string;
const file = (name: string): string => path.join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'policy-command-'));
  writeFileSync(file('policy.yaml'), POLICY);
  writeFileSync(file('broken.yaml'), 'version: 1\nisolation: sometimes\n');
  writeFileSync(file('finding.json'), JSON.stringify(FINDING));
  writeFileSync(file('forensics.yaml'), 'forensicsAccountId: "444455556666"\npolicyFile: policy.yaml\n');
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

let exitCode: typeof process.exitCode;
beforeEach(() => {
  exitCode = process.exitCode;
});
afterEach(() => {
  process.exitCode = exitCode;
  delete process.env.FORENSICS_CONFIG;
  jest.restoreAllMocks();
});

/** What the command prints. */
async function forensics(...args: string[]): Promise<string> {
  const printed: string[] = [];
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  const program = new Command('forensics').option('--json').exitOverride();
  addPolicyCommands(program);
  await program.parseAsync(args, { from: 'user' });
  jest.restoreAllMocks();
  return printed.join('');
}

type Explained = { rules: RuleVerdict[]; decision: PolicyDecision; target: { accountId: string } };
const explained = async (...args: string[]): Promise<Explained> =>
  JSON.parse(
    await forensics('--json', 'policy', 'explain', file('finding.json'), '--policy', file('policy.yaml'), ...args),
  ) as Explained;

describe('policy check', () => {
  test('a sound policy ends with 0, also by the configuration that names it', async () => {
    expect(JSON.parse(await forensics('--json', 'policy', 'check', file('policy.yaml')))).toEqual({
      file: file('policy.yaml'),
      valid: true,
      problems: [],
      warnings: [],
      rules: ['production', 'night', 'rest'],
    });
    process.env.FORENSICS_CONFIG = file('forensics.yaml');
    expect(JSON.parse(await forensics('--json', 'policy', 'check'))).toMatchObject({
      valid: true,
      rules: { length: 3 },
    });
    expect(process.exitCode).toBe(exitCode);
  });

  test('a broken one ends with 1 and says where', async () => {
    const printed = await forensics('policy', 'check', file('broken.yaml'));
    expect(printed).toContain(`${file('broken.yaml')}:2:12 isolation: is "sometimes"`);
    expect(process.exitCode).toBe(1);
  });

  test('without a file it asks for one', async () => {
    await expect(forensics('policy', 'check')).rejects.toThrow(UsageError);
    await expect(forensics('policy', 'check', file('nothing.yaml'))).rejects.toThrow(/cannot be read/);
  });
});

describe('policy explain', () => {
  test('tells which rule fires and why the others do not', async () => {
    const { rules, decision } = await explained('--at', '2026-11-24T09:00:00Z');
    expect(rules.map(({ rule, verdict, condition }) => [rule, verdict, condition])).toEqual([
      ['production', 'does-not-match', 'tags'],
      ['night', 'does-not-match', 'time'],
      ['rest', 'fires', undefined],
    ]);
    expect(decision).toMatchObject({
      rule: 'rest',
      isolation: 'after-all',
      isolationConsent: { consent: 'not-required' },
    });
  });

  test('goes by the tags, the account and the time that it is given', async () => {
    expect((await explained('--at', '2026-11-24T03:00:00Z')).decision.rule).toBe('night');
    const production = await explained('--tags', 'team=a,environment=production', '--account', '999999999999');
    expect(production).toMatchObject({ target: { accountId: '999999999999' }, decision: { rule: 'production' } });
    expect(production.decision.isolationConsent).toMatchObject({ consent: 'required', quorum: 2 });
  });

  test('has a person asked beyond the caps', async () => {
    expect((await explained('--cases-last-hour', '11')).decision.isolationConsent.consent).toBe('required');
  });

  test('reads for a person', async () => {
    const args = [file('finding.json'), '--policy', file('policy.yaml'), '--at', '2026-11-24T03:00:00Z'];
    const printed = await forensics('policy', 'explain', ...args);
    expect(printed).toMatch(/production +does not match +tag environment is not there/);
    expect(printed).toMatch(/night +FIRES/);
    expect(printed).toMatch(/rest +not reached +it matches, but night comes first/);
    expect(printed).toContain('- severity high and no tag against it: memory and every disk are acquired');
  });

  test.each([
    [['--tags', 'nothing'], /--tags takes key=value/],
    [['--at', 'soon'], /--at must be a time/],
    [['--account', '1'], /--account must be 12 digits/],
    [['--cases-last-hour', 'x'], /not a count/],
    [['--policy', 'nowhere.yaml'], /cannot be read/],
  ])('%j is a wrong call', async (args, message) => {
    await expect(explained(...args)).rejects.toThrow(message);
  });
});
