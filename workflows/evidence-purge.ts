import { allHandlersFinished, condition } from '@temporalio/workflow';
import type { ApprovalPolicy } from '../domain/approval';
import { purgeEvents, purgeSentence } from '../domain/evidence-purge';
import { CaseTelling } from './case-telling';
import type { KeepingRequest, PurgeOutcome } from './contract/keeping';
import { keepingStep } from './keeping-steps';
import { WaitingApproval } from './waiting-approval';

/** Two people, neither of them who asked; nobody goes ahead alone. */
const TO_PURGE: ApprovalPolicy = {
  quorum: 2,
  roles: [],
  separationOfDuties: true,
  provenIdentityRequired: false,
  expiresAfterSeconds: 7 * 24 * 3600,
};

/**
 * Destroys the evidence of a case after its retention, with the consent of two people to the list of what goes. Refuses before;
 * AWS does too, since the role that deletes can lift no lock. Nothing else of the product deletes an exhibit.
 */
export async function evidencePurge(request: KeepingRequest): Promise<PurgeOutcome> {
  const { caseId, openedBy, reason, withinSeconds } = request;
  const told = new CaseTelling(caseId);
  const what = `purge of case ${caseId}, asked for by ${openedBy}: ${reason}`;
  const waiting = new WaitingApproval('purge', what, told.tell, { caseId, roles: {} });
  const { plan, obstacles } = await keepingStep(`List what a purge of ${caseId} deletes`).planPurge({ caseId });
  if (obstacles.length > 0) return { caseId, outcome: 'refused', obstacles, plan };

  const policy = { ...TO_PURGE, ...(withinSeconds !== undefined && { expiresAfterSeconds: withinSeconds }) };
  const approval = await waiting.ask(plan, policy, openedBy);
  if (approval.status !== 'approved') {
    await told.allTold();
    return { caseId, outcome: approval.status === 'expired' ? 'expired' : 'rejected', obstacles: [], plan };
  }
  // Who decided stands in the log before anything goes.
  await told.allTold();
  const result = await keepingStep(`Purge ${purgeSentence(plan)}`).purgeCase({ caseId, plan });
  const authority = { checkpoint: 'purge', planHash: approval.planHash };
  for (const event of purgeEvents(plan, result, authority)) told.tell(event);
  await told.allTold();
  await condition(allHandlersFinished);
  return { caseId, outcome: result.left.length === 0 ? 'done' : 'partly-done', obstacles: [], plan, result };
}
