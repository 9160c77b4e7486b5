import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2';
import { LAB_REGION } from '../config';

export interface LabNetwork {
  vpcId: string;
  subnetId: string;
  securityGroupId: string;
}

/** A VPC with one subnet and one ordinary security group: outbound free, SSH and HTTPS in. */
export async function ensureNetwork(ec2: EC2Client, name: string): Promise<LabNetwork> {
  const vpc = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
  const VpcId = vpc.Vpc?.VpcId ?? '';
  const subnet = await ec2.send(
    new CreateSubnetCommand({ VpcId, CidrBlock: '10.0.3.0/24', AvailabilityZone: `${LAB_REGION}a` }),
  );
  const group = await ec2.send(new CreateSecurityGroupCommand({ VpcId, GroupName: name, Description: `lab: ${name}` }));
  const GroupId = group.GroupId ?? '';
  await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId,
      IpPermissions: [22, 443].map((port) => ({
        IpProtocol: 'tcp',
        FromPort: port,
        ToPort: port,
        IpRanges: [{ CidrIp: '0.0.0.0/0' }],
      })),
    }),
  );
  return { vpcId: VpcId, subnetId: subnet.Subnet?.SubnetId ?? '', securityGroupId: GroupId };
}
