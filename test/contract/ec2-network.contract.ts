import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVpcsCommand,
  type IpPermission,
  ModifyNetworkInterfaceAttributeCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  type SecurityGroup,
} from '@aws-sdk/client-ec2';
import { documented } from './documented';
import { target } from './target';
import { outcome, until } from './waiting';

const HTTPS: IpPermission = { IpProtocol: 'tcp', FromPort: 443, ToPort: 443, IpRanges: [{ CidrIp: '10.99.0.0/24' }] };
const EVERYWHERE: IpPermission = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };

let shared: Promise<string> | undefined;
/** One VPC for all tests: an account may have five in a Region. */
const vpc = (): Promise<string> => (shared ??= target().resources.vpc(target().member));
const group = async (VpcId?: string): Promise<string> =>
  target().resources.securityGroup(target().member, VpcId ?? (await vpc()));
const described = async (GroupId: string): Promise<SecurityGroup> => {
  const { SecurityGroups } = await target().member.ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }));
  return SecurityGroups![0]!;
};
const send = {
  allowIn: (GroupId: string, ...IpPermissions: IpPermission[]) =>
    target().member.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions })),
  allowOut: (GroupId: string, ...IpPermissions: IpPermission[]) =>
    target().member.ec2.send(new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions })),
  revokeIn: (GroupId: string, ...IpPermissions: IpPermission[]) =>
    target().member.ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId, IpPermissions })),
  revokeOut: (GroupId: string, ...IpPermissions: IpPermission[]) =>
    target().member.ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions })),
};

