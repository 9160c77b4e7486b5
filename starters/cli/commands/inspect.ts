import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { type CaseView, WORKFLOW_TYPES } from '../../../workflows/contract/messages';
import { searchAttributes } from '../../../workflows/contract/search-attributes';
import { caseView, findCase } from '../case-lookup';
import { caseText, evidenceText } from '../case-text';
import { answer, wantsJson, withClient } from '../context';
import { print, printJson, table, UsageError } from '../output';

export interface CaseSummary {
  caseId: string;
  workflowId: string;
  status: string;
  phase: string;
  severity: string;
  accountId: string;
  region: string;
  instanceId: string;
  awaitingApproval: string;
  openedAt: string;
}

export function addInspectCommands(program: Command): void {
  program
    .command('list')
    .description('list cases, newest first')
    .option('--open', 'only cases that are not closed')
    .option('--waiting', 'what waits for a decision: cases, and releases, holds and purges of cases')
    .option('--limit <count>', 'at most so many', '50')
    .addHelpText('after', '\nExample:\n  forensics list --waiting')
    .action(async (options: { open?: boolean; waiting?: boolean; limit: string }, command: Command) => {
      const limit = Number(options.limit);
      if (!Number.isInteger(limit) || limit < 1)
        throw new UsageError(`--limit ${options.limit}: give a whole number from 1`);
      const cases = await withClient((client) => listCases(client, options, limit));
      answer(command, cases, () => {
        if (cases.length === 0) print('no cases');
        else {
          const rows = cases.map((one) => [
            one.caseId,
            one.status,
            one.phase,
            one.severity,
            one.accountId,
            one.region,
            one.awaitingApproval,
            one.openedAt,
          ]);
          process.stdout.write(
            `${table(['case', 'status', 'phase', 'severity', 'account', 'Region', 'waits for', 'opened'], rows)}\n`,
          );
        }
      });
    });

  caseCommand(program, 'show', 'show a case: state, what it waits for, evidence, findings').action(
    async (reference: string, _options: unknown, command: Command) => {
      const view = await readCase(reference);
      answer(command, view, () => print(caseText(view)));
    },
  );

  caseCommand(program, 'evidence', 'list the exhibits of a case with their digests and places').action(
    async (reference: string, _options: unknown, command: Command) => {
      const { exhibits, missing } = await readCase(reference);
      answer(command, { exhibits, missing }, () => {
        print(exhibits.length + missing.length === 0 ? 'no evidence yet' : evidenceText({ exhibits, missing }));
      });
    },
  );

  caseCommand(program, 'watch', 'follow a case until it is closed; exits 0 when it closed complete')
    .option('--interval <seconds>', 'how often to look', '2')
    .action(async (reference: string, options: { interval: string }, command: Command) => {
      const interval = Number(options.interval);
      if (!(interval > 0)) throw new UsageError(`--interval ${options.interval}: give seconds above 0`);
      const view = await withClient(async (client) =>
        watchCase(client, reference, interval * 1000, wantsJson(command)),
      );
      if (view.outcome !== 'complete') process.exitCode = 1;
    });
}

export function caseCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .argument('<case>', 'case id, workflow id, or instance id (its newest case)')
    .addHelpText('after', `\nExample:\n  forensics ${name} i-0123456789abcdef0`);
}

export const readCase = (reference: string): Promise<CaseView> =>
  withClient(async (client) => caseView(client, await findCase(client, reference)));

async function listCases(
  client: Client,
  filter: { open?: boolean; waiting?: boolean },
  limit: number,
): Promise<CaseSummary[]> {
  // Releases, holds and purges wait for people too, in workflows of their own.
  const conditions = filter.waiting
    ? ['ExecutionStatus = "Running"', `${searchAttributes.AwaitingApproval.name} IS NOT NULL`]
    : [`WorkflowType = "${WORKFLOW_TYPES.forensicCase}"`];
  if (filter.open) conditions.push('ExecutionStatus = "Running"');
  const cases: CaseSummary[] = [];
  for await (const found of client.workflow.list({ query: conditions.join(' AND ') })) {
    const value = (key: keyof typeof searchAttributes) => found.typedSearchAttributes.get(searchAttributes[key]) ?? '';
    cases.push({
      caseId: value('CaseId') || found.workflowId,
      workflowId: found.workflowId,
      status: value('CaseStatus') || found.status.name.toLowerCase(),
      phase: value('CasePhase'),
      severity: value('CaseSeverity'),
      accountId: value('CaseAccount'),
      region: value('CaseRegion'),
      instanceId: value('CaseInstance'),
      awaitingApproval: value('AwaitingApproval'),
      openedAt: found.startTime.toISOString(),
    });
    if (cases.length === limit) break;
  }
  return cases.sort((a, b) => b.openedAt.localeCompare(a.openedAt));
}

/** Tells each change as it comes: a line a change for a person, a JSON object a change for a program. */
async function watchCase(client: Client, reference: string, interval: number, json: boolean): Promise<CaseView> {
  const handle = await findCase(client, reference);
  let last = '';
  for (;;) {
    const view = await caseView(client, handle);
    const now = json ? JSON.stringify(view) : caseText(view);
    if (now !== last) {
      if (json) printJson(view);
      else print(`${last === '' ? '' : '\n'}--- ${new Date().toISOString()}\n${now}`);
      last = now;
    }
    if (view.status === 'closed') return view;
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}
