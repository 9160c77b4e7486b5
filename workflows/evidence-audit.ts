import { continueAsNew, isCancellation, workflowInfo } from '@temporalio/workflow';
import { auditEvent, type AuditScope, type EvidenceAuditResult } from '../domain/evidence-audit';
import { CaseTelling } from './case-telling';
import { reasonOf } from './failure-reason';
import { keepingStep, longReading } from './keeping-steps';

/** Cases that are read at the same time: more would only share the same bandwidth. */
const AT_ONCE = 2;
/** Audits that found something and stand whole in the result; every one stands in its case's log. */
const MOST_WHOLE = 50;

/** How far an audit has come that goes on in a new run. */
export interface AuditProgress extends EvidenceAuditResult {
  left: string[];
}

/**
 * Reads the evidence of closed cases again and tells each case what it found: a difference is an alert, in the case's custody log
 * and to people. A case that cannot be audited stops no other.
 */
export async function evidenceAudit(scope: AuditScope = {}, so?: AuditProgress): Promise<EvidenceAuditResult> {
  const now = (): string => new Date(Date.now()).toISOString();
  const { disks = false, sample } = scope;
  const seed = workflowInfo().firstExecutionRunId;
  const cases = async (): Promise<string[]> =>
    scope.caseIds ??
    keepingStep('List the closed cases').listCasesToAudit({ seed, ...(sample !== undefined && { sample }) });
  const done: EvidenceAuditResult = so ?? {
    startedAt: now(),
    endedAt: '',
    audited: 0,
    bytes: 0,
    withDifferences: [],
    failed: [],
  };
  const left = so ? [...so.left] : await cases();

  const auditNext = async (): Promise<void> => {
    for (let caseId = left.shift(); caseId !== undefined; caseId = left.shift()) {
      try {
        const audit = await longReading(`Audit the evidence of ${caseId}`).auditCase({ caseId, disks });
        done.audited += 1;
        done.bytes += audit.checked.bytes;
        if (audit.differences.length > 0 && done.withDifferences.length < MOST_WHOLE) done.withDifferences.push(audit);
        const told = new CaseTelling(caseId);
        told.tell(auditEvent(audit));
        await told.allTold();
      } catch (error) {
        if (isCancellation(error)) throw error;
        done.failed.push({ caseId, reason: reasonOf(error) });
      }
      if (workflowInfo().continueAsNewSuggested) return;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, auditNext));
  if (left.length > 0) await continueAsNew<typeof evidenceAudit>(scope, { ...done, left });
  return { ...done, endedAt: now() };
}
