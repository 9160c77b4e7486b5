import { addressAfter, rangeOf } from './addresses';
import type { VpcState } from './network-state';

/** Where a VPC's own services are. */
export interface VpcAddresses {
  /** The VPC's base plus two, and the address that is the same in every VPC (VPC User Guide, "Amazon DNS server"). */
  resolvers: [string, string];
  /** VPC endpoints: the last but one and last but two address of the VPC, where its subnets seldom reach. */
  ssm: string;
  proxy: string;
}

export const LINK_LOCAL_RESOLVER = '169.254.169.253';
export const HTTPS_PORT = 443;

export function vpcAddresses(vpc: VpcState): VpcAddresses {
  const { first, last } = rangeOf(vpc.cidrBlocks[0] ?? '');
  return {
    resolvers: [addressAfter(first, 2), LINK_LOCAL_RESOLVER],
    ssm: addressAfter(last, -1),
    proxy: addressAfter(last, -2),
  };
}

/**
 * Endpoints that are shut, by tag `lab:closed-endpoints` of the VPC: "ssm", "s3" (the way to the emulator) or both, with
 * commas. It stands for an endpoint whose own security group refuses its clients.
 */
export function closedEndpoints(vpc: VpcState): string[] {
  const named = (vpc.tags['lab:closed-endpoints'] ?? '').split(',').map((name) => name.trim());
  const { ssm, proxy } = vpcAddresses(vpc);
  return [...(named.includes('ssm') ? [ssm] : []), ...(named.includes('s3') ? [proxy] : [])];
}

/** The first address of a subnet behind its base: its router (VPC User Guide, "Subnet CIDR blocks"). */
export function gatewayOf(subnetCidrBlock: string): string {
  return addressAfter(rangeOf(subnetCidrBlock).first, 1);
}
