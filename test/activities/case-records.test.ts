import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { CreateTopicCommand, SubscribeCommand } from '@aws-sdk/client-sns';
import { QueryCommand } from '@aws-sdk/lib-dynamodb';
import { createCaseRecordActivities } from '../../activities/case-records';
import { CASES_BY_ACCOUNT, caseTableDefinition } from '../../activities/case-table';
import { notificationOf } from '../../activities/notification';
import { CustodyLog } from '../../activities/custody-log';
import { appendEntry, emptyChain, verifyChain } from '../../domain/custody/chain';
import type { CustodyDraft, CustodyEntry } from '../../domain/custody/entry';
import type { CaseRecord } from '../../domain/outcome';
import { LAB_ACCOUNTS } from '../../lab/config';
import { type ActivityLab, CASE_ID, failureOf, runActivity, startActivityLab } from './support';

let lab: ActivityLab;
let cases = 0;

beforeAll(async () => {
  lab = await startActivityLab();
  await lab.aws.forensics.dynamodb.send(new CreateTableCommand(caseTableDefinition(lab.config.caseTable)));
  const topic = await lab.aws.forensics.sns.send(new CreateTopicCommand({ Name: 'forensics' }));
  lab.config.topicArn = topic.TopicArn!;
});
afterAll(() => lab.stop());
beforeEach(async () => {
  await lab.aws.lab.clearFaults();
  await lab.aws.lab.clearCalls();
});

function newRecord(): CaseRecord {
  cases += 1;
  return {
    caseId: `${CASE_ID}-${cases}`,
    workflowId: 'forensic-case/111122223333/us-east-1/i-0123456789abcdef0',
    runId: 'run-1',
    target: { accountId: LAB_ACCOUNTS.member, region: 'us-east-1', instanceId: 'i-0123456789abcdef0' },
    severity: 'high',
    findingType: 'Backdoor:EC2/C&CActivity.B!DNS',
    openedBy: 'guardduty',
    openedAt: `2026-11-22T07:30:0${cases % 10}.000Z`,
    status: 'open',
    phase: 'triage',
    updatedAt: '2026-11-22T07:30:00.000Z',
  };
}

const draft = (entryId: string, more: Partial<CustodyDraft> = {}): CustodyDraft => ({
  entryId,
  kind: 'phase-started',
  at: '2026-11-22T07:30:00.000Z',
  message: 'triage began',
  actor: { name: 'ec2-forensics', knownBy: 'service' },
  notify: false,
  ...more,
});
const entry = (caseId: string, sequence: number, more: Partial<CustodyDraft>): CustodyEntry =>
  appendEntry({ ...emptyChain(caseId), sequence: sequence - 1 }, draft(`event-${sequence}`, more));

/** What another worker would write with: it knows nothing of what this one has written. */
const anotherLog = (): CustodyLog => new CustodyLog(lab);

const record = (head: CaseRecord, lastEvent: number, events: CustodyDraft[], attempt = 1, custodyLog = anotherLog()) =>
  runActivity(
    (input: { record: CaseRecord; lastEvent: number; events: CustodyDraft[] }) =>
      createCaseRecordActivities({ ...lab, custodyLog }).recordEvents(input),
    { record: head, lastEvent, events },
    { attempt },
  );

async function itemsOf(caseId: string) {
  const { Items } = await lab.clients.forensics().dynamo.send(
    new QueryCommand({
      TableName: lab.config.caseTable,
      KeyConditionExpression: 'PK = :case',
      ExpressionAttributeValues: { ':case': `CASE#${caseId}` },
    }),
  );
  return Items ?? [];
}
const headOfCase = async (caseId: string) => (await itemsOf(caseId)).find(({ SK }) => SK === 'CASE');

const eventItem = async (caseId: string) => (await itemsOf(caseId)).find(({ SK }) => String(SK).startsWith('EVENT#'));

const published = async () => (await lab.aws.lab.calls()).filter(({ action }) => action === 'Publish');

