import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  AttachInternetGatewayCommand,
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateInternetGatewayCommand,
  CreateNatGatewayCommand,
  CreateNetworkInterfaceCommand,
  CreateRouteCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeRouteTablesCommand,
  type EC2Client,
  ModifySubnetAttributeCommand,
  RevokeSecurityGroupEgressCommand,
} from '@aws-sdk/client-ec2';
import { LAB_REGION } from '../config';

export interface LabNetwork {
  vpcId: string;
  subnetId: string;
  securityGroupId: string;
}

/**
 * How a subnet reaches the internet. It decides what isolation can do (EC2 User Guide, "Security group connection tracking"):
 * - `nat-instance`: by somebody's own translating machine; connections are tracked or not by their groups alone
 * - `nat-gateway`: connections are always tracked and outlive a change of groups
 * - `public-address`: by an address of the instance's own
 * - `none`
 */
export const INTERNET_ACCESS = ['nat-instance', 'nat-gateway', 'public-address', 'none'] as const;
export type InternetAccess = (typeof INTERNET_ACCESS)[number];

/** What the network is for: its group lets an application be used, or lets the forensic instance reach the VPC's endpoints only. */
export type NetworkPurpose = 'application' | 'forensics';

const VPC_RANGE = '10.0.0.0/16';
/** Room for a fleet; the VPC's resolver and endpoints lie outside of it. */
const SUBNET_RANGE = '10.0.16.0/20';
const ANYWHERE = '0.0.0.0/0';

/**
 * A VPC with one subnet and one security group. An application's lets SSH and HTTPS in and everything out, and its subnet
 * reaches the internet by `internet`; the forensic one lets nothing in and only HTTPS to the VPC's endpoints out, and its
 * subnet reaches nothing else.
 */
export async function ensureNetwork(
  ec2: EC2Client,
  name: string,
  purpose: NetworkPurpose = 'application',
  internet: InternetAccess = purpose === 'application' ? 'nat-instance' : 'none',
): Promise<LabNetwork> {
  const vpc = await ec2.send(new CreateVpcCommand({ CidrBlock: VPC_RANGE }));
  const vpcId = vpc.Vpc?.VpcId ?? '';
  const made = await ec2.send(
    new CreateSubnetCommand({ VpcId: vpcId, CidrBlock: SUBNET_RANGE, AvailabilityZone: `${LAB_REGION}a` }),
  );
  const subnetId = made.Subnet?.SubnetId ?? '';
  const securityGroupId = await securityGroup(ec2, vpcId, name, purpose);
  if (internet !== 'none') await openWay(ec2, vpcId, subnetId, internet);
  return { vpcId, subnetId, securityGroupId };
}

async function securityGroup(ec2: EC2Client, VpcId: string, name: string, purpose: NetworkPurpose): Promise<string> {
  const group = await ec2.send(new CreateSecurityGroupCommand({ VpcId, GroupName: name, Description: `lab: ${name}` }));
  const GroupId = group.GroupId ?? '';
  const https = { IpProtocol: 'tcp', FromPort: 443, ToPort: 443 };
  if (purpose === 'forensics') {
    await ec2.send(
      new RevokeSecurityGroupEgressCommand({
        GroupId,
        IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: ANYWHERE }] }],
      }),
    );
    await ec2.send(
      new AuthorizeSecurityGroupEgressCommand({
        GroupId,
        IpPermissions: [{ ...https, IpRanges: [{ CidrIp: VPC_RANGE }] }],
      }),
    );
    return GroupId;
  }
  await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId,
      IpPermissions: [{ ...https, FromPort: 22, ToPort: 22 }, https].map((ports) => ({
        ...ports,
        IpRanges: [{ CidrIp: ANYWHERE }],
      })),
    }),
  );
  return GroupId;
}

/** Makes the default route of the VPC's main route table, and what it leads to. */
async function openWay(
  ec2: EC2Client,
  VpcId: string,
  SubnetId: string,
  internet: Exclude<InternetAccess, 'none'>,
): Promise<void> {
  const tables = await ec2.send(new DescribeRouteTablesCommand({ Filters: [{ Name: 'vpc-id', Values: [VpcId] }] }));
  const RouteTableId = tables.RouteTables?.[0]?.RouteTableId ?? '';
  const route = (target: { GatewayId?: string; NatGatewayId?: string; NetworkInterfaceId?: string }) =>
    ec2.send(new CreateRouteCommand({ RouteTableId, DestinationCidrBlock: ANYWHERE, ...target }));
  if (internet === 'public-address') {
    const gateway = await ec2.send(new CreateInternetGatewayCommand({}));
    const GatewayId = gateway.InternetGateway?.InternetGatewayId ?? '';
    await ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: GatewayId, VpcId }));
    await ec2.send(new ModifySubnetAttributeCommand({ SubnetId, MapPublicIpOnLaunch: { Value: true } }));
    await route({ GatewayId });
    return;
  }
  const { AllocationId } = await ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
  if (internet === 'nat-gateway') {
    const { NatGateway } = await ec2.send(new CreateNatGatewayCommand({ SubnetId, AllocationId }));
    await route({ NatGatewayId: NatGateway?.NatGatewayId ?? '' });
    return;
  }
  // The lab's router translates in the place of the machine that would have this interface.
  const made = await ec2.send(new CreateNetworkInterfaceCommand({ SubnetId, Description: 'NAT instance' }));
  const NetworkInterfaceId = made.NetworkInterface?.NetworkInterfaceId ?? '';
  await ec2.send(new AssociateAddressCommand({ AllocationId, NetworkInterfaceId }));
  await route({ NetworkInterfaceId });
}
