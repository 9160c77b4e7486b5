/**
 * The consent of people to a plan, as a value that events change. Everything that waits for consent uses this one rule: who may
 * decide, how many are needed, what a changed plan, a late answer or an emergency means. Pure: the caller gives every time.
 *
 * It fails closed. Nothing but enough approvals of the current plan, or a broken glass where the policy allows that, ever approves.
 */

/** Who may decide, and how many of them must agree. */
export interface ApprovalPolicy {
  /** Different people who must approve; less than 1 counts as 1. */
  quorum: number;
  /** Who decides needs one of these roles; an empty list: anybody may. */
  roles: string[];
  /** Who opened it may not approve it; rejecting is theirs too. */
  separationOfDuties: boolean;
  /** A typed name is not enough: STS must have vouched for whoever decides. */
  provenIdentityRequired: boolean;
  /** Without an answer by then it is expired: held, never approved. Without this it waits for ever. */
  expiresAfterSeconds?: number;
  /**
   * Who may go ahead alone in an emergency: one of these roles; an empty list: anybody who may decide. Left out: nobody. The opener
   * may, too: what stands for the second person is the review afterwards, which cannot be left out.
   */
  breakGlassRoles?: string[];
}

export interface Approver {
  /** What tells one person from another: ARN of the principal, or the name that was typed. Case and outer blanks do not count. */
  name: string;
  knownBy: 'proven' | 'claimed';
  roles: string[];
}

export interface ApprovalDecision {
  verdict: 'approve' | 'reject';
  by: Approver;
  /** ISO 8601. */
  at: string;
  /** Hash of the plan that was decided on. */
  planHash: string;
  /** Which asking it answers; only answers to the present one count. */
  asking: number;
  reason?: string;
}

/** Somebody went ahead alone; another person has to look at it. */
export interface BrokenGlass {
  by: Approver;
  at: string;
  planHash: string;
  reason: string;
  review:
    | { state: 'due' }
    | { state: 'done'; by: Approver; at: string; verdict: 'justified' | 'not-justified'; note: string };
}

/**
 * - `open`: waits for decisions.
 * - `expired`: nobody answered in time. It is held until it is asked again.
 * - `void`: it is not asked for any more.
 */
export type ApprovalStatus = 'open' | 'approved' | 'rejected' | 'expired' | 'void';

export interface Approval {
  policy: ApprovalPolicy;
  planHash: string;
  openedBy: string;
  /** ISO 8601; of the present asking. */
  openedAt: string;
  /** 1, 2, 3 …: a changed plan, or the same one after it expired or was rejected, is asked anew, and nothing of before counts. */
  asking: number;
  /** All that were taken, also those on plans that have changed since, which count no more. */
  decisions: ApprovalDecision[];
  status: ApprovalStatus;
  brokenGlass: BrokenGlass[];
}

export type ApprovalEvent =
  /** `planHash` left out: the current plan is meant. */
  | { kind: 'decision'; verdict: 'approve' | 'reject'; by: Approver; at: string; planHash?: string; reason?: string }
  /** The plan is another one now: earlier approvals are void, also those that were enough. */
  | { kind: 'plan-changed'; planHash: string; at: string }
  /** The time may be over; tells nothing that the state does not know. */
  | { kind: 'time-passed'; at: string }
  /** The same question once more, after it has expired or was rejected; approvals are given anew. */
  | { kind: 'asked-again'; at: string }
  | { kind: 'withdrawn'; at: string }
  | { kind: 'break-glass'; by: Approver; at: string; reason: string; planHash?: string }
  /** Of the first that is due for review. */
  | { kind: 'reviewed'; by: Approver; at: string; verdict: 'justified' | 'not-justified'; note: string };

/** The state after an event; `refusal` says in one sentence why the event changed nothing, and then the state is the same value. */
export interface ApprovalStep {
  approval: Approval;
  refusal?: string;
}

