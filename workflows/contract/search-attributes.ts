import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);

/**
 * What a responder filters cases by in the Temporal UI. SQL visibility allows 10 Keyword attributes a namespace; these
 * are 8. They are not encrypted: no secrets.
 */
export const searchAttributes = {
  CaseId: keyword('CaseId'),
  CaseStatus: keyword('CaseStatus'),
  CasePhase: keyword('CasePhase'),
  CaseSeverity: keyword('CaseSeverity'),
  CaseAccount: keyword('CaseAccount'),
  CaseRegion: keyword('CaseRegion'),
  CaseInstance: keyword('CaseInstance'),
  /** Name of the checkpoint that waits for a person, or absent. */
  AwaitingApproval: keyword('AwaitingApproval'),
} as const;
