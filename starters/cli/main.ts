import { Command, CommanderError } from 'commander';
import { loadEnvFile } from '../env-file';
import { MalformedEventError } from '../intake';
import { TemporalUnreachableError } from '../temporal-client';
import { addDecideCommands } from './commands/decide';
import { addEvidenceCommands } from './commands/evidence';
import { addInspectCommands } from './commands/inspect';
import { addLabCommands } from './commands/lab';
import { addExportCommand } from './commands/export';
import { addVerifyCommand } from './commands/verify';
import { addOpenCommands } from './commands/open';
import { addPolicyCommands } from './commands/policy';
import { addResultCommands } from './commands/results';
import { printable, UsageError } from './output';

const program = new Command('forensics')
  .description('EC2 forensics: open and steer cases, read their evidence')
  .option('--json', 'print JSON for a program')
  .configureHelp({ showGlobalOptions: true })
  .addHelpText(
    'after',
    '\nRun as: npm run -s forensics -- <command>\nConnects to TEMPORAL_ADDRESS; settings may stand in forensics.env.',
  );

addOpenCommands(program);
addInspectCommands(program);
addDecideCommands(program);
addResultCommands(program);
addExportCommand(program);
addVerifyCommand(program);
addPolicyCommands(program);
addEvidenceCommands(program);
addLabCommands(program);
const allOf = (command: Command): Command[] => [command, ...command.commands.flatMap(allOf)];
for (const command of allOf(program)) {
  command.exitOverride();
  if (command !== program) command.option('--json', 'print JSON for a program');
}

/** 0 done, 1 it went wrong, 2 the call was wrong. */
async function main(): Promise<void> {
  // Whoever reads our output, such as `head`, has had enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  loadEnvFile();
  // The AWS SDK's notice that it will need Node 22 from 2027 is for those who deploy (README), not for each command.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else if (error instanceof UsageError || error instanceof MalformedEventError) {
      process.stderr.write(`forensics: ${printable(error.message)}\n`);
      process.exitCode = 2;
    } else if (error instanceof TemporalUnreachableError) {
      process.stderr.write(`forensics: ${error.message}\n`);
      process.exitCode = 1;
    } else {
      process.stderr.write(`forensics: ${printable(error instanceof Error ? error.message : String(error))}\n`);
      if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${printable(error.stack ?? '')}\n`);
      process.exitCode = 1;
    }
  }
}

void main();
