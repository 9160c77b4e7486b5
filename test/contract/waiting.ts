import { setTimeout as sleep } from 'node:timers/promises';
import { isAws } from './settings';

/** How often AWS, and how often the lab, is asked again; and how long at most. */
const PAUSE_MS = isAws() ? 3_000 : 100;
const PATIENCE_MS = isAws() ? 1_200_000 : 90_000;

/**
 * Asks until the answer is as expected. AWS is eventually consistent: what was changed may show later.
 *
 * @throws Error that names what was waited for and the last answer.
 */
export async function until<T>(what: string, ask: () => Promise<T>, asExpected: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (asExpected(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: last answer was ${JSON.stringify(answer)}`);
    await sleep(PAUSE_MS);
  }
}

/** The outcome of a call: the error's name, or 'accepted'. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'accepted',
    (error: unknown) => (error instanceof Error ? error.name : String(error)),
  );
}

/** Repeats a call until it ends so: for what a policy allows or denies, which AWS spreads within seconds to minutes. */
export async function untilOutcome(expected: string | RegExp, call: () => Promise<unknown>): Promise<string> {
  const matches = (name: string): boolean => (typeof expected === 'string' ? name === expected : expected.test(name));
  return until(`the call to end with ${String(expected)}`, () => outcome(call()), matches);
}

/** The answer of the first call that is not refused. */
export async function untilAccepted<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
