import { userInfo } from 'node:os';
import {
  type Client,
  ScheduleOverlapPolicy,
  WorkflowExecutionAlreadyStartedError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { type Command, Option } from 'commander';
import { expiryOf } from '../../../domain/approval';
import type { ApprovalMessage } from '../../../domain/approval-message';
import type { AuditScope, EvidenceAuditResult } from '../../../domain/evidence-audit';
import { purgeSentence, type PurgePlan } from '../../../domain/evidence-purge';
import type { ProofBinding } from '../../../domain/identity-proof';
import { plainSummary } from '../../../domain/markdown';
import {
  APPROVAL_MESSAGES,
  type ApprovalReceipt,
  type ApprovalView,
  auditScheduleId,
  auditWorkflowId,
  KEEPING_WORKFLOWS,
  type KeepingRequest,
  type LegalHoldRequest,
  legalHoldWorkflowId,
  type PurgeOutcome,
  purgeWorkflowId,
  type ReleaseRequest,
  releaseWorkflowId,
} from '../../../workflows/contract/keeping';
import { searchAttributes } from '../../../workflows/contract/search-attributes';
import { taskQueueOf } from '../../../workflows/contract/task-queues';
import { proveIdentity } from '../../identity-proof';
import { findCase } from '../case-lookup';
import { answer, withClient } from '../context';
import { bytes, print, table, UsageError } from '../output';

/** A case's own id: the cases of closed years are not in Temporal any more, and are found by it all the same. */
const CASE_ID = /^i-[0-9a-f]{8,17}-\d{8}t\d{6}z(-dry-run)?$/;
/** Seconds that a plan, or the reason why there is none, is waited for. */
const PLAN_SECONDS = 120;
const PLAN_LINES = 200;

interface AskOptions {
  as: string;
  reason: string;
  within: string;
  region?: string;
}
interface DecideOptions {
  as: string;
  reason?: string;
  plan?: string;
  prove?: boolean;
}

/** Commands for cases that may be closed for long: audits, legal holds and purges of evidence, release of the instance. */
export function addEvidenceCommands(program: Command): void {
  const audit = program.command('audit').description('read evidence again and hold it against the custody log');
  addAuditCommands(audit);

  const hold = program.command('hold').description('legal hold of a case’s evidence');
  for (const state of ['on', 'off'] as const) {
    asking(
      hold,
      state,
      `ask for the legal hold to be ${state === 'on' ? 'put on' : 'lifted; two other people must approve'}`,
      'hold',
    ).action(async (reference: string, options: AskOptions, command: Command) => {
      const workflowId = await withClient(async (client) => {
        const { caseId, region } = await place(client, reference, options.region);
        const request: LegalHoldRequest = { ...requestOf(caseId, options), hold: state };
        return start(client, KEEPING_WORKFLOWS.legalHold, legalHoldWorkflowId(caseId), region, request);
      });
      answer(command, { workflowId }, () =>
        print(`asked for: ${workflowId}\ndecide: npm run -s forensics -- hold approve ${reference} --as <name>`),
      );
    });
  }
  addDecisions(hold, 'hold', legalHoldWorkflowId, 'legal-hold');

  const purge = program
    .command('purge')
    .description('destroy evidence after its retention, with the consent of two people');
  asking(purge, 'ask', 'list what would be deleted, and ask for it when the retention is over', 'purge').action(
    async (reference: string, options: AskOptions, command: Command) => {
      const told = await withClient((client) => askPurge(client, reference, options));
      answer(command, told, () => tellPurge(told, reference));
      if (told.obstacles.length > 0) process.exitCode = 1;
    },
  );
  addDecisions(purge, 'purge', purgeWorkflowId);

  const release = program
    .command('release')
    .description(
      'take the containment of an instance back, with consent; stops where somebody else has changed something',
    );
  asking(release, 'ask', 'ask for the release of the instance of a case', 'release')
    .option('--undo-protections', 'the protections too (termination, stop, scale-in): only when the evidence is safe')
    .action(async (reference: string, options: AskOptions & { undoProtections?: boolean }, command: Command) => {
      const workflowId = await withClient(async (client) => {
        const { caseId, region } = await place(client, reference, options.region);
        const protections = options.undoProtections === true;
        const request: ReleaseRequest = { ...requestOf(caseId, options), protections };
        return start(client, KEEPING_WORKFLOWS.release, releaseWorkflowId(caseId), region, request);
      });
      answer(command, { workflowId }, () =>
        print(`asked for: ${workflowId}\ndecide: npm run -s forensics -- release approve ${reference} --as <name>`),
      );
    });
  addDecisions(release, 'release', releaseWorkflowId);
}

function asking(parent: Command, name: string, description: string, example: string): Command {
  return parent
    .command(name)
    .description(description)
    .argument('<case>', 'case id; or instance id or workflow id of a case that Temporal still knows')
    .requiredOption('--reason <text>', 'why; it stands in the custody log')
    .option('--as <name>', 'who asks', userInfo().username)
    .option('--within <hours>', 'people have so long to decide', '168')
    .option('--region <region>', 'Region of the case; AWS_REGION by default')
    .addHelpText(
      'after',
      `\nExample:\n  forensics ${example} ${name} i-0123456789abcdef0 --as ann --reason "order of the court"`,
    );
}

function addDecisions(parent: Command, example: string, idOf: (caseId: string) => string, checkpoint = example): void {
  const withCase = (name: string, description: string): Command =>
    parent
      .command(name)
      .description(description)
      .argument('<case>', 'case id, or instance id of a case that Temporal still knows')
      .addHelpText('after', `\nExample:\n  forensics ${example} ${name} i-0123456789abcdef0`);
  for (const verdict of ['approve', 'reject'] as const) {
    withCase(verdict, `${verdict} what is asked`)
      .option('--as <name>', 'who decides', userInfo().username)
      .option('--reason <text>', 'why; it stands in the custody log')
      .option('--plan <hash>', 'the plan that was read: 64 digits; the present one by default')
      .option('--prove', 'prove who decides: sign the decision with your AWS credentials (AWS_PROFILE, AWS_REGION)')
      .action(async (reference: string, options: DecideOptions, command: Command) => {
        const receipt = await withClient(async (client) => {
          const { caseId } = await place(client, reference);
          return decide(client, idOf(caseId), verdict, options, { caseId, checkpoint });
        });
        answer(command, receipt, () =>
          print(`${verdict} recorded: ${receipt.status}, ${receipt.missing} approval(s) missing`),
        );
      });
  }
  withCase('show', 'show what is asked and who has decided').action(
    async (reference: string, _options: unknown, command: Command) => {
      const view = await withClient(async (client) => viewOf(client, idOf((await place(client, reference)).caseId)));
      answer(command, view, () => tellView(view));
    },
  );
}

function addAuditCommands(audit: Command): void {
  const sample = (): Option =>
    new Option('--sample <share>', 'a share of the closed cases, e.g. 0.1, chosen anew by each run');
  const disks = (): Option => new Option('--disks', 'read the disks again too, block by block');
  const region = (): Option => new Option('--region <region>', 'Region; AWS_REGION by default');
  audit
    .command('run')
    .description('audit now; exits 0 only if everything is as it must be')
    .argument('[case]', 'this case only; all closed cases by default')
    .addOption(sample())
    .addOption(disks())
    .addOption(region())
    .addHelpText(
      'after',
      '\nExamples:\n  forensics audit run\n  forensics audit run i-0123456789abcdef0 --disks\n  forensics audit run --sample 0.1 --json',
    )
    .action(async (reference: string | undefined, options: AuditOptions, command: Command) => {
      const result = await withClient((client) => runAudit(client, reference, options));
      answer(command, result, () => tellAudit(result));
      if (result.withDifferences.length + result.failed.length > 0) process.exitCode = 1;
    });
  audit
    .command('schedule')
    .description('audit again and again; a run that takes longer is not joined by the next')
    .requiredOption('--every <hours>', 'hours between the beginnings of two audits, e.g. 24h')
    .addOption(sample())
    .addOption(disks())
    .addOption(region())
    .addHelpText('after', '\nExample:\n  forensics audit schedule --every 24h --sample 0.1')
    .action(async (options: AuditOptions & { every: string }, command: Command) => {
      const scheduleId = await withClient((client) => scheduleAudit(client, options));
      answer(command, { scheduleId }, () => print(`scheduled: ${scheduleId}, every ${options.every}`));
    });
}

interface AuditOptions {
  sample?: string;
  disks?: boolean;
  region?: string;
}

async function runAudit(
  client: Client,
  reference: string | undefined,
  options: AuditOptions,
): Promise<EvidenceAuditResult> {
  const scope = scopeOf(options);
  const found =
    reference === undefined ? { region: regionOf(options.region) } : await place(client, reference, options.region);
  const caseIds = 'caseId' in found && { caseIds: [found.caseId] };
  const name = 'caseId' in found ? found.caseId : found.region;
  const asked: AuditScope = { ...scope, ...caseIds };
  const result: unknown = await client.workflow.execute(KEEPING_WORKFLOWS.evidenceAudit, {
    workflowId: `${auditWorkflowId(name)}/${new Date().toISOString()}`,
    taskQueue: taskQueueOf(found.region),
    args: [asked],
    staticSummary: plainSummary(`Evidence audit of ${name}`, 200),
  });
  return result as EvidenceAuditResult;
}

/** Made, or brought to what is asked: one schedule a Region. */
async function scheduleAudit(client: Client, options: AuditOptions & { every: string }): Promise<string> {
  const hours = Number(/^(\d+(?:\.\d+)?)h?$/.exec(options.every)?.[1]);
  if (!(hours >= 1)) throw new UsageError(`--every ${options.every}: give hours from 1, e.g. 24h`);
  const region = regionOf(options.region);
  const scheduleId = auditScheduleId(region);
  const spec = { intervals: [{ every: hours * 3_600_000 }] };
  const action = {
    type: 'startWorkflow' as const,
    workflowType: KEEPING_WORKFLOWS.evidenceAudit,
    workflowId: auditWorkflowId(`${region}/scheduled`),
    taskQueue: taskQueueOf(region),
    args: [scopeOf(options)],
  };
  const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1h' as const };
  try {
    await client.schedule.create({ scheduleId, spec, action, policies });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ScheduleAlreadyRunning') throw error;
    await client.schedule.getHandle(scheduleId).update((before) => ({ ...before, spec, action, policies }));
  }
  return scheduleId;
}

function scopeOf({ sample, disks }: AuditOptions): AuditScope {
  const share = sample === undefined ? undefined : Number(sample);
  if (share !== undefined && !(share > 0 && share <= 1))
    throw new UsageError(`--sample ${sample ?? ''}: give a share above 0 and at most 1`);
  return { ...(share !== undefined && { sample: share }), ...(disks && { disks }) };
}

function regionOf(given: string | undefined): string {
  const region = given ?? process.env.AWS_REGION;
  if (!region) throw new UsageError('which Region? Give --region or set AWS_REGION');
  return region;
}

/** Which case is meant, and where it lies. */
async function place(client: Client, reference: string, region?: string): Promise<{ caseId: string; region: string }> {
  if (CASE_ID.test(reference)) return { caseId: reference, region: regionOf(region) };
  const { typedSearchAttributes: attributes } = await (await findCase(client, reference)).describe();
  const caseId = attributes.get(searchAttributes.CaseId);
  if (!caseId) throw new UsageError(`${reference} has no case id yet: wait until the case has begun`);
  return { caseId, region: region ?? attributes.get(searchAttributes.CaseRegion) ?? regionOf(undefined) };
}

async function start(
  client: Client,
  type: string,
  workflowId: string,
  region: string,
  request: KeepingRequest,
): Promise<string> {
  try {
    await client.workflow.start(type, {
      workflowId,
      taskQueue: taskQueueOf(region),
      args: [request],
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: plainSummary(`${type} of ${request.caseId}: ${request.reason}`, 200),
      typedSearchAttributes: new TypedSearchAttributes([{ key: searchAttributes.CaseId, value: request.caseId }]),
    });
    return workflowId;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new UsageError(`it is asked for already and waits: ${workflowId}`, { cause: error });
  }
}

function requestOf(caseId: string, { as: openedBy, reason, within }: AskOptions): KeepingRequest {
  const hours = Number(within);
  if (!(hours > 0)) throw new UsageError(`--within ${within}: give hours above 0`);
  return { caseId, openedBy, reason, withinSeconds: hours * 3600 };
}

const viewOf = (client: Client, workflowId: string): Promise<ApprovalView> =>
  client.workflow.getHandle(workflowId).query<ApprovalView>(APPROVAL_MESSAGES.approvalStatus);

async function decide(
  client: Client,
  workflowId: string,
  verdict: 'approve' | 'reject',
  { as: approver, reason, plan, prove }: DecideOptions,
  of: Pick<ProofBinding, 'caseId' | 'checkpoint'>,
): Promise<ApprovalReceipt> {
  // Bound to the plan as it stands now, so that a change between this line and the workflow's is refused.
  const planHash = plan ?? (await viewOf(client, workflowId)).approval?.planHash;
  const message: ApprovalMessage = {
    verdict,
    approver,
    ...(reason !== undefined && { reason }),
    ...(planHash !== undefined && { planHash }),
    ...(prove && planHash !== undefined && { proof: await proveIdentity({ ...of, verdict, planHash }) }),
  };
  try {
    const handle = client.workflow.getHandle(workflowId);
    return await handle.executeUpdate<ApprovalReceipt, [ApprovalMessage]>(APPROVAL_MESSAGES.decide, {
      args: [message],
    });
  } catch (error) {
    if (!(error instanceof WorkflowUpdateFailedError)) throw error;
    throw new UsageError(`refused: ${error.cause?.message ?? error.message}`, { cause: error });
  }
}

interface AskedPurge {
  workflowId: string;
  /** Why it is not asked; empty when people are asked. */
  obstacles: string[];
  plan: PurgePlan;
  planHash?: string;
}

/** Starts the purge and waits for its plan: either people are asked from then on, or it ends with what stands against it. */
async function askPurge(client: Client, reference: string, options: AskOptions): Promise<AskedPurge> {
  const { caseId, region } = await place(client, reference, options.region);
  const request = requestOf(caseId, options);
  const workflowId = await start(client, KEEPING_WORKFLOWS.evidencePurge, purgeWorkflowId(caseId), region, request);
  const handle = client.workflow.getHandle(workflowId);
  for (const end = Date.now() + PLAN_SECONDS * 1000; Date.now() < end;) {
    if ((await handle.describe()).status.name !== 'RUNNING') {
      const { obstacles, plan } = (await handle.result()) as PurgeOutcome;
      return { workflowId, obstacles, plan };
    }
    const { approval, plan } = await viewOf(client, workflowId);
    if (approval) return { workflowId, obstacles: [], plan: plan as PurgePlan, planHash: approval.planHash };
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new UsageError(
    `${workflowId} has no plan yet: is a worker of ${region} running? Look again with "purge show ${reference}"`,
  );
}

function tellPurge({ workflowId, obstacles, plan, planHash }: AskedPurge, reference: string): void {
  print(purgeSentence(plan));
  print(
    table(
      ['would be deleted', 'size'],
      [
        ...plan.objects.map(({ key, sizeBytes }) => [key, bytes(sizeBytes)]),
        ...plan.snapshots.map(({ snapshotId, sizeGiB }) => [snapshotId, `${sizeGiB} GiB`]),
      ],
    ),
  );
  for (const sentence of plan.stays) print(`stays: ${sentence}`);
  if (obstacles.length > 0)
    print(`REFUSED, nobody was asked and nothing is deleted:\n${obstacles.map((one) => `  ${one}`).join('\n')}`);
  else
    print(
      `waits for two people: ${workflowId}\nplan ${planHash ?? ''}\ndecide: npm run -s forensics -- purge approve ${reference} --as <name>`,
    );
}

function tellView({ what, plan, approval, missing }: ApprovalView): void {
  print(what);
  if (!approval) {
    print('not asked yet');
    return;
  }
  const expiry = expiryOf(approval);
  const until = approval.status === 'open' && expiry !== undefined ? `, until ${expiry}` : '';
  print(`${approval.status}; ${missing ?? 0} approval(s) missing${until}; asked by ${approval.openedBy}`);
  if (plan !== undefined) print(`plan ${approval.planHash}\n${planText(plan)}`);
  const rows = approval.decisions.map(({ verdict, by, at, reason }) => [verdict, by.name, at, reason ?? '']);
  if (rows.length > 0) print(table(['decision', 'by', 'at', 'why'], rows));
}

/** A purge may name thousands of objects. */
function planText(plan: unknown): string {
  const lines = JSON.stringify(plan, null, 2).split('\n');
  const rest = lines.length - PLAN_LINES;
  return lines.slice(0, PLAN_LINES).join('\n') + (rest > 0 ? `\n… ${rest} more lines: --json shows all` : '');
}

function tellAudit({ audited, bytes: read, withDifferences, failed }: EvidenceAuditResult): void {
  print(`${audited} case(s) audited, ${bytes(read)} of evidence read again`);
  const rows = withDifferences.flatMap(({ caseId, differences }) =>
    differences.map(({ severity, what, problem }) => [caseId, severity, what, problem]),
  );
  if (rows.length > 0) print(table(['case', 'severity', 'what', 'problem'], rows));
  for (const { caseId, reason } of failed) print(`NOT AUDITED: ${caseId}: ${reason}`);
  if (rows.length + failed.length === 0) print('EVERYTHING IS AS IT MUST BE');
}
