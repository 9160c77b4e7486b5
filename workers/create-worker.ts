import { type NativeConnection, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type { ForensicsConfig } from '../activities/config';
import { createActivities } from '../activities';
import { AwsClients } from '../activities/aws/clients';
import { CustodyLog } from '../activities/custody-log';
import { taskQueueOf } from '../workflows/contract/task-queues';
import { CustodyRecorder } from './custody-interceptor';
import { heartbeatInterceptor } from './heartbeat-interceptor';

export interface WorkerSettings {
  connection: NativeConnection;
  namespace: string;
  config: ForensicsConfig;
  /** A bundle made beforehand; without it the worker bundles `workflows/` as it starts (1 to 3 s). */
  workflowBundle?: WorkflowBundleWithSourceMap;
}

export interface RegionWorker {
  taskQueue: string;
  /** Until the process is asked to end; then the running steps, and what the custody log still has to get, come to their end. */
  run(): Promise<void>;
}

/** Milliseconds that the end of the process is put off for acts that are not in the custody log yet. */
const LAST_PATIENCE = 15_000;

/** A worker of one Region: it serves the Region's queue, and its activities act in that Region only. */
export async function createWorker({
  connection,
  namespace,
  config,
  workflowBundle,
}: WorkerSettings): Promise<RegionWorker> {
  const clients = new AwsClients(config);
  const custodyLog = new CustodyLog({ config, clients });
  const recorder = new CustodyRecorder(custodyLog);
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: taskQueueOf(config.region),
    ...(workflowBundle ? { workflowBundle } : { workflowsPath: require.resolve('../workflows') }),
    activities: createActivities(config, clients, custodyLog),
    interceptors: { activity: [heartbeatInterceptor, recorder.interceptor] },
    // Cancelled activities get this long to tidy up after SIGTERM before the process ends.
    shutdownGraceTime: '20s',
    // What an activity reported last is what its next attempt resumes from.
    maxHeartbeatThrottleInterval: '5s',
  });
  return {
    taskQueue: worker.options.taskQueue,
    async run() {
      await worker.run();
      await recorder.settled(LAST_PATIENCE);
    },
  };
}
