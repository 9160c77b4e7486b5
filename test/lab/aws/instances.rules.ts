import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  AttachNetworkInterfaceCommand,
  AttachVolumeCommand,
  CreateNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateSnapshotsCommand,
  CreateTagsCommand,
  CreateVolumeCommand,
  CreateVpcCommand,
  DeleteVolumeCommand,
  DescribeIamInstanceProfileAssociationsCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSnapshotsCommand,
  DescribeTagsCommand,
  DescribeVolumesCommand,
  DetachVolumeCommand,
  type Instance,
  ModifyInstanceAttributeCommand,
  ModifyNetworkInterfaceAttributeCommand,
  RegisterImageCommand,
  ReplaceIamInstanceProfileAssociationCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { AddRoleToInstanceProfileCommand, CreateInstanceProfileCommand, CreateRoleCommand } from '@aws-sdk/client-iam';
import { type AccountClients, type EmulatedAws, eventually, refusal, sharedEmulatedAws } from './emulated-aws';

const ZONE = 'us-east-1a';
let aws: EmulatedAws;
let member: AccountClients;
let imageId: string;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ member } = aws);
  const image = await member.ec2.send(
    new RegisterImageCommand({
      Name: 'suspect',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 4 } }],
      TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'lab:kind', Value: 'sandbox' }] }],
    }),
  );
  imageId = image.ImageId!;
});

it('InsufficientFreeAddressesInSubnet: a subnet of 16 addresses has 11 to give (VPC User Guide, "Subnet sizing")', async () => {
  const { Vpc } = await member.ec2.send(new CreateVpcCommand({ CidrBlock: '10.8.0.0/16' }));
  const small = { VpcId: Vpc!.VpcId, CidrBlock: '10.8.1.0/28', AvailabilityZone: ZONE };
  const { Subnet } = await member.ec2.send(new CreateSubnetCommand(small));
  const SubnetId = Subnet!.SubnetId!;
  const { InstanceId } = await run({ SubnetId, MinCount: 11, MaxCount: 11 });
  expect(await refusal(run({ SubnetId }))).toBe('InsufficientFreeAddressesInSubnet');
  await member.ec2.send(new TerminateInstancesCommand({ InstanceIds: [InstanceId!] }));
});

async function run(options: Partial<RunInstancesCommandInput> = {}): Promise<Instance> {
  const { Instances } = await member.ec2.send(
    new RunInstancesCommand({
      ImageId: imageId,
      InstanceType: 't3.small',
      MinCount: 1,
      MaxCount: 1,
      Placement: { AvailabilityZone: ZONE },
      ...options,
    }),
  );
  return described(Instances![0]!.InstanceId!);
}

async function described(id: string): Promise<Instance> {
  const { Reservations } = await member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations![0]!.Instances![0]!;
}

async function volume(options: { size?: number; zone?: string } = {}): Promise<string> {
  const made = await member.ec2.send(
    new CreateVolumeCommand({ AvailabilityZone: options.zone ?? ZONE, Size: options.size ?? 1 }),
  );
  return made.VolumeId!;
}

const attach = (InstanceId: string, VolumeId: string, Device: string) =>
  member.ec2.send(new AttachVolumeCommand({ InstanceId, VolumeId, Device }));
const terminate = (...InstanceIds: string[]) => member.ec2.send(new TerminateInstancesCommand({ InstanceIds }));
const modify = (input: ConstructorParameters<typeof ModifyInstanceAttributeCommand>[0]) =>
  member.ec2.send(new ModifyInstanceAttributeCommand(input));

