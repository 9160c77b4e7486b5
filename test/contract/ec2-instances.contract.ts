import {
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeTagsCommand,
  type Instance,
  ModifyInstanceAttributeCommand,
  type ModifyInstanceAttributeCommandInput,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
  waitUntilInstanceTerminated,
} from '@aws-sdk/client-ec2';
import { documented } from './documented';
import { target } from './target';
import { outcome, until } from './waiting';

const launch = async (options: Omit<Partial<RunInstancesCommandInput>, 'ImageId'> = {}): Promise<Instance> => {
  const { member, resources, imageId } = target();
  return resources.instance(member, { ...options, ImageId: await imageId() });
};
const modify = (input: ModifyInstanceAttributeCommandInput) =>
  target().member.ec2.send(new ModifyInstanceAttributeCommand(input));
const terminate = (...InstanceIds: string[]) =>
  target().member.ec2.send(new TerminateInstancesCommand({ InstanceIds }));

describe('EC2 instances', () => {
  documented(
    'Amazon EC2 API Reference: RunInstances',
    'ClientToken: case-sensitive identifier you provide to ensure the idempotency of the request',
    async () => {
      const { member, resources, imageId } = target();
      const ClientToken = resources.name();
      const ImageId = await imageId();
      const first = await launch({ ClientToken });
      const again = (InstanceType: 't3.micro' | 't3.small') =>
        member.ec2.send(
          new RunInstancesCommand({
            ImageId,
            InstanceType,
            MinCount: 1,
            MaxCount: 1,
            ClientToken,
            TagSpecifications: [...resources.tagged('instance'), ...resources.tagged('volume')],
          }),
        );
      expect((await again('t3.micro')).Instances![0]!.InstanceId).toBe(first.InstanceId);
      expect(await outcome(again('t3.small'))).toBe('IdempotentParameterMismatch');
    },
  );

  documented(
    'Amazon EC2 API Reference: RunInstances',
    'MaxCount: if you specify a value that is more capacity than MinCount, EC2 launches the largest possible number of instances above MinCount',
    async () => {
      const { member, resources, imageId } = target();
      const { Instances } = await member.ec2.send(
        new RunInstancesCommand({
          ImageId: await imageId(),
          InstanceType: 't3.micro',
          MinCount: 1,
          MaxCount: 2,
          TagSpecifications: resources.tagged('instance'),
        }),
      );
      for (const { InstanceId } of Instances!) resources.endInstance(member, InstanceId!);
      expect(Instances).toHaveLength(2);
    },
  );

  documented(
    'Amazon EC2 API Reference: RunInstances',
    'TagSpecifications: the tags to apply to the resources that are created during instance launch',
    async () => {
      const { member, resources } = target();
      const instance = await launch();
      expect(instance.Tags).toEqual(resources.tags());
      const volumeId = instance.BlockDeviceMappings![0]!.Ebs!.VolumeId!;
      await until(
        'tags of the volume',
        async () => {
          const found = await member.ec2.send(
            new DescribeTagsCommand({ Filters: [{ Name: 'resource-id', Values: [volumeId] }] }),
          );
          return found.Tags!.map(({ Key, Value }) => ({ Key, Value }));
        },
        (tags) => JSON.stringify(tags) === JSON.stringify(resources.tags()),
      );
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeInstances',
    'if you specify an instance ID that is not valid, an error is returned',
    async () => {
      const { member } = target();
      const describe = (id: string) => outcome(member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] })));
      expect(await describe('i-00000000000000000')).toBe('InvalidInstanceID.NotFound');
    },
  );

  documented(
    'Amazon EC2 API Reference: Error codes',
    'InvalidInstanceID.Malformed: the specified instance ID is malformed; its form is i-xxxxxxxx or i-xxxxxxxxxxxxxxxxx',
    async () => {
      const { member } = target();
      const describe = (id: string) => outcome(member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] })));
      expect(await describe('i-xyz')).toBe('InvalidInstanceID.Malformed');
      expect(await describe('i-00000000')).toBe('InvalidInstanceID.NotFound');
      expect(await outcome(terminate('i-xyz'))).toBe('InvalidInstanceID.Malformed');
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeInstances',
    'if you specify filters, the output includes information for only those instances that meet the filter criteria',
    async () => {
      const { member, resources } = target();
      const { InstanceId } = await launch();
      const Filters = [
        { Name: `tag:${resources.tags()[0]!.Key}`, Values: [resources.prefix] },
        { Name: 'instance-state-name', Values: ['pending', 'running'] },
      ];
      const { Reservations } = await member.ec2.send(new DescribeInstancesCommand({ Filters }));
      const found = Reservations!.flatMap((reservation) => reservation.Instances!);
      expect(found.map((instance) => instance.InstanceId)).toContain(InstanceId);
      for (const { Tags, State } of found) {
        expect(Tags).toEqual(expect.arrayContaining(resources.tags()));
        expect(['pending', 'running']).toContain(State!.Name);
      }
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeInstanceTypes',
    'MemoryInfo.SizeInMiB: the size of the memory, in MiB',
    async () => {
      const { InstanceTypes } = await target().member.ec2.send(
        new DescribeInstanceTypesCommand({ InstanceTypes: ['t3.small'] }),
      );
      expect(InstanceTypes!.map((type) => [type.InstanceType, type.MemoryInfo!.SizeInMiB])).toEqual([
        ['t3.small', 2048],
      ]);
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeInstanceAttribute',
    'describes the specified attribute of the specified instance; you can specify only one attribute at a time',
    async () => {
      const { member } = target();
      const { InstanceId } = await launch();
      const read = (Attribute: 'disableApiTermination' | 'disableApiStop' | 'instanceInitiatedShutdownBehavior') =>
        member.ec2.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute }));
      const termination = await read('disableApiTermination');
      expect(termination.DisableApiTermination!.Value).toBe(false);
      expect(termination.DisableApiStop).toBeUndefined();
      expect((await read('disableApiStop')).DisableApiStop!.Value).toBe(false);
      expect((await read('instanceInitiatedShutdownBehavior')).InstanceInitiatedShutdownBehavior!.Value).toBe('stop');
    },
  );

  documented(
    'Amazon EC2 API Reference: ModifyInstanceAttribute',
    'DisableApiTermination: enable or disable termination protection; when enabled, you cannot terminate the instance using the API',
    async () => {
      const { InstanceId } = await launch({ DisableApiTermination: true });
      expect(await outcome(terminate(InstanceId!))).toBe('OperationNotPermitted');
      await modify({ InstanceId, DisableApiTermination: { Value: false } });
      expect(await outcome(terminate(InstanceId!))).toBe('accepted');
    },
  );

  documented(
    'Amazon EC2 API Reference: ModifyInstanceAttribute',
    'you can specify only one attribute at a time',
    async () => {
      const { InstanceId } = await launch();
      const both = modify({ InstanceId, DisableApiTermination: { Value: true }, DisableApiStop: { Value: true } });
      expect(await outcome(both)).toBe('InvalidParameterCombination');
    },
  );

  documented(
    'Amazon EC2 API Reference: ModifyInstanceAttribute',
    'InstanceInitiatedShutdownBehavior: whether an instance stops or terminates when you initiate shutdown from the instance',
    async () => {
      const { member } = target();
      const { InstanceId } = await launch();
      await modify({ InstanceId, InstanceInitiatedShutdownBehavior: { Value: 'terminate' } });
      const read = new DescribeInstanceAttributeCommand({ InstanceId, Attribute: 'instanceInitiatedShutdownBehavior' });
      await until(
        'the new behaviour',
        async () => (await member.ec2.send(read)).InstanceInitiatedShutdownBehavior!.Value,
        (behaviour) => behaviour === 'terminate',
      );
    },
  );

  documented(
    'Amazon EC2 User Guide: Preserve data when an instance is terminated',
    'to preserve a volume when an instance is terminated, set its DeleteOnTermination attribute to false',
    async () => {
      const { member, resources, zones } = target();
      const { InstanceId, BlockDeviceMappings } = await launch({ Placement: { AvailabilityZone: zones[0] } });
      const root = BlockDeviceMappings![0]!;
      resources.endVolume(member, root.Ebs!.VolumeId!);
      expect(root.Ebs!.DeleteOnTermination).toBe(true);
      await modify({
        InstanceId,
        BlockDeviceMappings: [{ DeviceName: root.DeviceName, Ebs: { DeleteOnTermination: false } }],
      });
      await terminate(InstanceId!);
      await waitUntilInstanceTerminated(
        { client: member.ec2, maxWaitTime: 600, minDelay: 1, maxDelay: 5 },
        { InstanceIds: [InstanceId!] },
      );
      await until(
        'the kept volume',
        async () => (await resources.describedVolume(member, root.Ebs!.VolumeId!)).State,
        (state) => state === 'available',
      );
    },
  );

  documented(
    'Amazon EC2 API Reference: TerminateInstances',
    'this operation is idempotent; if you terminate an instance more than once, each call succeeds',
    async () => {
      const { InstanceId } = await launch();
      expect(await outcome(terminate(InstanceId!))).toBe('accepted');
      expect(await outcome(terminate(InstanceId!))).toBe('accepted');
    },
  );

  documented(
    'Amazon EC2 API Reference: TerminateInstances',
    'if you specify multiple instances and the request fails (for example, because of a single incorrect instance ID), none of the instances are terminated',
    async () => {
      const { member, resources } = target();
      const { InstanceId } = await launch();
      expect(await outcome(terminate(InstanceId!, 'i-00000000000000000'))).toBe('InvalidInstanceID.NotFound');
      expect((await resources.describedInstance(member, InstanceId!)).State!.Name).toBe('running');
    },
  );
});
