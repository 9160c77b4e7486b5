import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import type { MemoryCapture } from '../activities/types';
import type { Exhibit, MemoryAttempt, S3Location } from '../domain/evidence';
import type { InstanceFacts } from '../domain/instance-facts';
import { attemptSentence } from '../domain/memory-tools';
import { follow, mutation, stageClock } from './activity-options';
import { withCleanUpOnFailure, type Finished } from './clean-up';
import type { FailureType } from './contract/failures';
import { failureOf, reasonOf } from './failure-reason';

export interface MemoryAcquisitionInput {
  caseId: string;
  exhibitId: string;
  facts: InstanceFacts;
  /** Those of an earlier acquisition of the case: the ladder of tools goes on behind them. */
  attempts: MemoryAttempt[];
  /** Time for all attempts, each with its capture, transfer and sealing. */
  deadlineSeconds: number;
  retentionDays: number;
}

/** After any other failure (no agent, no time, no permission) another tool would fare no better. */
const MENDED_BY_ANOTHER_ATTEMPT: readonly FailureType[] = ['ToolRefused', 'EvidenceUnusable', 'EvidenceMismatch'];

/**
 * Acquires the memory of the suspect instance with the configured ladder of tools: commands the capture, follows it,
 * checks, hashes and seals the image in the forensics account; when a tool is refused or its image is broken, goes on
 * with the next one. Fails with the reasons when there is no memory to be had; the case goes on without it.
 */
export async function memoryAcquisition(input: MemoryAcquisitionInput): Promise<Finished<Exhibit>> {
  const secondsLeft = stageClock(input.deadlineSeconds);
  const attempts = [...input.attempts];
  for (;;) {
    const begun: { capture?: MemoryCapture } = {};
    try {
      const { result: exhibit, leftUndone } = await acquireOnce(input, attempts, begun, secondsLeft);
      if (!exhibit) throw ApplicationFailure.nonRetryable('no acquisition tool is left to try');
      return { result: attempts.length > 0 ? { ...exhibit, attempts } : exhibit, leftUndone };
    } catch (error) {
      const failed = begun.capture && failedAttempt(error, begun.capture);
      if (!failed) throw withAttempts(error, attempts);
      attempts.push(failed);
    }
  }
}

/** One capture with the next tool of the ladder; no exhibit when there is none. */
function acquireOnce(
  { caseId, exhibitId, facts, retentionDays }: MemoryAcquisitionInput,
  attempts: MemoryAttempt[],
  begun: { capture?: MemoryCapture },
  secondsLeft: () => number,
): Promise<Finished<Exhibit | undefined>> {
  const { target } = facts;
  const the = { caseId, target };
  const abandon = {
    ifItFails: `the capture command on ${target.instanceId} may still run and its upload may be open: end both by hand`,
    run: () =>
      mutation('Abandon the memory capture').abandonMemoryCapture({ ...the, attempt: attempts.length + 1, ...begun }),
  };
  return withCleanUpOnFailure(abandon, async () => {
    const capture = await mutation(`Command the memory capture on ${target.instanceId}`).startMemoryCapture({
      caseId,
      facts,
      attempts,
      deadlineSeconds: secondsLeft(),
    });
    if (!capture) return undefined;
    begun.capture = capture;
    const report = await follow(`Follow the memory capture by ${capture.tool}`, secondsLeft()).awaitMemoryCapture({
      ...the,
      capture,
    });
    return follow('Verify and seal the memory image', secondsLeft()).sealMemoryImage({
      ...the,
      exhibitId,
      capture,
      report,
      retentionDays,
    });
  });
}

/** The attempt as it is kept, when another one may fare better. */
function failedAttempt(error: unknown, { attempt, tool }: MemoryCapture): MemoryAttempt | undefined {
  const failure = isCancellation(error) ? undefined : failureOf(error, MENDED_BY_ANOTHER_ATTEMPT);
  if (!failure) return undefined;
  const [detail] = (failure.details ?? []) as [{ location?: S3Location }?];
  return {
    number: attempt,
    tool,
    outcome: failure.type === ('ToolRefused' satisfies FailureType) ? 'tool-refused' : 'image-rejected',
    reason: reasonOf(error),
    ...(detail?.location && { rejected: detail.location }),
  };
}

/** The failure that ends the acquisition, with what was tried before; `attemptsOf` finds it there. */
function withAttempts(error: unknown, attempts: MemoryAttempt[]): unknown {
  if (attempts.length === 0 || isCancellation(error)) return error;
  return ApplicationFailure.create({
    message: [reasonOf(error), ...attempts.map(attemptSentence)].join('; '),
    nonRetryable: true,
    details: [{ attempts }],
    ...(error instanceof Error && { cause: error }),
  });
}

/** The attempts that a failed acquisition tells of. */
export function attemptsOf(error: unknown): MemoryAttempt[] {
  const [detail] = (failureOf(error)?.details ?? []) as [{ attempts?: MemoryAttempt[] }?];
  return detail?.attempts ?? [];
}
