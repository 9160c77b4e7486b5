import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { DescribeSnapshotsCommand } from '@aws-sdk/client-ec2';
import { paginateListCommandInvocations } from '@aws-sdk/client-ssm';
import type { WorkflowHandle } from '@temporalio/client';
import type { Decision } from '../domain/checkpoint';
import type { CaseOutcome } from '../domain/outcome';
import type { RecordedCall } from '../lab/aws/emulator-client';
import type { AccountClients } from '../lab/seed/account-clients';
import type { VolumeEncryption } from '../lab/seed/launch';
import type { Suspect } from '../lab/seed/suspect';
import { caseRequestFrom } from '../starters/intake';
import { startCase } from '../starters/start-case';
import { type CaseView, MESSAGES } from '../workflows/contract/messages';
import { diskWorkflowId, examinationWorkflowId, memoryWorkflowId } from '../workflows/contract/workflow-ids';
import { type CountedCalls, countCalls, makerOf } from './aws-calls';
import type { BenchLab } from './bench-lab';
import { readWorkflow, type WorkflowRun } from './history';
import type { Interval } from './intervals';
import { criticalPath, type Job, jobsOf, overshoots, type Stage } from './jobs';
import { shareOut, type TimeShares } from './overhead';

/** How often the bench looks whether it is asked for its consent. */
const LOOK_MS = 100;
const LONGEST_CASE_MS = 10 * 60_000;

export interface CaseMeasurement extends TimeShares {
  volumes: number;
  /** Milliseconds, as every time below. */
  wall: number;
  /** The longest chain of jobs that one exhibit went through: what a case takes at least. */
  criticalPath: number;
  overshoots: Partial<Record<Stage, number[]>>;
  containment: {
    /** From the decision to the verified isolation. */
    fromDecision: number;
    /** From the opening of the case. */
    fromOpening: number;
    /** From the last thing that it waited for: the decision, or the memory image being safe. */
    fromClearance: number;
  };
  histories: { workflow: string; events: number; bytes: number }[];
  calls: CountedCalls[];
}

/** Runs one case whole, says yes to its isolation at once, and measures it. @throws Error when it is not complete */
export async function measureCase(
  lab: BenchLab,
  encryptions: readonly VolumeEncryption[],
  isolation: 'after-memory' | 'before-acquisition' = 'after-memory',
): Promise<CaseMeasurement> {
  const suspect = await lab.launch(encryptions);
  await lab.emulator.clearCalls();
  const handle = await openCase(lab, suspect);
  await approve(handle);
  const outcome = await outcomeOf(handle);
  if (outcome.outcome !== 'complete')
    throw new Error(`the case closed ${outcome.outcome} and cannot be compared: ${outcome.reasons.join('; ')}`);

  const calls = await lab.emulator.calls();
  const workflows = await Promise.all(
    [
      handle.workflowId,
      memoryWorkflowId(outcome.caseId),
      ...suspect.volumeIds.map((id) => diskWorkflowId(outcome.caseId, id)),
      ...['memory', ...suspect.volumeIds].map((id) => examinationWorkflowId(outcome.caseId, id)),
    ].map((id) => readWorkflow(lab.client, id)),
  );
  const { member, forensics } = lab.deployment;
  const jobs = jobsOf(workflows, {
    calls,
    snapshotCompleted: new Map([...(await completions(member)), ...(await completions(forensics))]),
    commands: new Map([...(await commandTimes(member)), ...(await commandTimes(forensics))]),
    agentOnline: lab.agentOnline,
  });
  return measured(workflows, jobs, outcome, isolation, calls);
}