describe('VPC, security groups and network interfaces', () => {
  documented(
    'Amazon EC2 API Reference: DescribeVpcs',
    'CidrBlockAssociationSet: information about the IPv4 CIDR blocks associated with the VPC',
    async () => {
      const { member } = target();
      const VpcId = await vpc();
      const { Vpcs } = await member.ec2.send(new DescribeVpcsCommand({ VpcIds: [VpcId] }));
      expect(Vpcs![0]!.CidrBlockAssociationSet).toMatchObject([
        { CidrBlock: '10.99.0.0/24', CidrBlockState: { State: 'associated' } },
      ]);
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateSecurityGroup',
    'you can’t have two security groups for the same VPC with the same name',
    async () => {
      const { member, resources } = target();
      const [VpcId, elsewhere, GroupName] = [await vpc(), await resources.vpc(member), resources.name()];
      await resources.securityGroup(member, VpcId, GroupName);
      const again = new CreateSecurityGroupCommand({ VpcId, GroupName, Description: 'second' });
      expect(await outcome(member.ec2.send(again))).toBe('InvalidGroup.Duplicate');
      await resources.securityGroup(member, elsewhere, GroupName);
    },
  );

  documented(
    'Amazon VPC User Guide: Security group rules',
    'when you first create a security group, it has no inbound rules, and an outbound rule that allows all outbound traffic',
    async () => {
      const fresh = await described(await group());
      expect(fresh.IpPermissions).toEqual([]);
      expect(fresh.IpPermissionsEgress).toMatchObject([EVERYWHERE]);
      expect(fresh.IpPermissionsEgress).toHaveLength(1);
    },
  );

  documented(
    'Amazon EC2 API Reference: AuthorizeSecurityGroupIngress',
    'adds the specified inbound rules: a source is an address range or a security group; a rule that is there is a duplicate',
    async () => {
      const [GroupId, source] = [await group(), await group()];
      await send.allowIn(GroupId, HTTPS, { ...HTTPS, IpRanges: [], UserIdGroupPairs: [{ GroupId: source }] });
      const rules = (await described(GroupId)).IpPermissions!;
      expect(rules.flatMap((rule) => rule.IpRanges!.map((range) => range.CidrIp))).toEqual(['10.99.0.0/24']);
      expect(rules.flatMap((rule) => rule.UserIdGroupPairs!.map((pair) => pair.GroupId))).toEqual([source]);
      expect(await outcome(send.allowIn(GroupId, HTTPS))).toBe('InvalidPermission.Duplicate');
    },
  );

  documented(
    'Amazon EC2 API Reference: AuthorizeSecurityGroupEgress',
    'adds the specified outbound rules; -1 specifies all protocols, in IPv4 and IPv6',
    async () => {
      const GroupId = await group();
      await send.allowOut(GroupId, HTTPS, { IpProtocol: '-1', Ipv6Ranges: [{ CidrIpv6: '::/0' }] });
      const rules = (await described(GroupId)).IpPermissionsEgress!;
      expect(rules.flatMap((rule) => rule.IpRanges!.map((range) => range.CidrIp)).sort()).toEqual([
        '0.0.0.0/0',
        '10.99.0.0/24',
      ]);
      expect(rules.flatMap((rule) => rule.Ipv6Ranges!.map((range) => range.CidrIpv6))).toEqual(['::/0']);
    },
  );

  documented(
    'Amazon EC2 API Reference: RevokeSecurityGroupEgress',
    'removes the specified outbound rules; for a non-default VPC, values that do not match an existing rule are an InvalidPermission.NotFound error',
    async () => {
      const GroupId = await group();
      await send.revokeOut(GroupId, EVERYWHERE);
      await until(
        'no outbound rule',
        async () => (await described(GroupId)).IpPermissionsEgress,
        (rules) => rules?.length === 0,
      );
      expect(await outcome(send.revokeOut(GroupId, HTTPS))).toBe('InvalidPermission.NotFound');
    },
  );

  documented(
    'Amazon EC2 API Reference: RevokeSecurityGroupIngress',
    'if you use rule properties, the values that you specify must match the existing rule’s values exactly',
    async () => {
      const GroupId = await group();
      await send.allowIn(GroupId, HTTPS);
      expect(await outcome(send.revokeIn(GroupId, { ...HTTPS, ToPort: 444 }))).toBe('InvalidPermission.NotFound');
      await send.revokeIn(GroupId, HTTPS);
      await until(
        'no inbound rule',
        async () => (await described(GroupId)).IpPermissions,
        (rules) => rules?.length === 0,
      );
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeSecurityGroups',
    'filters: vpc-id and tag:<key> find the groups of a VPC that carry a tag',
    async () => {
      const { member, resources } = target();
      const VpcId = await vpc();
      const GroupId = await group();
      const { SecurityGroups } = await member.ec2.send(
        new DescribeSecurityGroupsCommand({
          Filters: [
            { Name: 'vpc-id', Values: [VpcId] },
            { Name: `tag:${resources.tags()[0]!.Key}`, Values: [resources.prefix] },
          ],
        }),
      );
      expect(SecurityGroups!.map((one) => one.GroupId)).toContain(GroupId);
      // The VPC's default group has no tag.
      expect(SecurityGroups!.map((one) => one.GroupName)).not.toContain('default');
      expect(new Set(SecurityGroups!.map((one) => `${one.VpcId} ${one.OwnerId}`))).toEqual(
        new Set([`${VpcId} ${member.accountId}`]),
      );
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeNetworkInterfaces',
    'attachment.instance-id: the ID of the instance to which the network interface is attached',
    async () => {
      const { member, resources, imageId } = target();
      const { InstanceId, NetworkInterfaces } = await resources.instance(member, { ImageId: await imageId() });
      const { NetworkInterfaces: found } = await member.ec2.send(
        new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'attachment.instance-id', Values: [InstanceId!] }] }),
      );
      expect(found!.map((one) => one.NetworkInterfaceId)).toEqual(
        NetworkInterfaces!.map((one) => one.NetworkInterfaceId),
      );
      expect(found![0]!.Attachment).toMatchObject({ InstanceId, DeviceIndex: 0, Status: 'attached' });
    },
  );

  documented(
    'Amazon EC2 API Reference: ModifyNetworkInterfaceAttribute',
    'Groups: the new set of groups you specify replaces the current set',
    async () => {
      const { member, resources, imageId } = target();
      const { InstanceId, VpcId, NetworkInterfaces } = await resources.instance(member, { ImageId: await imageId() });
      const { NetworkInterfaceId } = NetworkInterfaces![0]!;
      const groups = [await group(VpcId), await group(VpcId)];
      const set = (Groups: string[]) =>
        member.ec2.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, Groups }));
      const shown = async () => {
        const instance = await resources.describedInstance(member, InstanceId!);
        return instance.SecurityGroups!.map((one) => one.GroupId!).sort();
      };
      for (const wanted of [groups, [groups[1]!]]) {
        await set(wanted);
        await until('the new groups', shown, (ids) => ids.join() === [...wanted].sort().join());
      }
      expect(await outcome(set(['sg-00000000000000000']))).toMatch(/^Invalid(Group|SecurityGroupID)\.NotFound$/);
      expect(await shown()).toEqual([groups[1]]);
    },
  );
});
