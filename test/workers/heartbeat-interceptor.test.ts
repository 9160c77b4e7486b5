import { MockActivityEnvironment } from '@temporalio/testing';
import { heartbeatInterceptor } from '../../workers/heartbeat-interceptor';

/** Runs a step under the interceptor until it has reported so often, and answers what it reported. */
async function reportsOf(
  heartbeatTimeoutMs: number,
  count: number,
  step: (report: (details: unknown) => void) => void,
) {
  const environment = new MockActivityEnvironment({ heartbeatTimeoutMs, heartbeatDetails: 'of the attempt before' });
  const reports: unknown[] = [];
  let reported = (): void => undefined;
  const enough = new Promise<void>((resolve) => (reported = resolve));
  environment.on('heartbeat', (details: unknown) => {
    if (reports.push(details) === count) reported();
  });
  const { inbound } = heartbeatInterceptor(environment.context);
  const next = async (): Promise<void> => {
    step((details) => environment.context.heartbeat(details));
    await enough;
  };
  await environment.run(() => inbound!.execute!({ args: [], headers: {} }, next));
  return reports;
}

test.each([
  ['a quarter of its time-out', 200, 50],
  ['at least every five seconds', 60_000, 5_000],
])('a step reports every so often by itself: %s', async (_what, heartbeatTimeoutMs, interval) => {
  const timers = jest.spyOn(globalThis, 'setInterval');
  try {
    const environment = new MockActivityEnvironment({ heartbeatTimeoutMs });
    const { inbound } = heartbeatInterceptor(environment.context);
    await environment.run(() => inbound!.execute!({ args: [], headers: {} }, () => Promise.resolve()));
    expect(timers.mock.calls.map(([, milliseconds]) => milliseconds)).toContain(interval);
  } finally {
    timers.mockRestore();
  }
});

test('what the step told last is repeated, and what the attempt before it told until then', async () => {
  expect(await reportsOf(200, 2, () => undefined)).toEqual(['of the attempt before', 'of the attempt before']);
  expect(await reportsOf(200, 3, (report) => report({ part: 7 }))).toEqual([{ part: 7 }, { part: 7 }, { part: 7 }]);
});
