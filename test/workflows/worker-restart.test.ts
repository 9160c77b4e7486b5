import { randomUUID } from 'node:crypto';
import { caseRequest, CONSENT_REQUIRED } from './case-fixtures';
import { UNENDING, type ActivityName } from './fakes';
import { TemporalForTests } from './temporal';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await TemporalForTests.start();
});
afterAll(() => temporal.stop());

/** At least one in every phase. */
const STEPS: ActivityName[] = [
  'triageInstance',
  'protectInstance',
  'createSnapshots',
  'awaitMemoryCapture',
  'verifyDisk',
  'applyLayer',
  'awaitExamination',
  'writeReport',
];

test('the worker goes in the middle of every phase: the next one takes over, and each case closes complete', async () => {
  const queue = `restart-${randomUUID()}`;
  let delay = UNENDING;
  const runs = await Promise.all(
    STEPS.map(async (step) => {
      const run = await temporal.open({ delays: { [step]: () => delay } }, caseRequest(), queue);
      return { step, run };
    }),
  );
  const first = await temporal.worker(queue);
  await first.runUntil(Promise.all(runs.map(({ step, run }) => run.fakes.started(step))));
  delay = 0;
  const second = await temporal.worker(queue);
  await second.runUntil(
    Promise.all(
      runs.map(async ({ step, run }) => {
        const outcome = await run.handle.result();
        expect({ step, outcome: outcome.outcome, reasons: outcome.reasons }).toEqual({
          step,
          outcome: 'complete',
          reasons: [],
        });
        // One step, tried again by the second worker: not a second step.
        const interrupted = run.fakes.of(step)[0]!;
        expect(interrupted).toMatchObject({ attempt: 1, end: 'cancelled' });
        // A layer of the containment is a step of its own.
        const asked = JSON.stringify(interrupted.input);
        const again = run.fakes
          .of(step)
          .filter((call) => call.workflowId === interrupted.workflowId && JSON.stringify(call.input) === asked);
        expect(again.map((call) => call.attempt)).toEqual(again.map((_, index) => index + 1));
        expect(again.at(-1)!.end).toBe('succeeded');
      }),
    ),
  );
});

test('a decision that is signalled while no worker runs is taken when one is back', async () => {
  const queue = `restart-${randomUUID()}`;
  const asks = { decision: { isolationConsent: CONSENT_REQUIRED } };
  const run = await temporal.open(asks, caseRequest(), queue);
  const first = await temporal.worker(queue);
  await first.runUntil(run.fakes.started('releaseForensicInstance', 2));
  await run.signal('approve', { checkpoint: 'isolation', approver: 'ann' });
  const second = await temporal.worker(queue);
  const outcome = await second.runUntil(run.handle.result());
  expect(outcome).toMatchObject({ outcome: 'complete', containment: { outcome: 'isolated' } });
});
