import type { CaseEventDraft } from './case-event';
import type { ExhibitKind } from './evidence';

/** An exhibit whose evidence goes; its entry in the custody log stays. */
export interface PurgedExhibit {
  id: string;
  kind: ExhibitKind;
  source: string;
  sha256: string;
}

/** What a purge would delete, shown to those who decide and bound to their decision by its hash. */
export interface PurgePlan {
  caseId: string;
  /** Versions and delete markers below the case's folder. */
  objects: { key: string; versionId: string; sizeBytes: number }[];
  /** The forensic copies. */
  snapshots: { snapshotId: string; sizeGiB: number }[];
  exhibits: PurgedExhibit[];
  /** What stays, one sentence each. */
  stays: string[];
}

/** What a purge came to; nothing of `left` was deleted. */
export interface PurgeResult {
  objects: number;
  bytes: number;
  snapshots: number;
  left: { what: string; reason: string }[];
}

export const purgeSentence = ({ caseId, objects, snapshots, exhibits }: PurgePlan): string =>
  `${objects.length} object version(s) and ${snapshots.length} snapshot(s) of case ${caseId}, which hold ${exhibits.length} exhibit(s)`;

/** One entry an exhibit, and one of the whole. */
export function purgeEvents(
  { caseId, exhibits }: PurgePlan,
  result: PurgeResult,
  authority: { checkpoint: string; planHash: string },
): CaseEventDraft[] {
  const complete = result.left.length === 0;
  const { objects, bytes, snapshots } = result;
  const each = exhibits.map(({ id, kind, source, sha256 }): CaseEventDraft => ({
    kind: 'evidence-purged',
    message: `${kind} of ${source} (SHA-256 ${sha256}) was destroyed after its retention`,
    exhibit: { id, kind, source },
    sha256,
    authority,
    notify: false,
  }));
  const whole: CaseEventDraft = {
    kind: 'evidence-purged',
    message: complete
      ? `the evidence of case ${caseId} was destroyed after its retention: ${objects} object version(s), ${snapshots} snapshot(s)`
      : `the evidence of case ${caseId} was destroyed in part: ${result.left.length} thing(s) are left`,
    severity: complete ? 'informational' : 'high',
    authority,
    data: { complete, objects, bytes, snapshots, left: result.left.slice(0, 20) },
    notify: true,
  };
  // Of a purge that left something nobody can say which exhibit is gone: the entry of the whole says what is left.
  return complete ? [...each, whole] : [whole];
}
