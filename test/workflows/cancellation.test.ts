import { caseRequest, CONSENT_REQUIRED, volumeId, volumes } from './case-fixtures';
import { failure, UNENDING, until, type ActivityName, type Call, type Script } from './fakes';
import { TemporalForTests, type CaseRun, type FinishedCase } from './temporal';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await TemporalForTests.start();
});
afterAll(() => temporal.stop());

const cancelDuring = (step: ActivityName, script: Script = {}): Promise<FinishedCase> =>
  temporal.runCase({ ...script, delays: { ...script.delays, [step]: UNENDING } }, caseRequest(), async (run) => {
    await run.fakes.started(step);
    await run.handle.cancel();
  });

const snapshotOf = (call: Call): string => (call.input as { snapshotId: string }).snapshotId;

/** What every cancelled case must come to, wherever it was. */
function expectStatedEnd({ outcome, fakes }: FinishedCase): void {
  expect(outcome.outcome).toBe('cancelled');
  expect(outcome.reasons.join()).toContain('cancelled by a person');
  expect(outcome.phases.filter((phase) => phase.outcome === 'running')).toEqual([]);
  const kinds = fakes.events().map((event) => event.kind);
  expect(kinds).toContain('cancelled');
  expect(kinds.at(-1)).toBe('case-closed');
  expect(fakes.of('writeReport')).toHaveLength(1);
  // Nothing of the case runs on behind its end.
  expect(fakes.calls.filter((call) => call.endedAt === undefined)).toEqual([]);
  // What was shared is taken back, what was launched is ended (and what was about to be, to be sure).
  const shared = fakes.of('shareSnapshot').map(snapshotOf);
  expect(fakes.of('unshareSnapshot').map(snapshotOf)).toEqual(expect.arrayContaining(shared));
  expect(fakes.of('releaseForensicInstance').length).toBeGreaterThanOrEqual(fakes.of('launchForensicInstance').length);
}

const phaseOf = ({ outcome }: FinishedCase, name: string): string | undefined =>
  outcome.phases.find((phase) => phase.name === name)?.outcome;

test.concurrent.each([
  ['triage', 'triageInstance'],
  ['protection', 'protectInstance'],
] as const)('cancelled in %s', async (phase, step) => {
  const ended = await cancelDuring(step);
  expectStatedEnd(ended);
  expect(phaseOf(ended, phase)).toBe('cancelled');
  expect(ended.fakes.of('createSnapshots')).toEqual([]);
});

test.concurrent('cancelled while it waits for the consent to acquire', async () => {
  const script: Script = { decision: { acquisitionConsent: CONSENT_REQUIRED } };
  const ended = await temporal.runCase(script, caseRequest(), async (run) => {
    await until(async () => (await run.view()).checkpoints.acquisition.state === 'open', 'never asked');
    await run.handle.cancel();
  });
  expectStatedEnd(ended);
  expect(ended.fakes.of('createSnapshots')).toEqual([]);
});

test.concurrent.each(['createSnapshots', 'copySnapshotToForensics', 'verifyDisk'] as const)(
  'cancelled in %s: memory that was had is listed, the disk is missing',
  async (step) => {
    const ended = await temporal.runCase({ delays: { [step]: UNENDING } }, caseRequest(), async (run) => {
      await run.fakes.started(step);
      await until(async () => (await run.view()).exhibits.length === 1, 'memory never came');
      await run.handle.cancel();
    });
    expectStatedEnd(ended);
    expect(phaseOf(ended, 'acquisition')).toBe('cancelled');
    expect(ended.outcome.exhibits.map((exhibit) => exhibit.id)).toEqual(['memory']);
    expect(ended.outcome.missing).toMatchObject([{ id: volumeId(1), reason: 'cancelled before it was done' }]);
  },
);

test.concurrent('cancelled while a snapshot is waited for', async () => {
  const awaitSnapshot = (): void => {
    throw failure('NotReady', 'snapshot 43 %');
  };
  const ended = await temporal.runCase({ failures: { awaitSnapshot } }, caseRequest(), async (run) => {
    await run.fakes.started('awaitSnapshot', 3);
    await run.handle.cancel();
  });
  expectStatedEnd(ended);
  expect(ended.outcome.missing.map((item) => item.id)).toContain(volumeId(1));
});

