import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import {
  CancelCommandCommand,
  DescribeDocumentCommand,
  DescribeInstanceInformationCommand,
  GetCommandInvocationCommand,
  type GetCommandInvocationCommandOutput,
  ListCommandInvocationsCommand,
  ListCommandsCommand,
  ModifyDocumentPermissionCommand,
  SendCommandCommand,
  type SendCommandCommandInput,
} from '@aws-sdk/client-ssm';
import { documented } from './documented';
import { target } from './target';
import { outcome, until, untilAccepted, untilOutcome } from './waiting';

const UNFINISHED = ['Pending', 'InProgress', 'Delayed', 'Cancelling'];

const script = (...runCommand: string[]): object => ({
  schemaVersion: '2.2',
  description: 'contract test',
  mainSteps: [{ action: 'aws:runShellScript', name: 'run', inputs: { runCommand } }],
});

/** Sends a document to the Linux instance; its command id. */
const send = async (DocumentName: string, options: Partial<SendCommandCommandInput> = {}): Promise<string> => {
  const { member, linuxInstance } = target();
  const { Command } = await member.ssm.send(
    new SendCommandCommand({
      DocumentName,
      ...(options.Targets === undefined && { InstanceIds: [await linuxInstance()] }),
      ...options,
    }),
  );
  return Command!.CommandId!;
};
const sendLines = async (...lines: string[]): Promise<string> => {
  const { member, resources } = target();
  return send(await resources.document(member, script(...lines)));
};

/** AWS may not know the invocation for a moment: InvocationDoesNotExist. */
const invocation = async (CommandId: string, PluginName?: string): Promise<GetCommandInvocationCommandOutput> => {
  const { member, linuxInstance } = target();
  const InstanceId = await linuxInstance();
  return untilAccepted(() => member.ssm.send(new GetCommandInvocationCommand({ CommandId, InstanceId, PluginName })));
};
const finished = (commandId: string): Promise<GetCommandInvocationCommandOutput> =>
  until(
    `command ${commandId} to end`,
    () => invocation(commandId),
    ({ Status }) => !UNFINISHED.includes(Status!),
  );

