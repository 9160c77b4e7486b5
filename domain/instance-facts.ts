import type { InstanceTarget } from './target';

/** Who controls the key of a volume or snapshot, and whether the forensics account may use it. */
export interface KeyFacts {
  keyArn: string;
  /** `AWS` is the account's default key aws/ebs: snapshots under it can never be shared (EBS User Guide). */
  manager: 'AWS' | 'CUSTOMER';
  enabled: boolean;
  /** The key's policy or a grant lets the forensics account use it. */
  usableByForensics: boolean;
}

export interface VolumeFacts {
  volumeId: string;
  /** Device name in the block device mapping, e.g. `/dev/xvda`. */
  device: string;
  root: boolean;
  sizeGiB: number;
  availabilityZone: string;
  deleteOnTermination: boolean;
  /** Absent for an unencrypted volume. */
  key?: KeyFacts;
  /** The volume's own; absent when it has none. */
  tags?: Record<string, string>;
}

/** An IPv4 address by which the Internet (or a Wavelength carrier) reaches an interface. */
export interface PublicAddress {
  address: string;
  /**
   * `elastic`: an Elastic IP address, which can be given back. `assigned`: of Amazon's pool, given at launch; once taken
   * away it never comes back. `carrier`: of a Wavelength Zone. Source: EC2 User Guide, "Instance IP addressing".
   */
  kind: 'elastic' | 'assigned' | 'carrier';
  /** The private address that it stands for. */
  privateIpAddress: string;
}

export interface NetworkInterfaceFacts {
  networkInterfaceId: string;
  vpcId: string;
  subnetId: string;
  /** Security groups as they were at triage, sorted: what a release restores. */
  groups: string[];
  privateIpAddresses: string[];
  publicAddresses: PublicAddress[];
  ipv6Addresses: string[];
}

/** The instance profile, and who has the same role. */
export interface InstanceProfileFacts {
  arn: string;
  /** The first role of the profile; a profile holds one at most. Absent when it could not be read. */
  roleName?: string;
  /** Ids of other instances with a profile of the same role, sorted; absent when they could not be read. */
  otherHolders?: string[];
  /** The role's trust policy lets others than EC2 assume it; absent when it could not be read. */
  assumedByOthers?: boolean;
}

/** The Auto Scaling group that the instance is in. */
export interface AutoScalingFacts {
  groupName: string;
  /** e.g. `InService`, `Standby`. */
  lifecycleState: string;
  protectedFromScaleIn: boolean;
  /** Names of Classic Load Balancers of the group. */
  classicLoadBalancers: string[];
}

/** One registration of the instance in a target group, by its id or one of its addresses. */
export interface TargetGroupFacts {
  targetGroupArn: string;
  /** What the target is registered as: the instance's id, or an address in a target group of type `ip`. */
  targetId: string;
  port: number;
  /** Of an address that lies outside of the load balancer's VPC. */
  availabilityZone?: string;
}

/** What the SSM agent on the instance is worth to us right now. */
export type AgentState =
  | { state: 'online'; platform: 'Linux' | 'Windows' | 'macOS'; platformName: string; platformVersion: string }
  | { state: 'unavailable'; reason: string };

/** The attributes that protection changes, as they were before it. */
export interface ProtectionFacts {
  apiTerminationDisabled: boolean;
  apiStopDisabled: boolean;
  shutdownBehavior: 'stop' | 'terminate';
}

/** Everything that triage read about the instance; the base of every later decision and of the undo. */
export interface InstanceFacts {
  target: InstanceTarget;
  /** ISO 8601; when it was read. */
  readAt: string;
  state: 'pending' | 'running' | 'stopping' | 'stopped' | 'shutting-down' | 'terminated';
  instanceType: string;
  /** From DescribeInstanceTypes; the size of a full memory image. */
  memoryMiB: number;
  architecture: string;
  imageId: string;
  launchTime: string;
  availabilityZone: string;
  tags: Record<string, string>;
  volumes: VolumeFacts[];
  networkInterfaces: NetworkInterfaceFacts[];
  instanceProfileArn?: string;
  /** More of the instance profile; absent for an instance without one. */
  instanceProfile?: InstanceProfileFacts;
  /** Absent when it is in no Auto Scaling group, or that could not be read. */
  autoScaling?: AutoScalingFacts;
  /** Where it is registered, sorted; absent when it could not be read. */
  targetGroups?: TargetGroupFacts[];
  /** Other instances by subnet of this one's interfaces, sorted; absent when they could not be read. */
  subnetNeighbours?: Record<string, string[]>;
  /** How it was bought; AWS may take a Spot Instance back at any time. */
  lifecycle?: 'on-demand' | 'spot' | 'scheduled' | 'capacity-block';
  agent: AgentState;
  protection: ProtectionFacts;
  /** What could not be read and what stands in for it is not known; one sentence each. Absent when all was read. */
  unreadable?: string[];
}
