import type { InstanceFacts, NetworkInterfaceFacts, TargetGroupFacts } from '../instance-facts';
import type { InstanceTarget } from '../target';
import { DEFAULT_LAYERS, type ContainmentMode, type EnforcedLayer, LAYER_NAMES, type LayerName } from './layer';
import { blastRadiusOf, effectOf, ownConsentOf, residualPathsOf } from './plan-sentences';

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

/** The instance profile that is exchanged, and the sessions of its role that are revoked afterwards. */
export interface IdentityChange {
  profileArn: string;
  roleName?: string;
  /**
   * Sessions of this instance only, by condition on `ec2:SourceInstanceARN`: others have the role too, or nobody could tell.
   * Otherwise every session of the role that is older.
   */
  revoke: 'this-instance' | 'whole-role';
}

export interface PlannedLayer {
  layer: EnforcedLayer;
  /** What it brings about; a sentence for the approver. */
  effect: string;
  /** Others feel it: a consent of its own, beside that to the plan, with the reason why. */
  needsOwnConsent?: string;
}

/** What isolation will do, in this order, shown to the approver and bound to the decision by its hash. */
export interface ContainmentPlan {
  target: InstanceTarget;
  mode: ContainmentMode;
  /** In the order in which they are applied; a release goes backwards. */
  steps: PlannedLayer[];
  layers: {
    internetEdge: EdgeAddress[];
    /**
     * Two steps (an all-open group first, then the isolation group) turn tracked connections into untracked ones, which
     * end when the rule goes. Source: EC2 User Guide, "Security group connection tracking". An interface that the
     * Internet still reaches by then gets the isolation group at once: the first step would open it to everyone.
     */
    securityGroups: InterfaceIsolation[];
    /** Only when the layer is planned; absent for an instance without an instance profile. */
    identity?: IdentityChange;
    /** Only when the layer is planned. */
    loadBalancer?: TargetGroupFacts[];
    /** Only when the layer is planned: subnets that are cut off. */
    networkAcl?: { subnetId: string; vpcId: string }[];
  };
  /** Layers that were asked for and are not carried out, with the reason. Nobody is told that they are. */
  notEnforced: { layer: LayerName; reason: string }[];
  /** What changes for others and what stops working; sentences for the approver. */
  blastRadius: string[];
  /** What still flows afterwards; sentences. Nobody is told that an instance is cut off when it is not. */
  residualPaths: string[];
}

/** What the policy wants of a containment. */
export interface ContainmentDecision {
  mode: ContainmentMode;
  /** In any order. */
  layers: readonly LayerName[];
}

/**
 * Identity first: until its sessions are gone, the intruder can undo the rest by API. Then the edge, before the all-open
 * step of the security groups could open anything. Subnet, metadata service and stop come last, since each takes something
 * from the investigation.
 */
const ORDER: readonly EnforcedLayer[] = [
  'identity',
  'internet-edge',
  'load-balancer',
  'security-groups',
  'network-acl',
  'metadata-service',
  'stop',
];

const NOT_ENFORCED: Partial<Record<LayerName, string>> = {
  'guest-firewall': 'this release has no document that sets a firewall inside the instance',
  dns: 'this release sets no rules of Route 53 Resolver DNS Firewall',
};

/** The plan of a containment; the same for the same facts, so that its hash is. */
export function planContainment(
  facts: InstanceFacts,
  decision: ContainmentDecision = { mode: 'keep-ssm', layers: DEFAULT_LAYERS },
): ContainmentPlan {
  const { target, networkInterfaces } = facts;
  const { mode } = decision;
  const wanted = new Set<LayerName>(decision.layers);
  const chosen = ORDER.filter((layer) => wanted.has(layer));
  const planned = (layer: EnforcedLayer): boolean => chosen.includes(layer);
  const identity = planned('identity') ? identityChange(facts) : undefined;
  const layers: ContainmentPlan['layers'] = {
    internetEdge: planned('internet-edge') ? networkInterfaces.flatMap(edgeAddresses) : [],
    securityGroups: planned('security-groups')
      ? networkInterfaces.map(({ networkInterfaceId, vpcId, groups }) => ({
          networkInterfaceId,
          vpcId,
          groupsBefore: [...groups].sort(),
        }))
      : [],
    ...(identity && { identity }),
    ...(planned('load-balancer') && { loadBalancer: facts.targetGroups ?? [] }),
    ...(planned('network-acl') && { networkAcl: subnetsOf(networkInterfaces) }),
  };
  const steps = chosen.map((layer): PlannedLayer => {
    const ownConsent = ownConsentOf(layer, facts);
    return {
      layer,
      effect: effectOf(layer, mode, target.instanceId),
      ...(ownConsent !== undefined && { needsOwnConsent: ownConsent }),
    };
  });
  const notEnforced = LAYER_NAMES.flatMap((layer) => {
    const reason = NOT_ENFORCED[layer];
    return wanted.has(layer) && reason !== undefined ? [{ layer, reason }] : [];
  });
  const outline = { target, mode, steps, layers, notEnforced };
  return {
    ...outline,
    blastRadius: blastRadiusOf(facts, outline),
    residualPaths: residualPathsOf(facts, outline),
  };
}

function identityChange({ instanceProfile, instanceProfileArn }: InstanceFacts): IdentityChange | undefined {
  const profileArn = instanceProfile?.arn ?? instanceProfileArn;
  if (profileArn === undefined) return undefined;
  const { roleName, otherHolders } = instanceProfile ?? {};
  // Who else has the role could not be read: then nobody's sessions but this instance's are touched.
  const alone = otherHolders?.length === 0 && instanceProfile?.assumedByOthers === false;
  return {
    profileArn,
    ...(roleName !== undefined && { roleName }),
    revoke: alone ? 'whole-role' : 'this-instance',
  };
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

function subnetsOf(interfaces: NetworkInterfaceFacts[]): { subnetId: string; vpcId: string }[] {
  const found = new Map(interfaces.map(({ subnetId, vpcId }) => [subnetId, { subnetId, vpcId }]));
  return [...found.values()].sort((a, b) => a.subnetId.localeCompare(b.subnetId));
}
