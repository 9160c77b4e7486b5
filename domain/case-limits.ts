import { FINDINGS_KEPT_IN_HISTORY, type ExaminationFinding, type ExaminationResult } from './examination';

/**
 * What a case keeps of what others send without end. A case's view and result travel as one payload, which Temporal
 * refuses beyond 2 MB (docs.temporal.io, "Temporal platform limits"); and every event of a case costs history.
 */
export const JOINED_FINDINGS_KEPT = 100;
/** Refused signals that leave an event; the history holds the others. */
export const REFUSALS_KEPT = 100;
export const REASONS_KEPT = 200;
/** Characters of a reason or of an event's sentence. */
export const LONGEST_SENTENCE = 1_000;

/** Findings of all examinations of a case together, and characters of one finding's texts. */
const FINDINGS_KEPT = 200;
const FEWEST_PER_EXHIBIT = 5;
const LONGEST_FINDING_TEXT = 1_000;
/** The memo also lies in Temporal's list of workflows: it shall stay small. */
const LONGEST_MEMO = 8_000;

/** A sentence of ours with other people's words in it, cut where it grows out of hand. */
export function sentence(text: string, longest = LONGEST_SENTENCE): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

/** The reasons that are shown; the last one says how many more there are. */
export function keptReasons(reasons: string[]): string[] {
  if (reasons.length <= REASONS_KEPT) return reasons;
  const more = reasons.length - REASONS_KEPT;
  return [...reasons.slice(0, REASONS_KEPT), `… and ${more} more: the case's events tell each of them`];
}

/**
 * An examination's result as the case keeps it: of an instance with many volumes, fewer findings an exhibit. The
 * gravest come first, and all of them lie in the evidence store (`allFindings`).
 */
export function keptExamination(result: ExaminationResult, exhibits: number): ExaminationResult {
  const share = Math.floor(FINDINGS_KEPT / Math.max(1, exhibits));
  const most = Math.min(FINDINGS_KEPT_IN_HISTORY, Math.max(FEWEST_PER_EXHIBIT, share));
  const short = (finding: ExaminationFinding): ExaminationFinding => ({
    ...finding,
    title: sentence(finding.title, LONGEST_FINDING_TEXT),
    detail: sentence(finding.detail, LONGEST_FINDING_TEXT),
  });
  return {
    ...result,
    ...(result.reason !== undefined && { reason: sentence(result.reason) }),
    findings: result.findings.slice(0, most).map(short),
  };
}

/**
 * Ids for the memo by which a starter recognises a repeated delivery (starters/start-case.ts): the finding that opened
 * the case, then the latest that joined, as many as fit.
 */
export function findingIdsForMemo(opening: string, joined: string[]): string[] {
  const latest: string[] = [];
  let characters = opening.length;
  for (const id of [...joined].reverse()) {
    characters += id.length;
    if (latest.length + 1 >= JOINED_FINDINGS_KEPT || characters > LONGEST_MEMO) break;
    latest.unshift(id);
  }
  return [opening, ...latest];
}
