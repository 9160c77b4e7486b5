import { ApplicationFailure, defineQuery, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow';
import { readFinding } from '../domain/case-request-problems';
import { readDecision, refusal, type Decision, type Verdict } from '../domain/checkpoint';
import { MESSAGES, type CaseView, type DecisionReceipt } from './contract/messages';
import type { FailureType } from './contract/failures';
import type { RunningCase } from './running-case';

const approve = defineSignal<[unknown]>(MESSAGES.approve);
const reject = defineSignal<[unknown]>(MESSAGES.reject);
const findingReported = defineSignal<[unknown]>(MESSAGES.findingReported);
const decide = defineUpdate<DecisionReceipt, [Decision]>(MESSAGES.decide);
const caseStatus = defineQuery<CaseView>(MESSAGES.caseStatus);

const REFUSED: FailureType = 'InvalidRequest';
const SIGNAL_EXAMPLE = '{"checkpoint":"isolation","approver":"ann","reason":"confirmed with the application owner"}';
const UPDATE_EXAMPLE = '{"checkpoint":"isolation","verdict":"approve","approver":"ann","reason":"confirmed"}';

/** The decision, or the sentence that says why it cannot be taken now. */
function admissible(record: RunningCase, payload: unknown, verdict?: Verdict): Decision | string {
  const decision = readDecision(payload, verdict);
  if (typeof decision === 'string') return decision;
  return refusal(record.checkpoints, decision, record.request.openedBy) ?? decision;
}

function admissibleOrThrow(record: RunningCase, payload: unknown): Decision {
  const decision = admissible(record, payload);
  if (typeof decision === 'string') throw ApplicationFailure.nonRetryable(decision, REFUSED);
  return decision;
}

/**
 * Opens the doors of a case. Two doors lead to one rule: signals, which the Temporal UI sends and which work while no
 * worker runs, and an update, which answers at once. What cannot be taken changes nothing: the update refuses it with
 * the reason, and of a signal, which nobody answers, an event is kept.
 */
export function handleMessages(record: RunningCase): void {
  const bySignal = (verdict: Verdict, payload: unknown): void => {
    const decision = admissible(record, payload, verdict);
    if (typeof decision === 'string') record.signalRefused(verdict, decision);
    else record.decisionTaken(decision, 'signal');
  };
  setHandler(approve, (payload) => bySignal('approve', payload), {
    description: `Approve what the case waits for; it says what under Current Details. JSON, e.g. ${SIGNAL_EXAMPLE}`,
  });
  setHandler(reject, (payload) => bySignal('reject', payload), {
    description: `Refuse what the case waits for; the case goes on without it. JSON, e.g. ${SIGNAL_EXAMPLE}`,
  });
  // The validator keeps a refused decision out of the history; the handler asks again, since another decision may have
  // been taken between the two.
  setHandler(decide, (payload) => record.decisionTaken(admissibleOrThrow(record, payload), 'update'), {
    validator: (payload) => void admissibleOrThrow(record, payload),
    description: `Approve or reject, answered at once: taken, or refused with the reason. JSON, e.g. ${UPDATE_EXAMPLE}`,
  });
  const findingArrived = (reported: unknown): void => {
    const finding = readFinding(reported);
    if (Array.isArray(finding)) record.signalRefused(MESSAGES.findingReported, finding.join('; '));
    else record.findingJoined(finding);
  };
  setHandler(findingReported, findingArrived, {
    description:
      'A further finding on the same instance joins this case. JSON: {"finding":{"id":"…","source":"manual","type":"…",' +
      '"severity":"high","title":"…","description":"…","createdAt":"…"},"openedBy":"ann","receivedAt":"…"}',
  });
  setHandler(caseStatus, () => record.view(), { description: 'Everything that the case knows of itself.' });
}
