import {
  AssignIpv6AddressesCommand,
  AssociateAddressCommand,
  AllocateAddressCommand,
  AssociateIamInstanceProfileCommand,
  CreateNetworkAclCommand,
  CreateNetworkAclEntryCommand,
  CreateNetworkInterfaceCommand,
  CreateSubnetCommand,
  CreateTagsCommand,
  CreateVpcCommand,
  DeleteNetworkAclCommand,
  DeleteNetworkInterfaceCommand,
  DeleteSubnetCommand,
  DeleteTagsCommand,
  DeleteVpcCommand,
  DescribeIamInstanceProfileAssociationsCommand,
  DescribeNetworkAclsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeTagsCommand,
  DescribeVpcsCommand,
  DisassociateAddressCommand,
  ModifyInstanceAttributeCommand,
  ModifyInstanceMetadataOptionsCommand,
  ModifyNetworkInterfaceAttributeCommand,
  ReleaseAddressCommand,
  ReplaceIamInstanceProfileAssociationCommand,
  ReplaceNetworkAclAssociationCommand,
  StartInstancesCommand,
  StopInstancesCommand,
} from '@aws-sdk/client-ec2';
import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  DeleteInstanceProfileCommand,
  DeleteRolePolicyCommand,
  GetInstanceProfileCommand,
  GetRolePolicyCommand,
  ListInstanceProfilesForRoleCommand,
  PutRolePolicyCommand,
  RemoveRoleFromInstanceProfileCommand,
} from '@aws-sdk/client-iam';
import { revocationPolicy } from '../../domain/containment';
import { documented } from './documented';
import { type PolicyStatement } from './resources';
import { target } from './target';
import { outcome, until, untilAccepted } from './waiting';

const FOR_INSTANCES: PolicyStatement = {
  Effect: 'Allow',
  Principal: { Service: 'ec2.amazonaws.com' },
  Action: 'sts:AssumeRole',
};

const launch = async () => {
  const { member, resources, imageId } = target();
  return resources.instance(member, { ImageId: await imageId() });
};

/** A role for instances, and a profile with it. */
const profile = async (): Promise<{ name: string; roleName: string; arn: string }> => {
  const { member, resources } = target();
  const { name: roleName } = await resources.role(member, { trust: FOR_INSTANCES });
  const InstanceProfileName = resources.name();
  const { InstanceProfile } = await member.iam.send(new CreateInstanceProfileCommand({ InstanceProfileName }));
  resources.later(`instance profile ${InstanceProfileName}`, async () => {
    await member.iam
      .send(new RemoveRoleFromInstanceProfileCommand({ InstanceProfileName, RoleName: roleName }))
      .catch(() => undefined);
    await member.iam.send(new DeleteInstanceProfileCommand({ InstanceProfileName }));
  });
  await member.iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName, RoleName: roleName }));
  return { name: InstanceProfileName, roleName, arn: InstanceProfile!.Arn! };
};

const associationsOf = async (instanceId: string) => {
  const { IamInstanceProfileAssociations } = await target().member.ec2.send(
    new DescribeIamInstanceProfileAssociationsCommand({
      Filters: [
        { Name: 'instance-id', Values: [instanceId] },
        { Name: 'state', Values: ['associating', 'associated'] },
      ],
    }),
  );
  return IamInstanceProfileAssociations ?? [];
};

/** An instance with a profile. */
const launchWithProfile = async () => {
  const { member } = target();
  const [{ InstanceId }, { arn }] = [await launch(), await profile()];
  // A new profile is known to EC2 some seconds after IAM made it.
  await untilAccepted(() =>
    member.ec2.send(new AssociateIamInstanceProfileCommand({ InstanceId, IamInstanceProfile: { Arn: arn } })),
  );
  return { InstanceId: InstanceId!, arn };
};

