import type { CaseRequest } from '../case-request';
import type { ContainmentPlan } from '../containment';
import type { InstanceFacts } from '../instance-facts';
import type { CaseOutcome } from '../outcome';
import type { Manifest } from './bundle';
import type { CustodyEntry } from './entry';

/** All that is known of a case when it is sealed; what the documents for counsel and other tools are made from. */
export interface CaseDossier {
  request: CaseRequest;
  /** Null when the instance could not be read. */
  facts: InstanceFacts | null;
  plan: ContainmentPlan | null;
  outcome: CaseOutcome;
  manifest: Manifest;
  /** The custody log up to the seal, in order. */
  entries: CustodyEntry[];
}
