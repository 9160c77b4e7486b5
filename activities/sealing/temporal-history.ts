import { getClient } from '@temporalio/activity';
import proto from '@temporalio/proto';

/** The events of a workflow as JSON values, in order; undefined when Temporal knows no such workflow (any more). */
export type HistoryReader = (workflowId: string, runId?: string) => Promise<unknown[] | undefined>;

/** Code of gRPC. Source: grpc.io, "Status codes and their use in gRPC". */
const NOT_FOUND = 5;

const { HistoryEvent } = proto.temporal.api.history.v1;
type Events = NonNullable<proto.temporal.api.history.v1.IHistory['events']>;

/**
 * Temporal's own message `temporal.api.history.v1.HistoryEvent`, with every field that it has: 64-bit numbers as text, enumerations by
 * name, bytes in Base64, times as `{seconds, nanos}`. Fields that are newer than this SDK are not read, and so not in it.
 */
export const eventsAsJson = (events: Events): unknown[] =>
  events.map((event) =>
    HistoryEvent.toObject(HistoryEvent.create(event), { longs: String, enums: String, bytes: String }),
  );

/** Reads histories through the worker's own connection; of a workflow that still runs, what it has behind it. */
export const historyOfWorkflow: HistoryReader = async (workflowId, runId) => {
  try {
    const { events } = await getClient().workflow.getHandle(workflowId, runId).fetchHistory();
    return eventsAsJson(events ?? []);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === NOT_FOUND) return undefined;
    throw error;
  }
};
