import type { MemoryTool } from '../domain/memory-tools';
import type { Policy } from '../domain/policy';

/** Every purpose has a role of its own: what may contain cannot read evidence, what may acquire cannot contain. */
export interface MemberRoles {
  /** Reads the instance and its surroundings, and the agent's state. */
  triage: string;
  /** Protects, snapshots, shares, commands the memory document. */
  acquire: string;
  /** Changes security groups. */
  contain: string;
}

/** A published SSM document, pinned: SendCommand is given version and hash, so that nothing else can run in its place. */
export interface PublishedDocument {
  /** Name in the forensics account; member accounts name it by its ARN. */
  name: string;
  arn: string;
  version: string;
  /** SHA-256 (hexadecimal) of the content. */
  sha256: string;
}

export interface DocumentSet {
  acquireMemoryLinux: PublishedDocument;
  examineMemory: PublishedDocument;
  examineDisk: PublishedDocument;
  probeIsolation: PublishedDocument;
}

/** Whom an isolated instance tries to reach, so that what still flows is measured. At most 8 of each kind. */
export interface IsolationProbe {
  canaries: {
    /** `ADDRESS:PORT` or `[IPV6-ADDRESS]:PORT`. No names: they would need DNS first. */
    tcp: string[];
    /** Names that have an IPv4 address in public DNS. */
    dns: string[];
    /** IPv4 or IPv6 addresses that answer an echo request. */
    icmp: string[];
  };
}

/** `governance`: whoever has a special right may lift it. `compliance`: nobody may, not even AWS, until it ends. */
export type LockMode = 'governance' | 'compliance';

export interface SnapshotLock {
  mode: LockMode;
  /** Hours, 1 to 72, in which a lock in compliance mode may still be lifted; without it there are none. Source: LockSnapshot. */
  coolOffHours?: number;
}

/** What a worker needs to know of its deployment in one Region. Holds no secret. Endpoints and credentials come from AWS's own variables. */
export interface ForensicsConfig {
  region: string;
  forensicsAccountId: string;
  /** Names of the roles in every member account, assumed through STS. */
  memberRoles: MemberRoles;
  /** Given to AssumeRole when the member roles ask for it. */
  externalId?: string;
  /** Alias (in every member account) of the key prepared for sharing; its policy lets the forensics account use it. */
  sharingKeyAlias: string;
  /** The forensics account's key for snapshots and evidence. */
  evidenceKeyArn: string;
  /** The forensics account's key for signatures (KMS key spec ECC_NIST_P256 or ECC_NIST_P384): it seals cases. */
  sealingKeyArn: string;
  /** The verifier that goes with every sealed case: one file in the tools bucket, pinned by its SHA-256 (hexadecimal). */
  verifier: { key: string; sha256: string };
  buckets: {
    /** Instances write here with pre-signed URLs; nothing is locked, everything expires. */
    staging: string;
    /** Versioned, Object Lock; only workers write here. */
    evidence: string;
    /** Acquisition tools, pinned by SHA-256. */
    tools: string;
  };
  /** Name of the role in the forensics account that alone may delete evidence, after its retention; without it nothing is purged. */
  purgeRole?: string;
  caseTable: string;
  topicArn: string;
  documents: DocumentSet;
  /** Left out: nothing is measured from the instance after an isolation. */
  isolationProbe?: IsolationProbe;
  /** The ladder of acquisition tools: tried in this order until one gives a sound image. */
  memoryTools: MemoryTool[];
  forensicInstance: {
    imageId: string;
    /** Tried in this order when a type has no capacity. */
    instanceTypes: string[];
    subnetId: string;
    securityGroupId: string;
    /** Lets the SSM agent register; the documents need no other right. */
    instanceProfileName?: string;
  };
  /** Bytes of a part of a memory upload; S3 allows 5 MiB to 5 GiB and 10,000 parts. */
  memoryPartSizeBytes: number;
  /** Retry-poll: wait 4 % of the time waited so far, between these. Seconds. */
  polling: { minimumSeconds: number; maximumSeconds: number };
  policy: Policy;
  /** How snapshots that are evidence are locked; governance mode when it is left out. */
  snapshotLock?: SnapshotLock;
  /** Object Lock mode of what is written into the evidence bucket; governance when it is left out. */
  objectLockMode?: LockMode;
}
