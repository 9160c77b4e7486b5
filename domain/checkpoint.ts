import {
  applyApproval,
  type Approval,
  type ApprovalEvent,
  type ApprovalPolicy,
  approvalsMissing,
  type Approver,
} from './approval';
import { approvalEventOf, readApprovalMessage } from './approval-message';
import { personOf, type IdentityProof, type ProvenIdentity } from './identity-proof';
import { rolesOf } from './policy/roles';

/** `subnet-isolation`: layers of the containment that neighbours of the instance feel too. */
export const CHECKPOINTS = ['acquisition', 'isolation', 'subnet-isolation'] as const;
export type CheckpointName = (typeof CHECKPOINTS)[number];
export type Verdict = 'approve' | 'reject';

/** What a person sends, by signal (`approve`, `reject`) or by the update `decide`. */
export interface Decision {
  checkpoint: CheckpointName;
  verdict: Verdict;
  /** Who decides: a typed name. With a proof, what STS says counts instead. */
  approver: string;
  reason?: string;
  /** Hash of the plan that was read. Given: it must match. Absent: the current plan is meant. */
  planHash?: string;
  /** Go ahead alone in an emergency; needs a reason, and another person has to review it before the case closes. */
  breakGlass?: true;
  proof?: IdentityProof;
}

export interface RecordedDecision {
  checkpoint: CheckpointName;
  verdict: Verdict;
  approver: string;
  reason?: string;
  /** ISO 8601. */
  decidedAt: string;
  planHash: string;
  door: 'signal' | 'update';
  knownBy: Approver['knownBy'];
  /** Of a proven identity: ARN of the principal, and SHA-256 of the signature that proved it. */
  principal?: string;
  proofSha256?: string;
  breakGlass?: true;
}

/** A checkpoint as the case sees it: not reached, open for decisions, or decided. */
export type CheckpointState =
  | { state: 'not-reached' }
  | {
      state: 'open';
      /** Of the plan that is asked for now. */
      planHash: string;
      /** ISO 8601; of the present asking. */
      openedAt: string;
      /** How many more people must approve. */
      approvalsMissing: number;
      escalated: boolean;
      approval: Approval;
    }
  | { state: 'decided'; decision: RecordedDecision; approval: Approval }
  | { state: 'not-needed'; because: string };

export type Checkpoints = Record<CheckpointName, CheckpointState>;

export const NO_CHECKPOINT_REACHED: Checkpoints = {
  acquisition: { state: 'not-reached' },
  isolation: { state: 'not-reached' },
  'subnet-isolation': { state: 'not-reached' },
};

export const openCheckpoint = (approval: Approval, escalated: boolean): CheckpointState => ({
  state: 'open',
  planHash: approval.planHash,
  openedAt: approval.openedAt,
  approvalsMissing: approvalsMissing(approval),
  escalated,
  approval,
});

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
  const message = readApprovalMessage(payload, verdict);
  return typeof message === 'string' ? message : { checkpoint, ...message };
}

/** Who decides, as far as it is known. */
export interface Decider extends Approver {
  principal?: string;
  proofSha256?: string;
}

/** A typed name has no roles: anybody may type any name. */
export const claimedDecider = (name: string): Decider => ({ name, knownBy: 'claimed', roles: [] });

/** @param roles role → patterns of the principals that have it, of the policy's decision */
export const provenDecider = ({ arn, proofSha256 }: ProvenIdentity, roles: Record<string, string[]>): Decider => ({
  name: personOf(arn),
  knownBy: 'proven',
  roles: rolesOf(roles, arn),
  principal: arn,
  proofSha256,
});

/** Why a decision cannot be taken, or undefined when it can. `at` is ISO 8601. */
export function refusal(checkpoints: Checkpoints, decision: Decision, by: Decider, at: string): string | undefined {
  const { checkpoint, verdict } = decision;
  const state = checkpoints[checkpoint];
  switch (state.state) {
    case 'not-reached':
      return `checkpoint ${checkpoint} is not open yet: wait until the case asks for it`;
    case 'not-needed':
      return `checkpoint ${checkpoint} needs no decision: ${state.because}`;
    case 'decided':
      return `checkpoint ${checkpoint} was already decided (${state.decision.verdict}) by ${state.decision.approver}`;
    case 'open': {
      const { policy, openedBy } = state.approval;
      if (verdict === 'approve' && policy.separationOfDuties && isNamed(by, openedBy) && !decision.breakGlass)
        return `${by.name} opened the case and may not approve it: another person has to`;
      return applyApproval(state.approval, eventOf(decision, by, at)).refusal;
    }
  }
}