describe('launching', () => {
  it('RunInstances with the same ClientToken launches once; with other parameters it is a mismatch', async () => {
    const ClientToken = 'case-1-forensic-instance';
    const [first, second] = [await run({ ClientToken }), await run({ ClientToken })];
    expect(second.InstanceId).toBe(first.InstanceId);
    expect(await refusal(run({ ClientToken, InstanceType: 't3.large' }))).toBe('IdempotentParameterMismatch');
    expect((await run()).InstanceId).not.toBe(first.InstanceId);
  });

  it('an image that is not there is refused', async () => {
    expect(await refusal(run({ ImageId: 'ami-00000000' }))).toBe('InvalidAMIID.NotFound');
  });

  it('tags of instance and volume, the profile, and protections of the request are there at once', async () => {
    const AssumeRolePolicyDocument = JSON.stringify({
      Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
    });
    await member.iam.send(new CreateRoleCommand({ RoleName: 'app', AssumeRolePolicyDocument }));
    for (const InstanceProfileName of ['app', 'isolated']) {
      await member.iam.send(new CreateInstanceProfileCommand({ InstanceProfileName }));
    }
    await member.iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'app', RoleName: 'app' }));
    const instance = await run({
      IamInstanceProfile: { Name: 'app' },
      DisableApiTermination: true,
      TagSpecifications: [
        { ResourceType: 'instance', Tags: [{ Key: 'app', Value: 'shop' }] },
        { ResourceType: 'volume', Tags: [{ Key: 'disk', Value: 'root' }] },
      ],
    });
    expect(instance.Tags).toEqual([{ Key: 'app', Value: 'shop' }]);
    expect(instance.IamInstanceProfile!.Arn).toMatch(/instance-profile\/app$/);
    const { Tags } = await member.ec2.send(
      new DescribeTagsCommand({
        Filters: [{ Name: 'resource-id', Values: [instance.BlockDeviceMappings![0]!.Ebs!.VolumeId!] }],
      }),
    );
    expect(Tags).toMatchObject([{ Key: 'disk', Value: 'root', ResourceType: 'volume' }]);
    expect(await refusal(terminate(instance.InstanceId!))).toBe('OperationNotPermitted');

    const associations = await member.ec2.send(
      new DescribeIamInstanceProfileAssociationsCommand({
        Filters: [{ Name: 'instance-id', Values: [instance.InstanceId!] }],
      }),
    );
    await member.ec2.send(
      new ReplaceIamInstanceProfileAssociationCommand({
        AssociationId: associations.IamInstanceProfileAssociations![0]!.AssociationId,
        IamInstanceProfile: { Name: 'isolated' },
      }),
    );
    expect((await described(instance.InstanceId!)).IamInstanceProfile!.Arn).toMatch(/instance-profile\/isolated$/);
  });

  it('disks come from the image, each replaced or joined by those of the request', async () => {
    const plain = await run();
    expect(plain.BlockDeviceMappings).toMatchObject([
      { DeviceName: '/dev/xvda', Ebs: { DeleteOnTermination: true, Status: 'attached' } },
    ]);
    const withData = await run({
      BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 2, Encrypted: true } }],
    });
    const ids = withData.BlockDeviceMappings!.map((mapping) => mapping.Ebs!.VolumeId!);
    expect(withData.BlockDeviceMappings!.map((mapping) => mapping.DeviceName)).toEqual(['/dev/xvda', '/dev/sdf']);
    const { Volumes } = await member.ec2.send(new DescribeVolumesCommand({ VolumeIds: ids }));
    expect(Volumes!.map((one) => [one.Size, one.Encrypted])).toEqual([
      [4, false],
      [2, true],
    ]);
    for (const id of ids) expect(existsSync(path.join(aws.dataFolder, 'volumes', `${id}.img`))).toBe(true);
  });

  it('DescribeInstanceTypes tells the memory', async () => {
    const { InstanceTypes } = await member.ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: ['t3.small'] }));
    expect(InstanceTypes![0]!.MemoryInfo!.SizeInMiB).toBe(2048);
  });
});

describe('protections', () => {
  it('termination and stop protection and shutdown behaviour are read and set one by one', async () => {
    const { InstanceId } = await run();
    const read = async (Attribute: 'disableApiTermination' | 'disableApiStop' | 'instanceInitiatedShutdownBehavior') =>
      member.ec2.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute }));
    const groups = (await described(InstanceId!)).SecurityGroups;
    expect((await read('disableApiTermination')).DisableApiTermination!.Value).toBe(false);
    expect((await read('disableApiStop')).DisableApiStop!.Value).toBe(false);
    await modify({ InstanceId, DisableApiTermination: { Value: true } });
    await modify({ InstanceId, DisableApiStop: { Value: true } });
    await modify({ InstanceId, InstanceInitiatedShutdownBehavior: { Value: 'terminate' } });
    expect((await read('disableApiTermination')).DisableApiTermination!.Value).toBe(true);
    expect((await read('disableApiStop')).DisableApiStop!.Value).toBe(true);
    expect((await read('instanceInitiatedShutdownBehavior')).InstanceInitiatedShutdownBehavior!.Value).toBe(
      'terminate',
    );
    expect((await described(InstanceId!)).SecurityGroups).toEqual(groups);
    expect(await refusal(member.ec2.send(new StopInstancesCommand({ InstanceIds: [InstanceId!] })))).toBe(
      'OperationNotPermitted',
    );
    const other = await run();
    expect(await refusal(terminate(other.InstanceId!, InstanceId!))).toBe('OperationNotPermitted');
    expect((await described(other.InstanceId!)).State!.Name).toBe('running');
    await modify({ InstanceId, DisableApiTermination: { Value: false } });
    await terminate(InstanceId!);
    expect((await described(InstanceId!)).State!.Name).toBe('terminated');
  });

  it('termination deletes the volumes marked DeleteOnTermination and keeps the others, detached', async () => {
    const instance = await run({
      BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1, DeleteOnTermination: true } }],
    });
    const [root, data] = instance.BlockDeviceMappings!.map((mapping) => mapping.Ebs!.VolumeId!);
    await modify({
      InstanceId: instance.InstanceId,
      BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs: { DeleteOnTermination: false } }],
    });
    await terminate(instance.InstanceId!);
    await terminate(instance.InstanceId!); // terminating again is no error
    const find = (id: string) => member.ec2.send(new DescribeVolumesCommand({ VolumeIds: [id] }));
    expect(await refusal(find(root!))).toBe('InvalidVolume.NotFound');
    expect((await find(data!)).Volumes![0]!.State).toBe('available');
    const gone = await described(instance.InstanceId!);
    expect(gone.State!.Name).toBe('terminated');
    const { NetworkInterfaces } = await member.ec2.send(
      new DescribeNetworkInterfacesCommand({
        Filters: [{ Name: 'attachment.instance-id', Values: [instance.InstanceId!] }],
      }),
    );
    expect(NetworkInterfaces).toEqual([]);
  });

  it('a stopped instance starts again, a terminated one does not', async () => {
    const { InstanceId } = await run();
    const ids = { InstanceIds: [InstanceId!] };
    await member.ec2.send(new StopInstancesCommand(ids));
    expect((await described(InstanceId!)).State!.Name).toBe('stopped');
    await member.ec2.send(new StartInstancesCommand(ids));
    expect((await described(InstanceId!)).State!.Name).toBe('running');
    await terminate(InstanceId!);
    expect(await refusal(member.ec2.send(new StartInstancesCommand(ids)))).toBe('IncorrectInstanceState');
  });
});

