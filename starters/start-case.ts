import { type Client, WorkflowIdReusePolicy, WorkflowNotFoundError } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import type { AdditionalFinding, CaseRequest } from '../domain/case-request';
import { escapeMarkdown, plainSummary } from '../domain/markdown';
import { MESSAGES, WORKFLOW_TYPES } from '../workflows/contract/messages';
import { searchAttributes } from '../workflows/contract/search-attributes';
import { taskQueueOf } from '../workflows/contract/task-queues';
import { caseWorkflowId } from '../workflows/contract/workflow-ids';

export interface StartedCase {
  workflowId: string;
  runId: string;
  /**
   * - `opened`: this request opened the case.
   * - `joined`: the instance has an open case, which the finding joined.
   * - `already-handled`: the last case of the instance, closed by now, was about this very finding (a repeated delivery).
   */
  result: 'opened' | 'joined' | 'already-handled';
}

/**
 * Opens a case, or hands the finding to the one that is open for the instance: one atomic signal-with-start, so two
 * deliveries at once never make two cases. Safe to call again with the same request.
 */
export async function startCase(client: Client, request: CaseRequest): Promise<StartedCase> {
  const workflowId = caseWorkflowId(request.target, request.dryRun);
  const previous = await lastRun(client, workflowId);
  if (previous?.closed && previous.findingIds.includes(request.finding.id)) {
    return { workflowId, runId: previous.runId, result: 'already-handled' };
  }
  const { finding, openedBy, receivedAt, target } = request;
  const additional: AdditionalFinding = { finding, openedBy, receivedAt };
  const handle = await client.workflow.signalWithStart(WORKFLOW_TYPES.forensicCase, {
    workflowId,
    taskQueue: taskQueueOf(target.region),
    args: [request],
    // The case that this starts finds its own finding in the signal and takes it as the one that it was opened for.
    signal: MESSAGES.findingReported,
    signalArgs: [additional],
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    memo: { findingIds: [finding.id] },
    staticSummary: plainSummary(
      `${finding.severity}: ${finding.type} on ${target.instanceId} (${target.accountId}, ${target.region})`,
      200,
    ),
    staticDetails: [
      `**${escapeMarkdown(finding.title)}**`,
      escapeMarkdown(finding.description, 1000),
      `Finding ${escapeMarkdown(finding.id)} of ${finding.source}, ${escapeMarkdown(finding.createdAt)}; case opened by ${escapeMarkdown(openedBy)}, ${receivedAt}`,
    ].join('\n\n'),
    typedSearchAttributes: new TypedSearchAttributes([
      { key: searchAttributes.CaseStatus, value: 'open' },
      { key: searchAttributes.CaseSeverity, value: finding.severity },
      { key: searchAttributes.CaseAccount, value: target.accountId },
      { key: searchAttributes.CaseRegion, value: target.region },
      { key: searchAttributes.CaseInstance, value: target.instanceId },
    ]),
  });
  const joined = previous !== undefined && !previous.closed && previous.runId === handle.signaledRunId;
  return { workflowId, runId: handle.signaledRunId, result: joined ? 'joined' : 'opened' };
}

async function lastRun(
  client: Client,
  workflowId: string,
): Promise<{ runId: string; closed: boolean; findingIds: string[] } | undefined> {
  try {
    const description = await client.workflow.getHandle(workflowId).describe();
    const findingIds = description.memo?.findingIds;
    return {
      runId: description.runId,
      closed: description.status.name !== 'RUNNING',
      findingIds: Array.isArray(findingIds) ? findingIds.filter((id): id is string => typeof id === 'string') : [],
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
