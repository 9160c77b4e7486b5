import { type Approval, countedApprovals, expiryOf } from './approval';
import type { CheckpointName, CheckpointState } from './checkpoint';
import type { ContainmentPlan } from './containment';

/**
 * What people read before they decide, as sentences: the same on the page of the case in the Temporal UI and in the terminal. They
 * may hold attacker-controlled words: whoever shows them escapes them.
 */
export interface ConsentCard {
  /** Who may decide, who has, how many are missing, until when. */
  terms: string[];
  /** What is done, in this order. */
  steps: string[];
  /** What was asked for and is not done. */
  notEnforced: string[];
  blastRadius: string[];
  residualPaths: string[];
  /** One person may go ahead alone. */
  mayBreakGlass: boolean;
  /** A typed name decides nothing. */
  needsProof: boolean;
}

type OpenCheckpoint = Extract<CheckpointState, { state: 'open' }>;

/** @param plan of the containment, which both checkpoints of an isolation are about */
export function consentCard(
  checkpoint: CheckpointName,
  { approval, approvalsMissing }: OpenCheckpoint,
  plan: ContainmentPlan | undefined,
): ConsentCard {
  const { roles, provenIdentityRequired, breakGlassRoles } = approval.policy;
  const asked = {
    terms: termsOf(approval, approvalsMissing),
    mayBreakGlass: breakGlassRoles !== undefined,
    needsProof: provenIdentityRequired || roles.length > 0,
  };
  if (!plan || checkpoint === 'acquisition')
    return { ...asked, steps: [], notEnforced: [], blastRadius: [], residualPaths: [] };
  const isOfSubnet = checkpoint === 'subnet-isolation';
  const felt = plan.steps.filter(({ needsOwnConsent }) => needsOwnConsent !== undefined);
  const steps = isOfSubnet ? felt : plan.steps;
  return {
    ...asked,
    steps: steps.map(({ layer, effect, needsOwnConsent }) => {
      if (needsOwnConsent === undefined) return `${layer}: ${effect}`;
      return isOfSubnet
        ? `${layer}: ${effect}; ${needsOwnConsent}`
        : `${layer}: ${effect} (asked for once more, as subnet-isolation, when the steps before are done)`;
    }),
    notEnforced: plan.notEnforced.map(({ layer, reason }) => `${layer}: ${reason}`),
    // Of the whole isolation; what the neighbours feel stands with its own step.
    blastRadius: isOfSubnet ? [] : plan.blastRadius,
    residualPaths: plan.residualPaths,
  };
}

function termsOf(approval: Approval, missing: number): string[] {
  const { policy, openedBy, asking } = approval;
  const expiry = expiryOf(approval);
  const approved = countedApprovals(approval).map(({ by, at }) => `${by.name} (${knownBy[by.knownBy]}) at ${at}`);
  return [
    `${missing} approval(s) missing of ${missing + approved.length}; one rejection ends it`,
    ...(approved.length > 0 ? [`approved so far: ${approved.join(', ')}`] : []),
    ...(asking > 1 ? [`asked for the ${asking}. time: what was decided before counts no more`] : []),
    eligible(approval),
    ...(policy.separationOfDuties ? [`${openedBy} opened the case and may not approve it`] : []),
    expiry === undefined
      ? 'it waits as long as it takes; nothing is done without a decision'
      : `it expires at ${expiry}: then approvals count no more, nothing is done, and it is asked for again`,
    ...emergency(approval),
  ];
}

const knownBy = { proven: 'proven by STS', claimed: 'a typed name' } as const;

function eligible({ policy: { roles, provenIdentityRequired } }: Approval): string {
  // Anybody may type any name, so that a typed one has no roles.
  if (roles.length > 0) return `who decides needs one of the roles ${roles.join(', ')}, and a proof of who it is`;
  return provenIdentityRequired
    ? 'anybody may decide who proves who they are'
    : 'anybody may decide; a typed name is enough';
}

function emergency({ policy: { breakGlassRoles, roles } }: Approval): string[] {
  if (breakGlassRoles === undefined) return [];
  const eligibleRoles = breakGlassRoles.length > 0 ? breakGlassRoles : roles;
  const who = eligibleRoles.length > 0 ? `one person with the role ${eligibleRoles.join(' or ')}` : 'one person';
  return [
    `in an emergency ${who} may break the glass: approve alone, with a reason; another person has to review it before the case closes`,
  ];
}
