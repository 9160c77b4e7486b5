import { type Command, Option } from 'commander';
import type { CaseRequest, RequestedAction } from '../../../domain/case-request';
import type { InstanceFacts } from '../../../domain/instance-facts';
import { decide, type PolicyDecision } from '../../../domain/policy';
import type { CheckpointPolicy } from '../../../domain/policy/policy';
import { judgeRules, type RuleVerdict } from '../../../domain/policy/rules';
import { problemText } from '../../../domain/schemas/yaml-source';
import { ACCOUNT_ID, REGION } from '../../../domain/target';
import { caseRequestFrom } from '../../intake';
import { answer } from '../context';
import { print, table, UsageError } from '../output';
import { openPolicy } from '../policy-file';
import { readJson } from '../read-json';

interface ExplainOptions {
  policy?: string;
  tags: Record<string, string>;
  account?: string;
  region?: string;
  at?: string;
  action?: RequestedAction;
  casesLastHour: number;
  groupInstances: number;
}

export function addPolicyCommands(program: Command): void {
  const policy = program.command('policy').description('check a policy, or ask what it decides about a finding');
  policy
    .command('check [file]')
    .description('check a policy file, or the policy of a worker’s configuration; exit code 0 only if it is sound')
    .addHelpText(
      'after',
      `
Without a file it checks the policy of the configuration that FORENSICS_CONFIG names.

Examples:
  forensics policy check policy.yaml
  FORENSICS_CONFIG=forensics.yaml forensics policy check --json`,
    )
    .action((file: string | undefined, _options: unknown, command: Command) => {
      check(file, command);
    });

  policy
    .command('explain <finding>')
    .description(
      'what the policy decides about a finding: the rule that fires, why the others do not, and every reason',
    )
    .option('--policy <file>', 'policy file or worker’s configuration; else the one that FORENSICS_CONFIG names')
    .option('--tags <key=value,…>', 'tags of the instance; may be given several times', collectTags, {})
    .option('--account <id>', 'account of the instance, instead of the finding’s')
    .option('--region <region>', 'its Region, instead of the finding’s')
    .option('--at <time>', 'when the case is triaged, ISO 8601; else now')
    .addOption(
      new Option('--action <action>', 'what is asked for, instead of what the finding asks for').choices([
        'by-policy',
        'acquire',
        'acquire-and-isolate',
      ]),
    )
    .option(
      '--cases-last-hour <count>',
      'cases of the last hour isolated without a person, this one included',
      count,
      1,
    )
    .option('--group-instances <count>', 'the same of its Auto Scaling group in 24 hours', count, 1)
    .addHelpText(
      'after',
      `
The finding is a JSON file (- for standard input), as \`forensics ingest\` takes it. AWS is not asked: say by options what
triage would read. No volumes are known here, so none is told to be left out.

Examples:
  forensics policy explain finding.json --policy policy.yaml --tags environment=production,team=payments
  forensics policy explain finding.json --at 2026-11-22T03:00:00Z --account 111122223333 --json`,
    )
    .action(async (file: string, options: ExplainOptions, command: Command) => {
      await explain(file, options, command);
    });
}

function check(named: string | undefined, command: Command): void {
  const { file, policy, problems, warnings } = openPolicy(named);
  const rules = policy?.rules.map(({ name }) => name) ?? [];
  answer(command, { file, valid: policy !== undefined, problems, warnings, rules }, () => {
    for (const problem of problems) print(problemText(problem));
    for (const warning of warnings) print(`warning: ${problemText(warning)}`);
    print(
      policy
        ? `${file} is sound: ${rules.length} rule(s)`
        : `${file} is not a valid policy: ${problems.length} problem(s)`,
    );
  });
  if (!policy) process.exitCode = 1;
}

