import { allHandlersFinished, condition } from '@temporalio/workflow';
import type { ApprovalPolicy } from '../domain/approval';
import { CaseTelling } from './case-telling';
import type { LegalHoldOutcome, LegalHoldRequest } from './contract/keeping';
import { keepingStep } from './keeping-steps';
import { WaitingApproval } from './waiting-approval';

const ONE_WEEK_SECONDS = 7 * 24 * 3600;
/** EBS has no legal hold: locks are put off for so long, and a hold that lasts is put on again before they end. */
const SNAPSHOT_DAYS = 365;

/** Putting a hold on takes nothing from anybody, and waiting may: one person is enough, also who asked for it. */
const TO_HOLD: ApprovalPolicy = {
  quorum: 1,
  roles: [],
  separationOfDuties: false,
  provenIdentityRequired: false,
  expiresAfterSeconds: ONE_WEEK_SECONDS,
};
/** Lifting one lets evidence go: two people, and neither who asked for it. */
const TO_LIFT: ApprovalPolicy = { ...TO_HOLD, quorum: 2, separationOfDuties: true };

/** Puts a case's evidence under legal hold, or lifts the hold, with the consent of people. */
export async function legalHold(request: LegalHoldRequest): Promise<LegalHoldOutcome> {
  const { caseId, hold, reason, openedBy, withinSeconds } = request;
  const on = hold === 'on';
  const told = new CaseTelling(caseId);
  const what = `legal hold ${hold} for case ${caseId}, asked for by ${openedBy}: ${reason}`;
  const waiting = new WaitingApproval('legal-hold', what, told.tell, { caseId, roles: {} });
  const plan = { caseId, legalHold: hold, reason, snapshotDays: SNAPSHOT_DAYS };
  const policy = {
    ...(on ? TO_HOLD : TO_LIFT),
    ...(withinSeconds !== undefined && { expiresAfterSeconds: withinSeconds }),
  };
  const approval = await waiting.ask(plan, policy, openedBy);
  const nothing = { caseId, hold, objects: 0, snapshots: [], notEnforced: [] };
  if (approval.status !== 'approved') {
    await told.allTold();
    return { ...nothing, outcome: approval.status === 'expired' ? 'expired' : 'rejected' };
  }
  const held = await keepingStep(`Legal hold ${hold} of case ${caseId}`).setCaseHold({
    caseId,
    on,
    snapshotDays: SNAPSHOT_DAYS,
  });
  told.tell({
    kind: 'legal-hold-changed',
    message: on
      ? `case ${caseId} is under legal hold: ${held.objects} object version(s) cannot be deleted until it is lifted, ${held.snapshots.length} snapshot(s) are locked for longer`
      : `the legal hold of case ${caseId} is lifted: ${held.objects} object version(s) are under their retention only`,
    authority: { checkpoint: 'legal-hold', planHash: approval.planHash },
    data: { hold, reason, ...held },
    notify: true,
  });
  await told.allTold();
  await condition(allHandlersFinished);
  return { caseId, hold, outcome: 'done', ...held };
}
