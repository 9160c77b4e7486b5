import { userInfo } from 'node:os';
import { type Command, Option } from 'commander';
import { SEVERITIES } from '../../../domain/finding';
import type { ManualRequest } from '../../../domain/schemas/manual-request';
import { caseRequestFrom } from '../../intake';
import { startCase } from '../../start-case';
import { answer, withClient } from '../context';
import { print } from '../output';
import { readJson } from '../read-json';

interface OpenOptions {
  account: string;
  region: string;
  instance: string;
  reason: string;
  severity: ManualRequest['severity'];
  action: ManualRequest['action'];
  as: string;
  dryRun?: true;
}

export function addOpenCommands(program: Command): void {
  program
    .command('open')
    .description('open a case on an instance by hand')
    .requiredOption('--account <id>', 'account of the instance, 12 digits')
    .requiredOption('--region <region>', 'its Region, e.g. us-east-1')
    .requiredOption('--instance <id>', 'the instance, i-…')
    .requiredOption('--reason <text>', 'why; it stands in the record')
    .addOption(new Option('--severity <severity>').choices([...SEVERITIES]).default('high'))
    .addOption(
      new Option('--action <action>', 'what is asked for')
        .choices(['by-policy', 'acquire', 'acquire-and-isolate'])
        .default('acquire-and-isolate'),
    )
    .option('--as <name>', 'who opens it', userInfo().username)
    .option('--dry-run', 'only tell what would be done; nothing is changed')
    .addHelpText(
      'after',
      '\nExample:\n  forensics open --account 111122223333 --region us-east-1 --instance i-0123456789abcdef0 --reason "beaconing seen by the proxy team"',
    )
    .action(async (options: OpenOptions, command: Command) => {
      await openCase(command, {
        kind: 'manual',
        accountId: options.account,
        region: options.region,
        instanceId: options.instance,
        reason: options.reason,
        severity: options.severity,
        action: options.action,
        openedBy: options.as,
        ...(options.dryRun && { dryRun: true as const }),
      });
    });

  program
    .command('ingest')
    .description('open a case from an event: a GuardDuty finding in its EventBridge envelope, or a manual request')
    .argument('<file>', 'JSON file, or - for standard input')
    .addHelpText('after', '\nExample:\n  forensics ingest finding.json')
    .action(async (file: string, _options: unknown, command: Command) => {
      await openCase(command, await readJson(file));
    });
}

async function openCase(command: Command, event: unknown): Promise<void> {
  const request = caseRequestFrom(event, new Date().toISOString());
  const started = await withClient((client) => startCase(client, request));
  answer(command, started, () => {
    const { instanceId } = request.target;
    const told = {
      opened: request.dryRun ? `opened a dry run on ${instanceId}` : `opened a case on ${instanceId}`,
      joined: `${instanceId} has an open case; the finding joined it`,
      'already-handled': `the last case on ${instanceId} was about this finding; nothing was started`,
    };
    print(
      `${told[started.result]}\nworkflow ${started.workflowId}\nfollow it: npm run -s forensics -- ${request.dryRun ? 'show' : 'watch'} ${instanceId}`,
    );
  });
}
