import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { ContainedInstance, KeepingActivities, LayerActivities } from '../../activities/types';
import { planContainment, type LayerOutcome, type LayerUndo } from '../../domain/containment';
import type { CustodyDraft } from '../../domain/custody/entry';
import type { CaseAudit, EvidenceAuditResult } from '../../domain/evidence-audit';
import type { PurgePlan } from '../../domain/evidence-purge';
import type { EvidenceThreat } from '../../domain/evidence-threat';
import {
  APPROVAL_MESSAGES,
  type ApprovalReceipt,
  type ApprovalView,
  KEEPING_WORKFLOWS,
  type LegalHoldOutcome,
  type PurgeOutcome,
  type ReleaseOutcome,
} from '../../workflows/contract/keeping';
import { caseRequest, CONSENT_REQUIRED, instanceFacts } from './case-fixtures';
import { layerState, until } from './fakes';
import { untilAttributesAreKnown } from './support/search-attributes';
import { sharedServerAddress } from './support/shared-server';
import { workflowBundle } from './support/workflow-bundle';

jest.setTimeout(180_000);

type CallName = keyof KeepingActivities | 'undoLayer';

/** What the steps would do, and what they were told, by case. */
class KeepingFakes {
  readonly entries = new Map<string, CustodyDraft[]>();
  readonly calls: { name: CallName; input: { caseId?: string } }[] = [];
  readonly obstacles = new Map<string, string[]>();
  readonly audits = new Map<string, CaseAudit>();
  threatened: string[] = [];

  plan(caseId: string): PurgePlan {
    return {
      caseId,
      objects: [{ key: `cases/${caseId}/memory.lime`, versionId: 'v1', sizeBytes: 10 }],
      snapshots: [{ snapshotId: 'snap-0f000000000000001', sizeGiB: 8 }],
      exhibits: [
        { id: 'memory', kind: 'memory', source: 'i-1', sha256: 'a'.repeat(64) },
        { id: 'vol-1', kind: 'disk', source: 'vol-1', sha256: 'b'.repeat(64) },
      ],
      stays: ['the custody log'],
    };
  }

  told(caseId: string): CustodyDraft[] {
    return this.entries.get(caseId) ?? [];
  }

  kinds(caseId: string): string[] {
    return this.told(caseId).map(({ kind }) => kind);
  }

  called(name: CallName, caseId: string) {
    return this.calls.filter((call) => call.name === name && call.input.caseId === caseId);
  }

  /** What each layer comes to at release; `restored` unless it stands here. */
  readonly undone = new Map<string, Partial<LayerUndo>>();

  readonly activities: KeepingActivities & Pick<LayerActivities, 'undoLayer'> = {
    readContainment: () => Promise.resolve(containedInstance()),
    undoLayer: (input) => {
      this.calls.push({ name: 'undoLayer', input });
      const { layer } = input;
      return Promise.resolve({ layer, outcome: 'restored', ...this.undone.get(`${input.caseId} ${layer}`) });
    },
    undoProtection: (input) => {
      this.calls.push({ name: 'undoProtection', input });
      return Promise.resolve({ steps: [{ step: 'stop-protection', outcome: 'restored' }] });
    },
    tellCase: (input) => {
      const before = this.told(input.caseId);
      this.entries.set(input.caseId, [...before, ...input.entries]);
      return Promise.resolve({ sequence: before.length + input.entries.length, hash: '0'.repeat(64) });
    },
    listCasesToAudit: () => Promise.resolve([...this.audits.keys()]),
    auditCase: (input) => {
      this.calls.push({ name: 'auditCase', input });
      const audit = this.audits.get(input.caseId);
      if (!audit) throw ApplicationFailure.nonRetryable('no such case', 'InvalidRequest');
      return Promise.resolve(audit);
    },
    setCaseHold: (input) => {
      this.calls.push({ name: 'setCaseHold', input });
      return Promise.resolve({ objects: 3, snapshots: [], notEnforced: ['EBS knows no legal hold'] });
    },
    planPurge: ({ caseId }) => {
      return Promise.resolve({ plan: this.plan(caseId), obstacles: this.obstacles.get(caseId) ?? [] });
    },
    purgeCase: (input) => {
      this.calls.push({ name: 'purgeCase', input });
      return Promise.resolve({ objects: 1, bytes: 10, snapshots: 1, left: [] });
    },
    findThreatenedCases: () => Promise.resolve({ caseIds: this.threatened, because: 'none' }),
  };
}

