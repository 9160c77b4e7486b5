import type { CaseOutcomeName } from './outcome';

export interface CaseSoFar {
  /** Set when the case did not run to its end: a person stopped or declined it, or triage failed. */
  ending?: 'cancelled' | 'declined' | 'failed';
  /** Whether the policy asked for any evidence. */
  evidenceAsked: boolean;
  exhibits: number;
  /** One sentence for each thing that the policy asked for and that was not done. */
  reasons: string[];
}

/** How the case ended. What a person declined is that person's decision and no failure, so it is not among the reasons. */
export function judgeCase(soFar: CaseSoFar): CaseOutcomeName {
  if (soFar.ending !== undefined) return soFar.ending;
  if (soFar.evidenceAsked && soFar.exhibits === 0) return 'failed';
  return soFar.reasons.length > 0 ? 'partial' : 'complete';
}
