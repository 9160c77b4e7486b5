import { ApplicationFailure } from '@temporalio/common';
import { worthAnotherAttempt } from './errors';

/**
 * Something that is good to know but not needed: when it cannot be read, the reason is noted and `fallback` stands in.
 * A failure that the next attempt may not see (throttling, network) is thrown as long as attempts are left.
 */
export async function orElse<T>(fallback: T, reasons: string[], read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    reasons.push(reasonOf(error));
    return fallback;
  }
}

/** The message of a failure that is put up with; throws what is not to be put up with (yet), cancellation among it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof ApplicationFailure) || worthAnotherAttempt(error)) throw error;
  return error.message;
}
