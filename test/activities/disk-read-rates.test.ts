import { CallRate, ebsReadRates } from '../../activities/disk-read-rates';

/** A rate of 100 a second on a clock that only waiting moves. */
function rate(): { take: () => Promise<void>; started: number[]; pass: (milliseconds: number) => void } {
  let now = 1000;
  const started: number[] = [];
  const calls = new CallRate(
    100,
    () => now,
    (milliseconds) => {
      now += milliseconds;
      return Promise.resolve();
    },
  );
  return {
    take: async () => {
      await calls.take();
      started.push(now);
    },
    started,
    pass: (milliseconds) => (now += milliseconds),
  };
}

test('in any second no more calls start than that, but for a short burst after a pause', async () => {
  const { take, started, pass } = rate();
  for (let call = 0; call < 300; call += 1) await take();
  pass(5000);
  for (let call = 0; call < 300; call += 1) await take();
  for (const [index, at] of started.entries()) {
    const within = started.slice(index).filter((other) => other < at + 1000).length;
    expect(within).toBeLessThanOrEqual(106);
  }
  expect(started.at(-1)! - started[0]!).toBeLessThan(11_000);
});

test('all readings of an account and Region share one rate', () => {
  expect(ebsReadRates('111111111111', 'eu-west-1')).toBe(ebsReadRates('111111111111', 'eu-west-1'));
  expect(ebsReadRates('111111111111', 'eu-west-1')).not.toBe(ebsReadRates('222222222222', 'eu-west-1'));
});
