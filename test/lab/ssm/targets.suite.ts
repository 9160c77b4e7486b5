import {
  CancelCommandCommand,
  type Command,
  ListCommandInvocationsCommand,
  ListCommandsCommand,
  SendCommandCommand,
  type SendCommandCommandInput,
  type SSMClient,
} from '@aws-sdk/client-ssm';
import type { Emulator } from '../../../lab/aws/emulator';
import { LAB_ACCOUNTS } from '../../../lab/config';
import { PlayedNodes } from './played-nodes';
import { createDocument, type Credentials, oneStep, type SsmBench, startBench, until } from './ssm-bench';

/** Commands to many instances: who is meant, how many at once, and when to stop (User Guide, "Run commands at scale"). */
export function targetRules(emulator: () => Emulator): void {
  describe('commands to many instances', () => {
    let bench: SsmBench;
    let keys: Credentials;
    let member: SSMClient;
    let clockAhead = 0;
    let fleets = 0;

    beforeAll(async () => {
      bench = await startBench(emulator(), { clock: () => Date.now() + clockAhead });
      keys = await bench.credentials(LAB_ACCOUNTS.member);
      member = bench.client(keys);
      await createDocument(member, 'lab-many', oneStep('true'));
    });

    afterEach(() => {
      clockAhead = 0;
    });

    afterAll(async () => {
      member.destroy();
      await bench.stop();
    });

    async function fleet(
      count: number,
      tags: Record<string, string> = {},
    ): Promise<{ nodes: PlayedNodes; name: string }> {
      fleets += 1;
      const name = `fleet-${fleets}`;
      const all = { Fleet: name, ...tags };
      return { nodes: await PlayedNodes.launch(bench, LAB_ACCOUNTS.member, keys, count, all), name };
    }

    async function send(input: Partial<SendCommandCommandInput>): Promise<Command> {
      return (await member.send(new SendCommandCommand({ DocumentName: 'lab-many', ...input }))).Command!;
    }

    async function commandNow(CommandId: string): Promise<Command> {
      return (await member.send(new ListCommandsCommand({ CommandId }))).Commands![0]!;
    }

    async function invocations(CommandId: string, status?: string): Promise<Record<string, string>> {
      const Filters = status === undefined ? {} : { Filters: [{ key: 'Status' as const, value: status }] };
      const answer = await member.send(new ListCommandInvocationsCommand({ CommandId, ...Filters }));
      return Object.fromEntries(answer.CommandInvocations!.map((one) => [one.InstanceId!, one.StatusDetails!]));
    }

    const byTag = (name: string): Partial<SendCommandCommandInput> => ({
      Targets: [{ Key: 'tag:Fleet', Values: [name] }],
    });

    test('targets by tag are found after the answer, which names none', async () => {
      const { nodes, name } = await fleet(3);
      const answer = await send(byTag(name));
      expect(answer).toMatchObject({
        Status: 'Pending',
        InstanceIds: [],
        TargetCount: 0,
        Targets: [{ Key: 'tag:Fleet', Values: [name] }],
      });
      await nodes.untilWaiting(3);
      expect(new Set(nodes.waiting())).toEqual(new Set(nodes.ids));
      for (let count = 0; count < 3; count += 1) nodes.answer('Success');
      await until('the end', async () => (await commandNow(answer.CommandId!)).Status === 'Success');
      expect(await commandNow(answer.CommandId!)).toMatchObject({ TargetCount: 3, CompletedCount: 3, InstanceIds: [] });
    });

    test('several targets narrow each other, several values of one widen it', async () => {
      const blue = await fleet(1, { Colour: 'blue' });
      const red = await fleet(1, { Colour: 'red' });
      const sent = await send({
        Targets: [
          { Key: 'tag:Fleet', Values: [blue.name, red.name] },
          { Key: 'tag:Colour', Values: ['red', 'green'] },
          { Key: 'tag-key', Values: ['Colour'] },
        ],
      });
      await red.nodes.untilWaiting(1);
      expect(Object.keys(await invocations(sent.CommandId!))).toEqual(red.nodes.ids);
      const named = await send({ Targets: [{ Key: 'InstanceIds', Values: blue.nodes.ids }] });
      await blue.nodes.untilWaiting(1);
      expect(Object.keys(await invocations(named.CommandId!))).toEqual(blue.nodes.ids);
    });

    test('targets that nobody meets are a success with NoInstancesInTag', async () => {
      const { CommandId } = await send(byTag('nobody'));
      await until('the end', async () => (await commandNow(CommandId!)).Status === 'Success');
      expect(await commandNow(CommandId!)).toMatchObject({ StatusDetails: 'NoInstancesInTag', TargetCount: 0 });
    });

    test.each([
      ['of resource groups, which the lab lacks', { Key: 'resource-groups:Name', Values: ['g'] }, /resource groups/],
      ['of an unknown kind', { Key: 'Colour', Values: ['red'] }, /none of InstanceIds/],
      ['without values', { Key: 'tag:a', Values: [] }, /no values/],
    ])('a target %s is refused', async (_, target, reason) => {
      await expect(send({ Targets: [target] })).rejects.toMatchObject({
        name: 'ValidationException',
        message: expect.stringMatching(reason) as string,
      });
    });

    test('MaxConcurrency: the next instance gets the command when one has ended', async () => {
      const { nodes, name } = await fleet(4);
      const { CommandId } = await send({ ...byTag(name), MaxConcurrency: '2' });
      await nodes.untilWaiting(2);
      expect(Object.values(await invocations(CommandId!))).toEqual(Array(4).fill('Pending'));
      nodes.answer('Success');
      await nodes.untilWaiting(2);
      nodes.answer('Success');
      nodes.answer('Success');
      await nodes.untilWaiting(1);
      nodes.answer('Success');
      await until('the end', async () => (await commandNow(CommandId!)).Status === 'Success');
    });

    test('MaxConcurrency as a percentage of the targets', async () => {
      const { nodes, name } = await fleet(4);
      const { CommandId } = await send({ ...byTag(name), MaxConcurrency: '50%' });
      await nodes.untilWaiting(2);
      await member.send(new CancelCommandCommand({ CommandId }));
      expect(Object.values(await invocations(CommandId!))).toEqual(Array(4).fill('Cancelled'));
    });

    test('MaxErrors: one error more than allowed ends the command, and the others are Terminated', async () => {
      const { nodes, name } = await fleet(4);
      const { CommandId } = await send({ ...byTag(name), MaxConcurrency: '1', MaxErrors: '1' });
      for (const expected of ['Failed', 'Failed'] as const) {
        await nodes.untilWaiting(1);
        nodes.answer(expected);
      }
      await until('the end', async () => (await commandNow(CommandId!)).Status === 'Failed');
      expect(await commandNow(CommandId!)).toMatchObject({ StatusDetails: 'Failed', ErrorCount: 2, CompletedCount: 4 });
      expect(Object.values(await invocations(CommandId!)).sort()).toEqual([
        'Failed',
        'Failed',
        'Terminated',
        'Terminated',
      ]);
      expect(Object.keys(await invocations(CommandId!, 'Terminated'))).toHaveLength(2);
      expect(nodes.inbox).toEqual([]);
    });

    test('fewer errors than allowed: every instance is tried, and the command is Incomplete', async () => {
      const { nodes, name } = await fleet(4);
      const { CommandId } = await send({ ...byTag(name), MaxErrors: '50%' });
      await nodes.untilWaiting(4);
      for (const status of ['Failed', 'Success', 'Success', 'Success'] as const) nodes.answer(status);
      await until('the end', async () => (await commandNow(CommandId!)).CompletedCount === 4);
      expect(await commandNow(CommandId!)).toMatchObject({ StatusDetails: 'Incomplete', ErrorCount: 1 });
    });

    test('a delivery time-out does not count against MaxErrors, and frees the place of the next', async () => {
      const { nodes, name } = await fleet(2);
      const { CommandId } = await send({ ...byTag(name), MaxConcurrency: '1', TimeoutSeconds: 60 });
      await nodes.untilWaiting(1);
      nodes.inbox.shift(); // an agent that is cut off
      clockAhead = 61_000;
      await nodes.untilWaiting(1);
      nodes.answer('Success');
      await until('the end', async () => (await commandNow(CommandId!)).CompletedCount === 2);
      expect(await commandNow(CommandId!)).toMatchObject({
        Status: 'TimedOut',
        StatusDetails: 'DeliveryTimedOut',
        ErrorCount: 0,
        DeliveryTimedOutCount: 1,
      });
    });

    test('CancelCommand for some instances leaves the others', async () => {
      const { nodes } = await fleet(2);
      const [first, second] = nodes.ids;
      const { CommandId } = await send({ InstanceIds: nodes.ids });
      await nodes.untilWaiting(2);
      await member.send(new CancelCommandCommand({ CommandId, InstanceIds: [first!] }));
      const twice = new CancelCommandCommand({ CommandId, InstanceIds: [second!, second!] });
      await expect(member.send(twice)).rejects.toMatchObject({ name: 'DuplicateInstanceId' });
      expect(await invocations(CommandId!)).toEqual({ [first!]: 'Cancelled', [second!]: 'Pending' });
    });

    test('ListCommands by ExecutionStage; ListCommandInvocations knows no such filter', async () => {
      const { nodes } = await fleet(1);
      const [InstanceId] = nodes.ids;
      const { CommandId } = await send({ InstanceIds: nodes.ids });
      const stage = async (value: string): Promise<string[]> => {
        const Filters = [{ key: 'ExecutionStage' as const, value }];
        const { Commands } = await member.send(new ListCommandsCommand({ InstanceId, Filters }));
        return Commands!.map((command) => command.CommandId!);
      };
      expect([await stage('Executing'), await stage('Complete')]).toEqual([[CommandId], []]);
      await nodes.untilWaiting(1);
      nodes.answer('Success');
      await until('the end', async () => (await stage('Complete')).length === 1);
      expect(await stage('Executing')).toEqual([]);
      const Filters = [{ key: 'ExecutionStage' as const, value: 'Complete' }];
      await expect(member.send(new ListCommandInvocationsCommand({ CommandId, Filters }))).rejects.toMatchObject({
        name: 'InvalidFilterKey',
      });
    });
  });
}