describe('recordEvents', () => {
  it('writes events and head, found by case and by account', async () => {
    const head = newRecord();
    await record(head, 1, [draft('event-1', { data: { volumes: 3 }, severity: 'high' })]);
    await record({ ...head, phase: 'protection' }, 2, [draft('event-2')]);
    expect(await headOfCase(head.caseId)).toMatchObject({ entity: 'case', phase: 'protection', lastEvent: 2 });
    const log = await anotherLog().read(head.caseId);
    expect(log[0]).toMatchObject({ sequence: 1, data: { volumes: 3 }, caseId: head.caseId });
    expect(verifyChain(log, head.caseId)).toMatchObject({ holds: true, head: { sequence: 2 } });
    const { Items } = await lab.clients.forensics().dynamo.send(
      new QueryCommand({
        TableName: lab.config.caseTable,
        IndexName: CASES_BY_ACCOUNT,
        KeyConditionExpression: 'GSI1PK = :account AND begins_with(GSI1SK, :instance)',
        ExpressionAttributeValues: {
          ':account': `ACCOUNT#${LAB_ACCOUNTS.member}`,
          ':instance': 'us-east-1#i-0123456789abcdef0#',
        },
      }),
    );
    expect(Items!.map(({ caseId }) => caseId as string)).toContain(head.caseId);
    expect(await published()).toEqual([]);
  });

  it('event written twice: once in the log (AFO B8)', async () => {
    const head = newRecord();
    await record(head, 1, [draft('event-1')]);
    await record(head, 2, [draft('event-1'), draft('event-2')], 2);
    const log = await anotherLog().read(head.caseId);
    expect(log.map(({ entryId }) => entryId)).toEqual(['event-1', 'event-2']);
  });

  it('loses the answer of the write: the next attempt finds it written', async () => {
    const head = newRecord();
    await lab.aws.lab.setFaults([
      { action: 'TransactWriteItems', code: 'InternalServerError', status: 500, when: 'after', times: 3 },
    ]);
    await record(head, 1, [draft('event-1')]).catch(() => undefined);
    await lab.aws.lab.clearFaults();
    await record(head, 1, [draft('event-1')], 2);
    expect(await anotherLog().read(head.caseId)).toHaveLength(1);
  });

  it('writes late events without turning the head back', async () => {
    const head = newRecord();
    await record({ ...head, phase: 'containment' }, 5, [draft('event-5')]);
    await record({ ...head, phase: 'acquisition' }, 4, [draft('event-4')]);
    expect(await anotherLog().read(head.caseId)).toHaveLength(2);
    expect(await headOfCase(head.caseId)).toMatchObject({ phase: 'containment', lastEvent: 5 });
  });

  it('is throttled: retryable', async () => {
    await lab.aws.lab.setFaults([
      { action: 'TransactWriteItems', code: 'ProvisionedThroughputExceededException', times: 9 },
    ]);
    expect(await failureOf(record(newRecord(), 1, [draft('event-1')]))).toMatchObject({
      type: 'Throttled',
      nonRetryable: false,
    });
  });

  it('tells people what to do, and goes on when a subscriber is broken (AFO D2)', async () => {
    // The emulator delivers while it answers Publish, and fails when nobody listens; AWS delivers later, on its own.
    const broken = createServer((_, response) => response.writeHead(500).end());
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const { port } = broken.address() as AddressInfo;
    await lab.aws.forensics.sns.send(
      new SubscribeCommand({
        TopicArn: lab.config.topicArn,
        Protocol: 'http',
        Endpoint: `http://127.0.0.1:${port}/`,
      }),
    );
    const head = newRecord();
    await record(head, 1, [draft('event-1', { notify: true, kind: 'case-opened', message: 'a case was opened' })]);
    expect(await published()).toHaveLength(1);
    expect(await eventItem(head.caseId)).not.toHaveProperty('notificationFailure');
    broken.closeAllConnections();
    broken.close();
  });

  it('cannot notify at all: the case goes on and the event says so (AFO D2)', async () => {
    await lab.aws.lab.setFaults([
      { service: 'sns', action: 'Publish', code: 'AuthorizationError', status: 403, times: 9 },
    ]);
    const head = newRecord();
    await record(head, 1, [draft('event-1', { notify: true })]);
    expect(await eventItem(head.caseId)).toMatchObject({
      notificationFailure: expect.stringMatching(/AuthorizationError/) as string,
    });
  });
});

