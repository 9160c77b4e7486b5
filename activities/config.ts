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
  buckets: {
    /** Instances write here with pre-signed URLs; nothing is locked, everything expires. */
    staging: string;
    /** Versioned, Object Lock; only workers write here. */
    evidence: string;
    /** Acquisition tools, pinned by SHA-256. */
    tools: string;
  };
  caseTable: string;
  topicArn: string;
  documents: DocumentSet;
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
}
