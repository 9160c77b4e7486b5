import { type NativeConnection, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type { ForensicsConfig } from '../activities/config';
import { createActivities } from '../activities';
import { taskQueueOf } from '../workflows/contract/task-queues';
import { heartbeatInterceptor } from './heartbeat-interceptor';

export interface WorkerSettings {
  connection: NativeConnection;
  namespace: string;
  config: ForensicsConfig;
  /** A bundle made beforehand; without it the worker bundles `workflows/` as it starts (1 to 3 s). */
  workflowBundle?: WorkflowBundleWithSourceMap;
}

/** A worker of one Region: it serves the Region's queue, and its activities act in that Region only. */
export async function createWorker({ connection, namespace, config, workflowBundle }: WorkerSettings): Promise<Worker> {
  return Worker.create({
    connection,
    namespace,
    taskQueue: taskQueueOf(config.region),
    ...(workflowBundle ? { workflowBundle } : { workflowsPath: require.resolve('../workflows') }),
    activities: createActivities(config),
    interceptors: { activity: [heartbeatInterceptor] },
    // Cancelled activities get this long to tidy up after SIGTERM before the process ends.
    shutdownGraceTime: '20s',
    // What an activity reported last is what its next attempt resumes from.
    maxHeartbeatThrottleInterval: '5s',
  });
}
