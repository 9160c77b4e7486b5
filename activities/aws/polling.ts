import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import type { ForensicsConfig } from '../config';
import { currentActivity } from './errors';

/** The next look comes after this share of the time waited so far: a job is seen at most 4 % late, whatever it takes. */
const SHARE = 0.04;

/** Milliseconds since the activity was first scheduled; `scheduledTimestampMs` stays the same over retries. */
export function waitedMs(): number {
  const scheduled = currentActivity()?.info.scheduledTimestampMs;
  return scheduled === undefined ? 0 : Math.max(0, Date.now() - scheduled);
}

/**
 * "Not yet": thrown by a step that looks once and lets Temporal call it again, so that waiting for hours holds no slot
 * and survives a new release. Blames nobody (BENIGN): neither logs nor failure metrics show it.
 * @param what what is waited for and how far it is, e.g. `snapshot snap-1: 43 %`.
 * @param elapsedMs time waited so far, see `waitedMs`.
 */
export function notReady(what: string, elapsedMs: number, polling: ForensicsConfig['polling']): ApplicationFailure {
  const seconds = Math.min(polling.maximumSeconds, Math.max(polling.minimumSeconds, (elapsedMs / 1000) * SHARE));
  return ApplicationFailure.create({
    message: what,
    type: 'NotReady',
    category: ApplicationFailureCategory.BENIGN,
    nextRetryDelay: Math.round(seconds * 1000),
  });
}
