import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { DescribeInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { LAB_ACCOUNTS, labConfig } from '../../../lab/config';
import { ensureGuestParts, GuestPartsError } from '../../../lab/guest/guest-parts';
import type { RootFileSystem } from '../../../lab/guest/root-disk';
import { controlInstance } from '../../../lab/control';
import { labStatus, type LabStatus } from '../../../lab/lab';
import { type AccountClients, administratorOf } from '../../../lab/seed/account-clients';
import { launchInstances, type LaunchVolume, VOLUME_ENCRYPTIONS } from '../../../lab/seed/launch';
import { INTERNET_ACCESS, type InternetAccess } from '../../../lab/seed/network';
import { runScript } from '../../../lab/seed/run-script';
import { loadScenario } from '../../../lab/scenarios/scenario';
import { plant } from '../../../lab/scenarios/plant';
import { waitForAgent } from '../../../lab/up';
import { answer } from '../context';
import { print, table, UsageError } from '../output';

/** A guest under software emulation takes its time. */
const PLANTING_SECONDS = 300;
const KINDS = ['guest', 'sandbox', 'paper', 'fixture'] as const;

interface LaunchOptions {
  kind: (typeof KINDS)[number];
  count: number;
  volume: LaunchVolume[];
  tag: Record<string, string>;
  profile?: string;
  autoScalingGroup?: string;
  agent?: string;
  internet?: InternetAccess;
  rootFileSystem: RootFileSystem;
  type: string;
  wait: boolean;
}

/** `forensics lab instance …`: instances of the lab's member account, made and broken by hand. */
export function addLabInstanceCommands(lab: Command): void {
  const instance = lab
    .command('instance')
    .description('launch instances in the lab’s member account, look at them, break them')
    .addHelpText(
      'after',
      `
Examples:
  forensics lab instance launch --kind guest --wait
  forensics lab instance launch --kind sandbox --volume size=1,encryption=customer-key --tag team=payments
  forensics lab instance launch --kind paper --count 1000 --agent scripted --auto-scaling-group web
  forensics lab instance ls
  forensics lab instance kill-agent i-0123456789abcdef0`,
    );

  instance
    .command('launch')
    .description('launch one or more instances')
    .addOption(new Option('--kind <kind>', 'what runs it').choices(KINDS).makeOptionMandatory())
    .option('--count <number>', 'how many alike', wholeNumber, 1)
    .option(
      '--volume <settings>',
      `a volume, the first one is the root: image=FILE, size=GIB, encryption=${VOLUME_ENCRYPTIONS.join('|')}, separated by commas; repeat it`,
      addVolume,
      [],
    )
    .option('--tag <key=value>', 'a tag; repeat it', addTag, {})
    .option('--profile <name>', 'instance profile, made if there is none')
    .option('--auto-scaling-group <name>', 'Auto Scaling group to join, made if there is none')
    .addOption(new Option('--internet <way>', 'how it reaches the lab’s internet').choices(INTERNET_ACCESS))
    .option('--agent <behaviour>', 'SSM agent: none, late:SECONDS, slow:MILLISECONDS, scripted (paper only)')
    .addOption(
      new Option('--root-file-system <name>', 'of a guest’s own root disk').choices(['ext4', 'xfs']).default('ext4'),
    )
    .option('--type <instance type>', 'as EC2 shows it', 't3.nano')
    .option('--wait', 'until the SSM agents are online', false)
    .action(async (options: LaunchOptions, command: Command) => {
      const { status, member } = await runningLab();
      const launched = await launchInstances(member, {
        kind: options.kind,
        count: options.count,
        volumes: options.kind === 'guest' ? await guestVolumes(options) : options.volume,
        tags: { ...options.tag, ...(options.agent !== undefined && { 'lab:agent': options.agent }) },
        instanceType: options.type,
        ...(options.internet !== undefined && { internet: options.internet }),
        ...(options.profile !== undefined && { instanceProfile: options.profile }),
        ...(options.autoScalingGroup !== undefined && { autoScalingGroup: options.autoScalingGroup }),
        stateFolder: status.stateFolder,
      });
      if (options.wait) for (const { instanceId } of launched) await waitForAgent(member, instanceId);
      answer(command, launched, () => {
        for (const { instanceId, kind, volumeIds } of launched) print(`${instanceId}  ${kind}  ${volumeIds.join(' ')}`);
      });
    });

  instance
    .command('ls')
    .description('instances of both accounts: what runs them, their agents, their volumes')
    .action(async (_options: unknown, command: Command) => {
      const { status, member, forensics } = await runningLab();
      const listed = (await Promise.all([member, forensics].map((account) => listInstances(account, status)))).flat();
      answer(command, listed, () => {
        print(
          table(
            ['instance', 'account', 'kind', 'EC2 state', 'lab', 'agent', 'address', 'volumes'],
            listed.map((one) => [
              one.instanceId,
              one.accountId,
              one.kind,
              one.state,
              one.problem === undefined ? one.hosted : `${one.hosted}: ${one.problem}`,
              one.agent,
              one.address,
              one.volumes.join(' '),
            ]),
          ),
        );
      });
    });

  instance
    .command('console <instance>')
    .description('the serial console of a guest, as EC2 keeps it')
    .action(async (instanceId: string, _options: unknown, command: Command) => {
      const { status } = await runningLab();
      const file = path.join(status.stateFolder, 'instances', instanceId, 'console.log');
      if (!existsSync(file))
        throw new UsageError(`${instanceId} has no console: only a guest has one (forensics lab instance ls)`);
      const text = readFileSync(file, 'utf8');
      answer(command, { instanceId, console: text }, () => print(text));
    });

  instance
    .command('plant <instance>')
    .description('plant the harmless traces of a scenario on a running instance (docs/scenarios.md)')
    .option('--scenario <name or file>', 'intrusion, clean, or a YAML file', 'intrusion')
    .action(async (instanceId: string, options: { scenario: string }, command: Command) => {
      const { member } = await runningLab();
      const scenario = await loadScenario(options.scenario);
      const report = await plant(scenario, (script) => runScript(member, instanceId, script, PLANTING_SECONDS));
      answer(command, report, () =>
        print(
          table(
            ['trace', 'outcome', 'why'],
            report.traces.map(({ id, outcome, reason }) => [id, outcome, reason ?? '']),
          ),
        ),
      );
    });

  for (const [action, description] of [
    ['kill-agent', 'end the SSM agent’s process at once; it stays away'],
    ['start-agent', 'start the SSM agent again'],
  ] as const) {
    instance
      .command(`${action} <instance>`)
      .description(description)
      .action(async (instanceId: string, _options: unknown, command: Command) => {
        const { status } = await runningLab();
        await controlInstance(status.control, instanceId, action);
        answer(command, { instanceId, action }, () => print(`${action} ${instanceId}: done`));
      });
  }

  instance
    .command('terminate <instances...>')
    .description('terminate instances')
    .action(async (instanceIds: string[], _options: unknown, command: Command) => {
      const { member } = await runningLab();
      await member.ec2.send(new TerminateInstancesCommand({ InstanceIds: instanceIds }));
      answer(command, { terminated: instanceIds }, () => print(`terminated: ${instanceIds.join(' ')}`));
    });
}

async function runningLab(): Promise<{ status: LabStatus; member: AccountClients; forensics: AccountClients }> {
  const status = await labStatus(labConfig());
  if (!status) throw new UsageError('the lab is not running: start it with "npm run -s forensics -- lab up"');
  const endpoints = { aws: status.aws, ssm: status.ssm };
  const [member, forensics] = await Promise.all([
    administratorOf(LAB_ACCOUNTS.member, endpoints),
    administratorOf(LAB_ACCOUNTS.forensics, endpoints),
  ]);
  return { status, member, forensics };
}

/** A guest boots from its first volume: one without an image of its own gets the lab's root disk. */
async function guestVolumes({ volume, rootFileSystem }: LaunchOptions): Promise<LaunchVolume[]> {
  const [root = { encryption: 'none' as const }, ...others] = volume;
  if (root.image !== undefined) return volume;
  try {
    const { rootDisk } = await ensureGuestParts(labConfig().cacheFolder, undefined, process.env, rootFileSystem);
    return [{ ...root, image: rootDisk }, ...others];
  } catch (error) {
    if (error instanceof GuestPartsError) throw new UsageError(`no guest can be made here: ${error.message}`);
    throw error;
  }
}

interface ListedInstance {
  instanceId: string;
  accountId: string;
  kind: string;
  /** EC2's name of the state. */
  state: string;
  /** What the lab makes of it: starting, running, failed, paper, … */
  hosted: string;
  problem?: string;
  /** PingStatus of the SSM agent, or "never registered". */
  agent: string;
  address: string;
  volumes: string[];
}

async function listInstances(account: AccountClients, status: LabStatus): Promise<ListedInstance[]> {
  const [{ Reservations }, { InstanceInformationList }] = await Promise.all([
    account.ec2.send(new DescribeInstancesCommand({})),
    account.ssm.send(new DescribeInstanceInformationCommand({})),
  ]);
  const agents = new Map((InstanceInformationList ?? []).map((one) => [one.InstanceId, one.PingStatus]));
  const hosted = new Map(status.instances.map((one) => [one.instanceId, one]));
  return (Reservations ?? [])
    .flatMap((reservation) => reservation.Instances ?? [])
    .map((one) => {
      const instanceId = one.InstanceId ?? '';
      const host = hosted.get(instanceId);
      return {
        instanceId,
        accountId: account.accountId,
        kind: host?.kind ?? one.Tags?.find(({ Key }) => Key === 'lab:kind')?.Value ?? 'paper',
        state: one.State?.Name ?? '',
        hosted: host?.state ?? 'gone',
        ...(host?.problem !== undefined && { problem: host.problem }),
        agent: agents.get(instanceId) ?? 'never registered',
        address: one.PrivateIpAddress ?? '',
        volumes: (one.BlockDeviceMappings ?? []).flatMap((mapping) => mapping.Ebs?.VolumeId ?? []),
      };
    });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('give a whole number, 1 or more.');
  return value;
}

function addTag(text: string, tags: Record<string, string>): Record<string, string> {
  const cut = text.indexOf('=');
  if (cut < 1) throw new InvalidArgumentError('give key=value.');
  return { ...tags, [text.slice(0, cut)]: text.slice(cut + 1) };
}

function addVolume(text: string, volumes: LaunchVolume[]): LaunchVolume[] {
  const volume: LaunchVolume = { encryption: 'none' };
  for (const setting of text.split(',')) {
    const cut = setting.indexOf('=');
    const [name, value] = [setting.slice(0, cut), setting.slice(cut + 1)];
    if (name === 'image') {
      if (!existsSync(value)) throw new InvalidArgumentError(`there is no file ${value}.`);
      volume.image = path.resolve(value);
    } else if (name === 'size') volume.sizeGiB = wholeNumber(value);
    else if (name === 'encryption') {
      const encryption = VOLUME_ENCRYPTIONS.find((one) => one === value);
      if (!encryption) throw new InvalidArgumentError(`encryption is one of ${VOLUME_ENCRYPTIONS.join(', ')}.`);
      volume.encryption = encryption;
    } else throw new InvalidArgumentError('give image=FILE, size=GIB or encryption=CASE, separated by commas.');
  }
  return [...volumes, volume];
}
