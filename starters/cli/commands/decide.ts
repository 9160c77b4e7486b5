import { userInfo } from 'node:os';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { type Command, Option } from 'commander';
import { CHECKPOINTS, type Decision, type Verdict } from '../../../domain/checkpoint';
import { type DecisionReceipt, MESSAGES } from '../../../workflows/contract/messages';
import { caseView, findCase } from '../case-lookup';
import { openCheckpoint } from '../case-text';
import { answer, withClient } from '../context';
import { caseCommand } from './inspect';
import { print, UsageError } from '../output';

interface DecideOptions {
  checkpoint?: Decision['checkpoint'];
  as: string;
  reason?: string;
  plan?: string;
}

export function addDecideCommands(program: Command): void {
  for (const verdict of ['approve', 'reject'] as const) {
    caseCommand(program, verdict, `${verdict} what a case waits for`)
      .addOption(
        new Option('--checkpoint <name>', 'which one; by default the one that is open').choices([...CHECKPOINTS]),
      )
      .option('--as <name>', 'who decides', userInfo().username)
      .option('--reason <text>', 'why; it stands in the record')
      .option('--plan <hash>', 'the plan that was read, at least 8 digits: refused when it has changed since')
      .action(async (reference: string, options: DecideOptions, command: Command) => {
        const receipt = await decide(reference, verdict, options);
        answer(command, receipt, () =>
          print(`${receipt.verdict} recorded for ${receipt.checkpoint} of ${receipt.caseId} at ${receipt.decidedAt}`),
        );
      });
  }
}

async function decide(reference: string, verdict: Verdict, options: DecideOptions): Promise<DecisionReceipt> {
  return withClient(async (client) => {
    const handle = await findCase(client, reference);
    const view = await caseView(client, handle);
    const checkpoint = options.checkpoint ?? openCheckpoint(view);
    if (!checkpoint) throw new UsageError(`case ${view.caseId} waits for no decision`);
    const state = view.checkpoints[checkpoint];
    const current = state.state === 'open' ? state.planHash : undefined;
    if (options.plan !== undefined) {
      if (!/^[0-9a-f]{8,64}$/.test(options.plan))
        throw new UsageError('--plan takes 8 to 64 hexadecimal digits of the plan hash');
      if (current !== undefined && !current.startsWith(options.plan)) {
        throw new UsageError(
          `the plan has changed since it was read (its hash is ${current}): read it again before deciding`,
        );
      }
    }
    const decision: Decision = {
      checkpoint,
      verdict,
      approver: options.as,
      ...(options.reason !== undefined && { reason: options.reason }),
      // Bound to the plan as it stands now, so that a change between this line and the workflow's is refused.
      ...(current !== undefined && { planHash: current }),
    };
    try {
      return await handle.executeUpdate<DecisionReceipt, [Decision]>(MESSAGES.decide, { args: [decision] });
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError) {
        throw new UsageError(`refused: ${error.cause?.message ?? error.message}`, { cause: error });
      }
      throw error;
    }
  });
}
