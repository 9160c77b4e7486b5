import { allHandlersFinished, condition } from '@temporalio/workflow';
import type { ContainedInstance, ProtectionUndo } from '../activities/types';
import type { LayerOutcome, LayerUndo } from '../domain/containment';
import { mutation } from './activity-options';
import { CaseTelling } from './case-telling';
import type { ReleaseOutcome, ReleaseRequest } from './contract/keeping';
import { reasonOf } from './failure-reason';
import { keepingStep } from './keeping-steps';
import { WaitingApproval } from './waiting-approval';

const ONE_WEEK_SECONDS = 7 * 24 * 3600;

/**
 * Takes the containment of an instance back, last layer first, with consent. Each layer only where AWS still shows what containment
 * left there: where somebody else has changed something, it stops, says what, and asks whether to go on without it.
 */
export async function release(request: ReleaseRequest): Promise<ReleaseOutcome> {
  const { caseId, reason, openedBy, protections: withProtections } = request;
  const told = new CaseTelling(caseId);
  const what = `release of the instance of case ${caseId}, asked for by ${openedBy}: ${reason}`;
  const ofCase: { caseId: string; roles: Record<string, string[]> } = { caseId, roles: {} };
  // The doors stand open from the first moment; until it is asked, they say so.
  const waiting = new WaitingApproval('release', what, told.tell, ofCase);
  const instance = await keepingStep(`Read how case ${caseId} contained its instance`).readContainment({ caseId });
  const { contained, facts } = instance;
  const { instanceId } = facts.target;
  ofCase.roles = contained.roles;
  const layers = contained.layers.filter(({ outcome }) => outcome !== 'not-needed').reverse();
  const policy = {
    ...contained.releaseConsent,
    expiresAfterSeconds: request.withinSeconds ?? contained.releaseConsent.expiresAfterSeconds ?? ONE_WEEK_SECONDS,
  };
  const ended = async (end: Omit<ReleaseOutcome, 'caseId'>): Promise<ReleaseOutcome> => {
    await told.allTold();
    await condition(allHandlersFinished);
    return { caseId, ...end };
  };

  const plan = { target: facts.target, restores: layers.map(restored), protections: withProtections, reason };
  const approval = await waiting.ask(plan, policy, openedBy);
  if (approval.status !== 'approved') {
    const outcome = approval.status === 'expired' ? 'expired' : 'rejected';
    return ended({ outcome, layers: [], protections: [] });
  }
  const authority = { checkpoint: 'release', planHash: approval.planHash };
  const undone: LayerUndo[] = [];
  for (const [index, applied] of layers.entries()) {
    const { layer } = applied;
    const undo = await undoneLayer(instance, caseId, applied);
    undone.push(undo);
    told.tell({
      kind: 'released',
      message: `${layer} of ${instanceId}: ${undo.outcome}${undo.difference === undefined ? '' : `: ${undo.difference}`}`,
      authority,
      data: { ...undo },
      ...(undo.outcome !== 'restored' && { severity: 'high' as const }),
      notify: undo.outcome !== 'restored' && undo.outcome !== 'gone',
    });
    const isLast = index === layers.length - 1;
    if (isLast || undo.outcome === 'restored' || undo.outcome === 'gone') continue;
    const left = layers.slice(index + 1).map((one) => one.layer);
    const goOn = await waiting.ask({ ...plan, leftAsItIs: undo, goOnWith: left }, policy, openedBy);
    if (goOn.status !== 'approved') return ended({ outcome: 'stopped', layers: undone, protections: [] });
  }
  const protections = withProtections ? await undoneProtections(instance, caseId) : [];
  for (const one of protections)
    told.tell({
      kind: 'released',
      message: `${one.step} of ${instanceId}: ${one.outcome}${one.difference === undefined ? '' : `: ${one.difference}`}`,
      authority,
      data: { ...one },
      notify: one.outcome === 'failed' || one.outcome === 'differs',
    });
  const all = [...undone, ...protections];
  const isWhole = all.every(({ outcome }) => outcome === 'restored' || outcome === 'gone');
  const outcome = isWhole ? 'released' : 'partly-released';
  told.tell({
    kind: 'released',
    message: `${instanceId} is ${outcome === 'released' ? 'released: everything is as it was before' : 'released in part'}`,
    authority,
    data: { outcome },
    notify: true,
  });
  return ended({ outcome, layers: undone, protections });
}

/** What the approver reads of a layer. */
const restored = ({ layer, before, after }: LayerOutcome) => ({ layer, from: after.state, to: before.state });

async function undoneLayer(
  { contained: { plan } }: ContainedInstance,
  caseId: string,
  applied: LayerOutcome,
): Promise<LayerUndo> {
  const { layer } = applied;
  try {
    return await mutation(`Release ${plan.target.instanceId}: ${layer}`).undoLayer({ caseId, plan, layer, applied });
  } catch (error) {
    return { layer, outcome: 'failed', difference: reasonOf(error) };
  }
}

async function undoneProtections(instance: ContainedInstance, caseId: string): Promise<ProtectionUndo[]> {
  const { facts, protections: steps } = instance;
  try {
    const step = keepingStep(`Take back the protections of ${facts.target.instanceId}`);
    return (await step.undoProtection({ caseId, facts, steps })).steps;
  } catch (error) {
    return steps.map(({ step }) => ({ step, outcome: 'failed', difference: reasonOf(error) }));
  }
}
