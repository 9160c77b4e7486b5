import type { InstanceFacts, NetworkInterfaceFacts } from '../instance-facts';
import { DEFAULT_LAYERS, type EnforcedLayer, LAYER_NAMES, type LayerName } from './layer';
import type { ContainmentDecision, ContainmentPlan, EdgeAddress, IdentityChange, PlannedLayer } from './plan';
import { blastRadiusOf, effectOf, ownConsentOf, residualPathsOf } from './plan-sentences';

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
