import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { FailureType } from './contract/failures';

const NOT_READY: FailureType = 'NotReady';

function chainOf(error: Error): Error[] {
  const chain: Error[] = [];
  for (let link: unknown = error; link instanceof Error; link = link.cause) chain.push(link);
  return chain;
}

/** What an activity or a child said, the outermost first; of one of these types when they are given. */
export function failureOf(error: unknown, types?: readonly FailureType[]): ApplicationFailure | undefined {
  if (!(error instanceof Error)) return undefined;
  return chainOf(error).find(
    (link) => link instanceof ApplicationFailure && (types === undefined || types.some((type) => type === link.type)),
  ) as ApplicationFailure | undefined;
}

/** Why a step failed, as one sentence for a responder: what an activity said, or that it did not end within its time. */
export function reasonOf(error: unknown): string {
  // A defect of ours (TypeError and the like) is no reason: it fails the workflow task, and the case goes on once it is mended.
  if (!(error instanceof TemporalFailure)) throw error;
  if (isCancellation(error)) return 'cancelled before it was done';
  const chain = chainOf(error);
  const said = chain.find((link) => link instanceof ApplicationFailure);
  const activity = chain.find((link) => link instanceof ActivityFailure);
  const step = activity ? `step ${activity.activityType}` : 'a step';
  const outOfTime = chain.some((link) => link instanceof TimeoutFailure) || said?.type === NOT_READY;
  if (outOfTime) return `${step} did not end within its time${said ? `; its last word: ${said.message}` : ''}`;
  if (said) return said.message;
  if (chain.some((link) => link instanceof TerminatedFailure)) return 'its workflow was terminated by a person';
  return chain.at(-1)?.message ?? error.message;
}
