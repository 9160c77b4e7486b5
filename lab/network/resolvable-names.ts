import { BEACON_ADDRESS } from './internet';
import type { VpcState } from './network-state';
import { vpcAddresses } from './vpc-addresses';

/** What a VPC's resolver knows: the lab's endpoints, its instances, and the name of our beacon server. */
export function resolvableNames(vpc: VpcState): Record<string, string> {
  const { ssm, proxy } = vpcAddresses(vpc);
  const names: Record<string, string> = {
    'c2.example': BEACON_ADDRESS,
    '*.c2.example': BEACON_ADDRESS,
    [`s3.${vpc.region}.amazonaws.com`]: proxy,
    [`*.s3.${vpc.region}.amazonaws.com`]: proxy,
  };
  for (const service of ['ssm', 'ssmmessages', 'ec2messages']) names[`${service}.${vpc.region}.amazonaws.com`] = ssm;
  // EC2's IP-based names; us-east-1 has a domain of its own (EC2 User Guide, "EC2 instance hostnames and domains").
  const domain = vpc.region === 'us-east-1' ? 'ec2.internal' : `${vpc.region}.compute.internal`;
  for (const { privateAddress } of vpc.interfaces) {
    names[`ip-${privateAddress.replaceAll('.', '-')}.${domain}`] = privateAddress;
  }
  return names;
}
