import { userInfo } from 'node:os';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { type Command, Option } from 'commander';
import { CHECKPOINTS, type Decision, type Verdict } from '../../../domain/checkpoint';
import { type DecisionReceipt, MESSAGES, type Review } from '../../../workflows/contract/messages';
import { proveIdentity } from '../../identity-proof';
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
  prove?: boolean;
  breakGlass?: boolean;
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
      .option('--prove', 'prove who decides: sign the decision with your AWS credentials (AWS_PROFILE, AWS_REGION)')
      .addOption(
        new Option(
          '--break-glass',
          'go ahead alone in an emergency; needs --reason, and another person must review it',
        ).hideHelp(verdict === 'reject'),
      )
      .addHelpText(
        'after',
        `\nExamples:\n  forensics ${verdict} i-0abc --as ann --reason "confirmed with the owner"\n  AWS_PROFILE=responder forensics ${verdict} i-0abc --prove --plan 1f2e3d4c\n`,
      )
      .action(async (reference: string, options: DecideOptions, command: Command) => {
        const receipt = await decide(reference, verdict, options);
        answer(command, receipt, () => print(receiptText(receipt)));
      });
  }
  caseCommand(program, 'review', 'review what one person approved alone in an emergency')
    .addOption(new Option('--checkpoint <name>', 'which one').choices([...CHECKPOINTS]).default('isolation'))
    .addOption(
      new Option('--verdict <verdict>', 'was it right').choices(['justified', 'not-justified']).makeOptionMandatory(),
    )
    .requiredOption('--note <text>', 'why; it stands in the record')
    .option('--as <name>', 'who reviews; not who went ahead', userInfo().username)
    .addHelpText(
      'after',
      '\nExample:\n  forensics review i-0abc --as bob --verdict justified --note "ransomware was spreading"\n',
    )
    .action(async (reference: string, options: Omit<Review, 'reviewer'> & { as: string }, command: Command) => {
      const { checkpoint, verdict, note, as: reviewer } = options;
      const review = await sendReview(reference, { checkpoint, reviewer, verdict, note });
      answer(command, review, () => print(`review of ${review.checkpoint} recorded: ${review.verdict}`));
    });
}

function receiptText(receipt: DecisionReceipt): string {
  const { verdict, checkpoint, caseId, decidedAt, approver, knownBy, approvalsMissing } = receipt;
  const who = knownBy === 'proven' ? `${approver}, proven by AWS STS` : `${approver}, a typed name`;
  const more = approvalsMissing > 0 ? `; ${approvalsMissing} more must approve` : '';
  return `${verdict} recorded for ${checkpoint} of ${caseId} at ${decidedAt} by ${who}${more}`;
}

async function sendReview(reference: string, review: Review): Promise<Review> {
  return withClient(async (client) => {
    const handle = await findCase(client, reference);
    return accepted(handle.executeUpdate<Review, [Review]>(MESSAGES.review, { args: [review] }));
  });
}

/** A refusal comes out with its reason. */
async function accepted<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError)
      throw new UsageError(`refused: ${error.cause?.message ?? error.message}`, { cause: error });
    throw error;
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
      ...(options.breakGlass && { breakGlass: true }),
      ...(options.prove &&
        current !== undefined && {
          proof: await proveIdentity({ caseId: view.caseId, checkpoint, verdict, planHash: current }),
        }),
    };
    return accepted(handle.executeUpdate<DecisionReceipt, [Decision]>(MESSAGES.decide, { args: [decision] }));
  });
}