export function openApproval(asked: Pick<Approval, 'policy' | 'planHash' | 'openedBy' | 'openedAt'>): Approval {
  return { ...asked, asking: 1, decisions: [], brokenGlass: [], status: 'open' };
}

/** The approvals that count: of the current plan, one a person. */
export function countedApprovals({ decisions, asking }: Approval): ApprovalDecision[] {
  const people = new Map<string, ApprovalDecision>();
  for (const decision of decisions) {
    const person = personOf(decision.by.name);
    if (decision.verdict === 'approve' && decision.asking === asking && !people.has(person))
      people.set(person, decision);
  }
  return [...people.values()];
}

/** How many more people must approve. A quorum that is no number is never reached. */
export function approvalsMissing(approval: Approval): number {
  const { quorum } = approval.policy;
  const needed = Number.isNaN(quorum) ? Infinity : Math.max(1, Math.ceil(quorum));
  return Math.max(0, needed - countedApprovals(approval).length);
}

/** ISO 8601: when it expires without an answer. */
export function expiryOf({ policy, openedAt }: Approval): string | undefined {
  const { expiresAfterSeconds } = policy;
  if (expiresAfterSeconds === undefined || !Number.isFinite(expiresAfterSeconds)) return undefined;
  return new Date(Date.parse(openedAt) + expiresAfterSeconds * 1000).toISOString();
}

export function applyApproval(approval: Approval, event: ApprovalEvent): ApprovalStep {
  const refused = (refusal: string): ApprovalStep => ({ approval, refusal });
  if (Number.isNaN(Date.parse(event.at))) return refused('the time of it cannot be read');
  switch (event.kind) {
    case 'decision':
      return decide(approval, event);
    case 'plan-changed': {
      if (event.planHash === approval.planHash) return refused('the plan is the same as before');
      if (approval.status === 'void') return refused('it is not asked for any more');
      return { approval: { ...askedAnew(approval, event.at), planHash: event.planHash } };
    }
    case 'time-passed':
      if (approval.status !== 'open' || !isOver(approval, event.at)) return refused('its time is not over');
      return { approval: { ...approval, status: 'expired' } };
    case 'asked-again':
      if (approval.status !== 'expired' && approval.status !== 'rejected')
        return refused(`it is ${approval.status}: only what has expired or was rejected is asked again`);
      return { approval: askedAnew(approval, event.at) };
    case 'withdrawn':
      if (approval.status !== 'open' && approval.status !== 'expired')
        return refused(`it is ${approval.status} already`);
      return { approval: { ...approval, status: 'void' } };
    case 'break-glass':
      return breakGlass(approval, event);
    case 'reviewed':
      return review(approval, event);
  }
}

const askedAnew = (approval: Approval, at: string): Approval => ({
  ...approval,
  openedAt: at,
  asking: approval.asking + 1,
  status: 'open',
});

function decide(approval: Approval, event: Extract<ApprovalEvent, { kind: 'decision' }>): ApprovalStep {
  const { by, verdict, at, reason } = event;
  const refusal =
    notOpen(approval, at) ??
    anotherPlan(approval, event.planHash) ??
    notEligible(approval.policy, by) ??
    (verdict === 'approve' ? mayNotApprove(approval, by) : undefined);
  if (refusal !== undefined) return { approval, refusal };
  const { planHash, asking } = approval;
  const decision: ApprovalDecision = { verdict, by, at, planHash, asking, ...(reason !== undefined && { reason }) };
  const decided = { ...approval, decisions: [...approval.decisions, decision] };
  if (verdict === 'reject') return { approval: { ...decided, status: 'rejected' } };
  return { approval: approvalsMissing(decided) === 0 ? { ...decided, status: 'approved' } : decided };
}

