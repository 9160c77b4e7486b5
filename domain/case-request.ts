import type { Finding } from './finding';
import type { InstanceTarget } from './target';

/**
 * What a caller may ask for. `acquire` collects evidence only; `acquire-and-isolate` also isolates the instance
 * (after consent); `by-policy` leaves both to the policy.
 */
export type RequestedAction = 'by-policy' | 'acquire' | 'acquire-and-isolate';

/** The one input of a case, whatever opened it. JSON-plain and small: it stands in the workflow's history. */
export interface CaseRequest {
  target: InstanceTarget;
  finding: Finding;
  requestedAction: RequestedAction;
  /** Who or what opened the case, as it is known: `guardduty`, or the name that the CLI gives. */
  openedBy: string;
  /** ISO 8601; when the request reached us. */
  receivedAt: string;
  /** Shared by the cases of one event that names several instances. */
  incidentId?: string;
  /** Only tells what would be done: the instance and its surroundings are read, and nothing is changed. */
  dryRun?: true;
}

/** A later finding on an instance with an open case: it joins that case. */
export interface AdditionalFinding {
  finding: Finding;
  openedBy: string;
  receivedAt: string;
}
