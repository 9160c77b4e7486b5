import { ApplicationFailure, CancellationScope, CancelledFailure, isCancellation, log } from '@temporalio/workflow';
import { reasonOf } from './failure-reason';

/** What a child workflow hands back: its result, and what it could not put away behind itself, one sentence each. */
export interface Finished<T> {
  result: T;
  leftUndone: string[];
}

export interface CleanUp {
  /** Said to people when the clean-up fails, with what they have to do, e.g. `snapshot snap-1 is still shared`. */
  ifItFails: string;
  run: () => Promise<unknown>;
}

/**
 * Does the work, then cleans up, whether the work succeeded, failed or was cancelled; the clean-up itself cannot be
 * cancelled. A clean-up that fails never costs the result, and a failure of the work never hides what was left undone.
 */
export async function withCleanUp<T>(cleanUp: CleanUp, work: () => Promise<T>): Promise<Finished<T>> {
  return withEarlyCleanUp(cleanUp, work, (result) => Promise.resolve(result));
}

/** As `withCleanUp`; `rest` needs nothing of what is put away, so it is done beside the clean-up. */
export async function withEarlyCleanUp<W, T>(
  cleanUp: CleanUp,
  work: () => Promise<W>,
  rest: (worked: W) => Promise<T>,
): Promise<Finished<T>> {
  let cleaning: Promise<string[]> | undefined;
  const clean = (): Promise<string[]> => (cleaning ??= carryThrough(cleanUp));
  try {
    const worked = await work();
    void clean();
    const result = await rest(worked);
    return { result, leftUndone: await clean() };
  } catch (error) {
    const leftUndone = await clean();
    if (leftUndone.length === 0) throw error;
    throw ApplicationFailure.create({
      message: [reasonOf(error), ...leftUndone].join('; '),
      nonRetryable: true,
      ...(error instanceof Error && { cause: error }),
    });
  }
}

/** As `withCleanUp`, for what has to be put away only when the work did not succeed. */
export async function withCleanUpOnFailure<T>(cleanUp: CleanUp, work: () => Promise<T>): Promise<Finished<T>> {
  let worked = false;
  const afterFailure = { ...cleanUp, run: () => (worked ? Promise.resolve() : cleanUp.run()) };
  return withCleanUp(afterFailure, async () => {
    const result = await work();
    worked = true;
    return result;
  });
}

/** Does a step that no cancellation may stop; when it fails, that is told (as the one sentence returned), not thrown. */
export async function carryThrough(cleanUp: CleanUp): Promise<string[]> {
  try {
    await CancellationScope.nonCancellable(cleanUp.run);
    return [];
  } catch (error) {
    const sentence = `${cleanUp.ifItFails}: ${reasonOf(error)}`;
    log.error(sentence);
    return [sentence];
  }
}

/**
 * Waits until every branch has ended, then fails as the first that failed did. Unlike `Promise.all` nothing is left
 * running behind the failure, and unlike `Promise.allSettled` a cancellation is not swallowed.
 */
export async function together<T extends readonly Promise<unknown>[]>(
  ...branches: T
): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  const ends = await Promise.allSettled(branches);
  const failures = ends.filter((end) => end.status === 'rejected').map((end): unknown => end.reason);
  const gravest = failures.find((failure) => !isCancellation(failure)) ?? failures[0];
  if (failures.length > 0) throw gravest;
  stopIfCancelled();
  return Promise.all(branches);
}

/** After a wait that does not itself fail on cancellation: ends here when the workflow was cancelled meanwhile. */
export function stopIfCancelled(): void {
  if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('the case was cancelled');
}