function mayNotApprove(approval: Approval, { name }: Approver): string | undefined {
  const person = personOf(name);
  if (approval.policy.separationOfDuties && person === personOf(approval.openedBy))
    return `${name} opened it and may not approve it: another person has to`;
  if (countedApprovals(approval).some(({ by }) => personOf(by.name) === person))
    return `${name} has approved this plan already: the same person counts once`;
  return undefined;
}

function breakGlass(approval: Approval, event: Extract<ApprovalEvent, { kind: 'break-glass' }>): ApprovalStep {
  const { by, at, reason } = event;
  const { policy, status, planHash } = approval;
  // What has expired without an answer is just what the glass is for.
  const closed = status === 'open' || status === 'expired' ? undefined : notOpen(approval, at);
  const refusal =
    closed ??
    anotherPlan(approval, event.planHash) ??
    (policy.breakGlassRoles === undefined ? 'the policy lets nobody go ahead alone' : undefined) ??
    notEligible({ ...policy, roles: policy.breakGlassRoles?.length ? policy.breakGlassRoles : policy.roles }, by) ??
    (reason.trim() === '' ? 'going ahead alone needs a reason' : undefined);
  if (refusal !== undefined) return { approval, refusal };
  const brokenGlass: BrokenGlass = { by, at, planHash, reason: reason.trim(), review: { state: 'due' } };
  return { approval: { ...approval, status: 'approved', brokenGlass: [...approval.brokenGlass, brokenGlass] } };
}

function review(approval: Approval, event: Extract<ApprovalEvent, { kind: 'reviewed' }>): ApprovalStep {
  const due = approval.brokenGlass.find((one) => one.review.state === 'due');
  const { by, at, verdict, note } = event;
  if (!due) return { approval, refusal: 'there is nothing to review' };
  const refusal =
    notEligible(approval.policy, by) ??
    (personOf(by.name) === personOf(due.by.name)
      ? `${by.name} went ahead alone: another person has to review it`
      : undefined) ??
    (note.trim() === '' ? 'a review needs a note' : undefined);
  if (refusal !== undefined) return { approval, refusal };
  const reviewed: BrokenGlass = { ...due, review: { state: 'done', by, at, verdict, note: note.trim() } };
  return { approval: { ...approval, brokenGlass: approval.brokenGlass.map((one) => (one === due ? reviewed : one)) } };
}

function notOpen(approval: Approval, at: string): string | undefined {
  switch (approval.status) {
    case 'open':
      if (isBefore(at, approval.openedAt)) return 'it was decided before it was asked';
      return isOver(approval, at)
        ? `too late: it expired at ${expiryOf(approval) ?? ''} and has to be asked again`
        : undefined;
    case 'approved':
      return 'it is approved already';
    case 'rejected':
      return 'it was rejected already';
    case 'expired':
      return `too late: it expired at ${expiryOf(approval) ?? ''} and has to be asked again`;
    case 'void':
      return 'it is not asked for any more';
  }
}

function anotherPlan({ planHash }: Approval, read: string | undefined): string | undefined {
  return read === undefined || read === planHash
    ? undefined
    : `the plan has changed since it was read (its hash is ${planHash}): read it again before deciding`;
}

function notEligible(policy: ApprovalPolicy, { name, knownBy, roles }: Approver): string | undefined {
  if (personOf(name) === '') return 'it does not say who decides';
  if (policy.provenIdentityRequired && knownBy !== 'proven')
    return `${name} is a typed name: the policy asks for a proven identity`;
  if (policy.roles.length > 0 && !policy.roles.some((role) => roles.includes(role)))
    return `${name} has none of the roles that may decide: ${policy.roles.join(', ')}`;
  return undefined;
}

const personOf = (name: string): string => name.normalize('NFKC').trim().toLowerCase();
const isBefore = (at: string, moment: string): boolean => !(Date.parse(at) >= Date.parse(moment));

function isOver(approval: Approval, at: string): boolean {
  const expiry = expiryOf(approval);
  return expiry !== undefined && !isBefore(at, expiry);
}
