import {
  CancelCommandCommand,
  CreateDocumentCommand,
  DescribeInstanceInformationCommand,
  GetCommandInvocationCommand,
  GetParameterCommand,
  ListCommandInvocationsCommand,
  ListCommandsCommand,
  ModifyDocumentPermissionCommand,
  PutParameterCommand,
  SendCommandCommand,
  type SendCommandCommandInput,
  type SSMClient,
  UpdateDocumentCommand,
} from '@aws-sdk/client-ssm';
import { EC2Client, RegisterImageCommand, RunInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { MessageClient } from '../../../lab/agent/message-client';
import type { Emulator } from '../../../lab/aws/emulator';
import { EmulatorClient, type HeldCall } from '../../../lab/aws/emulator-client';
import { LAB_ACCOUNTS, LAB_REGION } from '../../../lab/config';
import type { AgentMessage, CancelCommandPayload, SendCommandPayload, StepResult } from '../../../lab/ssm/messages';
import { stepResult } from '../../../lab/agent/steps';
import {
  createDocument,
  type Credentials,
  invocationOf,
  oneStep,
  sendTo,
  type SsmBench,
  startBench,
  until,
} from './ssm-bench';

const MINUTE_MS = 60_000;
const PLATFORM = { name: 'Test Linux', version: '1', hostname: 'host', address: '10.0.0.9' };

/** The rules of the SSM server, with an agent that the test itself plays. */
export function serverRules(emulator: () => Emulator): void {
  describe('the SSM server', () => {
    let bench: SsmBench;
    let memberKeys: Credentials;
    let member: SSMClient;
    let forensics: SSMClient;
    let clockAhead = 0;
    let instances = 0;

    beforeAll(async () => {
      bench = await startBench(emulator(), { clock: () => Date.now() + clockAhead, longPollSeconds: 0.3 });
      memberKeys = await bench.credentials(LAB_ACCOUNTS.member);
      member = bench.client(memberKeys);
      forensics = bench.client(await bench.credentials(LAB_ACCOUNTS.forensics));
      await createDocument(member, 'lab-plain', oneStep('true'));
      await createDocument(member, 'lab-two-steps', {
        ...oneStep('true'),
        mainSteps: ['a', 'b'].map((name) => ({ action: 'aws:runShellScript', name, inputs: { runCommand: ['true'] } })),
      });
      await createDocument(member, 'lab-parameters', {
        ...oneStep('echo {{ Case }}'),
        parameters: {
          Case: { type: 'String', allowedPattern: '^case-[0-9]+$', maxChars: 8 },
          Mode: { type: 'String', default: 'quick', allowedValues: ['quick', 'deep'] },
          Paths: { type: 'StringList', default: [], maxItems: 2 },
          Dry: { type: 'Boolean', default: false },
          Count: { type: 'Integer', default: 1 },
        },
      });
    });

    afterEach(async () => {
      clockAhead = 0;
      await fetch(`${bench.awsUrl}/moto-api/lab/faults`, { method: 'PUT', body: '[]' });
    });

    afterAll(async () => {
      member.destroy();
      forensics.destroy();
      await bench.stop();
    });

    function agentOf(instanceId: string, credentials: Credentials = memberKeys): MessageClient {
      return new MessageClient({
        endpoint: bench.ssm.url,
        instanceId,
        region: LAB_REGION,
        accessKeyId: credentials.accessKeyId,
      });
    }

    /** A managed node of the member account. */
    async function registered(): Promise<{ instanceId: string; agent: MessageClient }> {
      instances += 1;
      const instanceId = `i-05e12e3000000${String(instances).padStart(4, '0')}`;
      const agent = agentOf(instanceId);
      await agent.register(PLATFORM);
      return { instanceId, agent };
    }

    /** A running instance of the member account, in EC2 only. */
    async function launched(): Promise<{ ec2: EC2Client; instanceId: string }> {
      const ec2 = new EC2Client({ region: LAB_REGION, endpoint: bench.awsUrl, credentials: memberKeys });
      const image = await ec2.send(
        new RegisterImageCommand({ Name: `image-${instances}`, RootDeviceName: '/dev/xvda' }),
      );
      instances += 1;
      const run = await ec2.send(new RunInstancesCommand({ ImageId: image.ImageId!, MinCount: 1, MaxCount: 1 }));
      return { ec2, instanceId: run.Instances![0]!.InstanceId! };
    }

    async function refused(input: Partial<SendCommandCommandInput>): Promise<string> {
      const { instanceId } = await registered();
      const sending = member.send(
        new SendCommandCommand({ DocumentName: 'lab-plain', InstanceIds: [instanceId], ...input }),
      );
      return await sending.then(
        () => 'accepted',
        (error: unknown) => (error as Error).name,
      );
    }

    async function setFault(fault: Record<string, unknown>): Promise<void> {
      const answer = await fetch(`${bench.awsUrl}/moto-api/lab/faults`, {
        method: 'PUT',
        body: JSON.stringify([fault]),
      });
      expect(answer.ok).toBe(true);
    }

    function payloadOf(message: AgentMessage | undefined): SendCommandPayload & CancelCommandPayload {
      return JSON.parse(message!.Payload) as SendCommandPayload & CancelCommandPayload;
    }

    async function replyWith(agent: MessageClient, messageId: string, members: Partial<StepResult>): Promise<void> {
      const step = stepResult('aws:runShellScript', members);
      await agent.acknowledge(messageId);
      await agent.reply(messageId, 'InProgress', { a: step });
      await agent.reply(messageId, 'Success', null);
    }

    describe('SendCommand', () => {
      test('hands the document and typed parameters to the agent', async () => {
        const { instanceId, agent } = await registered();
        const waiting = agent.messages(); // a long poll that was there before the command
        const commandId = await sendTo(member, instanceId, 'lab-parameters', {
          Case: ['case-12'],
          Paths: ['/a', '/b'],
          Dry: ['true'],
          Count: ['3'],
        });
        const [message, ...others] = await waiting;
        expect(others).toEqual([]);
        expect(message).toMatchObject({
          MessageId: `aws.ssm.${commandId}.${instanceId}`,
          Topic: `aws.ssm.sendCommand.${LAB_REGION}.lab-parameters`,
        });
        expect(payloadOf(message)).toMatchObject({
          CommandId: commandId,
          Parameters: { Case: 'case-12', Paths: ['/a', '/b'], Dry: true, Count: 3 },
          DocumentContent: { schemaVersion: '2.2' },
        });
      });

      test.each([
        ['undeclared', { Case: ['case-1'], Nope: ['x'] }],
        ['missing', {}],
        ['against allowedPattern', { Case: ['case-x'] }],
        ['against allowedValues', { Case: ['case-1'], Mode: ['slow'] }],
        ['longer than maxChars', { Case: ['case-1234'] }],
        ['more items than maxItems', { Case: ['case-1'], Paths: ['1', '2', '3'] }],
        ['two values for a String', { Case: ['case-1', 'case-2'] }],
        ['no Boolean', { Case: ['case-1'], Dry: ['perhaps'] }],
        ['no Integer', { Case: ['case-1'], Count: ['1.5'] }],
      ])('refuses a parameter that is %s', async (_, Parameters) => {
        expect(await refused({ DocumentName: 'lab-parameters', Parameters })).toBe('InvalidParameters');
      });

      test.each<[string, Partial<SendCommandCommandInput>, string]>([
        ['an unknown document', { DocumentName: 'lab-nowhere' }, 'InvalidDocument'],
        ['an unknown version', { DocumentVersion: '9' }, 'InvalidDocumentVersion'],
        ['an unknown instance', { InstanceIds: ['i-0ffffffffffffffff'] }, 'InvalidInstanceId'],
        ['an instance named twice', { InstanceIds: ['i-01', 'i-01'] }, 'DuplicateInstanceId'],
        ['no instance', { InstanceIds: [] }, 'ValidationException'],
        ['a time-out under 30 s', { TimeoutSeconds: 29 }, 'ValidationException'],
        ['a long comment', { Comment: 'c'.repeat(101) }, 'ValidationException'],
        ['output to a bucket that is not there', { OutputS3BucketName: 'somewhere' }, 'InvalidOutputFolder'],
        ['output to CloudWatch Logs, which the lab lacks', { CloudWatchOutputConfig: {} }, 'ValidationException'],
        ['a concurrency of none', { MaxConcurrency: '0' }, 'ValidationException'],
        ['errors in words', { MaxErrors: 'few' }, 'ValidationException'],
        ['a notification to no topic', { NotificationConfig: { NotificationArn: 'x' } }, 'InvalidNotificationConfig'],
        [
          'a notification without a role',
          { NotificationConfig: { NotificationArn: 'arn:aws:sns:us-east-1:111122223333:told' } },
          'InvalidRole',
        ],
        ['instances and targets together', { Targets: [{ Key: 'tag:a', Values: ['b'] }] }, 'ValidationException'],
        [
          'more than 50 instances',
          { InstanceIds: Array.from({ length: 51 }, (_, i) => `i-${i}`) },
          'ValidationException',
        ],
      ])('refuses %s', async (_, input, code) => {
        expect(await refused(input)).toBe(code);
      });

      test('refuses another account’s instance', async () => {
        const { instanceId } = await registered();
        await createDocument(forensics, 'lab-foreign', oneStep('true'));
        await expect(sendTo(forensics, instanceId, 'lab-foreign')).rejects.toMatchObject({ name: 'InvalidInstanceId' });
      });

      test('takes a document version, and $LATEST', async () => {
        await createDocument(member, 'lab-versions', oneStep('echo 1'));
        await member.send(
          new UpdateDocumentCommand({
            Name: 'lab-versions',
            Content: JSON.stringify(oneStep('echo 2')),
            DocumentVersion: '$LATEST',
          }),
        );
        const { instanceId } = await registered();
        const versions = [];
        for (const DocumentVersion of [undefined, '$DEFAULT', '$LATEST', '2']) {
          const input = { DocumentName: 'lab-versions', InstanceIds: [instanceId] };
          const answer = await member.send(
            new SendCommandCommand(DocumentVersion === undefined ? input : { ...input, DocumentVersion }),
          );
          versions.push(answer.Command!.DocumentVersion);
        }
        expect(versions).toEqual(['1', '1', '2', '2']);
      });

      test('takes another account’s document by its ARN once it is shared', async () => {
        const name = `arn:aws:ssm:${LAB_REGION}:${LAB_ACCOUNTS.forensics}:document/lab-shared`;
        await createDocument(forensics, 'lab-shared', oneStep('echo shared'));
        const { instanceId, agent } = await registered();
        await expect(sendTo(member, instanceId, name)).rejects.toMatchObject({ name: 'InvalidDocument' });
        await forensics.send(
          new ModifyDocumentPermissionCommand({
            Name: 'lab-shared',
            PermissionType: 'Share',
            AccountIdsToAdd: [LAB_ACCOUNTS.member],
          }),
        );
        await sendTo(member, instanceId, name);
        const [message] = await agent.messages();
        expect(payloadOf(message).DocumentContent.mainSteps[0]!.inputs).toEqual({
          runCommand: ['echo shared'],
        });
      });

      test('knows AWS-RunShellScript', async () => {
        const { instanceId, agent } = await registered();
        await sendTo(member, instanceId, 'AWS-RunShellScript', { commands: ['id', 'uptime'] });
        const [message] = await agent.messages();
        expect(payloadOf(message).Parameters).toEqual({ commands: ['id', 'uptime'] });
      });

      test('refuses a document that is not a Command document', async () => {
        await member.send(
          new CreateDocumentCommand({
            Name: 'lab-automation',
            DocumentType: 'Automation',
            DocumentFormat: 'JSON',
            Content: JSON.stringify({ schemaVersion: '0.3', mainSteps: [] }),
          }),
        );
        expect(await refused({ DocumentName: 'lab-automation' })).toBe('InvalidDocument');
      });

      test('refuses an instance that is terminated, though its agent called', async () => {
        const { ec2, instanceId } = await launched();
        await agentOf(instanceId).register(PLATFORM);
        await until('the instance is known', async () => (await nodeIds(member, instanceId)).length === 1);
        await sendTo(member, instanceId, 'lab-plain');
        await ec2.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] }));
        await until('the instance is gone', async () => (await nodeIds(member, instanceId)).length === 0);
        await expect(sendTo(member, instanceId, 'lab-plain')).rejects.toMatchObject({ name: 'InvalidInstanceId' });
        ec2.destroy();
      });

      test('an instance belongs to the account that EC2 says, whatever key its agent uses', async () => {
        const { ec2, instanceId } = await launched();
        await agentOf(instanceId, await bench.credentials(LAB_ACCOUNTS.forensics)).register(PLATFORM);
        await until('the instance is known', async () => (await nodeIds(member, instanceId)).length === 1);
        expect(await nodeIds(forensics, instanceId)).toEqual([]);
        ec2.destroy();
      });
    });

    describe('delivery', () => {
      test('a command that nobody takes within TimeoutSeconds is timed out, and not delivered any more', async () => {
        const { instanceId, agent } = await registered();
        const answer = await member.send(
          new SendCommandCommand({ DocumentName: 'lab-plain', InstanceIds: [instanceId], TimeoutSeconds: 30 }),
        );
        const commandId = answer.Command!.CommandId!;
        clockAhead = 29_000;
        expect((await invocationOf(member, commandId)).Status).toBe('Pending');
        clockAhead = 31_000;
        expect(await invocationOf(member, commandId)).toMatchObject({
          Status: 'TimedOut',
          StatusDetails: 'DeliveryTimedOut',
        });
        expect(await agent.messages()).toEqual([]);
        const { Commands } = await member.send(new ListCommandsCommand({ CommandId: commandId }));
        expect(Commands![0]).toMatchObject({ Status: 'TimedOut', DeliveryTimedOutCount: 1, CompletedCount: 1 });
      });

      test('a message that was taken and not acknowledged comes again after its visibility time-out', async () => {
        const { instanceId, agent } = await registered();
        await sendTo(member, instanceId, 'lab-plain');
        expect(await agent.messages()).toHaveLength(1);
        expect(await agent.messages()).toHaveLength(0);
        clockAhead = 11_000;
        const [again] = await agent.messages();
        await agent.acknowledge(again!.MessageId);
        clockAhead = 30_000;
        expect(await agent.messages()).toHaveLength(0);
      });

      test('a message is not given to a poll whose agent has gone', async () => {
        const { instanceId, agent } = await registered();
        const gone = new AbortController();
        const poll = fetch(bench.ssm.url, {
          method: 'POST',
          headers: {
            'x-amz-target': 'EC2WindowsMessageDeliveryService.GetMessages',
            authorization: `AWS4-HMAC-SHA256 Credential=${memberKeys.accessKeyId}/20260101/${LAB_REGION}/ssm/aws4_request`,
          },
          body: JSON.stringify({ Destination: instanceId }),
          signal: gone.signal,
        });
        setTimeout(() => gone.abort(), 200);
        await expect(poll).rejects.toThrow();
        await sendTo(member, instanceId, 'lab-plain');
        expect(await agent.messages()).toHaveLength(1);
      });

      test('a failed message is a failed invocation', async () => {
        const { instanceId, agent } = await registered();
        const commandId = await sendTo(member, instanceId, 'lab-plain');
        const [message] = await agent.messages();
        await agent.fail(message!.MessageId, 'InternalHandlerException');
        expect(await invocationOf(member, commandId)).toMatchObject({
          Status: 'Failed',
          TraceOutput: 'InternalHandlerException',
        });
      });
    });

    describe('CancelCommand', () => {
      test('a command that nobody took is cancelled at once and never delivered', async () => {
        const { instanceId, agent } = await registered();
        const commandId = await sendTo(member, instanceId, 'lab-plain');
        await member.send(new CancelCommandCommand({ CommandId: commandId }));
        expect((await invocationOf(member, commandId)).Status).toBe('Cancelled');
        expect(await agent.messages()).toEqual([]);
      });

      test('a running command is cancelling until its agent says so', async () => {
        const { instanceId, agent } = await registered();
        const commandId = await sendTo(member, instanceId, 'lab-plain');
        const [message] = await agent.messages();
        await agent.acknowledge(message!.MessageId);
        expect((await invocationOf(member, commandId)).Status).toBe('InProgress');
        await member.send(new CancelCommandCommand({ CommandId: commandId, InstanceIds: [instanceId] }));
        const [cancel] = await agent.messages();
        expect(cancel!.Topic).toBe(`aws.ssm.cancelCommand.${LAB_REGION}.lab-plain`);
        expect(payloadOf(cancel)).toEqual({ CancelMessageId: message!.MessageId });
        await agent.reply(message!.MessageId, 'InProgress', null);
        expect((await invocationOf(member, commandId)).Status).toBe('Cancelling');
        await agent.reply(message!.MessageId, 'Cancelled', null);
        expect((await invocationOf(member, commandId)).Status).toBe('Cancelled');
      });

      test('another account’s command and an instance without it are refused', async () => {
        const { instanceId } = await registered();
        const CommandId = await sendTo(member, instanceId, 'lab-plain');
        await expect(forensics.send(new CancelCommandCommand({ CommandId }))).rejects.toMatchObject({
          name: 'InvalidCommandId',
        });
        const elsewhere = new CancelCommandCommand({ CommandId, InstanceIds: ['i-0000000000000ffff'] });
        await expect(member.send(elsewhere)).rejects.toMatchObject({ name: 'InvalidInstanceId' });
      });
    });

    describe('GetCommandInvocation', () => {
      test('cuts output to 24,000 and errors to 8,000 characters', async () => {
        const { instanceId, agent } = await registered();
        const commandId = await sendTo(member, instanceId, 'lab-plain');
        const [message] = await agent.messages();
        await replyWith(agent, message!.MessageId, {
          standardOutput: 'o'.repeat(30_000),
          standardError: 'e'.repeat(30_000),
          output: 'o'.repeat(30_000),
        });
        const detail = await member.send(
          new GetCommandInvocationCommand({ CommandId: commandId, InstanceId: instanceId }),
        );
        expect(detail).toMatchObject({ Status: 'Success', PluginName: 'a', ResponseCode: 0 });
        expect(detail.StandardOutputContent).toHaveLength(24_000);
        expect(detail.StandardErrorContent).toHaveLength(8_000);
        const listed = await invocationOf(member, commandId);
        expect(listed.CommandPlugins![0]!.Output).toHaveLength(2_500);
      });

      test('a final status stays, whatever an agent says later', async () => {
        const { instanceId, agent } = await registered();
        const commandId = await sendTo(member, instanceId, 'lab-plain');
        const [message] = await agent.messages();
        await replyWith(agent, message!.MessageId, {});
        await agent.reply(message!.MessageId, 'Failed', null, 'late');
        expect(await invocationOf(member, commandId)).toMatchObject({ Status: 'Success', TraceOutput: '' });
      });

      test('with several steps, output comes for the step that is named', async () => {
        const { instanceId, agent } = await registered();
        const CommandId = await sendTo(member, instanceId, 'lab-two-steps');
        const [message] = await agent.messages();
        await replyWith(agent, message!.MessageId, { standardOutput: 'of a' });
        const ask = (PluginName?: string): GetCommandInvocationCommand =>
          new GetCommandInvocationCommand({
            CommandId,
            InstanceId: instanceId,
            ...(PluginName === undefined ? {} : { PluginName }),
          });
        expect(await member.send(ask('a'))).toMatchObject({ StandardOutputContent: 'of a', ResponseCode: 0 });
        expect(await member.send(ask())).toMatchObject({
          StandardOutputContent: '',
          ResponseCode: -1,
          Status: 'Success',
        });
        await expect(member.send(ask('c'))).rejects.toMatchObject({ name: 'InvalidPluginName' });
      });

      test('another instance or another command does not exist', async () => {
        const { instanceId } = await registered();
        const CommandId = await sendTo(member, instanceId, 'lab-plain');
        const other = new GetCommandInvocationCommand({ CommandId, InstanceId: 'i-0000000000000ffff' });
        await expect(member.send(other)).rejects.toMatchObject({ name: 'InvocationDoesNotExist' });
        const unknown = '00000000-0000-4000-8000-000000000000';
        const command = new GetCommandInvocationCommand({ CommandId: unknown, InstanceId: instanceId });
        await expect(member.send(command)).rejects.toMatchObject({ name: 'InvalidCommandId' });
      });
    });

    describe('lists', () => {
      test('ListCommands: newest first, by page, by filter, own account only', async () => {
        const { instanceId } = await registered();
        const sent: string[] = [];
        for (let count = 0; count < 5; count += 1) {
          sent.push(await sendTo(member, instanceId, 'lab-plain'));
        }
        await member.send(new CancelCommandCommand({ CommandId: sent[2]! }));
        const seen: string[] = [];
        let NextToken: string | undefined;
        const sizes: number[] = [];
        do {
          const page = await member.send(
            new ListCommandsCommand({ InstanceId: instanceId, MaxResults: 2, ...(NextToken ? { NextToken } : {}) }),
          );
          sizes.push(page.Commands!.length);
          seen.push(...page.Commands!.map((command) => command.CommandId!));
          ({ NextToken } = page);
        } while (NextToken !== undefined);
        expect(sizes).toEqual([2, 2, 1]);
        expect(seen).toEqual([...sent].reverse());

        const cancelled = await member.send(
          new ListCommandsCommand({ InstanceId: instanceId, Filters: [{ key: 'Status', value: 'Cancelled' }] }),
        );
        expect(cancelled.Commands!.map((command) => command.CommandId)).toEqual([sent[2]]);
        const future = new Date(Date.now() + MINUTE_MS).toISOString();
        const later = await member.send(
          new ListCommandsCommand({ InstanceId: instanceId, Filters: [{ key: 'InvokedAfter', value: future }] }),
        );
        expect(later.Commands).toEqual([]);
        expect((await forensics.send(new ListCommandsCommand({ InstanceId: instanceId }))).Commands).toEqual([]);
        await expect(member.send(new ListCommandsCommand({ NextToken: 'nonsense' }))).rejects.toMatchObject({
          name: 'InvalidNextToken',
        });
      });

      test('ListCommandInvocations: one a target, steps with Details only', async () => {
        const [first, second] = [await registered(), await registered()];
        const answer = await member.send(
          new SendCommandCommand({ DocumentName: 'lab-plain', InstanceIds: [first.instanceId, second.instanceId] }),
        );
        const CommandId = answer.Command!.CommandId!;
        expect(answer.Command).toMatchObject({ Status: 'Pending', TargetCount: 2, CompletedCount: 0 });
        const [message] = await first.agent.messages();
        await replyWith(first.agent, message!.MessageId, {});
        const plain = await member.send(new ListCommandInvocationsCommand({ CommandId }));
        expect(plain.CommandInvocations!.map(({ Status, CommandPlugins }) => [Status, CommandPlugins])).toEqual([
          ['Success', []],
          ['Pending', []],
        ]);
        const detailed = await member.send(
          new ListCommandInvocationsCommand({ CommandId, InstanceId: first.instanceId, Details: true }),
        );
        expect(detailed.CommandInvocations).toHaveLength(1);
        expect(detailed.CommandInvocations![0]!.CommandPlugins![0]).toMatchObject({ Name: 'a', Status: 'Success' });
        const { Commands } = await member.send(new ListCommandsCommand({ CommandId }));
        expect(Commands![0]).toMatchObject({ Status: 'InProgress', CompletedCount: 1 });
      });

      test('DescribeInstanceInformation: ten a page, filters of both kinds, own account only', async () => {
        const keys = await bench.credentials('777788889999');
        const client = bench.client(keys);
        const ids = Array.from({ length: 12 }, (_, number) => `i-0de5c21be0000000${String(number).padStart(2, '0')}`);
        for (const instanceId of ids) await agentOf(instanceId, keys).register(PLATFORM);
        const first = await client.send(new DescribeInstanceInformationCommand({}));
        expect(first.InstanceInformationList).toHaveLength(10);
        const second = await client.send(new DescribeInstanceInformationCommand({ NextToken: first.NextToken! }));
        expect(second.InstanceInformationList).toHaveLength(2);
        expect(second.NextToken).toBeUndefined();
        expect(first.InstanceInformationList![0]).toMatchObject({
          InstanceId: ids[0],
          PingStatus: 'Online',
          PlatformType: 'Linux',
          PlatformName: 'Test Linux',
          ComputerName: 'host',
          IPAddress: '10.0.0.9',
          ResourceType: 'EC2Instance',
        });
        expect(await nodeIds(client, ids[3]!)).toEqual([ids[3]]);
        const legacy = await client.send(
          new DescribeInstanceInformationCommand({
            InstanceInformationFilterList: [{ key: 'InstanceIds', valueSet: [ids[4]!, ids[5]!] }],
          }),
        );
        expect(legacy.InstanceInformationList!.map((node) => node.InstanceId)).toEqual([ids[4], ids[5]]);
        expect(await nodeIds(member, ids[3]!)).toEqual([]);
        await expect(
          client.send(new DescribeInstanceInformationCommand({ Filters: [{ Key: 'Colour', Values: ['red'] }] })),
        ).rejects.toMatchObject({ name: 'InvalidFilterKey' });
        clockAhead = 10 * MINUTE_MS;
        const silent = await client.send(
          new DescribeInstanceInformationCommand({ Filters: [{ Key: 'PingStatus', Values: ['ConnectionLost'] }] }),
        );
        expect(silent.InstanceInformationList).toHaveLength(10);
        bench.ssm.forget(ids[0]!);
        expect(await nodeIds(client, ids[0]!)).toEqual([]);
        client.destroy();
      });
    });

    describe('towards the emulator', () => {
      test('other operations pass through, answers and errors alike', async () => {
        await member.send(new PutParameterCommand({ Name: '/lab/x', Value: 'kept', Type: 'String' }));
        expect((await member.send(new GetParameterCommand({ Name: '/lab/x' }))).Parameter!.Value).toBe('kept');
        await expect(member.send(new GetParameterCommand({ Name: '/lab/y' }))).rejects.toMatchObject({
          name: 'ParameterNotFound',
        });
        const [direct, through] = await Promise.all(
          [bench.awsUrl, bench.ssm.url].map(async (url) => {
            const answer = await fetch(`${url}/moto-api/lab/account?akid=${memberKeys.accessKeyId}`);
            return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
          }),
        );
        expect(through).toEqual(direct);
      });

      test('calls are in the emulator’s journal', async () => {
        const { instanceId } = await registered();
        await sendTo(member, instanceId, 'lab-plain');
        const journal = (await (await fetch(`${bench.awsUrl}/moto-api/lab/calls`)).json()) as {
          action: string;
          account: string;
          parameters?: { InstanceIds?: string[] };
        }[];
        const call = journal.find(
          ({ action, parameters }) =>
            action === 'SendCommand' && parameters?.InstanceIds?.includes(instanceId) === true,
        );
        expect(call).toMatchObject({ account: LAB_ACCOUNTS.member });
      });

      test('an injected fault reaches the caller, and then is over', async () => {
        const { instanceId } = await registered();
        const CommandId = await sendTo(member, instanceId, 'lab-plain');
        const calls: [string, () => Promise<unknown>][] = [
          [
            'GetCommandInvocation',
            () => member.send(new GetCommandInvocationCommand({ CommandId, InstanceId: instanceId })),
          ],
          ['ListCommandInvocations', () => member.send(new ListCommandInvocationsCommand({ CommandId }))],
          ['DescribeInstanceInformation', () => member.send(new DescribeInstanceInformationCommand({}))],
        ];
        for (const [action, call] of calls) {
          await setFault({ service: 'ssm', action, code: 'ThrottlingException', times: 1 });
          await expect(call()).rejects.toMatchObject({ name: 'ThrottlingException' });
          await expect(call()).resolves.toBeDefined();
        }
      });

      test('SendCommand that fails before is not carried out; one whose answer is lost is', async () => {
        const { instanceId, agent } = await registered();
        const fault = { service: 'ssm', action: 'SendCommand', code: 'InternalServerError' };
        await setFault(fault);
        await expect(sendTo(member, instanceId, 'lab-plain')).rejects.toMatchObject({ name: 'InternalServerError' });
        expect(await agent.messages()).toEqual([]);
        await setFault({ ...fault, when: 'after' });
        await expect(sendTo(member, instanceId, 'lab-plain')).rejects.toMatchObject({ name: 'InternalServerError' });
        const [message] = await agent.messages();
        const { Commands } = await member.send(new ListCommandsCommand({ InstanceId: instanceId }));
        expect(Commands!.map((command) => command.CommandId)).toEqual([payloadOf(message).CommandId]);
        await replyWith(agent, message!.MessageId, {});
        const detail = new GetCommandInvocationCommand({ CommandId: Commands![0]!.CommandId!, InstanceId: instanceId });
        expect((await member.send(detail)).Status).toBe('Success');
      });

      test('SendCommand whose answer is held is carried out meanwhile, and answered when it may', async () => {
        const { instanceId, agent } = await registered();
        const lab = new EmulatorClient(bench.awsUrl);
        const held = async (stage: HeldCall['stage']): Promise<HeldCall> => {
          let found: HeldCall | undefined;
          const look = async (): Promise<boolean> =>
            (found = (await lab.heldCalls()).find((call) => call.stage === stage)) !== undefined;
          await until(`a call held ${stage}`, look);
          return found!;
        };
        await lab.holdChangesOf('aws-sdk-js');
        try {
          const sending = sendTo(member, instanceId, 'lab-plain');
          const call = await held('before');
          expect(call).toMatchObject({ action: 'SendCommand', parameters: { InstanceIds: [instanceId] } });
          expect(await agent.messages()).toEqual([]);
          await lab.decideHeldCalls({ [call.number]: 'carry-out' });
          await held('after');
          const [message] = await agent.messages();
          await lab.decideHeldCalls({ [call.number]: 'go' });
          expect(payloadOf(message).CommandId).toBe(await sending);
          await replyWith(agent, message!.MessageId, {});
        } finally {
          await lab.releaseChanges();
        }
      });
    });

    async function nodeIds(client: SSMClient, instanceId: string): Promise<string[]> {
      const answer = await client.send(
        new DescribeInstanceInformationCommand({ Filters: [{ Key: 'InstanceIds', Values: [instanceId] }] }),
      );
      return answer.InstanceInformationList!.map((node) => node.InstanceId!);
    }
  });
}
