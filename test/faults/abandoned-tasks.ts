import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';

const { PendingActivityState, WorkflowExecutionStatus } = temporal.api.enums.v1;

/** Of gRPC (https://grpc.io/docs/guides/status-codes/). */
const NOT_FOUND = 5;

/**
 * Tells the server at once what it would find out by its time-outs, 30 s later: that the dead worker's steps have ended without a
 * result, and that its cache of workflows is gone. The step's next attempt is the same one that a time-out leads to, with the
 * heartbeat details of the dead attempt. (That the time-outs themselves work is shown by test/e2e/worker-dies.test.ts.)
 *
 * Call it only when the worker's process is gone, and before another one works.
 */
export async function abandonTasks(client: Client, caseWorkflowId: string): Promise<void> {
  const { namespace } = client.options;
  const { workflowService: service } = client;
  const workflowIds = [caseWorkflowId];
  for (const workflowId of workflowIds) {
    const execution = { workflowId };
    const { pendingActivities, pendingChildren, workflowExecutionInfo } = await service.describeWorkflowExecution({
      namespace,
      execution,
    });
    if (workflowExecutionInfo?.status !== WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING) continue;
    workflowIds.push(...pendingChildren.flatMap((child) => child.workflowId ?? []));
    await unlessGone(service.resetStickyTaskQueue({ namespace, execution }));
    for (const { activityId, state } of pendingActivities) {
      if (state !== PendingActivityState.PENDING_ACTIVITY_STATE_STARTED || !activityId) continue;
      await unlessGone(
        service.respondActivityTaskFailedById({
          namespace,
          workflowId,
          activityId,
          identity: 'fault-harness',
          failure: {
            message: 'the worker was killed',
            applicationFailureInfo: { type: 'WorkerKilled', nextRetryDelay: { nanos: 50_000_000 } },
          },
        }),
      );
    }
  }
}

/** A time-out of the server's own may have been quicker. */
async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === NOT_FOUND)) throw error;
  }
}
