import { PHASES, type PhaseName } from './case-event';
import type { PhaseRecord } from './outcome';

const inOrder = (phases: PhaseRecord[]): PhaseRecord[] =>
  [...phases].sort((one, other) => PHASES.indexOf(one.name) - PHASES.indexOf(other.name));

/** The phases with this one running. A phase that was begun before stays as it is. `at` is ISO 8601. */
export function startPhase(phases: PhaseRecord[], name: PhaseName, at: string): PhaseRecord[] {
  if (phases.some((phase) => phase.name === name)) return phases;
  return inOrder([...phases, { name, startedAt: at, outcome: 'running' }]);
}

export interface PhaseEnd {
  /** ISO 8601. */
  at: string;
  outcome: Exclude<PhaseRecord['outcome'], 'running'>;
  reason?: string;
}

/** The phases with this one ended; one that never began (it was skipped) begins and ends at the same moment. */
export function endPhase(phases: PhaseRecord[], name: PhaseName, end: PhaseEnd): PhaseRecord[] {
  const startedAt = phases.find((phase) => phase.name === name)?.startedAt ?? end.at;
  const ended: PhaseRecord = {
    name,
    startedAt,
    endedAt: end.at,
    outcome: end.outcome,
    ...(end.reason !== undefined && { reason: end.reason }),
  };
  return inOrder([...phases.filter((phase) => phase.name !== name), ended]);
}

/**
 * The phase that a list of cases shows. Acquisition, containment and examination overlap: the first of the process that
 * still runs is meant; when none runs, the last that did.
 */
export function currentPhase(phases: PhaseRecord[]): PhaseName {
  const current = phases.find((phase) => phase.outcome === 'running') ?? phases.at(-1);
  return current?.name ?? PHASES[0];
}

/** How a phase that handles several items went, by how many it should have had and how many it has. */
export function outcomeOf(wanted: number, had: number): 'succeeded' | 'partial' | 'failed' {
  if (had === wanted) return 'succeeded';
  return had > 0 ? 'partial' : 'failed';
}
