import type { CaseDossier } from '../custody/dossier';
import type { CustodyEntry } from '../custody/entry';
import type { CustodyActor, CustodyFacts } from '../custody/facts';

/** A decision to approve a plan, and who took it as far as the log knows. */
export interface Approval {
  checkpoint: string;
  planHash: string;
  /** ISO 8601. */
  decidedAt: string;
  actor: CustodyActor;
  /** By one person alone, in an emergency. */
  breakGlass: boolean;
}

/**
 * Decisions to approve that counted: those of the manifest, and those beside them in the log where a plan needed more than one
 * person. Without an entry in the log a name is a claim.
 * @param authority of this plan only
 */
export function approvalsOf(
  { manifest, entries }: Pick<CaseDossier, 'manifest' | 'entries'>,
  authority?: NonNullable<CustodyFacts['authority']>,
): Approval[] {
  const approved = manifest.decisions.filter(
    (decision) => decision.verdict === 'approve' && (!authority || planKey(authority) === planKey(decision)),
  );
  const approvals = new Map<string, Approval>();
  for (const { checkpoint, planHash, approver, decidedAt } of approved) {
    const plan = { checkpoint, planHash };
    const told = approvalEntries(entries, plan);
    for (const { actor, at, data } of told)
      approvals.set(JSON.stringify([planKey(plan), actor.name]), {
        ...plan,
        decidedAt: data?.approver === approver || actor.name === approver ? decidedAt : at,
        actor,
        breakGlass: data?.breakGlass === true,
      });
    if (told.some(({ actor, data }) => actor.name === approver || data?.approver === approver)) continue;
    const actor: CustodyActor = { name: approver, knownBy: 'claimed' };
    approvals.set(JSON.stringify([planKey(plan), approver]), { ...plan, decidedAt, actor, breakGlass: false });
  }
  return [...approvals.values()];
}

/** Entries of approvals of a plan; those before an asking expired count no more. */
function approvalEntries(
  entries: readonly CustodyEntry[],
  plan: NonNullable<CustodyFacts['authority']>,
): CustodyEntry[] {
  const expired = entries.findLastIndex(
    ({ kind, data }) => kind === 'consent-expired' && data?.checkpoint === plan.checkpoint,
  );
  return entries
    .slice(expired + 1)
    .filter(
      ({ kind, authority, data }) =>
        kind === 'decision-taken' &&
        authority !== undefined &&
        planKey(authority) === planKey(plan) &&
        data?.verdict === 'approve',
    );
}

/** What tells one plan at one checkpoint from another. */
export const planKey = ({ checkpoint, planHash }: NonNullable<CustodyFacts['authority']>): string =>
  JSON.stringify([checkpoint, planHash]);
