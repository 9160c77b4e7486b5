import { condition, workflowInfo } from '@temporalio/workflow';
import { expiryOf } from '../domain/approval';
import { consentEscalated, consentExpired, consentReminder, consentRequested } from '../domain/case-story';
import type { CheckpointName, CheckpointState, RecordedDecision } from '../domain/checkpoint';
import { planHash } from '../domain/containment';
import type { CheckpointPolicy } from '../domain/policy';
import type { RunningCase } from './running-case';

/** A case that waits for weeks reminds once a day from then on, so that its history stays far from Temporal's limit. */
const LONG_HISTORY_EVENTS = 10_000;
const ONE_DAY_SECONDS = 24 * 3600;

export type Consent = { given: true } | { given: false; decision: RecordedDecision };

/**
 * Asks people for their consent to a plan and waits as long as it takes, reminding and once escalating. There is no
 * default answer: nothing goes ahead because nobody said no. What expires is escalated and asked anew, and the approvals
 * until then count no more. Asked again with another plan, the consent to the one before is void.
 */
export async function consent(
  record: RunningCase,
  checkpoint: CheckpointName,
  plan: unknown,
  policy: CheckpointPolicy,
): Promise<Consent> {
  if (policy.consent === 'not-required') {
    record.needsNoConsent(checkpoint, 'the policy asks for no consent');
    return { given: true };
  }
  const { instanceId } = record.request.target;
  const asked = { checkpoint, instanceId, planHash: planHash(plan) };
  record.asksFor(checkpoint, asked.planHash, policy);
  record.tell(consentRequested(asked, workflowInfo().workflowId, plan));

  const state = (): CheckpointState => record.checkpoints[checkpoint];
  const isDecided = (): boolean => state().state === 'decided';
  const openedAt = Date.now();
  const secondsWaited = (): number => (Date.now() - openedAt) / 1000;
  let escalated = false;
  let nextReminder = reminderInterval(policy);
  while (!isDecided()) {
    const expiry = (expiresAt(state()) - openedAt) / 1000;
    const due = Math.min(nextReminder, expiry, escalated ? Infinity : policy.escalateAfterSeconds);
    await decisionOrTime(isDecided, due - secondsWaited(), `remind of ${checkpoint}`);
    if (isDecided()) break;
    if (due === expiry && record.expires(checkpoint)) {
      escalated = true;
      record.tell(consentExpired(asked, secondsWaited()));
    } else if (!escalated && due === policy.escalateAfterSeconds) {
      escalated = true;
      record.isOverdue(checkpoint);
      record.tell(consentEscalated(asked, secondsWaited()));
    } else {
      record.tell(consentReminder(asked, secondsWaited()));
    }
    while (nextReminder <= due) nextReminder += reminderInterval(policy);
  }
  const end = state();
  if (end.state !== 'decided' || end.decision.verdict === 'approve') return { given: true };
  return { given: false, decision: end.decision };
}

/** Milliseconds since 1970; infinite for what never expires. */
function expiresAt(state: CheckpointState): number {
  const expiry = state.state === 'open' ? expiryOf(state.approval) : undefined;
  return expiry === undefined ? Infinity : Date.parse(expiry);
}

/** Seconds from one reminder to the next; none are sent when the policy gives no interval. */
function reminderInterval(policy: CheckpointPolicy): number {
  if (policy.reminderSeconds <= 0) return Infinity;
  const isLong = workflowInfo().historyLength > LONG_HISTORY_EVENTS;
  return isLong ? Math.max(policy.reminderSeconds, ONE_DAY_SECONDS) : policy.reminderSeconds;
}

async function decisionOrTime(isDecided: () => boolean, seconds: number, summary: string): Promise<void> {
  if (seconds === Infinity) await condition(isDecided);
  else await condition(isDecided, Math.max(1, Math.ceil(seconds * 1000)), { summary });
}
