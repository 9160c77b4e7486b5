import type { PhaseName } from '../case-event';
import type { CustodyEntry } from '../custody/entry';
import type { PhaseRecord } from '../outcome';

/** The phases in which something was done: the one that the entry names, or those that ran at its time. */
export function phasesOf({ phase, at }: CustodyEntry, phases: readonly PhaseRecord[]): PhaseName[] {
  if (phase !== undefined) return [phase];
  return phases
    .filter(
      ({ startedAt, endedAt, outcome }) =>
        outcome !== 'skipped' && startedAt <= at && (endedAt === undefined || at <= endedAt),
    )
    .map(({ name }) => name);
}
