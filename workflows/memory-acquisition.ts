import type { MemoryCapture } from '../activities/types';
import type { Exhibit } from '../domain/evidence';
import type { InstanceFacts } from '../domain/instance-facts';
import { follow, mutation, stageClock } from './activity-options';
import { withCleanUpOnFailure, type Finished } from './clean-up';

export interface MemoryAcquisitionInput {
  caseId: string;
  facts: InstanceFacts;
  /** Time for the capture, its transfer and its sealing together. */
  deadlineSeconds: number;
  retentionDays: number;
}

/**
 * Acquires the memory of the suspect instance: commands the capture, follows it, then checks, hashes and seals the image
 * in the forensics account. Fails with the reason when there is no memory to be had; the case goes on without it.
 */
export async function memoryAcquisition(input: MemoryAcquisitionInput): Promise<Finished<Exhibit>> {
  const { caseId, facts, retentionDays } = input;
  const { target } = facts;
  const secondsLeft = stageClock(input.deadlineSeconds);
  let capture: MemoryCapture | undefined;

  const abandon = {
    ifItFails: `the capture command on ${target.instanceId} may still run and its upload may be open: end both by hand`,
    run: () =>
      mutation('Abandon the memory capture').abandonMemoryCapture({ caseId, target, ...(capture && { capture }) }),
  };
  return withCleanUpOnFailure(abandon, async () => {
    capture = await mutation(`Command the memory capture on ${target.instanceId}`).startMemoryCapture({
      caseId,
      facts,
      deadlineSeconds: secondsLeft(),
    });
    const report = await follow('Follow the memory capture', secondsLeft()).awaitMemoryCapture({
      caseId,
      target,
      capture,
    });
    return follow('Verify and seal the memory image', secondsLeft()).sealMemoryImage({
      caseId,
      target,
      capture,
      report,
      retentionDays,
    });
  });
}
