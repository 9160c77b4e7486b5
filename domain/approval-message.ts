import type { ApprovalEvent, Approver } from './approval';
import { type IdentityProof, readIdentityProof } from './identity-proof';

/** What people send to something that waits for consent; read from whatever arrived. */
export interface ApprovalMessage {
  verdict: 'approve' | 'reject';
  /** Who decides, as typed. */
  approver: string;
  reason?: string;
  planHash?: string;
  /** Go ahead alone; needs a reason. */
  breakGlass?: true;
  /** By which STS tells who decides. */
  proof?: IdentityProof;
}

const HASH = /^[0-9a-f]{64}$/;
const text = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value.trim().length > 0 && value.length <= longest;

/**
 * Reads a message, or returns the sentence that tells the sender what is wrong with it.
 * @param verdict given by the door (the signals `approve` and `reject`); the update `decide` carries its own
 */
export function readApprovalMessage(payload: unknown, verdict?: ApprovalMessage['verdict']): ApprovalMessage | string {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload))
    return 'a decision is a JSON object, e.g. {"approver":"ann","reason":"retention is over"}';
  const given = payload as Record<string, unknown>;
  const chosen = verdict ?? (given.verdict === 'approve' || given.verdict === 'reject' ? given.verdict : undefined);
  if (!chosen) return 'verdict must be "approve" or "reject"';
  if (!text(given.approver, 256)) return 'approver must say who decides (1 to 256 characters)';
  if (given.reason !== undefined && !text(given.reason, 2000)) return 'reason must be text of at most 2000 characters';
  if (given.planHash !== undefined && (typeof given.planHash !== 'string' || !HASH.test(given.planHash)))
    return 'planHash must be the 64 hexadecimal digits shown with the plan';
  if (given.breakGlass !== undefined && (given.breakGlass !== true || chosen !== 'approve'))
    return 'breakGlass must be true, and only with an approval';
  const proof = given.proof === undefined ? undefined : readIdentityProof(given.proof);
  if (typeof proof === 'string') return proof;
  return {
    verdict: chosen,
    approver: given.approver.trim(),
    ...(given.reason !== undefined && { reason: given.reason }),
    ...(given.planHash !== undefined && { planHash: given.planHash }),
    ...(given.breakGlass === true && { breakGlass: true }),
    ...(proof && { proof }),
  };
}

/** The event that a message is, from a person who is known as `by` says. */
export function approvalEventOf(message: ApprovalMessage, by: Approver, at: string): ApprovalEvent {
  const { verdict, reason, planHash, breakGlass } = message;
  const plan = planHash !== undefined && { planHash };
  return breakGlass
    ? { kind: 'break-glass', by, at, reason: reason ?? '', ...plan }
    : { kind: 'decision', verdict, by, at, ...(reason !== undefined && { reason }), ...plan };
}
