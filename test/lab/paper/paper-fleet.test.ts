import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RegisterImageCommand, StopInstancesCommand } from '@aws-sdk/client-ec2';
import {
  CancelCommandCommand,
  GetCommandInvocationCommand,
  ListCommandsCommand,
  paginateDescribeInstanceInformation,
  paginateListCommandInvocations,
  SendCommandCommand,
  type SendCommandCommandInput,
} from '@aws-sdk/client-ssm';
import type { Emulator } from '../../../lab/aws/emulator';
import { LAB_ACCOUNTS } from '../../../lab/config';
import { type PaperAgents, startPaperAgents } from '../../../lab/paper/paper-agents';
import { launchPaperFleet } from '../../../lab/paper/paper-fleet';
import { type AccountClients, administratorOf } from '../../../lab/seed/account-clients';
import { type SsmServer, startSsmServer } from '../../../lab/ssm/server';
import { startTestEmulator, until } from '../ssm/ssm-bench';

const FLEET = 1000;
/** What a lab with a fleet may add to the emulator, far above what was measured (80 MiB). */
const MOST_MIB = 400;
const WITHIN_MS = 120_000;

const REPLIES = `
default: []
failing:
  - { exitCode: 4, standardError: no }
endless:
  - { delaySeconds: 3600 }
away:
  - { agent: is-away }
`;

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

describe('paper instances with scripted agents', () => {
  let folder: string;
  let emulator: Emulator;
  let ssm: SsmServer;
  let member: AccountClients;
  let imageId: string;
  let agents: PaperAgents;
  const log: string[] = [];
  let clockAhead = 0;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'paper-'));
    emulator = await startTestEmulator(folder);
    ssm = await startSsmServer({ port: 0, awsUrl: emulator.url, clock: () => Date.now() + clockAhead });
    member = await administratorOf(LAB_ACCOUNTS.member, { aws: emulator.url, ssm: ssm.url });
    const image = await member.ec2.send(new RegisterImageCommand({ Name: 'paper', RootDeviceName: '/dev/xvda' }));
    imageId = image.ImageId!;
    const repliesFile = path.join(folder, 'replies.yaml');
    await writeFile(repliesFile, REPLIES);
    agents = await startPaperAgents({
      awsUrl: emulator.url,
      server: ssm.inProcess,
      repliesFile,
      pollMilliseconds: 100,
      log: (line) => log.push(line),
    });
  });

  afterAll(async () => {
    await agents.stop();
    await ssm.stop();
    await emulator.stop();
    await rm(folder, { recursive: true, force: true });
  });

  afterEach(() => {
    clockAhead = 0;
  });

  async function launched(scenario: string, count = 1): Promise<string[]> {
    const before = agents.count();
    const ids = await launchPaperFleet({ ec2: member.ec2, imageId, count, scenario });
    await until('the agents have registered', () => agents.count() === before + count, WITHIN_MS);
    return ids;
  }

  async function send(input: Partial<SendCommandCommandInput>): Promise<string> {
    const Parameters = { commands: ['id'] };
    const { Command } = await member.ssm.send(
      new SendCommandCommand({ DocumentName: 'AWS-RunShellScript', Parameters, ...input }),
    );
    return Command!.CommandId!;
  }

  async function statusOf(CommandId: string): Promise<string> {
    const { Commands } = await member.ssm.send(new ListCommandsCommand({ CommandId }));
    return `${Commands![0]!.Status} ${Commands![0]!.StatusDetails}`;
  }

  async function untilStatus(commandId: string, wanted: string, withinMs = WITHIN_MS): Promise<void> {
    await until(wanted, async () => (await statusOf(commandId)) === wanted, withinMs);
  }

  test('InventoryScale: one command by tag to a thousand instances ends, in one process', async () => {
    const before = await residentMib(emulator.pid);
    const ids = await launchPaperFleet({ ec2: member.ec2, imageId, count: FLEET, tags: { Fleet: 'scale' } });
    expect(new Set(ids).size).toBe(FLEET);
    await until('the fleet has registered', () => agents.count() >= FLEET, WITHIN_MS);

    const described = new Set<string>();
    for await (const page of paginateDescribeInstanceInformation({ client: member.ssm, pageSize: 50 }, {})) {
      for (const { InstanceId, PingStatus } of page.InstanceInformationList!) {
        if (PingStatus === 'Online') described.add(InstanceId!);
      }
    }
    expect(ids.filter((id) => !described.has(id))).toEqual([]);

    const commandId = await send({ Targets: [{ Key: 'tag:Fleet', Values: ['scale'] }] });
    await untilStatus(commandId, 'Success Success');
    const statuses = new Map<string, string>();
    const query = { CommandId: commandId };
    for await (const page of paginateListCommandInvocations({ client: member.ssm, pageSize: 50 }, query)) {
      for (const { InstanceId, Status } of page.CommandInvocations!) statuses.set(InstanceId!, Status!);
    }
    expect(statuses).toEqual(new Map(ids.map((id) => [id, 'Success'])));
    expect((await residentMib(emulator.pid)) - before).toBeLessThan(MOST_MIB);
  }, 300_000);

  test('a scenario decides what its instances answer', async () => {
    const [failing] = await launched('failing');
    const commandId = await send({ InstanceIds: [failing!] });
    await untilStatus(commandId, 'Failed Failed');
    const detail = await member.ssm.send(
      new GetCommandInvocationCommand({ CommandId: commandId, InstanceId: failing }),
    );
    expect(detail).toMatchObject({
      ResponseCode: 4,
      StandardErrorContent: 'nofailed to run commands: exit status 4',
      PluginName: 'aws:runShellScript',
    });
  });

  test('a command under way can be cancelled', async () => {
    const [endless] = await launched('endless');
    const commandId = await send({ InstanceIds: [endless!] });
    await untilStatus(commandId, 'InProgress InProgress');
    await member.ssm.send(new CancelCommandCommand({ CommandId: commandId }));
    await untilStatus(commandId, 'Cancelled Cancelled');
  });

  test('what is sent to an agent that is away waits, and is timed out', async () => {
    const [away] = await launched('away');
    const commandId = await send({ InstanceIds: [away!], TimeoutSeconds: 600 });
    expect(await statusOf(commandId)).toBe('Pending Pending');
    clockAhead = 601_000;
    expect(await statusOf(commandId)).toBe('TimedOut DeliveryTimedOut');
  });

  test('a stopped instance’s agent is silent; an unknown scenario is told', async () => {
    const before = agents.count();
    const [stopped] = await launched('default');
    await member.ec2.send(new StopInstancesCommand({ InstanceIds: [stopped!] }));
    await until('its agent is gone', () => agents.count() === before, WITHIN_MS);
    const commandId = await send({ InstanceIds: [stopped!] });
    expect(await statusOf(commandId)).toBe('Pending Pending');
    await launchPaperFleet({ ec2: member.ec2, imageId, count: 1, scenario: 'nowhere' });
    await until('it is told', () => log.some((line) => line.includes('the scenario nowhere')), WITHIN_MS);
    expect(agents.count()).toBe(before);
  });
});