const fakes = new KeepingFakes();
const taskQueue = `keeping-${randomUUID()}`;
let environment: TestWorkflowEnvironment;
let worker: Worker;
let running: Promise<void>;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
  const [address, bundle] = await Promise.all([sharedServerAddress(), workflowBundle()]);
  environment = await TestWorkflowEnvironment.createFromExistingServer({ address });
  await untilAttributesAreKnown(environment.connection, environment.namespace ?? 'default');
  worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle: bundle,
    activities: fakes.activities,
    workflowFailureErrorTypes: { '*': ['Error'] },
  });
  running = worker.run();
});
afterAll(async () => {
  worker.shutdown();
  await running;
  await environment.teardown();
});

/** A hold or a purge under way, and what people can do to it. */
async function ask(type: keyof typeof KEEPING_WORKFLOWS, request: object) {
  const caseId = `i-${randomUUID()}`;
  const handle = await environment.client.workflow.start(type, {
    workflowId: `${type}/${caseId}`,
    taskQueue,
    args: [{ caseId, openedBy: 'olga', reason: 'order of the court', ...request }],
    workflowExecutionTimeout: '160s',
  });
  const view = () => handle.query<ApprovalView>(APPROVAL_MESSAGES.approvalStatus);
  const decide = (payload: unknown) =>
    handle.executeUpdate<ApprovalReceipt, [unknown]>(APPROVAL_MESSAGES.decide, { args: [payload] });
  return {
    caseId,
    handle,
    view,
    decide,
    isAsked: () => until(async () => (await view()).approval !== undefined, 'nobody was asked'),
    approve: (approver: string, more: object = {}) => decide({ verdict: 'approve', approver, ...more }),
    refusalOf: async (payload: unknown): Promise<string> => {
      const error: unknown = await decide(payload).then(
        () => new Error('it was taken'),
        (one: unknown) => one,
      );
      return error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    },
    result: async <T>(): Promise<T> => (await handle.result()) as T,
  };
}

function containedInstance(): ContainedInstance {
  const facts = instanceFacts(caseRequest());
  const plan = planContainment(facts);
  const layers = plan.steps.map(({ layer }): LayerOutcome => ({
    layer,
    outcome: 'applied',
    before: layerState(plan, layer, 'before'),
    after: layerState(plan, layer, 'after'),
    verified: true,
    residualPaths: [],
    verifiedAt: '2026-11-22T07:30:00.000Z',
  }));
  return {
    facts,
    contained: { outcome: 'isolated', plan, layers, releaseConsent: CONSENT_REQUIRED, roles: {} },
    protections: [{ step: 'stop-protection', outcome: 'set', before: 'false' }],
  };
}

describe('release', () => {
  test.concurrent('takes back the last layer first, with consent; protections only when asked for', async () => {
    const run = await ask('release', { protections: true });
    await run.isAsked();
    expect(fakes.called('undoLayer', run.caseId)).toEqual([]);
    expect(await run.refusalOf({ verdict: 'approve', approver: 'olga' })).toContain('another person has to');
    await run.approve('ann');
    expect(await run.result<ReleaseOutcome>()).toMatchObject({
      outcome: 'released',
      layers: [
        { layer: 'security-groups', outcome: 'restored' },
        { layer: 'internet-edge', outcome: 'restored' },
      ],
      protections: [{ step: 'stop-protection', outcome: 'restored' }],
    });
    expect(fakes.kinds(run.caseId)).toEqual([
      'consent-requested',
      'decision-taken',
      'released',
      'released',
      'released',
      'released',
    ]);
    for (const entry of fakes.told(run.caseId).slice(2))
      expect(entry.authority).toMatchObject({ checkpoint: 'release' });
  });

  test.concurrent(
    'stops where somebody else has changed something, says what, and goes on only when people say so',
    async () => {
      const run = await ask('release', { protections: false });
      fakes.undone.set(`${run.caseId} security-groups`, { outcome: 'differs', difference: 'eni-1 has group sg-7 now' });
      await run.isAsked();
      await run.approve('ann');
      await until(async () => (await run.view()).approval?.status === 'open', 'it did not ask about the difference');
      expect(fakes.called('undoLayer', run.caseId)).toHaveLength(1);
      expect(JSON.stringify((await run.view()).plan)).toContain('eni-1 has group sg-7 now');
      await run.approve('ann');
      expect(await run.result<ReleaseOutcome>()).toMatchObject({
        outcome: 'partly-released',
        layers: [{ outcome: 'differs' }, { outcome: 'restored' }],
        protections: [],
      });
    },
  );

  test.concurrent('people who say no to going on leave the rest contained', async () => {
    const run = await ask('release', { protections: true });
    fakes.undone.set(`${run.caseId} security-groups`, { outcome: 'failed', difference: 'throttled' });
    await run.isAsked();
    await run.approve('ann');
    await until(async () => (await run.view()).approval?.status === 'open', 'it did not ask about the difference');
    await run.decide({ verdict: 'reject', approver: 'ann' });
    expect(await run.result<ReleaseOutcome>()).toMatchObject({ outcome: 'stopped', layers: [{}], protections: [] });
    expect(fakes.called('undoProtection', run.caseId)).toEqual([]);
  });
});

