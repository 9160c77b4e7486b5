import { ApplicationFailure, defineQuery, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow';
import { readFinding } from '../domain/case-request-problems';
import {
  CHECKPOINTS,
  claimedDecider,
  provenDecider,
  readDecision,
  refusal,
  type Decider,
  type Decision,
  type Verdict,
} from '../domain/checkpoint';
import { quick } from './activity-options';
import type { FailureType } from './contract/failures';
import { MESSAGES, type CaseView, type DecisionReceipt, type Review } from './contract/messages';
import { reasonOf } from './failure-reason';
import type { RunningCase } from './running-case';

const approve = defineSignal<[unknown]>(MESSAGES.approve);
const reject = defineSignal<[unknown]>(MESSAGES.reject);
const findingReported = defineSignal<[unknown]>(MESSAGES.findingReported);
const decide = defineUpdate<DecisionReceipt, [Decision]>(MESSAGES.decide);
const review = defineUpdate<Review, [Review]>(MESSAGES.review);
const caseStatus = defineQuery<CaseView>(MESSAGES.caseStatus);

const REFUSED: FailureType = 'InvalidRequest';
const SIGNAL_EXAMPLE = '{"checkpoint":"isolation","approver":"ann","reason":"confirmed with the application owner"}';
const UPDATE_EXAMPLE = '{"checkpoint":"isolation","verdict":"approve","approver":"ann","reason":"confirmed"}';
const REVIEW_EXAMPLE =
  '{"checkpoint":"isolation","reviewer":"bob","verdict":"justified","note":"ransomware was spreading"}';

const now = (): string => new Date(Date.now()).toISOString();
const no = (because: string): ApplicationFailure => ApplicationFailure.nonRetryable(because, REFUSED);

/**
 * Opens the doors of a case. Two doors lead to one rule: signals, which the Temporal UI sends and which work while no
 * worker runs, and an update, which answers at once. What cannot be taken changes nothing: the update refuses it with
 * the reason, and of a signal, which nobody answers, an event is kept.
 */
export function handleMessages(record: RunningCase): void {
  const bySignal = async (verdict: Verdict, payload: unknown): Promise<void> => {
    try {
      await taken(record, readable(payload, verdict), 'signal');
    } catch (error) {
      record.signalRefused(verdict, reasonOf(error));
    }
  };
  setHandler(approve, (payload) => bySignal('approve', payload), {
    description: `Approve what the case waits for; it says what under Current Details. JSON, e.g. ${SIGNAL_EXAMPLE}`,
  });
  setHandler(reject, (payload) => bySignal('reject', payload), {
    description: `Refuse what the case waits for; the case goes on without it. JSON, e.g. ${SIGNAL_EXAMPLE}`,
  });
  // The validator keeps a refused decision out of the history; the handler asks again, since another decision may have
  // been taken between the two. With a proof, STS tells who decides: the validator can only see whether anything is asked.
  setHandler(decide, (payload) => taken(record, readable(payload), 'update'), {
    validator: (payload) => {
      const decision = readable(payload);
      if (decision.proof) stillAsked(record, decision);
      else admissible(record, decision, claimedDecider(decision.approver));
    },
    description: `Approve or reject, answered at once: taken, or refused with the reason. JSON, e.g. ${UPDATE_EXAMPLE}`,
  });
  setHandler(
    review,
    (given) => {
      const refused = record.reviewed(readableReview(given));
      if (refused !== undefined) throw no(refused);
      return given;
    },
    {
      validator: (given) => void readableReview(given),
      description: `Review what one person approved alone in an emergency. JSON, e.g. ${REVIEW_EXAMPLE}`,
    },
  );
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

/** Takes a decision, once STS has said who decides where a proof came with it. */
async function taken(record: RunningCase, decision: Decision, door: 'signal' | 'update'): Promise<DecisionReceipt> {
  const by = await decider(record, decision);
  admissible(record, decision, by);
  return record.decisionTaken(decision, by, door);
}

async function decider(record: RunningCase, decision: Decision): Promise<Decider> {
  const { proof, checkpoint, verdict, approver } = decision;
  if (!proof) return claimedDecider(approver);
  const planHash = stillAsked(record, decision);
  const { caseId } = record;
  // STS refuses the signature after five minutes.
  const step = quick(`Ask STS who decides on ${checkpoint}`, { scheduleToCloseTimeout: '6m' });
  const identity = await step
    .redeemIdentityProof({ caseId, proof, binding: { caseId, checkpoint, verdict, planHash } })
    .catch((error: unknown) => {
      throw no(reasonOf(error));
    });
  return provenDecider(identity, record.roles);
}

function readable(payload: unknown, verdict?: Verdict): Decision {
  const decision = readDecision(payload, verdict);
  if (typeof decision === 'string') throw no(decision);
  return decision;
}

/** Hash of the plan that is asked for. */
function stillAsked(record: RunningCase, decision: Decision): string {
  const state = record.checkpoints[decision.checkpoint];
  if (state.state === 'open') return state.planHash;
  throw no(refusal(record.checkpoints, decision, claimedDecider(decision.approver), now()) ?? 'nothing is asked');
}

function admissible(record: RunningCase, decision: Decision, by: Decider): void {
  const because = refusal(record.checkpoints, decision, by, now());
  if (because !== undefined) throw no(because);
}

function readableReview(given: unknown): Review {
  const { checkpoint, reviewer, verdict, note } = (given ?? {}) as Partial<Record<keyof Review, unknown>>;
  const name = CHECKPOINTS.find((one) => one === checkpoint);
  const isText = (text: unknown): text is string =>
    typeof text === 'string' && text.trim() !== '' && text.length <= 2_000;
  if (!name || !isText(reviewer) || !isText(note) || (verdict !== 'justified' && verdict !== 'not-justified'))
    throw no(`a review is a JSON object, e.g. ${REVIEW_EXAMPLE}`);
  return { checkpoint: name, reviewer, verdict, note };
}
