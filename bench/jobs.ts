import type { RecordedCall } from '../lab/aws/emulator-client';
import type { ActivityRun, WorkflowRun } from './history';
import { type Interval, length } from './intervals';

/** The stages of a case that wait for AWS or for a tool. */
export const STAGES = [
  'snapshot',
  're-encryption copy',
  'forensic copy',
  'memory command',
  'instance start',
  'examination command',
] as const;
export type Stage = (typeof STAGES)[number];

/** Work that somebody else does for the case: AWS, or a tool under Run Command. */
export interface Job extends Interval {
  stage: Stage;
  /** The exhibit that it is done for: `memory` or a volume. */
  exhibit: string;
  /** Snapshot, command or instance. */
  id: string;
  /** When the next step of the same workflow began; absent when none followed. */
  nextStepAt?: number;
}

/** What the lab knows of the times of jobs. Milliseconds since the epoch. */
export interface JobTimes {
  calls: readonly RecordedCall[];
  /** When each snapshot or copy became `completed`. */
  snapshotCompleted: ReadonlyMap<string, number>;
  /** Start and end of each command, as the instance's agent reported them. */
  commands: ReadonlyMap<string, Interval>;
  /** When each instance's agent registered. */
  agentOnline: ReadonlyMap<string, number>;
}

/** The jobs of a case in the order of its workflows. @throws Error when a time of one is not known */
export function jobsOf(workflows: readonly WorkflowRun[], times: JobTimes): Job[] {
  const copies = new Map<string, string>();
  const launches = new Map<string, ActivityRun>();
  for (const run of workflows.flatMap((workflow) => workflow.activities)) {
    const made = textIn(run.result, 'snapshotId');
    if (['reencryptSnapshot', 'copySnapshotToForensics'].includes(run.type) && made !== undefined)
      copies.set(made, required(textIn(run.input, 'snapshotId'), `the source of ${made}`));
    const launched = textIn(run.result, 'instanceId');
    if (run.type === 'launchForensicInstance' && launched !== undefined) launches.set(launched, run);
  }
  return workflows.flatMap((workflow) =>
    workflow.activities.flatMap((run): Job[] => {
      const job = jobOf(run, times, copies, launches);
      if (!job) return [];
      const next = nextStep(workflow, run);
      const exhibit = workflow.workflowId.split('/').at(-1) ?? '';
      return [{ ...job, exhibit, ...(next && { nextStepAt: next.startedAt }) }];
    }),
  );
}

/** Milliseconds from the end of a job to the next step; a job whose next step did not come has none. */
export function overshoots(jobs: readonly Job[]): Map<Stage, number[]> {
  const byStage = new Map<Stage, number[]>();
  for (const { stage, end, nextStepAt } of jobs) {
    if (nextStepAt === undefined) continue;
    byStage.set(stage, [...(byStage.get(stage) ?? []), Math.max(0, nextStepAt - end)]);
  }
  return byStage;
}

/** Milliseconds of the longest chain: an exhibit's jobs follow one another, exhibits go side by side. */
export function criticalPath(jobs: readonly Job[]): number {
  const exhibits = new Set(jobs.map(({ exhibit }) => exhibit));
  return Math.max(0, ...[...exhibits].map((id) => length(jobs.filter(({ exhibit }) => exhibit === id))));
}

function jobOf(
  run: ActivityRun,
  times: JobTimes,
  copies: ReadonlyMap<string, string>,
  launches: ReadonlyMap<string, ActivityRun>,
): Omit<Job, 'exhibit'> | undefined {
  switch (run.type) {
    case 'awaitSnapshot': {
      const id = required(textIn(run.input, 'snapshotId'), 'the snapshot of awaitSnapshot');
      const source = copies.get(id);
      const call =
        source === undefined
          ? times.calls.find((one) => one.action === 'CreateSnapshots' && one.error === null)
          : times.calls.find(
              (one) =>
                one.action === 'CopySnapshot' && one.error === null && one.parameters?.SourceSnapshotId === source,
            );
      const start = Date.parse(required(call, `the call that made ${id}`).at);
      const end = Math.max(start, required(times.snapshotCompleted.get(id), `the completion of ${id}`));
      const forensic = textIn(run.input, 'owner') === 'forensics';
      return {
        stage: forensic ? 'forensic copy' : source === undefined ? 'snapshot' : 're-encryption copy',
        id,
        start,
        end,
      };
    }
    case 'awaitMemoryCapture':
    case 'awaitExamination': {
      const memory = run.type === 'awaitMemoryCapture';
      const id = required(
        textIn(run.input, memory ? 'capture' : 'examination', 'commandId'),
        `a command of ${run.type}`,
      );
      const { start, end } = required(times.commands.get(id), `the times of command ${id}`);
      return { stage: memory ? 'memory command' : 'examination command', id, start, end };
    }
    case 'awaitForensicInstance': {
      const id = required(textIn(run.input, 'instance', 'instanceId'), 'the instance of awaitForensicInstance');
      const launch = required(launches.get(id), `the launch of ${id}`);
      const exhibit = textIn(launch.input, 'exhibit', 'id') ?? '';
      const call = times.calls.find(
        (one) =>
          one.action === 'RunInstances' &&
          one.error === null &&
          JSON.stringify(one.parameters).includes(`"${exhibit}"`),
      );
      const start = Date.parse(required(call, `the RunInstances of ${id}`).at);
      return { stage: 'instance start', id, start, end: required(times.agentOnline.get(id), `the agent of ${id}`) };
    }
    default:
      return undefined;
  }
}

/** The first step of the workflow that was scheduled after this one had ended. */
function nextStep(workflow: WorkflowRun, run: ActivityRun): ActivityRun | undefined {
  return workflow.activities
    .filter((other) => other !== run && other.scheduledAt >= run.closedAt)
    .sort((a, b) => a.startedAt - b.startedAt)[0];
}

function textIn(value: unknown, ...names: string[]): string | undefined {
  let at = value;
  for (const name of names) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return typeof at === 'string' ? at : undefined;
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the benchmark does not know ${what}: the lab's records do not hold it`);
  return value;
}