describe('volumes', () => {
  it('CreateVolume is idempotent by ClientToken', async () => {
    const make = (Size: number) =>
      member.ec2.send(new CreateVolumeCommand({ AvailabilityZone: ZONE, Size, ClientToken: 'case-1-volume' }));
    const [first, second] = [await make(1), await make(1)];
    expect(second.VolumeId).toBe(first.VolumeId);
    expect(await refusal(make(2))).toBe('IdempotentParameterMismatch');
  });

  it('a volume attaches once, in its zone, to a free device, and only to an instance that is there', async () => {
    const [one, two] = [(await run()).InstanceId!, (await run()).InstanceId!];
    const [id, other] = [await volume(), await volume()];
    await attach(one, id, '/dev/sdf');
    expect(await refusal(attach(two, id, '/dev/sdf'))).toBe('VolumeInUse');
    expect(await refusal(attach(one, other, '/dev/sdf'))).toBe('InvalidParameterValue');
    expect(await refusal(attach(one, await volume({ zone: 'us-east-1b' }), '/dev/sdg'))).toBe(
      'InvalidVolume.ZoneMismatch',
    );
    expect(await refusal(member.ec2.send(new DeleteVolumeCommand({ VolumeId: id })))).toBe('VolumeInUse');
    await terminate(two);
    expect(await refusal(attach(two, other, '/dev/sdf'))).toBe('IncorrectState');
    const { Volumes } = await member.ec2.send(new DescribeVolumesCommand({ VolumeIds: [id] }));
    expect(Volumes![0]).toMatchObject({ State: 'in-use', Attachments: [{ InstanceId: one, State: 'attached' }] });
  });

  it('DetachVolume needs no InstanceId, and refuses a volume that is not attached', async () => {
    const { InstanceId } = await run();
    const id = await volume();
    await attach(InstanceId!, id, '/dev/sdf');
    const detach = () => member.ec2.send(new DetachVolumeCommand({ VolumeId: id }));
    expect((await detach()).InstanceId).toBe(InstanceId);
    expect(await refusal(detach())).toBe('IncorrectState');
    await member.ec2.send(new DeleteVolumeCommand({ VolumeId: id }));
    expect(existsSync(path.join(aws.dataFolder, 'volumes', `${id}.img`))).toBe(false);
  });

  it('CreateSnapshots takes all volumes but those left out, with the tags of volume and request', async () => {
    const instance = await run({
      BlockDeviceMappings: [
        { DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1 } },
        { DeviceName: '/dev/sdg', Ebs: { VolumeSize: 1 } },
      ],
    });
    const ids = instance.BlockDeviceMappings!.map((mapping) => mapping.Ebs!.VolumeId!);
    await member.ec2.send(new CreateTagsCommand({ Resources: [ids[1]!], Tags: [{ Key: 'disk', Value: 'data' }] }));
    const { Snapshots } = await member.ec2.send(
      new CreateSnapshotsCommand({
        InstanceSpecification: {
          InstanceId: instance.InstanceId!,
          ExcludeBootVolume: true,
          ExcludeDataVolumeIds: [ids[2]!],
        },
        CopyTagsFromSource: 'volume',
        TagSpecifications: [{ ResourceType: 'snapshot', Tags: [{ Key: 'case', Value: 'c-1' }] }],
      }),
    );
    expect(Snapshots!.map((one) => one.VolumeId)).toEqual([ids[1]]);
    expect(Snapshots![0]!.Tags).toEqual(
      expect.arrayContaining([
        { Key: 'case', Value: 'c-1' },
        { Key: 'disk', Value: 'data' },
      ]),
    );
  });

  it('the snapshot of one volume among those of CreateSnapshots can be made to fail', async () => {
    const instance = await run({ BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1 } }] });
    const bad = instance.BlockDeviceMappings![1]!.Ebs!.VolumeId!;
    await aws.lab.setFaults([{ action: 'CreateSnapshots', outcome: 'error', message: 'no', match: { VolumeId: bad } }]);
    const { Snapshots } = await member.ec2.send(
      new CreateSnapshotsCommand({ InstanceSpecification: { InstanceId: instance.InstanceId! } }),
    );
    const SnapshotIds = Snapshots!.map((one) => one.SnapshotId!);
    const found = await eventually(
      async () => (await member.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds }))).Snapshots!,
      (all) => all.every((one) => one.State !== 'pending'),
    );
    const states = found.map((one) => [one.VolumeId === bad ? 'bad' : 'good', one.State]);
    expect(Object.fromEntries(states)).toEqual({ good: 'completed', bad: 'error' });
  });
});

