import { DEFAULT_POLICY } from '../../domain/policy';
import { caseRequest } from './case-fixtures';
import { until } from './fakes';
import { TemporalForTests } from './temporal';

/** Of `npm test`, where Java and Maven are at hand. */
const server = process.env.TIME_SKIPPING_SERVER_PATH;
const { isolation: daily } = DEFAULT_POLICY.checkpoints;
/** On the ordinary server nothing is skipped: there the policy's times shrink, in the same proportions. */
const SCALE = server === undefined ? 1 / 1800 : 1;
const policy = {
  ...daily,
  reminderSeconds: daily.reminderSeconds * SCALE,
  escalateAfterSeconds: daily.escalateAfterSeconds * SCALE,
};
/** Three days; on the ordinary server as much of them as a test may take, here seven seconds. */
const waitsSeconds = server === undefined ? 7 : 3 * 24 * 3600;
const how = server === undefined ? 'scaled down on the ordinary server' : 'three days on the time-skipping server';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await (server === undefined ? TemporalForTests.start() : TemporalForTests.startSkippingTime(server));
});
afterAll(() => temporal.stop());

test(`consent by the default policy, ${how}: reminders, one escalation, still waiting, then taken`, async () => {
  const { outcome, fakes, handle } = await temporal.runCase(
    { decision: { isolationConsent: policy } },
    caseRequest(),
    async (run) => {
      await until(async () => (await run.view()).examinations.length === 2, 'examination waited for the consent');
      await temporal.environment.sleep(waitsSeconds * 1000);
      // A busy machine may be late with its timers; where time is skipped this is so at once.
      await until(() => {
        const kinds = run.fakes.events().map((event) => event.kind);
        const escalated = kinds.indexOf('consent-escalated');
        return escalated >= 0 && kinds.lastIndexOf('consent-reminder') > escalated;
      }, 'no reminder after the escalation');
      const waiting = await run.view();
      expect(waiting).toMatchObject({
        status: 'awaiting-consent',
        checkpoints: { isolation: { state: 'open', escalated: true } },
      });
      expect(run.fakes.of('applyLayer')).toEqual([]);
      await run.signal('approve', { checkpoint: 'isolation', approver: 'ann' });
    },
  );
  expect(outcome).toMatchObject({ outcome: 'complete', containment: { outcome: 'isolated' } });
  const events = fakes.events();
  const asked = events.filter((event) => event.kind.startsWith('consent-'));
  const kinds = asked.map((event) => event.kind);
  const escalatedAt = kinds.indexOf('consent-escalated');
  const reminders = kinds.filter((kind) => kind === 'consent-reminder').length;
  expect(kinds.filter((kind) => kind === 'consent-escalated')).toHaveLength(1);
  expect(kinds[0]).toBe('consent-requested');
  expect(kinds.slice(1, escalatedAt)).toContain('consent-reminder');
  expect(kinds.slice(escalatedAt)).toContain('consent-reminder');
  // The escalation stands in for the reminder that is due at the same time.
  const before = policy.escalateAfterSeconds / policy.reminderSeconds - 1;
  const due = Math.floor(waitsSeconds / policy.reminderSeconds) - 1;
  expect(escalatedAt - 1).toBeLessThanOrEqual(before);
  if (server !== undefined) {
    // Only where time is skipped does no busy machine delay a timer.
    expect(escalatedAt - 1).toBe(before);
    expect(Math.abs(reminders - due)).toBeLessThanOrEqual(1);
    const times = asked.map((event) => Date.parse(event.at) / 1000);
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? at));
    for (const gap of gaps) expect(Math.abs(gap - policy.reminderSeconds)).toBeLessThan(10);
  }
  const { events: history } = await handle.fetchHistory();
  process.stdout.write(`${how}: ${asked.length} messages to people, ${history!.length} events of history\n`);
  expect(history!.length).toBeLessThan(180 + asked.length * 12);
});
