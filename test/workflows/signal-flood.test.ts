import { REFUSALS_KEPT } from '../../domain/case-limits';
import { caseRequest, CONSENT_REQUIRED } from './case-fixtures';
import { until, type Script } from './fakes';
import { TemporalForTests } from './temporal';

const SIGNALS = 300;

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await TemporalForTests.start();
});
afterAll(() => temporal.stop());

test(`${SIGNALS} signals of nonsense: the case goes on, and what they leave is bounded`, async () => {
  const script = { decision: { isolationConsent: CONSENT_REQUIRED } };
  const { outcome, fakes, handle, view } = await temporal.runCase(script, caseRequest(), async (run) => {
    await until(async () => (await run.view()).checkpoints.isolation.state === 'open', 'never asked');
    const nonsense = ['x'.repeat(10_000), null, { checkpoint: '<img src=x>', approver: 'y'.repeat(10_000) }];
    const names = ['approve', 'reject', 'findingReported'] as const;
    const signals = Array.from({ length: SIGNALS }, (_, n) => run.signal(names[n % 3]!, nonsense[n % 3]));
    await Promise.all(signals);
    await run.decide({ checkpoint: 'isolation', verdict: 'approve', approver: 'ann' });
  });
  expect(outcome).toMatchObject({ outcome: 'complete', reasons: [], decisions: [{ approver: 'ann' }] });
  expect(view.joinedFindings).toEqual([]);
  const refused = fakes.events().filter((event) => event.kind.endsWith('-refused'));
  expect(refused).toHaveLength(REFUSALS_KEPT);
  expect(new Set(refused.map((event) => event.kind))).toEqual(new Set(['decision-refused', 'message-refused']));
  expect(refused.at(-1)!.message).toContain('leave no event');
  expect(Math.max(...refused.map((event) => event.message.length))).toBeLessThan(1_200);
  expect(JSON.stringify(view).length).toBeLessThan(50_000);
  // One entry a signal, three an event of the case, and the workflow tasks between them.
  const { historyLength } = await handle.describe();
  expect(historyLength).toBeLessThan(SIGNALS * 4 + REFUSALS_KEPT * 6 + 250);
});

test('findings that join are kept in the memo, by which a repeated delivery is recognised', async () => {
  const request = caseRequest();
  let joined = false;
  const script: Script = { holds: { awaitMemoryCapture: () => joined } };
  const { handle } = await temporal.runCase(script, request, async (run) => {
    for (const id of ['finding-2', 'finding-3', 'finding-2']) {
      await run.signal('findingReported', { finding: { ...request.finding, id } });
    }
    await until(async () => (await run.view()).joinedFindings.length === 2, 'the findings never joined');
    joined = true;
  });
  const { memo } = await handle.describe();
  expect(memo).toEqual({ findingIds: ['finding-1', 'finding-2', 'finding-3'] });
});
