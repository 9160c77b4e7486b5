import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { CaseOutcome } from '../../domain/outcome';
import type { HeldCall, HeldCallVerdict } from '../../lab/aws/emulator-client';
import type { Suspect } from '../../lab/seed/suspect';
import { type CaseView, MESSAGES } from '../../workflows/contract/messages';
import { abandonTasks } from './abandoned-tasks';
import type { FaultLab } from './fault-lab';
import { type KillPoints, PRODUCT, type Side } from './kill-points';

/** How often the lab is asked for held calls. Milliseconds. */
const LOOK_MS = 60;
/**
 * Other branches of the case get this long to come to a call of their own, so that one kill strikes several: at least so many
 * milliseconds, and a part of what the last kill cost, since a loaded machine is slow in both.
 */
const SETTLE_MS = 250;
const SETTLE_SHARE = 0.3;
const CASE_MS = 60 * 60_000;

/** Runs a whole case, with its consent. @throws Error when it is not closed in time */
export async function runCase(lab: FaultLab, suspect: Suspect): Promise<CaseOutcome> {
  const handle = await lab.openCase(suspect);
  return closed(lab, handle);
}

async function closed(lab: FaultLab, handle: WorkflowHandle): Promise<CaseOutcome> {
  void approve(handle);
  const late = sleep(CASE_MS, undefined, { ref: false }).then(() => {
    throw new Error(`case ${handle.workflowId} was not closed in time; see the workers' logs in ${lab.folder}`);
  });
  return Promise.race([handle.result() as Promise<CaseOutcome>, late]);
}

/** Approves the isolation as soon as it is asked for, through as many deaths of the worker as there are. */
async function approve(handle: WorkflowHandle): Promise<void> {
  const deadline = Date.now() + CASE_MS;
  while (Date.now() < deadline) {
    await sleep(500);
    try {
      const { checkpoints, status } = await handle.query<CaseView>(MESSAGES.caseStatus);
      if (status === 'closed' || checkpoints.isolation.state === 'decided') return;
      if (checkpoints.isolation.state !== 'open') continue;
      // A signal waits in the history for whichever worker comes next.
      await handle.signal(MESSAGES.approve, { checkpoint: 'isolation', approver: 'ann', reason: 'test' });
      return;
    } catch {
      // No worker answers just now.
    }
  }
}

export interface KilledCase {
  outcome: CaseOutcome;
  /** How often the worker was killed. */
  kills: number;
}

/**
 * Runs a whole case and kills its worker at each of the points: first before the call is carried out (it then never is, and the
 * next attempt makes it anew), then after (its answer is lost). Calls that are under way at the same moment share a kill.
 */
export async function runKilledCase(
  lab: FaultLab,
  suspect: Suspect,
  points: KillPoints,
  tell: (line: string) => void = () => undefined,
): Promise<KilledCase> {
  const { emulator, client, worker } = lab;
  await emulator.holdChangesOf(PRODUCT);
  let kills = 0;
  let settle = SETTLE_MS;
  try {
    const handle = await lab.openCase(suspect);
    let over: { outcome: CaseOutcome } | { error: unknown } | undefined;
    void closed(lab, handle).then(
      (outcome) => (over = { outcome }),
      (error: unknown) => (over = { error }),
    );
    while (!over) {
      const doomed = await gather(lab, points, settle, () => over !== undefined);
      if (doomed.length === 0) continue;
      const killedAt = Date.now();
      await worker.kill();
      kills += 1;
      await emulator.decideHeldCalls(verdicts(await emulator.heldCalls(), () => 'drop'));
      for (const { call, side } of doomed) {
        points.killed(call, side);
        tell(`${kills} ${side} ${call.service}:${call.action}`);
      }
      await abandonTasks(client, handle.workflowId);
      await worker.takeOver();
      settle = Math.max(SETTLE_MS, SETTLE_SHARE * (Date.now() - killedAt));
    }
    if ('error' in over) throw over.error;
    return { outcome: over.outcome, kills };
  } finally {
    await emulator.releaseChanges();
  }
}

interface Doomed {
  call: HeldCall;
  side: Side;
}

/**
 * Waits for calls at which the worker has to be killed, and brings each of them to its side; all others go on. Empty when the
 * case is over.
 */
async function gather(
  { emulator }: FaultLab,
  points: KillPoints,
  settle: number,
  isOver: () => boolean,
): Promise<Doomed[]> {
  const sides = new Map<number, Side>();
  let quietSince = Date.now();
  for (;;) {
    const held = await emulator.heldCalls();
    const fresh = held.filter(({ number, stage }) => stage === 'before' && !sides.has(number));
    const going: HeldCall[] = [];
    const onward: HeldCall[] = [];
    for (const call of fresh) {
      const side = points.next(call);
      if (side) sides.set(call.number, side);
      (side === 'before' ? [] : side === 'after' ? onward : going).push(call);
    }
    if (going.length + onward.length > 0)
      await emulator.decideHeldCalls({ ...verdicts(going, () => 'go'), ...verdicts(onward, () => 'carry-out') });
    if (fresh.length > 0) quietSince = Date.now();
    const there = held.filter(({ number, stage }) => sides.get(number) === stage);
    // A call that failed never comes to its other side.
    const waiting = [...sides].filter(([number]) => there.every((call) => call.number !== number));
    const quiet = Date.now() - quietSince;
    if (there.length > 0 && quiet >= settle && (waiting.length === 0 || quiet >= 8 * settle))
      return there.map((call) => ({ call, side: call.stage }));
    if (there.length === 0 && isOver()) return [];
    await sleep(LOOK_MS);
  }
}

const verdicts = (
  calls: readonly HeldCall[],
  verdict: (call: HeldCall) => HeldCallVerdict,
): Record<number, HeldCallVerdict> => Object.fromEntries(calls.map((call) => [call.number, verdict(call)]));
