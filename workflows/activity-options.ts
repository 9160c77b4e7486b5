import { proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import { plainSummary } from '../domain/markdown';
import type { Activities } from '../activities/types';
import { FINAL_FAILURES } from './contract/failures';

/**
 * The four ways in which a case calls a step. `summary` is the line that the Temporal UI shows beside it.
 *
 * Every way has a total budget (schedule-to-close) and no limit of attempts: throttling or an outage costs time, never
 * the case. Workers heartbeat for every step, so a worker that died is noticed within the heartbeat time-out.
 */
type Step = (summary: string, options?: Pick<ActivityOptions, 'scheduleToCloseTimeout'>) => Activities;
type StepWithDeadline = (summary: string, deadlineSeconds: number) => Activities;

const HEARTBEAT_TIMEOUT = '30s';
const PASSING_TROUBLE = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' } as const;

function steps(summary: string, options: ActivityOptions): Activities {
  return proxyActivities<Activities>({
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    ...options,
    summary: plainSummary(summary),
    retry: { ...PASSING_TROUBLE, ...options.retry, nonRetryableErrorTypes: [...FINAL_FAILURES] },
  });
}

/** Reads, or writes what may be written twice without harm. A cancelled case does not wait for it. */
export const quick: Step = (summary, options) =>
  steps(summary, {
    startToCloseTimeout: '2m',
    scheduleToCloseTimeout: '1h',
    cancellationType: 'TRY_CANCEL',
    ...options,
  });

/**
 * Changes something in AWS. A cancelled case waits until the running attempt has ended: without that the clean-up would
 * run beside the change it undoes (the SDK's own default is TRY_CANCEL).
 */
export const mutation: Step = (summary, options) =>
  steps(summary, {
    startToCloseTimeout: '10m',
    scheduleToCloseTimeout: '1h',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    ...options,
  });

/**
 * Looks whether a long job of AWS has ended and fails with `NotReady` until then; that failure says when to look again.
 * Holds no worker slot in between and adds nothing to the history.
 */
export const poll: StepWithDeadline = (summary, deadlineSeconds) =>
  steps(summary, {
    startToCloseTimeout: '2m',
    scheduleToCloseTimeout: deadlineSeconds * 1000,
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { initialInterval: '2s', backoffCoefficient: 1.2, maximumInterval: '15s' },
  });

/** Follows a job to its end within one attempt, telling its progress by heartbeat; another worker takes it over. */
export const follow: StepWithDeadline = (summary, deadlineSeconds) =>
  steps(summary, {
    startToCloseTimeout: deadlineSeconds * 1000,
    scheduleToCloseTimeout: deadlineSeconds * 1000,
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/**
 * Seconds that are left of a stage's time, by the workflow's clock; at least one, so that a late step fails by itself
 * and with its own words. No timer is needed for it.
 */
export function stageClock(deadlineSeconds: number): () => number {
  const startedAt = Date.now();
  return () => Math.max(1, Math.ceil(deadlineSeconds - (Date.now() - startedAt) / 1000));
}
