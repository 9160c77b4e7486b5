import { condition, workflowInfo } from '@temporalio/workflow';
import { consentEscalated, consentReminder, consentRequested } from '../domain/case-story';
import type { CheckpointName, RecordedDecision } from '../domain/checkpoint';
import { planHash } from '../domain/containment';
import type { CheckpointPolicy } from '../domain/policy';
import type { RunningCase } from './running-case';

/** A case that waits for weeks reminds once a day from then on, so that its history stays far from Temporal's limit. */
const LONG_HISTORY_EVENTS = 10_000;
const ONE_DAY_SECONDS = 24 * 3600;

export type Consent = { given: true } | { given: false; decision: RecordedDecision };

/**
 * Asks people for their consent to a plan and waits as long as it takes, reminding and once escalating. There is no
 * default answer: nothing goes ahead because nobody said no.
 */
export async function consent(
  record: RunningCase,
  checkpoint: CheckpointName,
  plan: unknown,
  policy: CheckpointPolicy,
): Promise<Consent> {
  if (policy.consent === 'not-required') {
    record.checkpoint(checkpoint, { state: 'not-needed', because: 'the policy asks for no consent' });
    return { given: true };
  }
  const { instanceId } = record.request.target;
  const hash = planHash(plan);
  const openedAt = Date.now();
  const secondsWaited = (): number => (Date.now() - openedAt) / 1000;
  const decision = (): RecordedDecision | undefined => {
    const state = record.checkpoints[checkpoint];
    return state.state === 'decided' ? state.decision : undefined;
  };
  const asked = { checkpoint, instanceId, planHash: hash };

  const open = { state: 'open', planHash: hash, openedAt: new Date(openedAt).toISOString() } as const;
  record.checkpoint(checkpoint, { ...open, escalated: false });
  record.tell(consentRequested(asked, workflowInfo().workflowId, plan));

  let escalated = false;
  let nextReminder = reminderInterval(policy);
  while (!decision()) {
    const due = Math.min(nextReminder, escalated ? Infinity : policy.escalateAfterSeconds);
    await decisionOrTime(() => decision() !== undefined, due - secondsWaited(), `remind of ${checkpoint}`);
    if (decision()) break;
    if (!escalated && due === policy.escalateAfterSeconds) {
      escalated = true;
      record.checkpoint(checkpoint, { ...open, escalated });
      record.tell(consentEscalated(asked, secondsWaited()));
    } else {
      record.tell(consentReminder(asked, secondsWaited()));
    }
    while (nextReminder <= due) nextReminder += reminderInterval(policy);
  }
  const taken = decision();
  return taken?.verdict === 'reject' ? { given: false, decision: taken } : { given: true };
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