function measured(
  workflows: WorkflowRun[],
  jobs: Job[],
  outcome: CaseOutcome,
  isolation: 'after-memory' | 'before-acquisition',
  calls: readonly RecordedCall[],
): CaseMeasurement {
  const whole = workflows[0]!;
  const window = { start: whole.startedAt, end: whole.closedAt };
  const steps = workflows.flatMap((workflow) =>
    workflow.activities
      // Case events are written beside the work and delay nothing but the very end.
      .filter((run) => run.type !== 'recordEvents')
      .map((run) => ({ name: run.type, start: run.scheduledAt, end: run.closedAt })),
  );
  const answers = calls.filter((call) => makerOf(call) === 'worker').map((call) => intervalOf(call));
  const verified = Date.parse(outcome.containment?.verifiedAt ?? '');
  const decided = Date.parse(outcome.decisions[0]?.decidedAt ?? '');
  const memorySafe = workflows.find((workflow) => workflow.type === 'memoryAcquisition')?.closedAt ?? decided;
  return {
    volumes: workflows.filter((workflow) => workflow.type === 'diskAcquisition').length,
    wall: window.end - window.start,
    criticalPath: criticalPath(jobs),
    ...shareOut(window, jobs, answers, steps),
    overshoots: Object.fromEntries(overshoots(jobs)),
    containment: {
      fromDecision: verified - decided,
      fromOpening: verified - window.start,
      fromClearance: verified - (isolation === 'after-memory' ? Math.max(decided, memorySafe) : decided),
    },
    histories: workflows.map(({ type, events, bytes }) => ({ workflow: type, events, bytes })),
    calls: countCalls(calls),
  };
}

function intervalOf({ at, milliseconds }: RecordedCall): Interval {
  const start = Date.parse(at);
  return { start, end: start + milliseconds };
}

async function openCase(lab: BenchLab, suspect: Suspect): Promise<WorkflowHandle> {
  const event = JSON.parse(await readFile(suspect.findingFile, 'utf8')) as unknown;
  const started = await startCase(lab.client, caseRequestFrom(event, new Date().toISOString()));
  return lab.client.workflow.getHandle(started.workflowId, started.runId);
}

async function approve(handle: WorkflowHandle): Promise<void> {
  const deadline = Date.now() + LONGEST_CASE_MS;
  for (;;) {
    const { checkpoints, status } = await handle.query<CaseView>(MESSAGES.caseStatus);
    if (checkpoints.isolation.state === 'open') break;
    if (status === 'closed' || Date.now() > deadline)
      throw new Error('the case never asked for consent to the isolation');
    await sleep(LOOK_MS);
  }
  const decision: Decision = { checkpoint: 'isolation', verdict: 'approve', approver: 'bench', reason: 'benchmark' };
  await handle.executeUpdate(MESSAGES.decide, { args: [decision] });
}

async function outcomeOf(handle: WorkflowHandle): Promise<CaseOutcome> {
  const late = sleep(LONGEST_CASE_MS, undefined, { ref: false }).then(async () => {
    throw new Error(`the case was not closed in time: ${JSON.stringify(await handle.query(MESSAGES.caseStatus))}`);
  });
  return Promise.race([handle.result() as Promise<CaseOutcome>, late]);
}

async function completions({ ec2, accountId }: AccountClients): Promise<[string, number][]> {
  const { Snapshots: snapshots } = await ec2.send(new DescribeSnapshotsCommand({ OwnerIds: [accountId] }));
  return (snapshots ?? []).flatMap(({ SnapshotId: id, CompletionTime: at }): [string, number][] =>
    id !== undefined && at ? [[id, at.getTime()]] : [],
  );
}

async function commandTimes({ ssm }: AccountClients): Promise<[string, Interval][]> {
  const times: [string, Interval][] = [];
  for await (const page of paginateListCommandInvocations({ client: ssm }, { Details: true })) {
    for (const { CommandId: id, CommandPlugins: steps } of page.CommandInvocations ?? []) {
      const starts = (steps ?? []).flatMap((step) => step.ResponseStartDateTime?.getTime() ?? []);
      const ends = (steps ?? []).flatMap((step) => step.ResponseFinishDateTime?.getTime() ?? []);
      if (id !== undefined && starts.length > 0 && ends.length > 0)
        times.push([id, { start: Math.min(...starts), end: Math.max(...ends) }]);
    }
  }
  return times;
}