describe('network interfaces', () => {
  async function group(name: string, vpc: string): Promise<string> {
    const made = await member.ec2.send(
      new CreateSecurityGroupCommand({ GroupName: name, Description: name, VpcId: vpc }),
    );
    return made.GroupId!;
  }
  async function groupsOf(interfaceId: string): Promise<string[]> {
    const found = await member.ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [interfaceId] }));
    return found.NetworkInterfaces![0]!.Groups!.map((one) => one.GroupId!);
  }

  it('each interface has its own groups; the instance shows those of its primary one', async () => {
    const instance = await run();
    const primary = instance.NetworkInterfaces![0]!;
    const [app, isolation] = [await group('app', instance.VpcId!), await group('isolation', instance.VpcId!)];
    const second = await member.ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: primary.SubnetId, Groups: [app] }),
    );
    const secondId = second.NetworkInterface!.NetworkInterfaceId!;
    await modify({ InstanceId: instance.InstanceId, Groups: [app] });
    expect(await groupsOf(primary.NetworkInterfaceId!)).toEqual([app]);
    await member.ec2.send(
      new AttachNetworkInterfaceCommand({
        InstanceId: instance.InstanceId,
        NetworkInterfaceId: secondId,
        DeviceIndex: 1,
      }),
    );
    expect(await refusal(modify({ InstanceId: instance.InstanceId, Groups: [app] }))).toBe('InvalidInstanceID');
    await member.ec2.send(
      new ModifyNetworkInterfaceAttributeCommand({
        NetworkInterfaceId: primary.NetworkInterfaceId,
        Groups: [isolation],
      }),
    );
    expect(await groupsOf(primary.NetworkInterfaceId!)).toEqual([isolation]);
    expect(await groupsOf(secondId)).toEqual([app]);
    const now = await described(instance.InstanceId!);
    expect(now.SecurityGroups!.map((one) => one.GroupId)).toEqual([isolation]);
    expect(now.NetworkInterfaces!.map((one) => one.Groups!.map((each) => each.GroupId))).toEqual([[isolation], [app]]);
    const missing = new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: secondId, Groups: ['sg-0bad'] });
    expect(await refusal(member.ec2.send(missing))).toBe('InvalidGroup.NotFound');
  });
});

describe('the list of instances for the instance host', () => {
  it('names kind (instance before image), volumes and interfaces of every account', async () => {
    const kind = (Value: string) => [{ ResourceType: 'instance' as const, Tags: [{ Key: 'lab:kind', Value }] }];
    const byImage = await run();
    const byTag = await run({ TagSpecifications: kind('guest') });
    const instances = await aws.lab.instances();
    const find = (id: string) => instances.find((one) => one.instanceId === id);
    expect(find(byImage.InstanceId!)).toMatchObject({
      accountId: member.accountId,
      region: 'us-east-1',
      state: 'running',
      imageId,
      kind: 'sandbox',
      availabilityZone: ZONE,
      volumes: [{ device: '/dev/xvda', sizeGiB: 4, readOnlyHint: false }],
      networkInterfaces: [{ groups: byImage.SecurityGroups!.map((one) => one.GroupId) }],
    });
    expect(find(byTag.InstanceId!)).toMatchObject({ kind: 'guest', tags: { 'lab:kind': 'guest' } });
  });
});
