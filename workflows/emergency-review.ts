import { condition } from '@temporalio/workflow';
import { reviewDue } from '../domain/case-story';
import type { RunningCase } from './running-case';

/** Milliseconds from one reminder to the next. */
const ONE_DAY = 24 * 3600 * 1000;

/** What one person approved alone in an emergency is looked at by another before the case closes. It waits as long as it takes. */
export async function reviewOfEmergencies(record: RunningCase): Promise<void> {
  const isReviewed = (): boolean => record.reviewsDue.length === 0;
  while (!(await condition(isReviewed, ONE_DAY, { summary: 'remind of the review' })))
    for (const checkpoint of record.reviewsDue) record.tell(reviewDue(checkpoint));
}
