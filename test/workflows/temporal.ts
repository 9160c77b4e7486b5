import { randomUUID } from 'node:crypto';
import { ApplicationFailure, type Duration } from '@temporalio/common';
import type { Client, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { CaseRequest } from '../../domain/case-request';
import type { CaseOutcome } from '../../domain/outcome';
import {
  MESSAGES,
  WORKFLOW_TYPES,
  type CaseView,
  type DecisionReceipt,
  type Review,
} from '../../workflows/contract/messages';
import { caseWorkflowId } from '../../workflows/contract/workflow-ids';
import type { forensicCase } from '../../workflows';
import { ACTIVITY_NAMES, Fakes, type ActivityName, type Script } from './fakes';
import { addAttributes, untilAttributesAreKnown } from './support/search-attributes';
import { sharedServerAddress } from './support/shared-server';
import { workflowBundle } from './support/workflow-bundle';

/** No case of these tests takes longer, also on a busy machine; one that does fails instead of hanging. */
const LONGEST_CASE = '160s';
/** Cases of one file run at the same time, so that each may take as long as all of them. */
jest.setTimeout(180_000);
/** The same for cases that wait for days, in days. */
const LONGEST_CASE_OF_SKIPPED_TIME = '30 days';

export type CaseHandle = WorkflowHandleWithFirstExecutionRunId<typeof forensicCase>;

/** Cases of one test file on the server that all files share, and a worker of the file's own for them. */
export class TemporalForTests {
  /** The fakes of each case, by the instance that it is about. */
  private readonly fakes = new Map<string, Fakes>();
  private readonly taskQueue = `test-${randomUUID()}`;
  private sharedWorker: Promise<{ worker: Worker; ended: Promise<void> }> | undefined;

  private constructor(
    readonly environment: TestWorkflowEnvironment,
    private readonly bundle: { codePath: string },
    private readonly longestCase: Duration,
  ) {}

  static async start(): Promise<TemporalForTests> {
    return TemporalForTests.startAt(await sharedServerAddress());
  }

  /** On a server of the file's own. */
  static async startAt(address: string): Promise<TemporalForTests> {
    Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
    const bundle = await workflowBundle();
    const environment = await TestWorkflowEnvironment.createFromExistingServer({ address });
    await untilAttributesAreKnown(environment.connection, environment.namespace ?? 'default');
    return new TemporalForTests(environment, bundle, LONGEST_CASE);
  }

  /** On a time-skipping test server of this file's own, whose command is `server`: days pass in seconds. */
  static async startSkippingTime(server: string): Promise<TemporalForTests> {
    Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
    const [environment, bundle] = await Promise.all([
      TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path: server } } }),
      workflowBundle(),
    ]);
    await addAttributes(environment.connection, environment.namespace ?? 'default');
    return new TemporalForTests(environment, bundle, LONGEST_CASE_OF_SKIPPED_TIME);
  }

  async stop(): Promise<void> {
    const shared = await this.sharedWorker;
    shared?.worker.shutdown();
    await shared?.ended;
    await this.environment.teardown();
  }

  get client(): Client {
    return this.environment.client;
  }

  /** A worker for every case that this file starts: steps find the fakes of their case. */
  worker(taskQueue: string): Promise<Worker> {
    const step = (name: ActivityName) => (input: unknown) => {
      const caseId = /"caseId":"([^"]+)"/.exec(JSON.stringify(input))?.[1] ?? '';
      const fakes = [...this.fakes].find(([instanceId]) => caseId.startsWith(`${instanceId}-`))?.[1];
      if (!fakes) throw ApplicationFailure.nonRetryable(`no fakes for case "${caseId}"`);
      return fakes.activities[name](input as never);
    };
    return Worker.create({
      connection: this.environment.nativeConnection,
      taskQueue,
      workflowBundle: this.bundle,
      activities: Object.fromEntries(ACTIVITY_NAMES.map((name) => [name, step(name)])),
      // A TypeError in workflow code fails the case at once instead of retrying the workflow task for ever.
      workflowFailureErrorTypes: { '*': ['Error'] },
      maxHeartbeatThrottleInterval: 100,
      defaultHeartbeatThrottleInterval: 100,
      // A worker that goes leaves its cached cases to the next one after this time.
      stickyQueueScheduleToStartTimeout: 1000,
      shutdownGraceTime: 200,
      shutdownForceTime: 2000,
    });
  }

  /** Opens a case whose steps the script plays, on this queue or on that of the worker which the file's cases share. */
  async open(script: Script, request: CaseRequest, taskQueue?: string): Promise<CaseRun> {
    const fakes = new Fakes(script);
    this.fakes.set(request.target.instanceId, fakes);
    if (taskQueue === undefined) await this.workerOfThisFile();
    const queue = taskQueue ?? this.taskQueue;
    return new CaseRun(await this.start(request, queue), fakes, request, queue);
  }

  /** Several cases may be opened at once: they find one worker. */
  private async workerOfThisFile(): Promise<void> {
    this.sharedWorker ??= this.worker(this.taskQueue).then((worker) => ({ worker, ended: worker.run() }));
    await this.sharedWorker;
  }

  start(request: CaseRequest, taskQueue: string): Promise<CaseHandle> {
    return this.client.workflow.start<typeof forensicCase>(WORKFLOW_TYPES.forensicCase, {
      workflowId: caseWorkflowId(request.target),
      taskQueue,
      args: [request],
      workflowExecutionTimeout: this.longestCase,
      workflowIdConflictPolicy: 'FAIL',
    });
  }

  /** Opens a case, lets `steer` act on it, and returns how it ended. */
  async runCase(script: Script, request: CaseRequest, steer?: (run: CaseRun) => Promise<void>): Promise<FinishedCase> {
    const run = await this.open(script, request);
    await steer?.(run);
    const outcome = await run.handle.result();
    return { outcome, fakes: run.fakes, handle: run.handle, view: await run.view() };
  }
}