/** A VPC with one subnet, of both address families. */
const subnet = async (): Promise<{ VpcId: string; SubnetId: string; ipv6Prefix: string }> => {
  const { member, resources } = target();
  const { Vpc } = await member.ec2.send(
    new CreateVpcCommand({
      CidrBlock: '10.97.0.0/24',
      AmazonProvidedIpv6CidrBlock: true,
      TagSpecifications: resources.tagged('vpc'),
    }),
  );
  const VpcId = Vpc!.VpcId!;
  resources.later(`VPC ${VpcId}`, () => member.ec2.send(new DeleteVpcCommand({ VpcId })));
  const range = await until(
    'the IPv6 range of the VPC',
    async () =>
      (await member.ec2.send(new DescribeVpcsCommand({ VpcIds: [VpcId] }))).Vpcs![0]!.Ipv6CidrBlockAssociationSet?.[0],
    (association) => association?.Ipv6CidrBlockState?.State === 'associated',
  );
  const Ipv6CidrBlock = range!.Ipv6CidrBlock!.replace(/\/56$/, '/64');
  const { Subnet } = await member.ec2.send(
    new CreateSubnetCommand({
      VpcId,
      CidrBlock: '10.97.0.0/25',
      Ipv6CidrBlock,
      TagSpecifications: resources.tagged('subnet'),
    }),
  );
  const SubnetId = Subnet!.SubnetId!;
  resources.later(`subnet ${SubnetId}`, () => member.ec2.send(new DeleteSubnetCommand({ SubnetId })));
  return { VpcId, SubnetId, ipv6Prefix: Ipv6CidrBlock.replace('/64', '') };
};

const networkInterface = async (SubnetId: string): Promise<string> => {
  const { member, resources } = target();
  const { NetworkInterface } = await member.ec2.send(
    new CreateNetworkInterfaceCommand({ SubnetId, TagSpecifications: resources.tagged('network-interface') }),
  );
  const { NetworkInterfaceId } = NetworkInterface!;
  resources.later(`network interface ${NetworkInterfaceId!}`, () =>
    member.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId })),
  );
  return NetworkInterfaceId!;
};
const described = async (id: string) =>
  (await target().member.ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] })))
    .NetworkInterfaces![0]!;

describe('the identity of an instance', () => {
  documented(
    'Amazon EC2 API Reference: DescribeIamInstanceProfileAssociations',
    'filters by instance-id and state; an association names its instance and the profile’s ARN',
    async () => {
      const { InstanceId, arn } = await launchWithProfile();
      const [association] = await until(
        'the association',
        () => associationsOf(InstanceId),
        ([one]) => one !== undefined,
      );
      expect(association).toMatchObject({ InstanceId, IamInstanceProfile: { Arn: arn } });
    },
  );

  documented(
    'Amazon EC2 API Reference: ReplaceIamInstanceProfileAssociation',
    'replaces an IAM instance profile for the specified running instance; it does not have to be disassociated first',
    async () => {
      const { member } = target();
      const { InstanceId } = await launchWithProfile();
      const other = await profile();
      const [association] = await associationsOf(InstanceId);
      await untilAccepted(() =>
        member.ec2.send(
          new ReplaceIamInstanceProfileAssociationCommand({
            AssociationId: association!.AssociationId,
            IamInstanceProfile: { Name: other.name },
          }),
        ),
      );
      const arn = async () => (await associationsOf(InstanceId))[0]?.IamInstanceProfile?.Arn;
      await until('the other profile', arn, (shown) => shown === other.arn);
    },
  );

  documented(
    'IAM API Reference: CreateInstanceProfile',
    'EntityAlreadyExists: it attempted to create a resource that already exists',
    async () => {
      const { name: InstanceProfileName } = await profile();
      const again = target().member.iam.send(new CreateInstanceProfileCommand({ InstanceProfileName }));
      expect(await outcome(again)).toBe('EntityAlreadyExistsException');
    },
  );

  documented(
    'IAM API Reference: AddRoleToInstanceProfile',
    'an instance profile can contain only one role, and this quota cannot be increased',
    async () => {
      const { name: InstanceProfileName, roleName: RoleName } = await profile();
      const again = target().member.iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName, RoleName }));
      expect(await outcome(again)).toBe('LimitExceededException');
    },
  );

  documented(
    'IAM API Reference: GetInstanceProfile',
    'retrieves the profile with its role and, URL-encoded, the role’s trust policy',
    async () => {
      const { name: InstanceProfileName, roleName } = await profile();
      const { InstanceProfile } = await target().member.iam.send(
        new GetInstanceProfileCommand({ InstanceProfileName }),
      );
      const [role] = InstanceProfile!.Roles!;
      expect(role).toMatchObject({ RoleName: roleName });
      expect(JSON.parse(decodeURIComponent(role!.AssumeRolePolicyDocument!))).toMatchObject({
        Statement: [{ Principal: { Service: 'ec2.amazonaws.com' } }],
      });
    },
  );

  documented(
    'IAM API Reference: ListInstanceProfilesForRole',
    'lists the instance profiles that have the specified associated IAM role',
    async () => {
      const { arn, roleName: RoleName } = await profile();
      const { InstanceProfiles } = await target().member.iam.send(new ListInstanceProfilesForRoleCommand({ RoleName }));
      expect(InstanceProfiles!.map(({ Arn }) => Arn)).toEqual([arn]);
    },
  );

  documented(
    'IAM API Reference: GetRolePolicy',
    'policies returned by this operation are URL-encoded; NoSuchEntity where there is none of the name',
    async () => {
      const { member, resources } = target();
      const { name: RoleName } = await resources.role(member, { trust: FOR_INSTANCES });
      const get = () => member.iam.send(new GetRolePolicyCommand({ RoleName, PolicyName: 'contract' }));
      expect(await outcome(get())).toBe('NoSuchEntityException');
      const document = revocationPolicy('2026-01-01T00:00:00Z', 'arn:aws:ec2:us-east-1:111122223333:instance/i-1');
      await member.iam.send(
        new PutRolePolicyCommand({ RoleName, PolicyName: 'contract', PolicyDocument: JSON.stringify(document) }),
      );
      const { PolicyDocument } = await untilAccepted(get);
      expect(JSON.parse(decodeURIComponent(PolicyDocument!))).toEqual(document);
    },
  );

  documented(
    'IAM API Reference: DeleteRolePolicy',
    'deletes the specified inline policy that is embedded in the specified role',
    async () => {
      const { member, resources } = target();
      const { name: RoleName } = await resources.role(member, {
        trust: FOR_INSTANCES,
        policy: [{ Effect: 'Deny', Action: '*', Resource: '*' }],
      });
      await member.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: 'contract' }));
      await until(
        'the policy to be gone',
        () => outcome(member.iam.send(new GetRolePolicyCommand({ RoleName, PolicyName: 'contract' }))),
        (name) => name === 'NoSuchEntityException',
      );
    },
  );
});

