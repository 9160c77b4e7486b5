import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { caseTableDefinition } from '../../activities/case-table';
import { decideByPolicy } from '../../activities/policy-decision';
import { autoScalingGroupOf } from '../../domain/policy/reasons-to-ask';
import type { PolicyDecision } from '../../domain/policy';
import { completed } from '../../domain/policy/settings';
import { caseRequest as requestFor, instanceFacts } from '../workflows/case-fixtures';
import { type ActivityLab, runActivity, startActivityLab } from './support';

const HOUR = 3_600_000;
const NOW = Date.parse('2026-11-22T12:00:00Z');
let lab: ActivityLab;
let regions = 0;

beforeAll(async () => {
  lab = await startActivityLab();
  await lab.aws.forensics.dynamodb.send(new CreateTableCommand(caseTableDefinition(lab.config.caseTable)));
});
afterAll(() => lab.stop());
beforeEach(async () => {
  regions += 1;
  await lab.aws.lab.clearFaults();
  lab.config.policy = completed({
    version: 1,
    checkpoints: { isolation: { consent: 'not-required' } },
    caps: { casesPerHour: 3, instancesOfAutoScalingGroup: 1 },
  });
});

interface Situation {
  caseId: string;
  group?: string;
  accountId?: string;
  scheduledTimestampMs?: number;
  dryRun?: true;
}

/** Each test has a Region of its own, so that none counts another's cases. */
function decided({ caseId, group, accountId, scheduledTimestampMs = NOW, dryRun }: Situation): Promise<PolicyDecision> {
  const unique = requestFor();
  const target = {
    ...unique.target,
    region: `xx-test-${regions}`,
    ...(accountId !== undefined && { accountId }),
  };
  const request = { ...unique, target, ...(dryRun && { dryRun }) };
  const facts = instanceFacts(request, { tags: group === undefined ? {} : { 'aws:autoscaling:groupName': group } });
  return runActivity(
    (input: Parameters<typeof decideByPolicy>[1]) => decideByPolicy(lab, input),
    { caseId, request, facts },
    { scheduledTimestampMs },
  );
}
const consentOf = async (situation: Situation): Promise<string> => (await decided(situation)).isolationConsent.consent;

describe('isolation without a person', () => {
  it('goes on up to the cap of an hour, and a person is asked from there on', async () => {
    const consents: string[] = [];
    for (const caseId of ['1', '2', '3', '4']) consents.push(await consentOf({ caseId }));
    expect(consents).toEqual(['not-required', 'not-required', 'not-required', 'required']);
    expect((await decided({ caseId: '5' })).reasons.join('\n')).toContain('it would be 5 case(s) of the last hour');
    expect(await consentOf({ caseId: 'later', scheduledTimestampMs: NOW + HOUR + 1 })).toBe('not-required');
  });

  it('is not granted more often than the cap to findings that come all at once', async () => {
    const consents = await Promise.all(Array.from({ length: 8 }, (_, n) => consentOf({ caseId: String(n) })));
    expect(consents.filter((consent) => consent === 'not-required').length).toBeLessThanOrEqual(3);
  });

  it('counts another attempt of the same step once', async () => {
    for (let attempt = 1; attempt <= 5; attempt++) expect(await consentOf({ caseId: 'one' })).toBe('not-required');
  });

  it('counts the instances of an Auto Scaling group, of one account, within a day', async () => {
    expect(await consentOf({ caseId: '1', group: 'web' })).toBe('not-required');
    expect(await consentOf({ caseId: '2', group: 'shop' })).toBe('not-required');
    const again = { caseId: '3', group: 'web', scheduledTimestampMs: NOW + 2 * HOUR };
    expect((await decided(again)).reasons.join('\n')).toContain('2 instance(s) of Auto Scaling group web');
    expect(await consentOf({ ...again, caseId: '4', accountId: '999999999999' })).toBe('not-required');
    expect(await consentOf({ ...again, caseId: '5', scheduledTimestampMs: NOW + 27 * HOUR })).toBe('not-required');
  });

  it('asks a person when nothing can be counted, and says why', async () => {
    await lab.aws.lab.addFaults({ service: 'dynamodb', action: 'Query', code: 'AccessDeniedException' });
    const decision = await decided({ caseId: '1' });
    expect(decision.isolationConsent.consent).toBe('required');
    expect(decision.reasons.join('\n')).toMatch(/could not be counted[^]*counting the isolations without a person/);
  });

  it('does not count dry runs, and says so', async () => {
    for (const caseId of ['1', '2', '3', '4'])
      expect((await decided({ caseId, dryRun: true })).reasons.join('\n')).toContain('a dry run is not counted');
    expect(await consentOf({ caseId: '5' })).toBe('not-required');
  });

  it('counts nothing where a person is asked anyway', async () => {
    lab.config.policy = completed({ version: 1 });
    await lab.aws.lab.clearCalls();
    expect(await consentOf({ caseId: '1' })).toBe('required');
    const calls = await lab.aws.lab.calls();
    expect(calls.filter(({ service }) => service === 'dynamodb')).toEqual([]);
  });
});

it('knows an Auto Scaling group by the tag that only AWS can set', () => {
  expect(autoScalingGroupOf(instanceFacts(requestFor(), { tags: { 'aws:autoscaling:groupName': 'web' } }))).toBe('web');
  expect(autoScalingGroupOf(instanceFacts(requestFor()))).toBeUndefined();
});
