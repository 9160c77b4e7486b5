import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { EvidenceThreat } from '../domain/evidence-threat';
import { plainSummary } from '../domain/markdown';
import { KEEPING_WORKFLOWS, threatWorkflowId } from '../workflows/contract/keeping';
import { taskQueueOf } from '../workflows/contract/task-queues';

/** Has a worker of the Region find the cases that a threat concerns and tell them; the same event twice is told once. */
export async function startThreat(
  client: Client,
  threat: EvidenceThreat,
): Promise<{ workflowId: string; result: 'started' | 'already-handled' }> {
  const workflowId = threatWorkflowId(threat.eventId);
  try {
    await client.workflow.start(KEEPING_WORKFLOWS.evidenceThreat, {
      workflowId,
      taskQueue: taskQueueOf(threat.region),
      args: [threat],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      staticSummary: plainSummary(`${threat.call} in account ${threat.accountId}`, 200),
    });
    return { workflowId, result: 'started' };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return { workflowId, result: 'already-handled' };
    throw error;
  }
}