describe('what containment changes at an instance', () => {
  documented(
    'Amazon EC2 API Reference: AssociateAddress',
    'gives an allocated address to a network interface; one that another interface has is refused unless reassociation is allowed',
    async () => {
      const { member, resources } = target();
      const [one, other] = [await launch(), await launch()];
      const { AllocationId } = await member.ec2.send(
        new AllocateAddressCommand({ Domain: 'vpc', TagSpecifications: resources.tagged('elastic-ip') }),
      );
      resources.later(`address ${AllocationId!}`, () => member.ec2.send(new ReleaseAddressCommand({ AllocationId })));
      const associate = (instance: typeof one) =>
        member.ec2.send(
          new AssociateAddressCommand({
            AllocationId,
            NetworkInterfaceId: instance.NetworkInterfaces![0]!.NetworkInterfaceId,
            AllowReassociation: false,
          }),
        );
      const { AssociationId } = await associate(one);
      expect(await outcome(associate(other))).toBe('Resource.AlreadyAssociated');
      await member.ec2.send(new DisassociateAddressCommand({ AssociationId }));
    },
  );

  documented(
    'Amazon EC2 API Reference: AssignIpv6Addresses',
    'Ipv6Addresses: the IPv6 addresses to be assigned to the network interface',
    async () => {
      const { SubnetId, ipv6Prefix } = await subnet();
      const NetworkInterfaceId = await networkInterface(SubnetId);
      const address = `${ipv6Prefix}7`;
      await target().member.ec2.send(new AssignIpv6AddressesCommand({ NetworkInterfaceId, Ipv6Addresses: [address] }));
      await until(
        'the address',
        async () => (await described(NetworkInterfaceId)).Ipv6Addresses?.length,
        (count) => count === 1,
      );
    },
  );

  documented(
    'Amazon EC2 API Reference: ModifyNetworkInterfaceAttribute',
    'ConnectionTrackingSpecification: TcpEstablishedTimeout from 60 to 432000 seconds',
    async () => {
      const { SubnetId } = await subnet();
      const NetworkInterfaceId = await networkInterface(SubnetId);
      const set = (TcpEstablishedTimeout: number) =>
        target().member.ec2.send(
          new ModifyNetworkInterfaceAttributeCommand({
            NetworkInterfaceId,
            ConnectionTrackingSpecification: { TcpEstablishedTimeout },
          }),
        );
      expect(await outcome(set(59))).not.toBe('accepted');
      await set(60);
      await until(
        'the timeout',
        async () => (await described(NetworkInterfaceId)).ConnectionTrackingConfiguration?.TcpEstablishedTimeout,
        (seconds) => seconds === 60,
      );
    },
  );

  documented(
    'Amazon EC2 API Reference: ModifyInstanceMetadataOptions',
    'if a parameter is not specified, the existing state is maintained',
    async () => {
      const { member, resources } = target();
      const { InstanceId } = await launch();
      const change = (options: { HttpEndpoint?: 'disabled'; HttpPutResponseHopLimit?: number }) =>
        member.ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId, ...options }));
      await change({ HttpPutResponseHopLimit: 3 });
      await change({ HttpEndpoint: 'disabled' });
      const options = async () => (await resources.describedInstance(member, InstanceId!)).MetadataOptions;
      await until(
        'the options',
        options,
        (shown) => shown?.HttpEndpoint === 'disabled' && shown.HttpPutResponseHopLimit === 3,
      );
    },
  );

  documented(
    'Amazon EC2 API Reference: StopInstances',
    'an instance with stop protection is not stopped; without it, it passes `stopping` and is `stopped`',
    async () => {
      const { member, resources } = target();
      const { InstanceId } = await launch();
      const protect = (Value: boolean) =>
        member.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, DisableApiStop: { Value } }));
      const stop = () => member.ec2.send(new StopInstancesCommand({ InstanceIds: [InstanceId!] }));
      await protect(true);
      expect(await outcome(stop())).toBe('OperationNotPermitted');
      await protect(false);
      await stop();
      const state = async () => (await resources.describedInstance(member, InstanceId!)).State?.Name;
      await until('the instance to be stopped', state, (name) => name === 'stopped');
    },
  );

  documented(
    'Amazon EC2 API Reference: StartInstances',
    'starts an EBS-backed instance that was stopped before',
    async () => {
      const { member, resources } = target();
      const { InstanceId } = await launch();
      const InstanceIds = [InstanceId!];
      const state = async () => (await resources.describedInstance(member, InstanceId!)).State?.Name;
      await member.ec2.send(new StopInstancesCommand({ InstanceIds }));
      await until('the instance to be stopped', state, (name) => name === 'stopped');
      await member.ec2.send(new StartInstancesCommand({ InstanceIds }));
      await until('the instance to run', state, (name) => name === 'running');
    },
  );

  documented(
    'Amazon EC2 API Reference: DeleteTags',
    'if a tag key is given with a value, the tag is deleted only if its value is that',
    async () => {
      const { member } = target();
      const { InstanceId } = await launch();
      const Resources = [InstanceId!];
      await member.ec2.send(new CreateTagsCommand({ Resources, Tags: [{ Key: 'contract', Value: 'one' }] }));
      const value = async () =>
        (
          await member.ec2.send(
            new DescribeTagsCommand({
              Filters: [
                { Name: 'resource-id', Values: Resources },
                { Name: 'key', Values: ['contract'] },
              ],
            }),
          )
        ).Tags?.[0]?.Value;
      await until('the tag', value, (found) => found === 'one');
      await member.ec2.send(new DeleteTagsCommand({ Resources, Tags: [{ Key: 'contract', Value: 'another' }] }));
      expect(await value()).toBe('one');
      await member.ec2.send(new DeleteTagsCommand({ Resources, Tags: [{ Key: 'contract', Value: 'one' }] }));
      await until('no tag', value, (found) => found === undefined);
    },
  );
});

