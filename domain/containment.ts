import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils';
import canonicalize from 'canonicalize';
import type { InstanceFacts, NetworkInterfaceFacts } from './instance-facts';
import type { InstanceTarget } from './target';

/**
 * An address that is taken away, so that the Internet reaches nothing any more: this ends every connection over it at once,
 * tracked or not, of this one instance and of no neighbour.
 */
export interface EdgeAddress {
  networkInterfaceId: string;
  address: string;
  kind: 'elastic' | 'assigned' | 'ipv6';
  /** Of an IPv4 address: the private one that it stands for, to which a release gives an elastic address back. */
  privateIpAddress?: string;
}

/** One network interface that gets the isolation group. */
export interface InterfaceIsolation {
  networkInterfaceId: string;
  vpcId: string;
  /** What a release restores. */
  groupsBefore: string[];
}

/** What isolation will do, in this order, shown to the approver and bound to the decision by its hash. */
export interface ContainmentPlan {
  target: InstanceTarget;
  layers: {
    internetEdge: EdgeAddress[];
    /**
     * Two steps (an all-open group first, then the isolation group) turn tracked connections into untracked ones, which
     * end when the rule goes. Source: EC2 User Guide, "Security group connection tracking". An interface that the
     * Internet still reaches by then gets the isolation group at once: the first step would open it to everyone.
     */
    securityGroups: InterfaceIsolation[];
  };
  /** What changes for others and what stops working; sentences for the approver. */
  blastRadius: string[];
  /** What still flows afterwards; sentences. Nobody is told that an instance is cut off when it is not. */
  residualPaths: string[];
}

export function planContainment(facts: InstanceFacts): ContainmentPlan {
  const securityGroups = facts.networkInterfaces.map<InterfaceIsolation>((eni) => ({
    networkInterfaceId: eni.networkInterfaceId,
    vpcId: eni.vpcId,
    groupsBefore: [...eni.groups].sort(),
  }));
  const internetEdge = facts.networkInterfaces.flatMap(edgeAddresses);
  const group = facts.tags['aws:autoscaling:groupName'];
  const blastRadius = [
    `every connection to and from ${facts.target.instanceId} is refused, but those listed under what still flows`,
    ...internetEdge.map(lossOf),
    `${securityGroups.length} network interface(s) change groups: ${securityGroups.map((eni) => eni.networkInterfaceId).join(', ')}`,
  ];
  if (group) blastRadius.push(`the instance is in Auto Scaling group ${group}: failed health checks may replace it`);
  if (facts.volumes.length === 0) blastRadius.push('no volume is attached');
  const residualPaths = [
    'DNS through the Amazon resolver, the instance metadata service and Time Sync are not filtered by security groups',
    'connections through NAT gateways, load balancers, transit gateways and endpoints are always tracked and live on until they time out',
    'HTTPS to the VPC’s own endpoints stays open, so that the SSM agent can be reached',
  ];
  const carriers = facts.networkInterfaces.flatMap((eni) =>
    eni.publicAddresses.filter(({ kind }) => kind === 'carrier').map(({ address }) => address),
  );
  if (carriers.length > 0)
    residualPaths.push(`connections already open over the carrier address ${carriers.join(', ')} may live on`);
  return { target: facts.target, layers: { internetEdge, securityGroups }, blastRadius, residualPaths };
}

function edgeAddresses(eni: NetworkInterfaceFacts): EdgeAddress[] {
  const { networkInterfaceId } = eni;
  return [
    ...eni.publicAddresses.flatMap(({ address, kind, privateIpAddress }) =>
      kind === 'carrier' ? [] : [{ networkInterfaceId, address, kind, privateIpAddress }],
    ),
    ...eni.ipv6Addresses.map((address) => ({ networkInterfaceId, address, kind: 'ipv6' as const })),
  ];
}

function lossOf({ address, kind }: EdgeAddress): string {
  switch (kind) {
    case 'elastic':
      return `Elastic IP address ${address} is taken off the instance: clients of it get no answer; a release gives it back`;
    case 'assigned':
      return `public address ${address} is taken away FOR GOOD: Amazon assigned it, and nobody can ask for it again`;
    case 'ipv6':
      return `IPv6 address ${address} is taken off the instance; a release gives it back`;
  }
}

/** SHA-256 (hexadecimal) of the plan in canonical JSON (RFC 8785): what a decision is bound to. */
export function planHash(plan: unknown): string {
  const text = canonicalize(plan);
  if (text === undefined) throw new TypeError('a plan must be a JSON value');
  return bytesToHex(sha256(utf8ToBytes(text)));
}

export interface InterfaceOutcome {
  networkInterfaceId: string;
  outcome: 'isolated' | 'failed';
  groupsBefore: string[];
  groupsAfter: string[];
  reason?: string;
}

/** What became of an address at the Internet edge. */
export interface EdgeOutcome extends EdgeAddress {
  outcome: 'removed' | 'failed';
  /** Of an elastic address: by which a release finds it. */
  allocationId?: string;
  reason?: string;
}

/** What isolation did, by re-reading every interface afterwards. What failed undoes nothing that succeeded. */
export interface ContainmentResult {
  outcome: 'isolated' | 'partially-isolated' | 'failed';
  internetEdge: EdgeOutcome[];
  interfaces: InterfaceOutcome[];
  residualPaths: string[];
  /** ISO 8601; when the last interface was seen isolated. */
  verifiedAt: string;
}
