export const CHECKPOINTS = ['acquisition', 'isolation'] as const;
export type CheckpointName = (typeof CHECKPOINTS)[number];
export type Verdict = 'approve' | 'reject';

/** What a person sends, by signal (`approve`, `reject`) or by the update `decide`. */
export interface Decision {
  checkpoint: CheckpointName;
  verdict: Verdict;
  /** Who decides. Self-asserted until it is proven. */
  approver: string;
  reason?: string;
  /** Hash of the plan that was read. Given: it must match. Absent: the current plan is meant. */
  planHash?: string;
}

export interface RecordedDecision extends Decision {
  /** ISO 8601. */
  decidedAt: string;
  planHash: string;
  door: 'signal' | 'update';
}

/** A checkpoint as the case sees it: not reached, open for a decision, or decided. */
export type CheckpointState =
  | { state: 'not-reached' }
  | { state: 'open'; planHash: string; openedAt: string; escalated: boolean }
  | { state: 'decided'; decision: RecordedDecision }
  | { state: 'not-needed'; because: string };

export type Checkpoints = Record<CheckpointName, CheckpointState>;

export const NO_CHECKPOINT_REACHED: Checkpoints = {
  acquisition: { state: 'not-reached' },
  isolation: { state: 'not-reached' },
};

const text = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value.trim().length > 0 && value.length <= longest;

/**
 * Reads a decision out of whatever was sent. Returns the decision, or the sentence that tells the sender what is wrong.
 * `verdict` is given by the door (`approve` / `reject` signals); the update carries its own.
 */
export function readDecision(payload: unknown, verdict?: Verdict): Decision | string {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    return 'a decision is a JSON object, e.g. {"checkpoint":"isolation","approver":"ann","reason":"confirmed"}';
  }
  const given = payload as Record<string, unknown>;
  const checkpoint = CHECKPOINTS.find((name) => name === given.checkpoint);
  if (!checkpoint)
    return `checkpoint must be one of ${CHECKPOINTS.join(', ')}, got ${JSON.stringify(given.checkpoint)}`.slice(0, 200);
  const chosen = verdict ?? (given.verdict === 'approve' || given.verdict === 'reject' ? given.verdict : undefined);
  if (!chosen) return 'verdict must be "approve" or "reject"';
  if (!text(given.approver, 256)) return 'approver must say who decides (1 to 256 characters)';
  if (given.reason !== undefined && !text(given.reason, 2000)) return 'reason must be text of at most 2000 characters';
  if (given.planHash !== undefined && (typeof given.planHash !== 'string' || !/^[0-9a-f]{64}$/.test(given.planHash))) {
    return 'planHash must be the 64 hexadecimal digits shown with the plan';
  }
  return {
    checkpoint,
    verdict: chosen,
    approver: given.approver.trim(),
    ...(given.reason !== undefined && { reason: given.reason }),
    ...(given.planHash !== undefined && { planHash: given.planHash }),
  };
}

/** Why a decision cannot be taken now, or undefined when it can. */
export function refusal(checkpoints: Checkpoints, decision: Decision, openedBy: string): string | undefined {
  const state = checkpoints[decision.checkpoint];
  switch (state.state) {
    case 'not-reached':
      return `checkpoint ${decision.checkpoint} is not open yet: wait until the case asks for it`;
    case 'not-needed':
      return `checkpoint ${decision.checkpoint} needs no decision: ${state.because}`;
    case 'decided':
      return `checkpoint ${decision.checkpoint} was already decided (${state.decision.verdict}) by ${state.decision.approver}`;
    case 'open':
      if (decision.planHash !== undefined && decision.planHash !== state.planHash) {
        return `the plan has changed since it was read (its hash is ${state.planHash}): read it again before deciding`;
      }
      if (decision.verdict === 'approve' && decision.approver === openedBy) {
        return `${decision.approver} opened the case and may not approve it: another person has to`;
      }
      return undefined;
  }
}

/** The state after a decision that `refusal` has let through. */
export function applyDecision(
  checkpoints: Checkpoints,
  decision: Decision,
  at: { decidedAt: string; door: RecordedDecision['door'] },
): Checkpoints {
  const state = checkpoints[decision.checkpoint];
  if (state.state !== 'open') return checkpoints;
  const recorded: RecordedDecision = { ...decision, ...at, planHash: state.planHash };
  return { ...checkpoints, [decision.checkpoint]: { state: 'decided', decision: recorded } };
}
