import type { CaseOutcome } from '../../domain/outcome';
import type { Suspect } from '../../lab/seed/suspect';
import { type Difference, differences, footprint, readResources, type Resources } from './aws-state';
import { custodyProblems } from './custody-check';
import type { FaultLab } from './fault-lab';
import { runCase, runKilledCase } from './killed-case';
import { callId, isMutation, kindOf, type KillPoint, KillPoints, PRODUCT } from './kill-points';

export interface Comparison {
  points: KillPoint[];
  /** How often the worker was killed: calls that are under way at the same moment share a kill. */
  kills: number;
  differences: Difference[];
  /** What is wrong beside the difference: a case that is not complete, a broken custody log, a call that was never met. */
  problems: string[];
}

/**
 * Runs a case undisturbed, and another one whose worker is killed at the wanted calls (all mutations that the case makes when
 * absent), and compares what the two left behind in both accounts.
 */
export async function compareWithUndisturbed(
  lab: FaultLab,
  wanted?: (point: KillPoint) => boolean,
  tell: (line: string) => void = () => undefined,
): Promise<Comparison> {
  await lab.emulator.clearCalls();
  const undisturbed = await observed(lab, (suspect) => runCase(lab, suspect));
  const expected = await mutationsOf(lab);
  tell(`undisturbed: ${[...expected.values()].reduce((sum, ids) => sum + ids.size, 0)} mutations`);

  const points = new KillPoints(wanted);
  let kills = 0;
  const killed = await observed(lab, async (suspect) => {
    const run = await runKilledCase(lab, suspect, points, tell);
    kills = run.kills;
    return run.outcome;
  });

  const found = differences(undisturbed.lines, killed.lines);
  return {
    points: points.all(),
    kills,
    differences: found,
    problems: [
      ...undisturbed.problems.map((problem) => `undisturbed case: ${problem}`),
      ...killed.problems.map((problem) => `killed case: ${problem}`),
      ...(wanted ? [] : notMet(expected, points)),
      ...points
        .all()
        .filter((point) => !point.killed.before || !point.killed.after)
        .map((point) => `${kindOf(point)} #${point.ordinal} (${point.subject}) was not met on both sides`),
    ],
  };
}

interface ObservedCase {
  lines: string[];
  problems: string[];
}

async function observed(lab: FaultLab, run: (suspect: Suspect) => Promise<CaseOutcome>): Promise<ObservedCase> {
  const { forensics, config } = lab.deployment;
  const suspect = await lab.launch();
  const before = await readBoth(lab);
  const outcome = await run(suspect);
  const after = await readBoth(lab);
  const names = new Map([
    [outcome.caseId, '<case>'],
    [suspect.instanceId, '<suspect>'],
    ...suspect.volumeIds.map((id, index): [string, string] => [id, `<volume ${index + 1}>`]),
  ]);
  return {
    lines: [...before].flatMap(([account, resources]) =>
      footprint(resources, after.get(account) ?? new Map<string, unknown>(), names).map((line) => `${account} ${line}`),
    ),
    problems: [
      ...(outcome.outcome === 'complete' ? [] : [`it closed ${outcome.outcome}: ${outcome.reasons.join('; ')}`]),
      ...(await custodyProblems(forensics, config.caseTable, outcome.caseId)),
    ],
  };
}

async function readBoth({ deployment: { member, forensics, config } }: FaultLab): Promise<Map<string, Resources>> {
  return new Map([
    ['member', await readResources(member)],
    ['forensics', await readResources(forensics, config.caseTable)],
  ]);
}

/** The distinct mutations of the product in the lab's journal, by kind. */
async function mutationsOf({ emulator }: FaultLab): Promise<Map<string, Set<string>>> {
  const kinds = new Map<string, Set<string>>();
  for (const call of await emulator.calls()) {
    if (!call.userAgent.includes(PRODUCT) || !isMutation(call)) continue;
    kinds.set(kindOf(call), (kinds.get(kindOf(call)) ?? new Set()).add(callId(call)));
  }
  return kinds;
}

/** Kinds of which the killed case met fewer calls than the undisturbed one made. */
function notMet(expected: Map<string, Set<string>>, points: KillPoints): string[] {
  return [...expected].flatMap(([kind, ids]) => {
    const met = points.all().filter((point) => kindOf(point) === kind).length;
    return met < ids.size
      ? [`${kind}: the worker was killed at ${met} calls, the undisturbed case made ${ids.size}`]
      : [];
  });
}
