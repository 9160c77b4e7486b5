import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils';
import canonicalize from 'canonicalize';
import type { InstanceFacts } from './instance-facts';
import type { InstanceTarget } from './target';

/** One network interface: its groups now, and whether tracked connections are cut by an all-open step in between. */
export interface InterfaceIsolation {
  networkInterfaceId: string;
  vpcId: string;
  /** What a release restores. */
  groupsBefore: string[];
  /**
   * Two steps (all-open group first, then the isolation group) turn tracked connections into untracked ones, which end
   * when the rule goes. Only without a public address: else the first step would open the instance to the Internet.
   * Source: EC2 User Guide, "Security group connection tracking".
   */
  steps: 'untrack-then-isolate' | 'isolate';
}

/** What isolation will do, shown to the approver and bound to the decision by its hash. */
export interface ContainmentPlan {
  target: InstanceTarget;
  layers: [{ layer: 'security-groups'; interfaces: InterfaceIsolation[] }];
  /** What changes for others and what stops working; sentences for the approver. */
  blastRadius: string[];
  /** What still flows afterwards; sentences. Nobody is told that an instance is cut off when it is not. */
  residualPaths: string[];
}

export function planContainment(facts: InstanceFacts): ContainmentPlan {
  const interfaces = facts.networkInterfaces.map<InterfaceIsolation>((eni) => ({
    networkInterfaceId: eni.networkInterfaceId,
    vpcId: eni.vpcId,
    groupsBefore: [...eni.groups].sort(),
    steps: eni.publicIpAddresses.length + eni.ipv6Addresses.length > 0 ? 'isolate' : 'untrack-then-isolate',
  }));
  const exposed = interfaces.filter((eni) => eni.steps === 'isolate').map((eni) => eni.networkInterfaceId);
  const tags = facts.tags;
  const group = tags['aws:autoscaling:groupName'];
  const blastRadius = [
    `every connection to and from ${facts.target.instanceId} is refused, but those listed under what still flows`,
    `${interfaces.length} network interface(s) change groups: ${interfaces.map((eni) => eni.networkInterfaceId).join(', ')}`,
  ];
  if (group) blastRadius.push(`the instance is in Auto Scaling group ${group}: failed health checks may replace it`);
  if (facts.volumes.length === 0) blastRadius.push('no volume is attached');
  const residualPaths = [
    'DNS through the Amazon resolver, the instance metadata service and Time Sync are not filtered by security groups',
    'connections through NAT gateways, load balancers, transit gateways and endpoints are always tracked and live on until they time out',
    'HTTPS to the VPC’s own endpoints stays open, so that the SSM agent can be reached',
  ];
  if (exposed.length > 0) {
    residualPaths.push(
      `connections already open over the public address of ${exposed.join(', ')} stay tracked and may live on`,
    );
  }
  return { target: facts.target, layers: [{ layer: 'security-groups', interfaces }], blastRadius, residualPaths };
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

/** What isolation did, by re-reading every interface afterwards. An interface that failed undoes no other. */
export interface ContainmentResult {
  outcome: 'isolated' | 'partially-isolated' | 'failed';
  interfaces: InterfaceOutcome[];
  residualPaths: string[];
  /** ISO 8601; when the last interface was seen isolated. */
  verifiedAt: string;
}