describe('legal hold', () => {
  test.concurrent('put on by whoever asks, with an entry that says under which decision', async () => {
    const run = await ask('legalHold', { hold: 'on' });
    await run.isAsked();
    expect(fakes.called('setCaseHold', run.caseId)).toEqual([]);
    await run.approve('olga');
    expect(await run.result<LegalHoldOutcome>()).toMatchObject({ outcome: 'done', objects: 3 });
    expect(fakes.called('setCaseHold', run.caseId)).toMatchObject([{ input: { on: true } }]);
    expect(fakes.kinds(run.caseId)).toEqual(['consent-requested', 'decision-taken', 'legal-hold-changed']);
    const [asked, taken, changed] = fakes.told(run.caseId);
    expect(asked).toMatchObject({
      notify: true,
      data: { checkpoint: 'legal-hold', workflowId: run.handle.workflowId },
    });
    expect(taken).toMatchObject({ actor: { name: 'olga', knownBy: 'claimed' } });
    expect(changed).toMatchObject({
      data: { hold: 'on', notEnforced: ['EBS knows no legal hold'] },
      authority: { checkpoint: 'legal-hold', planHash: asked!.data!.planHash },
    });
    expect(new Set(fakes.told(run.caseId).map(({ entryId }) => entryId)).size).toBe(3);
  });

  test.concurrent('lifted by two people, neither of them who asked; what cannot be taken changes nothing', async () => {
    const run = await ask('legalHold', { hold: 'off' });
    await run.isAsked();
    expect(await run.refusalOf({ verdict: 'approve', approver: 'olga' })).toContain('olga opened it');
    expect(await run.approve('ann')).toMatchObject({ status: 'open', missing: 1 });
    expect(await run.refusalOf({ verdict: 'approve', approver: 'Ann' })).toContain('counts once');
    expect(await run.refusalOf({ verdict: 'approve', approver: 'bob', planHash: 'f'.repeat(64) })).toContain(
      'the plan has changed',
    );
    expect(await run.refusalOf({ verdict: 'approve', approver: 'bob', breakGlass: true, reason: 'r' })).toContain(
      'lets nobody',
    );
    expect(await run.refusalOf(['nonsense'])).toContain('JSON object');
    await run.handle.signal<[unknown]>(APPROVAL_MESSAGES.approve, { approver: 'olga' });
    await run.handle.signal<[unknown]>(APPROVAL_MESSAGES.approve, { approver: 'bob', reason: 'counsel agrees' });
    expect(await run.result<LegalHoldOutcome>()).toMatchObject({ outcome: 'done', hold: 'off' });
    expect(fakes.called('setCaseHold', run.caseId)).toMatchObject([{ input: { on: false } }]);
    expect(fakes.kinds(run.caseId)).toEqual([
      'consent-requested',
      'decision-taken',
      'decision-refused',
      'decision-taken',
      'legal-hold-changed',
    ]);
  });

  test.concurrent('nobody decides in time: told as overdue, and nothing is done', async () => {
    const run = await ask('legalHold', { hold: 'off', withinSeconds: 1 });
    expect(await run.result<LegalHoldOutcome>()).toMatchObject({ outcome: 'expired', objects: 0 });
    expect(fakes.called('setCaseHold', run.caseId)).toEqual([]);
    expect(fakes.kinds(run.caseId)).toEqual(['consent-requested', 'consent-escalated']);
    expect(fakes.told(run.caseId)[1]).toMatchObject({ severity: 'high', notify: true });
  });
});

