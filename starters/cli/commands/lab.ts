import type { Command } from 'commander';
import { labConfig } from '../../../lab/config';
import { labDown, labReset, labStatus } from '../../../lab/lab';
import { labUpWithSeed } from '../../../lab/up';
import { answer, wantsJson } from '../context';
import { print, UsageError } from '../output';
import { addLabInstanceCommands } from './lab-instance';

export function addLabCommands(program: Command): void {
  const lab = program
    .command('lab')
    .description('an AWS on this machine, to try, test and drill with (docs/lab.md)')
    .addHelpText('after', '\nExamples:\n  forensics lab up\n  forensics lab status --json\n  forensics lab down');

  lab
    .command('up')
    .description(
      'install what is missing, start the lab, set up its accounts, start a worker; writes forensics.env for the other commands',
    )
    .option('--keep-state', 'keep volumes and Temporal’s database of the last time')
    .option('--no-suspect', 'launch no suspect instance')
    .option(
      '--scenario <name or file>',
      'what is planted on a suspect that is a machine (docs/scenarios.md)',
      'intrusion',
    )
    .action(async (options: { keepState?: boolean; suspect: boolean; scenario: string }, command: Command) => {
      const status = await labUpWithSeed({
        config: labConfig(),
        keepState: options.keepState === true,
        suspect: options.suspect,
        scenario: options.scenario,
        quiet: wantsJson(command),
      });
      answer(command, status, () => {
        print(
          `AWS          ${status.aws}\nRun Command  ${status.ssm}\nTemporal     ${status.temporal}\nTemporal UI  ${status.temporalUi}`,
        );
        if (status.suspect)
          print(
            `suspect      ${status.suspect.instanceId} (${status.suspect.kind}); its finding: ${status.suspect.findingFile}`,
          );
        if (status.suspect) print(`open a case  npm run -s forensics -- ingest ${status.suspect.findingFile}`);
      });
    });

  lab
    .command('status')
    .description('what runs where')
    .action(async (_options: unknown, command: Command) => {
      const status = await labStatus(labConfig());
      if (!status) throw new UsageError('the lab is not running: start it with "npm run -s forensics -- lab up"');
      answer(command, status, () => print(JSON.stringify(status, null, 2)));
    });

  lab
    .command('down')
    .description('stop everything of the lab; volumes and logs stay')
    .action(async (_options: unknown, command: Command) => {
      await labDown(labConfig());
      answer(command, { stopped: true }, () => print('the lab is down'));
    });

  lab
    .command('reset')
    .description('stop the lab and drop its state')
    .action(async (_options: unknown, command: Command) => {
      await labReset(labConfig());
      answer(command, { reset: true }, () => print('the lab is down and its state is gone'));
    });

  addLabInstanceCommands(lab);
}