describe('notificationOf', () => {
  const head = { ...newRecord(), status: 'awaiting-consent' as const };
  const consent = entry(head.caseId, 7, {
    kind: 'consent-escalated',
    message: 'isolation waits for consent since 07:30 – überfällig\nsecond line',
    data: { checkpoint: 'isolation', planHash: 'ab'.repeat(32) },
    notify: true,
  });

  it('says how to decide, with a decision to paste that is bound to the plan', () => {
    const { Message } = notificationOf(head, consent);
    const pasted = JSON.parse(/\{.*\}/.exec(Message!)![0]) as Record<string, string>;
    expect(pasted).toMatchObject({ checkpoint: 'isolation', planHash: 'ab'.repeat(32) });
    expect(Message).toContain(head.workflowId);
    expect(Message).toContain(`approve ${head.caseId}`);
  });

  it('shows what the plan will break and what still flows', () => {
    const plan = { blastRadius: ['2 interfaces change groups'], residualPaths: ['DNS is not filtered'] };
    const { Message } = notificationOf(head, { ...consent, data: { ...consent.data, plan } });
    expect(Message).toContain('What it will break:\n- 2 interfaces change groups\n');
    expect(Message).toContain('What still flows afterwards:\n- DNS is not filtered\n');
  });

  it('names the command of what is asked beside the case, and of what comes after it', () => {
    const release = { ...consent, data: { ...consent.data, checkpoint: 'release', workflowId: 'release/x' } };
    expect(notificationOf(head, release).Message).toContain(`release approve ${head.caseId}`);
    const review = notificationOf(head, { ...consent, kind: 'review-due' }).Message;
    expect(review).toContain(`review ${head.caseId} --verdict`);
    const expired = notificationOf(head, { ...consent, kind: 'consent-expired' }).Message;
    expect(expired).toContain(`approve ${head.caseId}`);
  });

  it('shows layers with their effect, and those that are not enforced', () => {
    const plan = {
      steps: [{ layer: 'network-acl', effect: 'the ACL is exchanged', needsOwnConsent: 'the whole subnet is cut off' }],
      notEnforced: [{ layer: 'dns', reason: 'no firewall rules' }],
    };
    const { Message } = notificationOf(head, { ...consent, data: { ...consent.data, plan } });
    expect(Message).toContain('- network-acl: the ACL is exchanged; the whole subnet is cut off\n');
    expect(Message).toContain('Asked for and NOT enforced:\n- dns: no firewall rules\n');
  });

  it('has a subject that SNS takes: ASCII, one line, at most 100 characters', () => {
    const { Subject } = notificationOf(head, { ...consent, message: `grün\t${'long '.repeat(50)}\nsecond line` });
    expect(Subject).toMatch(/^[\x20-\x7e]{1,100}$/);
    expect(Subject).toMatch(/^\[high\] i-0123456789abcdef0: gr n long/);
  });

  it('carries the end of the custody log, so that a log cut short shows', () => {
    expect(notificationOf(head, consent).Message).toContain(`entry 7, ${consent.hash}`);
  });

  it('carries the attributes that subscribers filter and count by', () => {
    const { MessageAttributes } = notificationOf(head, consent);
    expect(MessageAttributes).toMatchObject({
      caseId: { StringValue: head.caseId },
      sequence: { DataType: 'Number', StringValue: '7' },
      severity: { StringValue: 'high' },
    });
  });
});