describe('network ACLs', () => {
  const make = async (VpcId: string): Promise<string> => {
    const { member, resources } = target();
    const { NetworkAcl } = await member.ec2.send(
      new CreateNetworkAclCommand({ VpcId, TagSpecifications: resources.tagged('network-acl') }),
    );
    const NetworkAclId = NetworkAcl!.NetworkAclId!;
    resources.later(`network ACL ${NetworkAclId}`, () =>
      member.ec2.send(new DeleteNetworkAclCommand({ NetworkAclId })),
    );
    return NetworkAclId;
  };
  const aclOf = async (SubnetId: string) => {
    const { NetworkAcls } = await target().member.ec2.send(
      new DescribeNetworkAclsCommand({ Filters: [{ Name: 'association.subnet-id', Values: [SubnetId] }] }),
    );
    const [acl] = NetworkAcls!;
    const association = acl!.Associations!.find((one) => one.SubnetId === SubnetId);
    return { id: acl!.NetworkAclId!, associationId: association!.NetworkAclAssociationId! };
  };

  documented(
    'Amazon EC2 API Reference: DescribeNetworkAcls',
    'association.subnet-id finds the network ACL of a subnet: at first the VPC’s default one',
    async () => {
      const { VpcId, SubnetId } = await subnet();
      const { NetworkAcls } = await target().member.ec2.send(
        new DescribeNetworkAclsCommand({
          Filters: [
            { Name: 'vpc-id', Values: [VpcId] },
            { Name: 'default', Values: ['true'] },
          ],
        }),
      );
      expect((await aclOf(SubnetId)).id).toBe(NetworkAcls![0]!.NetworkAclId);
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateNetworkAcl',
    'a new network ACL denies all traffic until rules are added: no rule of it allows anything',
    async () => {
      const { VpcId } = await subnet();
      const id = await make(VpcId);
      const { NetworkAcls } = await target().member.ec2.send(new DescribeNetworkAclsCommand({ NetworkAclIds: [id] }));
      expect((NetworkAcls![0]!.Entries ?? []).filter(({ RuleAction }) => RuleAction === 'allow')).toEqual([]);
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateNetworkAclEntry',
    'a rule number is unique in its direction: NetworkAclEntryAlreadyExists',
    async () => {
      const { VpcId } = await subnet();
      const NetworkAclId = await make(VpcId);
      const add = (Egress: boolean) =>
        target().member.ec2.send(
          new CreateNetworkAclEntryCommand({
            NetworkAclId,
            RuleNumber: 100,
            Protocol: '6',
            RuleAction: 'allow',
            Egress,
            CidrBlock: '10.97.0.0/24',
            PortRange: { From: 443, To: 443 },
          }),
        );
      await add(true);
      await add(false);
      expect(await outcome(add(true))).toBe('NetworkAclEntryAlreadyExists');
    },
  );

  documented(
    'Amazon EC2 API Reference: ReplaceNetworkAclAssociation',
    'changes which network ACL a subnet is associated with; the association gets a new ID',
    async () => {
      const { member } = target();
      const { VpcId, SubnetId } = await subnet();
      const [before, NetworkAclId] = [await aclOf(SubnetId), await make(VpcId)];
      const replace = (AssociationId: string, acl: string) =>
        member.ec2.send(new ReplaceNetworkAclAssociationCommand({ AssociationId, NetworkAclId: acl }));
      const { NewAssociationId } = await replace(before.associationId, NetworkAclId);
      expect(await aclOf(SubnetId)).toEqual({ id: NetworkAclId, associationId: NewAssociationId });
      await replace(NewAssociationId!, before.id);
    },
  );

  documented(
    'Amazon EC2 API Reference: DeleteNetworkAcl',
    'you can’t delete the ACL if it’s associated with any subnets',
    async () => {
      const { member } = target();
      const { VpcId, SubnetId } = await subnet();
      const [before, NetworkAclId] = [await aclOf(SubnetId), await make(VpcId)];
      const { NewAssociationId: AssociationId } = await member.ec2.send(
        new ReplaceNetworkAclAssociationCommand({ AssociationId: before.associationId, NetworkAclId }),
      );
      expect(await outcome(member.ec2.send(new DeleteNetworkAclCommand({ NetworkAclId })))).toBe('DependencyViolation');
      await member.ec2.send(new ReplaceNetworkAclAssociationCommand({ AssociationId, NetworkAclId: before.id }));
      await member.ec2.send(new DeleteNetworkAclCommand({ NetworkAclId }));
    },
  );
});