test.concurrent.each(['startMemoryCapture', 'awaitMemoryCapture', 'sealMemoryImage'] as const)(
  'cancelled in %s: the capture is abandoned after the step has ended, and nothing is isolated',
  async (step) => {
    const ended = await cancelDuring(step, { facts: { volumes: volumes(2) } });
    expectStatedEnd(ended);
    const { fakes, outcome } = ended;
    expect(fakes.of('abandonMemoryCapture')).toHaveLength(1);
    expect(fakes.of('abandonMemoryCapture')[0]!.startedAt).toBeGreaterThanOrEqual(fakes.of(step)[0]!.endedAt!);
    expect(fakes.of(step)[0]!.end).toBe('cancelled');
    expect(fakes.of('applyLayer')).toEqual([]);
    expect(outcome.missing.map((item) => item.id)).toContain('memory');
  },
);

test.concurrent('cancelled while it waits for the consent to isolate: all evidence is kept', async () => {
  const asked: Script = { decision: { isolationConsent: CONSENT_REQUIRED } };
  const ended = await temporal.runCase(asked, caseRequest(), async (run: CaseRun) => {
    await until(async () => (await run.view()).examinations.length === 2, 'never examined');
    await run.handle.cancel();
  });
  expectStatedEnd(ended);
  expect(ended.outcome).toMatchObject({ missing: [], exhibits: [{}, {}], examinations: [{}, {}] });
  expect(phaseOf(ended, 'containment')).toBe('cancelled');
  expect(ended.fakes.of('applyLayer')).toEqual([]);
});

test.concurrent('cancelled while isolating: an isolation that has begun is carried through', async () => {
  let cancelled = false;
  const script: Script = { holds: { applyLayer: () => cancelled } };
  const ended = await temporal.runCase(script, caseRequest(), async (run) => {
    await run.fakes.started('applyLayer');
    await run.handle.cancel();
    cancelled = true;
  });
  expectStatedEnd(ended);
  expect(ended.outcome.containment?.outcome).toBe('isolated');
  expect(phaseOf(ended, 'containment')).toBe('succeeded');
});

test.concurrent.each([
  'awaitForensicInstance',
  'createEvidenceVolume',
  'awaitExamination',
  'collectExamination',
] as const)('cancelled in %s: forensic instances are ended, exhibits are kept', async (step) => {
  const ended = await temporal.runCase({ delays: { [step]: UNENDING } }, caseRequest(), async (run) => {
    await run.fakes.started(step);
    await until(async () => (await run.view()).exhibits.length === 2, 'no exhibits');
    await run.handle.cancel();
  });
  expectStatedEnd(ended);
  expect(ended.outcome.exhibits).toHaveLength(2);
  expect(phaseOf(ended, 'examination')).toBe('cancelled');
  const interrupted = ended.outcome.examinations.filter((result) => result.outcome === 'failed');
  expect(interrupted.length).toBeGreaterThan(0);
  expect(interrupted[0]!.reason).toBe('cancelled before it was done');
});

test.concurrent('a cancellation that comes when only the report is left changes nothing', async () => {
  let cancelled = false;
  const script: Script = { holds: { writeReport: () => cancelled } };
  const ended = await temporal.runCase(script, caseRequest(), async (run) => {
    await run.fakes.started('writeReport');
    await run.handle.cancel();
    cancelled = true;
  });
  expect(ended.outcome.outcome).toBe('complete');
  expect(ended.outcome.report).toBeDefined();
});

test.concurrent('a child that a person cancels by itself costs its exhibit, not the case', async () => {
  const script: Script = { delays: { awaitMemoryCapture: UNENDING } };
  const { outcome } = await temporal.runCase(script, caseRequest(), async (run) => {
    await run.fakes.started('awaitMemoryCapture');
    const { workflowId } = run.fakes.of('awaitMemoryCapture')[0]!;
    await temporal.client.workflow.getHandle(workflowId).cancel();
  });
  expect(outcome.outcome).toBe('partial');
  expect(outcome.missing).toMatchObject([{ id: 'memory' }]);
  expect(outcome.exhibits.map((exhibit) => exhibit.id)).toEqual([volumeId(1)]);
});
