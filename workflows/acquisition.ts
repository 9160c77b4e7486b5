import { executeChild } from '@temporalio/workflow';
import type { CreatedSnapshot } from '../activities/types';
import { beingAcquired, memoryAttemptFailed } from '../domain/case-story';
import type { Exhibit, MemoryAttempt, MissingEvidence } from '../domain/evidence';
import type { InstanceFacts, VolumeFacts } from '../domain/instance-facts';
import { type PolicyDecision, volumesToAcquire } from '../domain/policy';
import { mutation } from './activity-options';
import type { Finished } from './clean-up';
import { diskWorkflowId, memoryWorkflowId } from './contract/workflow-ids';
import { diskAcquisition } from './disk-acquisition';
import type { FailureType } from './contract/failures';
import { failureOf, reasonOf } from './failure-reason';
import { attemptsOf, memoryAcquisition } from './memory-acquisition';
import type { RunningCase } from './running-case';

/** A cancelled case cancels its children and waits for their clean-up; the default (terminate) would leave things behind. */
export const CHILD_ENDS_WITH_CASE = {
  parentClosePolicy: 'REQUEST_CANCEL',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
} as const;

const MISMATCH: FailureType = 'EvidenceMismatch';

/** Resolves once the exhibit is there, or without one when it could not be had. */
export type ArrivingExhibit = Promise<Exhibit | undefined>;

/** Begins with all evidence that the policy asks for, at once; memory, the most volatile (RFC 3227), first. */
export function acquireEvidence(
  record: RunningCase,
  facts: InstanceFacts,
  decision: PolicyDecision,
): { memory: ArrivingExhibit; all: ArrivingExhibit[] } {
  const memory = decision.acquireMemory ? acquireMemory(record, facts, decision, 'memory') : Promise.resolve(undefined);
  const disks = decision.acquireDisks ? acquireDisks(record, facts, decision) : [];
  const all = [...(decision.acquireMemory ? [memory] : []), ...disks];
  return { memory, all };
}

/** The image that could not be examined stays an exhibit; the next tool of the ladder takes another one. */
export function acquireMemoryAgain(
  record: RunningCase,
  facts: InstanceFacts,
  decision: PolicyDecision,
  unreadable: Exhibit,
  reason: string,
): ArrivingExhibit {
  const before = unreadable.attempts ?? [];
  const { name: tool } = unreadable.tool;
  const attempt: MemoryAttempt = { number: before.length + 1, tool, outcome: 'image-unreadable', reason };
  record.tell(memoryAttemptFailed(attempt));
  return acquireMemory(record, facts, decision, 'memory-2', [...before, attempt]);
}

function acquireMemory(
  record: RunningCase,
  facts: InstanceFacts,
  decision: PolicyDecision,
  exhibitId: string,
  before: MemoryAttempt[] = [],
): ArrivingExhibit {
  const { instanceId } = facts.target;
  const workflowId = memoryWorkflowId(record.caseId, exhibitId);
  const tell = (attempts: MemoryAttempt[] = []): void =>
    attempts.slice(before.length).forEach((attempt) => record.tell(memoryAttemptFailed(attempt)));
  return arrival(record, { id: exhibitId, kind: 'memory', source: instanceId }, async () => {
    const child = executeChild(memoryAcquisition, {
      ...CHILD_ENDS_WITH_CASE,
      workflowId,
      staticSummary: `Memory of ${instanceId}`,
      args: [
        {
          caseId: record.caseId,
          exhibitId,
          facts,
          attempts: before,
          deadlineSeconds: decision.deadlines.memory,
          retentionDays: decision.retentionDays,
        },
      ],
    });
    const sentence = beingAcquired('memory', instanceId);
    try {
      const acquired = await record.whileShowing(sentence, { title: 'memory acquisition', workflowId }, child);
      tell(acquired.result.attempts);
      return acquired;
    } catch (error) {
      tell(attemptsOf(error));
      throw error;
    }
  });
}

/** All volumes are snapshotted at one instant (crash-consistent over all of them); then each goes its own way. */
function acquireDisks(record: RunningCase, facts: InstanceFacts, decision: PolicyDecision): ArrivingExhibit[] {
  const { target } = facts;
  const volumes = volumesToAcquire(decision, facts);
  if (volumes.length === 0) {
    const { instanceId } = target;
    const reason =
      facts.volumes.length === 0
        ? `no EBS volume is attached to ${instanceId}`
        : `none of the EBS volumes of ${instanceId} is one that the policy asks for`;
    record.isMissing({ id: 'disks', kind: 'disk', source: instanceId, reason });
    return [];
  }
  const volumeIds = volumes.map((volume) => volume.volumeId);
  const snapshots = mutation(`Snapshot ${volumeIds.length} volume(s) at one instant`).createSnapshots({
    caseId: record.caseId,
    target,
    volumeIds,
  });
  return volumes.map((volume) =>
    arrival(record, { id: volume.volumeId, kind: 'disk', source: volume.volumeId }, async () => {
      const snapshot = (await snapshots).snapshots.find((one) => one.volumeId === volume.volumeId);
      if (!snapshot) return `CreateSnapshots made no snapshot of ${volume.volumeId}: was it detached meanwhile?`;
      return acquireDisk(record, facts, volume, snapshot, decision);
    }),
  );
}

function acquireDisk(
  record: RunningCase,
  facts: InstanceFacts,
  volume: VolumeFacts,
  snapshot: CreatedSnapshot,
  decision: PolicyDecision,
): Promise<Finished<Exhibit>> {
  const workflowId = diskWorkflowId(record.caseId, volume.volumeId);
  const child = executeChild(diskAcquisition, {
    ...CHILD_ENDS_WITH_CASE,
    workflowId,
    staticSummary: `Disk ${volume.volumeId} of ${facts.target.instanceId}`,
    args: [
      {
        caseId: record.caseId,
        target: facts.target,
        volume,
        snapshot,
        deadlines: decision.deadlines,
        retentionDays: decision.retentionDays,
      },
    ],
  });
  return record.whileShowing(
    beingAcquired('disk', volume.volumeId),
    { title: `disk acquisition ${volume.volumeId}`, workflowId },
    child,
  );
}

/**
 * Notes how one acquisition ends. A failure stays with its exhibit: it becomes missing evidence with its reason, and
 * stops neither its siblings nor the case. `work` may also answer with such a reason.
 */
async function arrival(
  record: RunningCase,
  wanted: Omit<MissingEvidence, 'reason'>,
  work: () => Promise<Finished<Exhibit> | string>,
): ArrivingExhibit {
  const seen: Pick<MissingEvidence, 'attempts' | 'mismatch'> = {};
  const acquired = await work().catch((error: unknown) => {
    const attempts = attemptsOf(error);
    if (attempts.length > 0) seen.attempts = attempts;
    if (failureOf(error, [MISMATCH])) seen.mismatch = true;
    return reasonOf(error);
  });
  if (typeof acquired === 'string') {
    record.isMissing({ ...wanted, reason: acquired, ...seen });
    return undefined;
  }
  record.acquired(acquired.result, acquired.leftUndone);
  return acquired.result;
}
