import type { InstanceFacts } from '../instance-facts';
import type { ContainmentMode, EnforcedLayer } from './layer';
import type { ContainmentPlan, EdgeAddress } from './plan';

type Outline = Omit<ContainmentPlan, 'blastRadius' | 'residualPaths'>;

/** Names in a sentence; the rest as a number, so that a card stays readable. */
const LISTED = 10;

function listed(names: readonly string[]): string {
  const rest = names.length - LISTED;
  return names.slice(0, LISTED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

export function effectOf(layer: EnforcedLayer, mode: ContainmentMode, instanceId: string): string {
  switch (layer) {
    case 'identity':
      return mode === 'keep-ssm'
        ? `${instanceId} gets an instance profile that allows the SSM agent only; then older sessions of its role are revoked`
        : `${instanceId} gets an instance profile that denies everything; then older sessions of its role are revoked`;
    case 'internet-edge':
      return 'Elastic IP, public IPv4 and IPv6 addresses are taken off: connections over them end at once';
    case 'load-balancer':
      return 'the instance is deregistered from its target groups: no new requests reach it';
    case 'security-groups':
      return mode === 'keep-ssm'
        ? 'every network interface gets the isolation group: nothing in, HTTPS to the VPC’s own addresses out'
        : 'every network interface gets the isolation group: nothing in, nothing out';
    case 'network-acl':
      return mode === 'keep-ssm'
        ? 'the network ACL of its subnets is exchanged for one that lets only HTTPS to the VPC’s own addresses out'
        : 'the network ACL of its subnets is exchanged for one that denies everything';
    case 'metadata-service':
      return 'the instance metadata service is switched off: the instance gets no new credentials';
    case 'stop':
      return 'the instance is stopped: nothing runs on it any more';
  }
}

/** Why a layer needs a consent of its own; undefined when only the instance itself feels it. */
export function ownConsentOf(layer: EnforcedLayer, facts: InstanceFacts): string | undefined {
  if (layer === 'network-acl') {
    const neighbours = Object.values(facts.subnetNeighbours ?? {}).flat();
    if (facts.subnetNeighbours === undefined)
      return 'who else is in its subnets could not be read; all are cut off with it';
    return neighbours.length === 0
      ? 'the whole subnet is cut off; nothing else was found in it'
      : `the whole subnet is cut off, and with it ${listed(neighbours)}`;
  }
  if (layer === 'stop') return 'memory and instance store volumes are lost for good';
  return undefined;
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

export function blastRadiusOf(facts: InstanceFacts, { steps, layers, mode }: Outline): string[] {
  const { instanceId } = facts.target;
  const planned = (layer: EnforcedLayer): boolean => steps.some((step) => step.layer === layer);
  const { securityGroups, internetEdge } = layers;
  const sentences: string[] = [];
  if (planned('security-groups'))
    sentences.push(`every connection to and from ${instanceId} is refused, but those listed under what still flows`);
  sentences.push(...identityRadius(facts, { layers, mode, planned: planned('identity') }));
  sentences.push(...internetEdge.map(lossOf));
  for (const { targetGroupArn, port } of layers.loadBalancer ?? [])
    sentences.push(`target group ${targetGroupArn} loses the instance on port ${port}; a release registers it again`);
  if (planned('security-groups'))
    sentences.push(
      `${securityGroups.length} network interface(s) change groups: ${securityGroups.map((eni) => eni.networkInterfaceId).join(', ')}`,
    );
  for (const { layer, needsOwnConsent } of steps)
    if (needsOwnConsent !== undefined) sentences.push(`${layer}: ${needsOwnConsent}`);
  sentences.push(...groupRadius(facts));
  if (facts.lifecycle === 'spot')
    sentences.push('it is a Spot Instance: AWS may take it back at any time, and no protection keeps it');
  if (facts.volumes.length === 0) sentences.push('no volume is attached');
  return sentences;
}

function identityRadius(
  facts: InstanceFacts,
  { layers, mode, planned }: { layers: ContainmentPlan['layers']; mode: ContainmentMode; planned: boolean },
): string[] {
  if (!planned) return [];
  const { identity } = layers;
  if (!identity) return ['it has no instance profile: there is no role to take away'];
  const { instanceProfile } = facts;
  const role = identity.roleName ?? 'its role';
  const others = instanceProfile?.otherHolders;
  const sentences =
    identity.revoke === 'whole-role'
      ? [`sessions of ${role} that are older than the exchange are refused everywhere, stolen ones too`]
      : [
          others === undefined
            ? `who else has ${role} could not be read: only sessions of this instance are refused`
            : others.length > 0
              ? `${role} is also that of ${listed(others)}: only sessions of this instance are refused, theirs go on`
              : `${role} may be assumed by others than EC2: only sessions of this instance are refused`,
        ];
  if (mode === 'keep-ssm')
    sentences.push(
      'the SSM agent may be silent until it fetches credentials of the new profile, which may take up to an hour (not measured on AWS)',
    );
  return sentences;
}

/** The same in service and in standby: protection puts the instance there while people decide, and the plan stays the same. */
function groupRadius({ autoScaling, tags }: InstanceFacts): string[] {
  const group = autoScaling?.groupName ?? tags['aws:autoscaling:groupName'];
  if (group === undefined) return [];
  return [
    `the instance is in Auto Scaling group ${group}: failed health checks may replace it unless it is in standby`,
    ...(autoScaling?.classicLoadBalancers ?? []).map(
      (name) =>
        `Classic Load Balancer ${name} of the group is not changed by containment; standby takes the instance off it`,
    ),
  ];
}

export function residualPathsOf(facts: InstanceFacts, { steps, mode, notEnforced }: Outline): string[] {
  const planned = (layer: EnforcedLayer): boolean => steps.some((step) => step.layer === layer);
  if (planned('stop')) return notEnforcedSentences(notEnforced);
  const sentences = [
    planned('metadata-service')
      ? 'DNS through the Amazon resolver and Time Sync are not filtered by security groups or network ACLs'
      : 'DNS through the Amazon resolver, the instance metadata service and Time Sync are not filtered by security groups',
  ];
  // That layer needs a consent of its own, and may not get it.
  const orUntil = planned('network-acl') ? ' or layer network-acl is agreed to and applied' : '';
  sentences.push(
    `connections through NAT gateways, load balancers, transit gateways and endpoints are always tracked and live on until they time out${orUntil}`,
  );
  if (mode === 'keep-ssm')
    sentences.push('HTTPS to the VPC’s own endpoints stays open, so that the SSM agent can be reached');
  if (!planned('security-groups')) sentences.push('no security group is changed: the network stays as it is');
  if (
    planned('identity') &&
    facts.instanceProfile?.otherHolders === undefined &&
    facts.instanceProfileArn !== undefined
  )
    sentences.push(
      'credentials that were stolen may work on elsewhere: the role could not be read, so what it gave is not fully known',
    );
  const carriers = facts.networkInterfaces.flatMap((eni) =>
    eni.publicAddresses.filter(({ kind }) => kind === 'carrier').map(({ address }) => address),
  );
  if (carriers.length > 0)
    sentences.push(`connections already open over the carrier address ${carriers.join(', ')} may live on`);
  return [...sentences, ...notEnforcedSentences(notEnforced)];
}

const notEnforcedSentences = (layers: ContainmentPlan['notEnforced']): string[] =>
  layers.map(({ layer, reason }) => `layer ${layer} was asked for and is not enforced: ${reason}`);