/** The state after a decision that `refusal` has let through, and the decision as it is kept. */
export function applyDecision(
  checkpoints: Checkpoints,
  decision: Decision,
  by: Decider,
  { decidedAt, door }: Pick<RecordedDecision, 'decidedAt' | 'door'>,
): { checkpoints: Checkpoints; recorded?: RecordedDecision } {
  const { checkpoint, verdict, reason, breakGlass } = decision;
  const state = checkpoints[checkpoint];
  if (state.state !== 'open') return { checkpoints };
  const { approval, refusal: refused } = applyApproval(state.approval, eventOf(decision, by, decidedAt));
  if (refused !== undefined) return { checkpoints };
  const { name: approver, knownBy, principal, proofSha256 } = by;
  const recorded: RecordedDecision = {
    checkpoint,
    verdict,
    approver,
    ...(reason !== undefined && { reason }),
    decidedAt,
    planHash: approval.planHash,
    door,
    knownBy,
    ...(principal !== undefined && { principal }),
    ...(proofSha256 !== undefined && { proofSha256 }),
    ...(breakGlass && { breakGlass }),
  };
  const after: CheckpointState =
    approval.status === 'open'
      ? openCheckpoint(approval, state.escalated)
      : { state: 'decided', decision: recorded, approval };
  return { checkpoints: { ...checkpoints, [checkpoint]: after }, recorded };
}

/** Changes the approval of a checkpoint by something that is no decision: time, another plan, a review. */
export function applyToCheckpoint(
  checkpoints: Checkpoints,
  checkpoint: CheckpointName,
  event: Exclude<ApprovalEvent, { kind: 'decision' | 'break-glass' }>,
): { checkpoints: Checkpoints; refusal?: string } {
  const state = checkpoints[checkpoint];
  if (state.state !== 'open' && state.state !== 'decided')
    return { checkpoints, refusal: `checkpoint ${checkpoint} was not asked for` };
  const { approval, refusal: refused } = applyApproval(state.approval, event);
  if (refused !== undefined) return { checkpoints, refusal: refused };
  const escalated = state.state === 'open' && state.escalated;
  const after: CheckpointState =
    approval.status === 'open' || state.state === 'open' ? openCheckpoint(approval, escalated) : { ...state, approval };
  return { checkpoints: { ...checkpoints, [checkpoint]: after } };
}

/** Checkpoints at which somebody went ahead alone and which nobody has reviewed yet. */
export const reviewsDue = (checkpoints: Checkpoints): CheckpointName[] =>
  CHECKPOINTS.filter((name) => {
    const state = checkpoints[name];
    return (
      (state.state === 'open' || state.state === 'decided') &&
      state.approval.brokenGlass.some(({ review }) => review.state === 'due')
    );
  });

/** The part of a checkpoint's policy that decides who may, and how many must. */
export const approvalPolicyOf = (policy: ApprovalPolicy): ApprovalPolicy => {
  const { quorum, roles, separationOfDuties, provenIdentityRequired, expiresAfterSeconds, breakGlassRoles } = policy;
  return {
    quorum,
    roles,
    separationOfDuties,
    provenIdentityRequired,
    ...(expiresAfterSeconds !== undefined && { expiresAfterSeconds }),
    ...(breakGlassRoles !== undefined && { breakGlassRoles }),
  };
};

const eventOf = ({ verdict, approver, reason, planHash, breakGlass }: Decision, by: Decider, at: string) =>
  approvalEventOf(
    {
      verdict,
      approver,
      ...(reason !== undefined && { reason }),
      ...(planHash !== undefined && { planHash }),
      ...(breakGlass && { breakGlass }),
    },
    { name: by.name, knownBy: by.knownBy, roles: by.roles },
    at,
  );

/** Who opened a case by hand typed a name; the same name at the end of an ARN is taken for the same person. */
function isNamed({ name, principal }: Decider, opener: string): boolean {
  const own = principal === undefined ? [name] : [name, principal, principal.slice(principal.lastIndexOf('/') + 1)];
  return own.some((one) => one.trim().toLowerCase() === opener.trim().toLowerCase());
}
