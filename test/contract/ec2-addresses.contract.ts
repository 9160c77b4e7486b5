import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  CreateNetworkInterfaceCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteNetworkInterfaceCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  DescribeAddressesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeVpcsCommand,
  DisassociateAddressCommand,
  ModifyNetworkInterfaceAttributeCommand,
  type NetworkInterface,
  ReleaseAddressCommand,
  UnassignIpv6AddressesCommand,
} from '@aws-sdk/client-ec2';
import { documented } from './documented';
import { target } from './target';
import { until } from './waiting';

const interfaceOf = async (NetworkInterfaceId: string): Promise<NetworkInterface> => {
  const { NetworkInterfaces } = await target().member.ec2.send(
    new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [NetworkInterfaceId] }),
  );
  return NetworkInterfaces![0]!;
};
const addressOf = async (PublicIp: string) => {
  const { Addresses } = await target().member.ec2.send(
    new DescribeAddressesCommand({ Filters: [{ Name: 'public-ip', Values: [PublicIp] }] }),
  );
  return Addresses![0]!;
};

/** An instance whose primary interface has an Elastic IP address. */
const withElasticAddress = async () => {
  const { member, resources, imageId } = target();
  const { InstanceId, NetworkInterfaces } = await resources.instance(member, { ImageId: await imageId() });
  const { AllocationId, PublicIp } = await member.ec2.send(
    new AllocateAddressCommand({ Domain: 'vpc', TagSpecifications: resources.tagged('elastic-ip') }),
  );
  resources.later(`address ${PublicIp!}`, () => member.ec2.send(new ReleaseAddressCommand({ AllocationId })));
  const NetworkInterfaceId = NetworkInterfaces![0]!.NetworkInterfaceId!;
  const { AssociationId } = await member.ec2.send(new AssociateAddressCommand({ AllocationId, NetworkInterfaceId }));
  return {
    InstanceId: InstanceId!,
    NetworkInterfaceId,
    AllocationId: AllocationId!,
    AssociationId: AssociationId!,
    PublicIp: PublicIp!,
  };
};

/** A network interface with one IPv6 address, attached to nothing. */
const withIpv6Address = async (): Promise<{ NetworkInterfaceId: string; address: string }> => {
  const { member, resources } = target();
  const { Vpc } = await member.ec2.send(
    new CreateVpcCommand({
      CidrBlock: '10.98.0.0/24',
      AmazonProvidedIpv6CidrBlock: true,
      TagSpecifications: resources.tagged('vpc'),
    }),
  );
  const VpcId = Vpc!.VpcId!;
  resources.later(`VPC ${VpcId}`, () => member.ec2.send(new DeleteVpcCommand({ VpcId })));
  const range = await until(
    'the IPv6 range of the VPC',
    async () => {
      const { Vpcs } = await member.ec2.send(new DescribeVpcsCommand({ VpcIds: [VpcId] }));
      return Vpcs![0]!.Ipv6CidrBlockAssociationSet?.[0];
    },
    (association) => association?.Ipv6CidrBlockState?.State === 'associated',
  );
  const { Subnet } = await member.ec2.send(
    new CreateSubnetCommand({
      VpcId,
      CidrBlock: '10.98.0.0/25',
      Ipv6CidrBlock: range!.Ipv6CidrBlock!.replace(/\/56$/, '/64'),
      TagSpecifications: resources.tagged('subnet'),
    }),
  );
  const SubnetId = Subnet!.SubnetId!;
  resources.later(`subnet ${SubnetId}`, () => member.ec2.send(new DeleteSubnetCommand({ SubnetId })));
  const { NetworkInterface: made } = await member.ec2.send(
    new CreateNetworkInterfaceCommand({
      SubnetId,
      Ipv6AddressCount: 1,
      TagSpecifications: resources.tagged('network-interface'),
    }),
  );
  const NetworkInterfaceId = made!.NetworkInterfaceId!;
  resources.later(`network interface ${NetworkInterfaceId}`, () =>
    member.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId })),
  );
  return { NetworkInterfaceId, address: made!.Ipv6Addresses![0]!.Ipv6Address! };
};

describe('addresses of network interfaces', () => {
  documented(
    'Amazon EC2 API Reference: DescribeAddresses',
    'public-ip finds an Elastic IP address; it names its allocation, its association, and the network interface it belongs to',
    async () => {
      const { NetworkInterfaceId, AllocationId, AssociationId, PublicIp } = await withElasticAddress();
      expect(await addressOf(PublicIp)).toMatchObject({
        AllocationId,
        AssociationId,
        NetworkInterfaceId,
        PublicIp,
      });
      expect((await interfaceOf(NetworkInterfaceId)).Association).toMatchObject({ AllocationId, PublicIp });
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeAddresses',
    'InstanceId: the ID of the instance that the address is associated with (if any), also by its network interface',
    async () => {
      const { InstanceId, PublicIp } = await withElasticAddress();
      expect((await addressOf(PublicIp)).InstanceId).toBe(InstanceId);
    },
  );

  documented(
    'Amazon EC2 API Reference: DisassociateAddress',
    'disassociates an Elastic IP address from the instance or network interface it’s associated with; the address stays allocated',
    async () => {
      const { member } = target();
      const { NetworkInterfaceId, AllocationId, AssociationId, PublicIp } = await withElasticAddress();
      await member.ec2.send(new DisassociateAddressCommand({ AssociationId }));
      const address = await until(
        'the address to be free',
        () => addressOf(PublicIp),
        (found) => found.AssociationId === undefined,
      );
      expect(address).toMatchObject({ AllocationId, PublicIp });
      expect((await interfaceOf(NetworkInterfaceId)).Association?.PublicIp).not.toBe(PublicIp);
    },
  );

  documented(
    'Amazon EC2 API Reference: ModifyNetworkInterfaceAttribute',
    'AssociatePublicIpAddress: indicates whether to assign a public IPv4 address to a network interface',
    async () => {
      const { member, resources, imageId } = target();
      const { NetworkInterfaces } = await resources.instance(member, {
        ImageId: await imageId(),
        NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: true }],
      });
      const { NetworkInterfaceId } = NetworkInterfaces![0]!;
      const publicAddress = async () => (await interfaceOf(NetworkInterfaceId!)).Association?.PublicIp;
      await until('a public address', publicAddress, (address) => address !== undefined);
      await member.ec2.send(
        new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, AssociatePublicIpAddress: false }),
      );
      await until('no public address', publicAddress, (address) => address === undefined);
    },
  );

  documented(
    'Amazon EC2 API Reference: UnassignIpv6Addresses',
    'unassigns the specified IPv6 addresses from the specified network interface',
    async () => {
      const { member } = target();
      const { NetworkInterfaceId, address } = await withIpv6Address();
      const unassign = new UnassignIpv6AddressesCommand({ NetworkInterfaceId, Ipv6Addresses: [address] });
      expect((await member.ec2.send(unassign)).UnassignedIpv6Addresses).toEqual([address]);
      await until(
        'no IPv6 address',
        async () => (await interfaceOf(NetworkInterfaceId)).Ipv6Addresses,
        (found) => found?.length === 0,
      );
    },
  );
});
