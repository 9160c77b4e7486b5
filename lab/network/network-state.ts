/** One rule of a security group. `ranges` are IPv4 ranges: groups and prefix lists are resolved to their addresses. */
export interface SecurityGroupRule {
  /** tcp, udp, icmp, -1 for all, else the number of the protocol. */
  protocol: string;
  /** Of icmp: type (-1: all). Null for all protocols. */
  fromPort: number | null;
  /** Of icmp: code (-1: all). */
  toPort: number | null;
  ranges: string[];
}

export interface SecurityGroupState {
  ingress: SecurityGroupRule[];
  egress: SecurityGroupRule[];
}

export interface NetworkAclEntry {
  ruleNumber: number;
  egress: boolean;
  allow: boolean;
  protocol: string;
  /** Null: an entry for IPv6. */
  range: string | null;
  fromPort: number | null;
  toPort: number | null;
  icmpType: number | null;
  icmpCode: number | null;
}

export interface SubnetState {
  subnetId: string;
  cidrBlock: string;
  /** Null where the subnet has no network ACL: nothing is filtered. */
  networkAcl: NetworkAclEntry[] | null;
  /** How its default route leaves the VPC, with the public address that stands for it; null: not at all. */
  internet: { by: 'internet-gateway' | 'nat-gateway' | 'nat-instance'; address: string | null } | null;
}

export interface InterfaceState {
  networkInterfaceId: string;
  instanceId: string;
  deviceIndex: number;
  subnetId: string;
  macAddress: string;
  privateAddress: string;
  publicAddress: string | null;
  sourceDestCheck: boolean;
  groups: string[];
  /** The latest changes of groups, oldest first; numbers rise by one with each change. */
  groupChanges: { number: number; groups: string[] }[];
}

export interface VpcState {
  vpcId: string;
  accountId: string;
  region: string;
  cidrBlocks: string[];
  tags: Record<string, string>;
  subnets: SubnetState[];
  securityGroups: Record<string, SecurityGroupState>;
  interfaces: InterfaceState[];
}

export interface NetworkState {
  vpcs: VpcState[];
}

const LIMIT_MS = 10_000;

/** Asks the emulator for the network of this moment. */
export async function networkState(awsUrl: string): Promise<NetworkState> {
  const address = `${awsUrl}/moto-api/lab/network`;
  const response = await fetch(address, { signal: AbortSignal.timeout(LIMIT_MS) });
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  return (await response.json()) as NetworkState;
}
