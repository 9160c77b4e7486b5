import type { TargetGroupFacts } from '../instance-facts';
import type { InstanceTarget } from '../target';
import type { ContainmentMode, EnforcedLayer, LayerName } from './layer';

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