describe('purge', () => {
  test.concurrent('refused before its time: nobody is even asked', async () => {
    const obstacles = ['memory.lime is retained until 2030'];
    const caseId = `i-${randomUUID()}`;
    fakes.obstacles.set(caseId, obstacles);
    const run = await ask('evidencePurge', { caseId });
    expect(await run.result<PurgeOutcome>()).toMatchObject({ outcome: 'refused', obstacles, plan: { caseId } });
    expect(fakes.kinds(caseId)).toEqual([]);
    expect(fakes.called('purgeCase', caseId)).toEqual([]);
  });

  test.concurrent(
    'by two people on the list that they read: an entry an exhibit, and what decided stands before',
    async () => {
      const run = await ask('evidencePurge', {});
      await run.isAsked();
      const { plan, approval } = await run.view();
      expect(plan).toEqual(fakes.plan(run.caseId));
      await run.approve('ann', { planHash: approval!.planHash });
      expect(fakes.called('purgeCase', run.caseId)).toEqual([]);
      await run.approve('bob', { planHash: approval!.planHash });
      expect(await run.result<PurgeOutcome>()).toMatchObject({ outcome: 'done', result: { objects: 1 } });
      expect(fakes.called('purgeCase', run.caseId)).toEqual([
        { name: 'purgeCase', input: { caseId: run.caseId, plan: fakes.plan(run.caseId) } },
      ]);
      expect(fakes.kinds(run.caseId)).toEqual([
        'consent-requested',
        'decision-taken',
        'decision-taken',
        'evidence-purged',
        'evidence-purged',
        'evidence-purged',
      ]);
      const purged = fakes.told(run.caseId).slice(3);
      expect(purged.map(({ exhibit }) => exhibit?.id)).toEqual(['memory', 'vol-1', undefined]);
      expect(purged[2]).toMatchObject({ data: { complete: true }, authority: { planHash: approval!.planHash } });
    },
  );

  test.concurrent('one rejection ends it, after an approval too', async () => {
    const run = await ask('evidencePurge', {});
    await run.isAsked();
    await run.approve('ann');
    await run.handle.signal<[unknown]>(APPROVAL_MESSAGES.reject, { approver: 'olga', reason: 'a new claim came in' });
    expect(await run.result<PurgeOutcome>()).toMatchObject({ outcome: 'rejected' });
    expect(fakes.called('purgeCase', run.caseId)).toEqual([]);
    expect(fakes.told(run.caseId).at(-1)).toMatchObject({
      message: expect.stringContaining('rejected by olga') as string,
    });
  });
});

const audit = (caseId: string, problem?: string): CaseAudit => ({
  caseId,
  auditedAt: '2026-11-22T08:00:00.000Z',
  head: { caseId, sequence: 4, hash: 'c'.repeat(64) },
  checked: { objects: 2, bytes: 27, snapshots: 1, snapshotsReread: 0, entries: 4 },
  differences: problem === undefined ? [] : [{ what: 'memory.lime', problem, severity: 'critical' }],
  notes: [],
  lockEnds: {},
});

test('an audit tells each case what it found; one that cannot be audited stops no other', async () => {
  const [whole, altered, lost] = ['whole', 'altered', 'lost'].map((name) => `i-${name}-${randomUUID()}`);
  fakes.audits.set(whole!, audit(whole!));
  fakes.audits.set(altered!, audit(altered!, 'its bytes are others'));
  const run = (scope?: object) =>
    environment.client.workflow.execute(KEEPING_WORKFLOWS.evidenceAudit, {
      workflowId: `audit/${randomUUID()}`,
      taskQueue,
      args: scope ? [scope] : [],
      workflowExecutionTimeout: '160s',
    }) as Promise<EvidenceAuditResult>;
  const result = await run({ caseIds: [lost, whole, altered], disks: true });
  expect(result).toMatchObject({
    audited: 2,
    bytes: 54,
    withDifferences: [{ caseId: altered }],
    failed: [{ caseId: lost, reason: 'no such case' }],
  });
  expect(fakes.called('auditCase', whole!)).toMatchObject([{ input: { disks: true } }]);
  expect(fakes.told(whole!)).toMatchObject([{ kind: 'evidence-audited', notify: false }]);
  expect(fakes.told(altered!)).toMatchObject([
    {
      kind: 'evidence-alert',
      severity: 'critical',
      notify: true,
      message: expect.stringContaining('memory.lime: its bytes are others') as string,
    },
  ]);
  // Without a scope: every closed case, as the schedule starts it.
  expect(await run()).toMatchObject({ audited: 2, failed: [] });
});

test('a threat to several cases stands in each one’s log, and people are told once', async () => {
  fakes.threatened = [1, 2, 3].map((number) => `i-threatened-${number}-${randomUUID()}`);
  const threat: EvidenceThreat = {
    eventId: randomUUID(),
    at: '2026-11-22T08:00:00Z',
    region: 'us-east-1',
    accountId: '444455556666',
    call: 'kms:ScheduleKeyDeletion',
    caller: 'arn:aws:iam::444455556666:user/mallory',
    severity: 'critical',
    means: 'will make evidence unreadable for ever',
    target: { kind: 'key', keyId: 'k' },
  };
  await environment.client.workflow.execute(KEEPING_WORKFLOWS.evidenceThreat, {
    workflowId: `threat/${threat.eventId}`,
    taskQueue,
    args: [threat],
    workflowExecutionTimeout: '160s',
  });
  const alerts = fakes.threatened.map((caseId) => fakes.told(caseId));
  expect(alerts).toMatchObject(
    [true, false, false].map((notify) => [{ kind: 'evidence-alert', severity: 'critical', notify, data: { threat } }]),
  );
  expect(alerts[0]![0]!.message).toContain('user/mallory called kms:ScheduleKeyDeletion');
});
