import { caseRequestFrom, MalformedEventError } from '../../starters/intake';
import { guardDutyEvent } from '../../lab/seed/guardduty-finding';
import { caseRequestProblems } from '../../domain/case-request-problems';
import { caseWorkflowId } from '../../workflows/contract/workflow-ids';

const NOW = '2026-11-22T08:00:00.000Z';
const INSTANCE = 'i-0123456789abcdef0';

/** A finding as GuardDuty publishes it, with fields of its detail replaced. */
function finding(detail: Record<string, unknown> = {}): Record<string, unknown> {
  const event = structuredClone(guardDutyEvent(INSTANCE, 'f'.repeat(32))) as Record<string, unknown>;
  event.detail = { ...(event.detail as object), ...detail };
  return event;
}

function problemsOf(event: unknown): string[] {
  try {
    caseRequestFrom(event, NOW);
  } catch (error) {
    if (error instanceof MalformedEventError) return error.problems;
    throw error;
  }
  return [];
}

describe('a GuardDuty finding in its EventBridge envelope', () => {
  test('becomes one case request about its instance', () => {
    expect(caseRequestFrom(finding(), NOW)).toEqual({
      target: { accountId: '111122223333', region: 'us-east-1', instanceId: INSTANCE },
      finding: {
        id: 'f'.repeat(32),
        source: 'guardduty',
        type: 'Backdoor:EC2/C&CActivity.B',
        severity: 'high',
        title: expect.stringContaining(INSTANCE) as string,
        description: expect.stringContaining('203.0.113.66') as string,
        createdAt: expect.stringMatching(/^\d{4}-/) as string,
      },
      requestedAction: 'by-policy',
      openedBy: 'guardduty',
      receivedAt: NOW,
    });
  });

  test('names the member account of the detail, not the delegated administrator of the envelope', () => {
    const request = caseRequestFrom({ ...finding({ accountId: '012345678901' }), account: '999999999999' }, NOW);
    expect(request.target.accountId).toBe('012345678901');
  });

  test.each([
    [0.5, 'informational'],
    [1, 'low'],
    [4, 'medium'],
    [7, 'high'],
    [8.9, 'high'],
    [9, 'critical'],
  ])('of severity %d is %s', (severity, expected) => {
    expect(caseRequestFrom(finding({ severity }), NOW).finding.severity).toBe(expected);
  });

  test('with a long text is cut, so that a history stays small', () => {
    const request = caseRequestFrom(finding({ title: 'x'.repeat(4000), description: 'y'.repeat(16_000) }), NOW);
    expect(request.finding.title).toHaveLength(300);
    expect(request.finding.description).toHaveLength(2000);
  });
});

describe('a malformed event is refused with the field and the remedy', () => {
  test.each<[string, unknown, RegExp]>([
    ['not an object', 'finding', /JSON object/],
    ['an array', [finding()], /JSON object/],
    ['null', null, /JSON object/],
    ['another source', { source: 'aws.s3' }, /source is "aws.s3": expected "aws.guardduty"/],
    [
      'an instance id that carries a command',
      finding({ resource: { resourceType: 'Instance', instanceDetails: { instanceId: 'i-1; rm -rf /' } } }),
      /detail.resource.instanceDetails.instanceId: must be i-/,
    ],
    ['an account of 11 digits', finding({ accountId: '11112222333' }), /detail.accountId: must be 12 digits/],
    ['a Region that is none', finding({ region: 'moon' }), /detail.region: must be an AWS Region/],
    [
      'a finding about an access key',
      finding({ resource: { resourceType: 'AccessKey' } }),
      /only findings about an EC2 instance/,
    ],
    ['a severity that is text', finding({ severity: 'high' }), /detail.severity/],
    ['no detail', { source: 'aws.guardduty', 'detail-type': 'GuardDuty Finding' }, /detail/],
  ])('%s', (_name, event, message) => {
    expect(problemsOf(event).join('\n')).toMatch(message);
  });

  test('every wrong field is named at once', () => {
    expect(problemsOf(finding({ accountId: 'x', region: 'y', severity: 11 }))).toHaveLength(3);
  });
});

describe('a manual request', () => {
  const request = {
    kind: 'manual',
    accountId: '111122223333',
    region: 'eu-central-1',
    instanceId: INSTANCE,
    reason: 'seen beaconing',
    openedBy: 'ann',
  };

  test('asks for acquisition and isolation unless it says otherwise', () => {
    expect(caseRequestFrom(request, NOW)).toMatchObject({
      requestedAction: 'acquire-and-isolate',
      openedBy: 'ann',
      finding: { source: 'manual', severity: 'high' },
    });
    expect(caseRequestFrom({ ...request, action: 'acquire' }, NOW).requestedAction).toBe('acquire');
  });

  test('is a dry run only when it says so, and then has a workflow of its own', () => {
    expect(caseRequestFrom(request, NOW)).not.toHaveProperty('dryRun');
    const dry = caseRequestFrom({ ...request, dryRun: true }, NOW);
    expect(dry.dryRun).toBe(true);
    expect(caseWorkflowId(dry.target, dry.dryRun)).not.toBe(caseWorkflowId(dry.target));
    // Somebody meant it.
    expect(problemsOf({ ...request, dryRun: 'yes' }).join()).toMatch(/dryRun/);
    expect(caseRequestProblems({ ...dry, dryRun: 'yes' })).toEqual(['dryRun must be true or left out']);
  });

  test('with an unknown field is refused, since a misspelt option must not be ignored', () => {
    expect(problemsOf({ ...request, acton: 'acquire' }).join()).toMatch(/acton/);
  });

  test('without a reason is refused', () => {
    expect(problemsOf({ ...request, reason: '' }).join()).toMatch(/reason/);
  });
});
