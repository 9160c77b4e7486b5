import { type Client, QueryNotRegisteredError, QueryRejectedError, type WorkflowHandle } from '@temporalio/client';
import { INSTANCE_ID } from '../../domain/target';
import { type CaseView, MESSAGES, WORKFLOW_TYPES } from '../../workflows/contract/messages';
import { UsageError } from './output';

/** Milliseconds that a query may take before we say that no worker answers. */
const QUERY_TIMEOUT = 15_000;

/**
 * Finds a case by its case id, its workflow id, or the instance that it is about (the newest one).
 * @throws UsageError when there is none
 */
export async function findCase(client: Client, reference: string): Promise<WorkflowHandle> {
  if (reference.startsWith('forensic-case/')) return client.workflow.getHandle(reference);
  if (!/^[\w:.-]{1,128}$/.test(reference))
    throw new UsageError(`${JSON.stringify(reference)} is no case id, workflow id or instance id`);
  const attribute = INSTANCE_ID.test(reference) ? 'CaseInstance' : 'CaseId';
  const query = `WorkflowType = "${WORKFLOW_TYPES.forensicCase}" AND ${attribute} = "${reference}"`;
  for await (const found of client.workflow.list({ query })) {
    return client.workflow.getHandle(found.workflowId, found.runId);
  }
  throw new UsageError(`no case for ${reference}: "npm run -s forensics -- list" shows the cases there are`);
}

/**
 * What the case knows of itself, open or closed.
 * @throws UsageError when no worker of the case's Region answers
 */
export async function caseView(client: Client, handle: WorkflowHandle): Promise<CaseView> {
  try {
    return await client.connection.withDeadline(Date.now() + QUERY_TIMEOUT, () =>
      handle.query<CaseView>(MESSAGES.caseStatus),
    );
  } catch (error) {
    if (error instanceof QueryNotRegisteredError || error instanceof QueryRejectedError) {
      throw new UsageError(`the case ${handle.workflowId} cannot answer: ${error.message}`, { cause: error });
    }
    if (error instanceof Error && /deadline|cancelled|no poller/i.test(`${error.message} ${String(error.cause)}`)) {
      throw new UsageError(
        `no worker answered for ${handle.workflowId} within ${QUERY_TIMEOUT / 1000} s: is one running (npm run worker)?`,
        { cause: error },
      );
    }
    throw error;
  }
}
