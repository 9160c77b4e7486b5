import { ApplicationFailure } from '@temporalio/common';
import type { AuditDifference, LockEnds } from '../domain/evidence-audit';
import { isRetryable } from './aws/errors';

/** What the parts of an audit add to: they find differences, and say what they could not look at. */
export interface AuditFindings {
  differences: AuditDifference[];
  notes: string[];
  lockEnds: LockEnds;
  /** What the last audit saw. */
  before: LockEnds;
}

/** What cannot be read is a finding, once nothing speaks for a passing trouble. */
export async function orDifference<T>(
  found: AuditFindings,
  what: string,
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || isRetryable(error)) throw error;
    found.differences.push({ what, problem: `it cannot be read: ${error.message}`, severity: 'high' });
    return undefined;
  }
}

/** Holds the end of a lock against what the last audit saw. A second of grace: times are rounded. */
export function compareLockEnd(found: AuditFindings, what: string, until: Date | undefined): void {
  const before = found.before[what];
  // A lock that was cut short is found by every audit until the end that it was to have.
  const longest = [before, until?.toISOString()]
    .filter((end) => end !== undefined)
    .sort()
    .at(-1);
  if (longest !== undefined) found.lockEnds[what] = longest;
  if (before === undefined || Date.parse(before) <= Date.now()) return;
  if (until && until.getTime() >= Date.parse(before) - 1000) return;
  const now = until ? `until ${until.toISOString()} now` : 'not locked now';
  found.differences.push({ what, problem: `it was locked until ${before}, and is ${now}`, severity: 'critical' });
}
