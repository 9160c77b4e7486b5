import type { CaseOutcome } from '../outcome';
import type { InstanceTarget } from '../target';
import type { HistoryFile, Manifest } from './bundle';
import type { CustodyEntry } from './entry';
import { type EvidenceFile, placeOf } from './evidence-files';
import { provenanceOf } from './provenance';

/**
 * What a case holds, what it lacks and why, how each thing came to be, and who decided.
 * @param files of `evidenceFilesOf`
 */
export function manifestOf(
  outcome: CaseOutcome,
  target: InstanceTarget,
  entries: readonly CustodyEntry[],
  files: readonly EvidenceFile[],
  histories: HistoryFile[],
): Manifest {
  return {
    caseId: outcome.caseId,
    exhibits: outcome.exhibits.map((exhibit) => {
      const path = 's3' in exhibit.location ? placeOf(exhibit.location.s3, files) : undefined;
      return { ...exhibit, ...(path !== undefined && { path }) };
    }),
    missing: outcome.missing,
    derived: provenanceOf(outcome, target, entries, files),
    decisions: outcome.decisions.map(({ checkpoint, verdict, approver, planHash, decidedAt }) => ({
      checkpoint,
      verdict,
      approver,
      planHash,
      decidedAt,
    })),
    histories,
  };
}