describe('SSM Run Command', () => {
  documented(
    'AWS Systems Manager API Reference: DescribeInstanceInformation',
    'provides information about one or more of your managed nodes, including the operating system platform, SSM Agent version, and IP address',
    async () => {
      const { member, linuxInstance } = target();
      const { InstanceInformationList } = await member.ssm.send(
        new DescribeInstanceInformationCommand({
          Filters: [{ Key: 'InstanceIds', Values: [await linuxInstance()] }],
        }),
      );
      expect(InstanceInformationList).toHaveLength(1);
      const [node] = InstanceInformationList!;
      expect(node).toMatchObject({
        InstanceId: await linuxInstance(),
        PingStatus: 'Online',
        PlatformType: 'Linux',
        ResourceType: 'EC2Instance',
      });
      expect(node!.AgentVersion).toMatch(/^\d+\./);
    },
  );

  documented(
    'AWS Systems Manager API Reference: DescribeInstanceInformation',
    'an instance that no agent has registered, or of another account, is no managed node of yours',
    async () => {
      const { member, forensics, resources, imageId, linuxInstance } = target();
      const { InstanceId } = await resources.instance(member, { ImageId: await imageId() });
      const nodes = async (account: typeof member, id: string) => {
        const { InstanceInformationList } = await account.ssm.send(
          new DescribeInstanceInformationCommand({ Filters: [{ Key: 'InstanceIds', Values: [id] }] }),
        );
        return InstanceInformationList;
      };
      expect(await nodes(member, InstanceId!)).toEqual([]);
      expect(await nodes(forensics, await linuxInstance())).toEqual([]);
    },
  );

  documented(
    'AWS Systems Manager API Reference: SendCommand',
    'runs commands on one or more managed nodes; parameters are the required and optional ones specified in the document being run',
    async () => {
      const { member, resources } = target();
      const name = await resources.document(member, {
        ...script('echo case {{ Case }}', 'echo error >&2'),
        parameters: { Case: { type: 'String', allowedPattern: '^[a-z0-9-]+$' } },
      });
      const result = await finished(await send(name, { Parameters: { Case: ['c-1'] } }));
      expect(result).toMatchObject({
        Status: 'Success',
        StatusDetails: 'Success',
        ResponseCode: 0,
        StandardOutputContent: 'case c-1\n',
        StandardErrorContent: 'error\n',
        DocumentName: name,
      });
      expect(await outcome(send(name))).toBe('InvalidParameters');
      expect(await outcome(send(name, { Parameters: { Case: ['$(id)'] } }))).toBe('InvalidParameters');
      expect(await outcome(send(name, { Parameters: { Case: ['c-1'], Other: ['x'] } }))).toBe('InvalidParameters');
    },
  );

  documented(
    'AWS Systems Manager API Reference: SendCommand',
    'InvalidDocument: the specified SSM document doesn’t exist; InvalidInstanceId: the node isn’t a managed node of this account',
    async () => {
      const { member, resources } = target();
      expect(await outcome(send(resources.name()))).toBe('InvalidDocument');
      const name = await resources.document(member, script('true'));
      expect(await outcome(send(name, { InstanceIds: ['i-00000000000000000'] }))).toBe('InvalidInstanceId');
    },
  );

  documented(
    'AWS Systems Manager API Reference: SendCommand',
    'DocumentHash: the Sha256 or Sha1 hash created by the system when the document was created; DocumentVersion: a number, $LATEST or $DEFAULT',
    async () => {
      const { member, resources } = target();
      const name = await resources.document(member, script('echo pinned'));
      const { Document } = await member.ssm.send(new DescribeDocumentCommand({ Name: name }));
      const pinned = { DocumentHashType: 'Sha256', DocumentVersion: '1' } as const;
      const commandId = await send(name, { ...pinned, DocumentHash: Document!.Hash });
      expect((await finished(commandId)).StandardOutputContent).toBe('pinned\n');
      expect(await outcome(send(name, { ...pinned, DocumentHash: '0'.repeat(64) }))).not.toBe('accepted');
      expect(await outcome(send(name, { DocumentVersion: '9' }))).toBe('InvalidDocumentVersion');
    },
  );

  documented(
    'AWS Systems Manager User Guide: Sharing SSM documents',
    'after a document is shared, the other account runs it by its ARN, on its own managed nodes',
    async () => {
      const { member, forensics, resources, region } = target();
      const name = await resources.document(forensics, script('echo shared'));
      const arn = `arn:aws:ssm:${region}:${forensics.accountId}:document/${name}`;
      expect(await outcome(send(arn))).toMatch(/^(InvalidDocument|AccessDeniedException)$/);
      const permit = (AccountIdsToAdd: string[], AccountIdsToRemove: string[]) =>
        forensics.ssm.send(
          new ModifyDocumentPermissionCommand({
            Name: name,
            PermissionType: 'Share',
            AccountIdsToAdd,
            AccountIdsToRemove,
          }),
        );
      await permit([member.accountId], []);
      resources.later(`sharing of ${name}`, () => permit([], [member.accountId]));
      let commandId = '';
      await untilOutcome('accepted', async () => {
        commandId = await send(arn);
      });
      expect((await finished(commandId)).StandardOutputContent).toBe('shared\n');
    },
  );

  documented(
    'AWS Systems Manager API Reference: SendCommand',
    'Targets: an array of search criteria that targets managed nodes using a Key,Value combination, such as tag:<tag key>',
    async () => {
      const { member, resources, linuxInstance } = target();
      const name = await resources.document(member, script('echo by tag'));
      const Key = `tag:${resources.tags()[0]!.Key}`;
      await linuxInstance();
      const commandId = await send(name, { Targets: [{ Key, Values: [resources.prefix] }] });
      expect((await finished(commandId)).StandardOutputContent).toBe('by tag\n');
    },
  );

  documented(
    'AWS Systems Manager API Reference: SendCommand',
    'OutputS3BucketName, OutputS3KeyPrefix: the S3 bucket, and the directory structure within it, where command execution responses are stored',
    async () => {
      const { member, resources, linuxInstance } = target();
      const name = await resources.document(member, script('echo to the bucket'));
      const OutputS3BucketName = await resources.bucket(member);
      const commandId = await send(name, { OutputS3BucketName, OutputS3KeyPrefix: 'runs' });
      expect((await finished(commandId)).Status).toBe('Success');
      const Prefix = `runs/${commandId}/${await linuxInstance()}/awsrunShellScript/`;
      const key = await until(
        'the output in the bucket',
        async () => {
          const listed = await member.s3.send(new ListObjectsV2Command({ Bucket: OutputS3BucketName, Prefix }));
          return listed.Contents?.find((object) => object.Key!.endsWith('/stdout'))?.Key;
        },
        (found) => found !== undefined,
      );
      const { Body } = await member.s3.send(new GetObjectCommand({ Bucket: OutputS3BucketName, Key: key }));
      expect(await Body!.transformToString()).toBe('to the bucket\n');
    },
  );

  documented(
    'AWS Systems Manager API Reference: GetCommandInvocation',
    'StandardOutputContent: the first 24,000 characters written by the plugin to stdout',
    async () => {
      const commandId = await sendLines('head -c 30000 /dev/zero | tr "\\0" "x"');
      const { StandardOutputContent, Status } = await finished(commandId);
      expect(Status).toBe('Success');
      expect(StandardOutputContent!.length).toBeLessThanOrEqual(24_000);
      expect(StandardOutputContent!.slice(0, 20_000)).toBe('x'.repeat(20_000));
    },
  );

  documented(
    'AWS Systems Manager User Guide: Understanding command statuses',
    'Failed: the command wasn’t successful on the managed node; for a plugin, this indicates that the result code wasn’t zero',
    async () => {
      const commandId = await sendLines('echo broken >&2', 'exit 3');
      const failed = await finished(commandId);
      expect(failed).toMatchObject({ Status: 'Failed', StatusDetails: 'Failed', ResponseCode: 3 });
      expect(failed.StandardErrorContent).toContain('broken');
    },
  );

  documented(
    'AWS Systems Manager API Reference: GetCommandInvocation',
    'PluginName: if the document contains more than one step, you must specify the name of the step for which you want to view details',
    async () => {
      const { member, resources, linuxInstance } = target();
      const step = (name: string) => ({
        action: 'aws:runShellScript',
        name,
        inputs: { runCommand: [`echo from ${name}`] },
      });
      const name = await resources.document(member, {
        schemaVersion: '2.2',
        description: 'two steps',
        mainSteps: [step('first'), step('second')],
      });
      const CommandId = await send(name);
      await finished(CommandId);
      for (const plugin of ['first', 'second']) {
        const { StandardOutputContent, PluginName } = await invocation(CommandId, plugin);
        expect([PluginName, StandardOutputContent]).toEqual([plugin, `from ${plugin}\n`]);
      }
      const InstanceId = await linuxInstance();
      const other = new GetCommandInvocationCommand({ CommandId, InstanceId, PluginName: 'third' });
      expect(await outcome(member.ssm.send(other))).toBe('InvalidPluginName');
    },
  );

  documented(
    'AWS Systems Manager API Reference: GetCommandInvocation',
    'InvocationDoesNotExist: the command ID and managed node ID you specified didn’t match any invocations',
    async () => {
      const { member } = target();
      const CommandId = await sendLines('true');
      await finished(CommandId);
      const elsewhere = new GetCommandInvocationCommand({ CommandId, InstanceId: 'i-00000000000000000' });
      expect(await outcome(member.ssm.send(elsewhere))).toBe('InvocationDoesNotExist');
    },
  );

  documented(
    'AWS Systems Manager API Reference: ListCommands',
    'lists the commands requested by users of the account; InvokedAfter and InstanceId limit them; Comment is the user-specified information about the command',
    async () => {
      const { member, forensics, resources, linuxInstance } = target();
      const InstanceId = await linuxInstance();
      const name = await resources.document(member, script('true'));
      const Comment = `operation of ${name}`;
      const commandId = await send(name, { Comment });
      await finished(commandId);
      const list = async (account: typeof member, after: Date) => {
        const { Commands } = await account.ssm.send(
          new ListCommandsCommand({
            ...(account === member && { InstanceId }),
            Filters: [{ key: 'InvokedAfter', value: after.toISOString().replace(/\.\d+Z$/, 'Z') }],
          }),
        );
        return Commands!.filter((command) => command.Comment === Comment).map((command) => command.CommandId);
      };
      const anHourAgo = new Date(Date.now() - 3_600_000);
      await until(
        'the command to be listed',
        () => list(member, anHourAgo),
        (found) => found.join() === commandId,
      );
      expect(await list(member, new Date(Date.now() + 3_600_000))).toEqual([]);
      expect(await list(forensics, anHourAgo)).toEqual([]);
    },
  );

  documented(
    'AWS Systems Manager API Reference: ListCommandInvocations',
    'a command invocation applies to one managed node; Details: if set this returns the response of the command executions',
    async () => {
      const { member, linuxInstance } = target();
      const CommandId = await sendLines('echo details');
      await finished(CommandId);
      const listed = async (Details: boolean) => {
        const answer = await member.ssm.send(new ListCommandInvocationsCommand({ CommandId, Details }));
        return answer.CommandInvocations!;
      };
      const [one] = await listed(true);
      expect(one).toMatchObject({ InstanceId: await linuxInstance(), Status: 'Success' });
      expect(one!.CommandPlugins).toMatchObject([{ Name: 'run', ResponseCode: 0, Output: 'details\n' }]);
      expect((await listed(false))[0]!.CommandPlugins).toEqual([]);
    },
  );

  documented(
    'AWS Systems Manager API Reference: CancelCommand',
    'attempts to cancel the command specified by the Command ID',
    async () => {
      const { member } = target();
      const CommandId = await sendLines('echo started', 'sleep 600');
      await until(
        'the command to run',
        () => invocation(CommandId),
        ({ Status }) => Status === 'InProgress',
      );
      await member.ssm.send(new CancelCommandCommand({ CommandId }));
      expect(await finished(CommandId)).toMatchObject({ Status: 'Cancelled', StatusDetails: 'Cancelled' });
    },
  );

  documented(
    'AWS Systems Manager API Reference: CancelCommand',
    'InvalidCommandId: the specified command ID isn’t valid',
    async () => {
      const { member, forensics } = target();
      const CommandId = await sendLines('true');
      await finished(CommandId);
      const cancel = (account: typeof member, id: string) =>
        outcome(account.ssm.send(new CancelCommandCommand({ CommandId: id })));
      expect(await cancel(member, '00000000-0000-0000-0000-000000000000')).toBe('InvalidCommandId');
      expect(await cancel(forensics, CommandId)).toBe('InvalidCommandId');
    },
  );
});