async function explain(findingFile: string, options: ExplainOptions, command: Command): Promise<void> {
  const { file, policy, problems } = openPolicy(options.policy);
  if (!policy) throw new UsageError(`${file} is not a valid policy:\n  ${problems.map(problemText).join('\n  ')}`);
  const at = timeOf(options.at);
  const request = caseRequestFrom(await readJson(findingFile), at);
  const facts = factsOf(request, options, at);
  const { finding } = request;
  const rules = judgeRules(policy, { facts, finding, at });
  const decision = decide(policy, facts, finding, options.action ?? request.requestedAction, {
    at,
    casesLastHour: options.casesLastHour,
    instancesOfAutoScalingGroup: options.groupInstances,
  });
  answer(command, { policy: file, finding, target: facts.target, at, rules, decision }, () => {
    const { accountId, region, instanceId } = facts.target;
    print(`${finding.severity}: ${finding.type} on ${instanceId} of account ${accountId} in ${region}, ${at}\n`);
    tellRules(rules);
    tellDecision(decision);
  });
}

function tellRules(rules: RuleVerdict[]): void {
  if (rules.length === 0) {
    print('The policy has no rules: its own settings hold.\n');
    return;
  }
  const verdicts = { fires: 'FIRES', shadowed: 'not reached', 'does-not-match': 'does not match' };
  const rows = rules.map(({ rule, verdict, because }) => [rule, verdicts[verdict], because]);
  print(`${table(['rule', '', ''], rows)}\n`);
}

function tellDecision(decision: PolicyDecision): void {
  const { mode, layers } = decision.containment;
  const acquired = [...(decision.acquireMemory ? ['memory'] : []), ...(decision.acquireDisks ? ['disks'] : [])];
  const isolation =
    decision.isolation === 'never' ? 'never' : `${decision.isolation}, ${mode}, by ${layers.join(', ')}`;
  const rows = [
    ['acquired', acquired.join(', ') || 'nothing'],
    ['isolation', isolation],
    ['consent to acquisition', consentText(decision.acquisitionConsent)],
    ['consent to isolation', decision.isolation === 'never' ? 'no question' : consentText(decision.isolationConsent)],
    ['consent to release', consentText(decision.releaseConsent)],
    ['examination', decision.examinationProfile],
    ['retention', `${decision.retentionDays} days`],
  ];
  print(`${table(['decision', ''], rows)}\n\nReasons:`);
  for (const reason of decision.reasons) print(`- ${reason}`);
}

function consentText({ consent, quorum, roles, provenIdentityRequired, separationOfDuties }: CheckpointPolicy): string {
  if (consent === 'not-required') return 'not required';
  return [
    `required, of ${quorum}`,
    ...(roles.length > 0 ? [`with role ${roles.join(' or ')}`] : []),
    ...(separationOfDuties ? ['not who opened the case'] : []),
    ...(provenIdentityRequired ? ['identity proven'] : []),
  ].join(', ');
}

/** What triage would read, as far as it is given. */
function factsOf({ target }: CaseRequest, { tags, account, region }: ExplainOptions, at: string): InstanceFacts {
  if (account !== undefined && !ACCOUNT_ID.test(account)) throw new UsageError('--account must be 12 digits');
  if (region !== undefined && !REGION.test(region)) throw new UsageError('--region must be a Region such as us-east-1');
  return {
    target: {
      ...target,
      ...(account !== undefined && { accountId: account }),
      ...(region !== undefined && { region }),
    },
    readAt: at,
    state: 'running',
    instanceType: 'unknown',
    memoryMiB: 0,
    architecture: 'unknown',
    imageId: 'unknown',
    launchTime: 'unknown',
    availabilityZone: 'unknown',
    tags,
    volumes: [],
    networkInterfaces: [],
    agent: { state: 'unavailable', reason: 'not asked' },
    protection: { apiTerminationDisabled: false, apiStopDisabled: false, shutdownBehavior: 'stop' },
  };
}

function collectTags(given: string, before: Record<string, string>): Record<string, string> {
  const pairs = given.split(',').map((pair): [string, string] => {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--tags takes key=value, got ${JSON.stringify(pair)}`);
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  });
  return { ...before, ...Object.fromEntries(pairs) };
}

function timeOf(given: string | undefined): string {
  const time = given === undefined ? new Date() : new Date(given);
  if (Number.isNaN(time.getTime())) throw new UsageError('--at must be a time such as 2026-11-22T03:00:00Z');
  return time.toISOString();
}

function count(given: string): number {
  const value = Number(given);
  if (given.trim() === '' || !Number.isInteger(value) || value < 0) throw new UsageError(`${given} is not a count`);
  return value;
}
