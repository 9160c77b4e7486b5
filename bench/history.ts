import type { Client } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { optionalTsToMs } from '@temporalio/common/lib/time';

/** One activity of a workflow, as its history tells it. Milliseconds since the epoch. */
export interface ActivityRun {
  type: string;
  scheduledAt: number;
  /** Start of the last attempt: for a step that looks again until a job has ended, of the look that saw the end. */
  startedAt: number;
  closedAt: number;
  attempts: number;
  succeeded: boolean;
  /** First argument, and result, as the JSON that they were. */
  input: unknown;
  result: unknown;
}

export interface WorkflowRun {
  workflowId: string;
  type: string;
  startedAt: number;
  closedAt: number;
  /** Events and bytes of the history, as the server counts them. */
  events: number;
  bytes: number;
  /** Closed activities in the order of their events. */
  activities: ActivityRun[];
}

type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;

/** Reads a closed workflow: its description and its history. @throws Error when it is still open */
export async function readWorkflow(client: Client, workflowId: string): Promise<WorkflowRun> {
  const handle = client.workflow.getHandle(workflowId);
  const [description, history] = await Promise.all([handle.describe(), handle.fetchHistory()]);
  if (!description.closeTime) throw new Error(`workflow ${workflowId} is not closed: it cannot be measured`);
  return {
    workflowId,
    type: description.type,
    startedAt: description.startTime.getTime(),
    closedAt: description.closeTime.getTime(),
    events: description.historyLength,
    bytes: Number(description.raw.workflowExecutionInfo?.historySizeBytes ?? 0),
    activities: activitiesOf(history),
  };
}

export function activitiesOf(history: History): ActivityRun[] {
  const runs = new Map<string, ActivityRun>();
  const events = history.events ?? [];
  for (const event of events) {
    const at = optionalTsToMs(event.eventTime) ?? 0;
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled) {
      runs.set(String(event.eventId), {
        type: scheduled.activityType?.name ?? 'unknown',
        scheduledAt: at,
        startedAt: at,
        closedAt: at,
        attempts: 0,
        succeeded: false,
        input: valueOf(scheduled.input?.payloads?.[0]),
        result: undefined,
      });
    }
    const started = event.activityTaskStartedEventAttributes;
    const begun = started && runs.get(String(started.scheduledEventId));
    if (begun) {
      begun.startedAt = at;
      begun.attempts = started.attempt ?? 1;
    }
    const completed = event.activityTaskCompletedEventAttributes;
    const ended =
      completed ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    const run = ended && runs.get(String(ended.scheduledEventId));
    if (run) {
      run.closedAt = at;
      run.succeeded = completed !== undefined && completed !== null;
      run.result = valueOf(completed?.result?.payloads?.[0]);
    }
  }
  return [...runs.values()];
}

function valueOf(payload: Payload | null | undefined): unknown {
  return payload ? defaultPayloadConverter.fromPayload(payload) : undefined;
}