export interface FinishedCase {
  outcome: CaseOutcome;
  fakes: Fakes;
  handle: CaseHandle;
  view: CaseView;
}

/** A case under way, and what people can do to it. */
export class CaseRun {
  constructor(
    readonly handle: CaseHandle,
    readonly fakes: Fakes,
    readonly request: CaseRequest,
    readonly taskQueue: string,
  ) {}

  view(): Promise<CaseView> {
    return this.handle.query<CaseView>(MESSAGES.caseStatus);
  }

  signal(name: keyof typeof MESSAGES, payload: unknown): Promise<void> {
    return this.handle.signal<[unknown]>(MESSAGES[name], payload);
  }

  decide(payload: unknown): Promise<DecisionReceipt> {
    return this.handle.executeUpdate<DecisionReceipt, [unknown]>(MESSAGES.decide, { args: [payload] });
  }

  review(payload: unknown): Promise<Review> {
    return this.handle.executeUpdate<Review, [unknown]>(MESSAGES.review, { args: [payload] });
  }

  /** Why the update refuses this decision. */
  async refusalOf(payload: unknown): Promise<string> {
    try {
      await this.decide(payload);
    } catch (error) {
      const cause: unknown = error instanceof Error ? error.cause : undefined;
      return cause instanceof Error ? cause.message : String(error);
    }
    throw new Error(`the decision ${JSON.stringify(payload)} was taken`);
  }
}

/** All workflows of a finished case with their histories' size. */
export async function historyOf(
  client: Client,
  workflowId: string,
): Promise<{ type: string; workflowId: string; events: number; bytes: number; milliseconds: number }> {
  const description = await client.workflow.getHandle(workflowId).describe();
  return {
    type: description.type,
    workflowId,
    events: description.historyLength,
    bytes: description.historySize ?? 0,
    milliseconds: (description.closeTime ?? new Date()).getTime() - description.startTime.getTime(),
  };
}
