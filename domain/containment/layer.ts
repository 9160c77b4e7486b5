/** What containment can do to an instance, one kind of measure each. Policy, plan, activities and report use these names. */
export const LAYER_NAMES = [
  'identity',
  'internet-edge',
  'load-balancer',
  'security-groups',
  'guest-firewall',
  'network-acl',
  'dns',
  'metadata-service',
  'stop',
] as const;
export type LayerName = (typeof LAYER_NAMES)[number];

/** `keep-ssm`: the SSM agent still reaches its endpoints, so that memory can be taken. `full`: nothing does. */
export type ContainmentMode = 'keep-ssm' | 'full';

/** Without word from the policy: cuts the network of this one instance and touches no role, target group or neighbour. */
export const DEFAULT_LAYERS: readonly LayerName[] = ['internet-edge', 'security-groups'];

/** The instance profile, the session revocation of the role that it gave, and who else has that role. */
export interface IdentityState {
  /** Absent when the instance has no instance profile. */
  profile?: { arn: string; associationId: string };
  /** The role of the profile that the instance had when it was contained. */
  roleName?: string;
  /** Text of the inline policy by which this case revokes sessions; absent when there is none. */
  revocation?: { policyName: string; document: string };
}

export interface EdgeAddressState {
  networkInterfaceId: string;
  address: string;
  kind: 'elastic' | 'assigned' | 'ipv6';
  privateIpAddress?: string;
  /** Of an Elastic IP address. */
  allocationId?: string;
  /** Whether the address led to this interface. */
  present: boolean;
}

export interface InterfaceGroupsState {
  networkInterfaceId: string;
  vpcId: string;
  /** Security groups, sorted; empty when the interface is gone. */
  groups: string[];
  /** Seconds that an idle established TCP connection is tracked; absent when it was never set. */
  tcpEstablishedTimeoutSeconds?: number;
  gone?: true;
}

/** One registration of the instance in a target group. */
export interface TargetState {
  targetGroupArn: string;
  /** The instance's id, or one of its addresses. */
  targetId: string;
  port: number;
  availabilityZone?: string;
  /** False when it was deregistered, also while its open connections drain. */
  registered: boolean;
  /** Elastic Load Balancing's word, e.g. `healthy`, `draining`, `unused`; `gone` of a target group that is deleted. */
  state: string;
}

export interface SubnetAclState {
  subnetId: string;
  networkAclId: string;
}

/** As DescribeInstances has them. */
export interface MetadataServiceState {
  httpEndpoint: 'enabled' | 'disabled';
  httpTokens?: 'optional' | 'required';
  httpPutResponseHopLimit?: number;
  httpProtocolIpv6?: 'enabled' | 'disabled';
  instanceMetadataTags?: 'enabled' | 'disabled';
}

/** What each layer changes, as it was read: the state before, and after. */
export interface LayerStates {
  identity: IdentityState;
  'internet-edge': { addresses: EdgeAddressState[] };
  'load-balancer': { targets: TargetState[] };
  'security-groups': { interfaces: InterfaceGroupsState[] };
  'network-acl': { subnets: SubnetAclState[] };
  'metadata-service': MetadataServiceState;
  stop: { state: string; apiStopDisabled: boolean };
}

/** Layers that this release carries out; the others of {@link LAYER_NAMES} are planned as not enforced. */
export type EnforcedLayer = keyof LayerStates;

/** A state with the layer that it belongs to. */
export type LayerState = { [Name in EnforcedLayer]: StateOf<Name> }[EnforcedLayer];

export interface StateOf<Name extends EnforcedLayer> {
  layer: Name;
  state: LayerStates[Name];
  /** Why it could not be read; `state` is then what the plan knew. Containment goes on all the same. */
  unread?: string;
}

/** What one layer came to, by re-reading AWS. What failed in it undid nothing that succeeded. */
export interface LayerOutcome {
  layer: EnforcedLayer;
  /** `not-needed`: there was nothing to change, e.g. no public address. */
  outcome: 'applied' | 'partially-applied' | 'failed' | 'not-needed';
  before: LayerState;
  /** As it was read afterwards: what a release compares the then current state with. */
  after: LayerState;
  /** The reading afterwards shows all that the layer was to bring about. */
  verified: boolean;
  /** Of every outcome but a whole one: what is missing and why. */
  reason?: string;
  /** What still flows because of how this layer went; sentences. */
  residualPaths: string[];
  /** ISO 8601; when `after` was read. */
  verifiedAt: string;
}

/** What became of a layer at release. */
export interface LayerUndo {
  layer: EnforcedLayer;
  /**
   * `differs`: the state is not the one that containment left, somebody else changed it: nothing was touched.
   * `gone`: what was changed exists no more, so that nothing is left to restore.
   */
  outcome: 'restored' | 'differs' | 'gone' | 'failed';
  /** Of `differs` and `failed`: what is there in place of what. Of `restored`: what could not come back as it was. */
  difference?: string;
}
