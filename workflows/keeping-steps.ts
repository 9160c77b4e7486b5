import { proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import type { KeepingActivities } from '../activities/types';
import { plainSummary } from '../domain/markdown';
import { FINAL_FAILURES } from './contract/failures';

const RETRY: NonNullable<ActivityOptions['retry']> = {
  initialInterval: '1s',
  backoffCoefficient: 2,
  maximumInterval: '1m',
  nonRetryableErrorTypes: [...FINAL_FAILURES],
};

/** A step that reads or writes little. A change under way is waited for when the workflow is cancelled. */
export const keepingStep = (summary: string): KeepingActivities =>
  proxyActivities<KeepingActivities>({
    startToCloseTimeout: '30m',
    scheduleToCloseTimeout: '12h',
    heartbeatTimeout: '30s',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    summary: plainSummary(summary),
    retry: RETRY,
  });

/** A step that reads evidence from the first byte to the last: hours for a fleet's disks. It goes on after a worker died. */
export const longReading = (summary: string): KeepingActivities =>
  proxyActivities<KeepingActivities>({
    startToCloseTimeout: '24h',
    scheduleToCloseTimeout: '3 days',
    heartbeatTimeout: '30s',
    cancellationType: 'TRY_CANCEL',
    summary: plainSummary(summary),
    retry: RETRY,
  });
