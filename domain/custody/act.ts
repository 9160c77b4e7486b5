import type { CustodyFacts } from './facts';

/** What a step did to the suspect or to evidence, as the step itself tells it; it becomes an entry of the custody log. */
export interface CustodyAct extends Partial<Omit<CustodyFacts, 'awsCalls' | 'awsCallsNotListed'>> {
  /** What was done to what, in one plain sentence; may hold words of a suspect. */
  message: string;
  /** Small and JSON-plain. */
  data?: Record<string, unknown>;
}
