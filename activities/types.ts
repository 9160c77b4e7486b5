/**
 * What a forensic case is made of, step by step: the contract between workflows (who import these types only) and the
 * activities that carry them out. One argument, one result, JSON-plain. Every step may run again after it succeeded, so
 * each is idempotent: it looks for what an earlier attempt made (by tag, client token or condition) before it makes it.
 *
 * Failures are `ApplicationFailure`s whose `type` is one of `FailureType` (workflows/contract/failures.ts).
 */
import type { CustodyEntry } from '../domain/custody/entry';
import type { CaseRequest } from '../domain/case-request';
import type { ContainmentPlan, ContainmentResult } from '../domain/containment';
import type { Exhibit, MemoryAttempt, S3Location } from '../domain/evidence';
import type { ExaminationResult } from '../domain/examination';
import type { InstanceFacts } from '../domain/instance-facts';
import type { CaseOutcome, CaseRecord } from '../domain/outcome';
import type { PolicyDecision } from '../domain/policy';
import type { InstanceTarget } from '../domain/target';

export interface TriageActivities {
  /**
   * Reads the instance, its volumes and their keys, interfaces, attributes and agent, and applies the policy.
   * Fails with `InstanceNotFound` (final) when there is no such instance.
   */
  triageInstance(input: {
    caseId: string;
    request: CaseRequest;
  }): Promise<{ facts: InstanceFacts; decision: PolicyDecision }>;
}

export interface ProtectionStep {
  step: 'termination-protection' | 'stop-protection' | 'shutdown-behavior' | 'delete-on-termination' | 'case-tag';
  outcome: 'set' | 'already-set' | 'failed';
  /** The value before, as the undo needs it; e.g. `false`, or `vol-1=true,vol-2=false`. */
  before: string;
  reason?: string;
}

export interface ProtectionActivities {
  /** Keeps the evidence from vanishing. One failing step never keeps the others from running. */
  protectInstance(input: { caseId: string; facts: InstanceFacts }): Promise<{ steps: ProtectionStep[] }>;
}

/** Which side a snapshot lies on. */
export type SnapshotOwner = 'source' | 'forensics';

export interface CreatedSnapshot {
  volumeId: string;
  snapshotId: string;
  /** ISO 8601, as AWS reports it. */
  startedAt: string;
}

export interface SnapshotFacts {
  snapshotId: string;
  sizeGiB: number;
  encrypted: boolean;
  keyArn?: string;
}

export interface VolumeActivities {
  /** One crash-consistent CreateSnapshots over all volumes of the instance. */
  createSnapshots(input: {
    caseId: string;
    target: InstanceTarget;
    volumeIds: string[];
  }): Promise<{ snapshots: CreatedSnapshot[] }>;
  /**
   * Waits (retry-poll, no slot held) until a snapshot or copy is complete.
   * Fails with `SnapshotFailed` (final) carrying AWS's state message when it ends in `error`.
   */
  awaitSnapshot(input: {
    caseId: string;
    target: InstanceTarget;
    owner: SnapshotOwner;
    snapshotId: string;
  }): Promise<SnapshotFacts>;
  /** Copies a snapshot in the source account to the key prepared for sharing. Returns at once; then `awaitSnapshot`. */
  reencryptSnapshot(input: {
    caseId: string;
    target: InstanceTarget;
    volumeId: string;
    snapshotId: string;
  }): Promise<{ snapshotId: string }>;
  shareSnapshot(input: { caseId: string; target: InstanceTarget; snapshotId: string }): Promise<void>;
  /** Takes the permission back. Other cases' snapshots are not touched. */
  unshareSnapshot(input: { caseId: string; target: InstanceTarget; snapshotId: string }): Promise<void>;
  /** Copies a shared snapshot under the forensics account's key, same Region. Returns at once; then `awaitSnapshot`. */
  copySnapshotToForensics(input: {
    caseId: string;
    target: InstanceTarget;
    volumeId: string;
    snapshotId: string;
  }): Promise<{ snapshotId: string }>;
  /** Locks a snapshot (governance mode) so that it cannot be deleted while it is evidence. */
  lockSnapshot(input: {
    caseId: string;
    target: InstanceTarget;
    owner: SnapshotOwner;
    snapshotId: string;
    days: number;
  }): Promise<{ lockedUntil: string }>;
  /**
   * Reads the source snapshot and the forensic copy block by block (EBS direct APIs) and compares them; SHA-256 is that
   * of the raw device, holes read as zeros. Heartbeats progress. Fails with `EvidenceMismatch` (final) when they differ.
   */
  verifyDisk(input: {
    caseId: string;
    target: InstanceTarget;
    volumeId: string;
    acquiredAt: string;
    sourceSnapshotId: string;
    forensicSnapshotId: string;
  }): Promise<Exhibit>;
}

/** A command that an SSM document runs as. Carries no secret: bearer URLs stay inside the activities. */
export interface StartedCommand {
  commandId: string;
  instanceId: string;
  document: { name: string; version: string; sha256: string };
  /** ISO 8601. */
  startedAt: string;
}

export interface MemoryCapture extends StartedCommand {
  /** 1, 2, 3 … in the case. */
  attempt: number;
  upload: {
    bucket: string;
    key: string;
    uploadId: string;
    /** Bytes of every part but the last, and how many parts were planned: the image's greatest size. */
    partSizeBytes: number;
    partCount: number;
  };
  /** Its rung of the ladder. */
  tool: string;
  /** One of these: of a kernel module there is one for each kernel release, and the instance knows which it needs. */
  tools: { name: string; version: string; sha256: string }[];
}

/** What the document on the suspect reports when it is done. */
export interface MemoryCaptureReport {
  sha256: string;
  sizeBytes: number;
  parts: number;
  tool: { name: string; version: string; sha256: string };
  /** What the acquisition changed on the suspect: a kernel module that came (and went), `/proc/sys/kernel/tainted`. */
  module: 'none' | 'unloaded' | 'left-loaded';
  taintBefore: number | null;
  taintAfter: number | null;
  /** What the kernel says of itself, as it was uploaded; or why it was not. */
  kernelFacts: { sha256: string; sizeBytes: number } | { reason: string };
}

export interface MemoryActivities {
  /**
   * Opens a multipart upload into the staging bucket, publishes the manifest of pre-signed part URLs and sends the
   * document with the next tool of the configured ladder. `attempts` are those that failed; `null` when no tool is left.
   * Fails with `AgentUnavailable` (final) when the instance cannot be commanded, `UnsupportedPlatform` (final)
   * when there is no document for it.
   */
  startMemoryCapture(input: {
    caseId: string;
    facts: InstanceFacts;
    attempts: MemoryAttempt[];
    deadlineSeconds: number;
  }): Promise<MemoryCapture | null>;
  /**
   * Follows the command (heartbeats bytes uploaded, renews part URLs) to its end.
   * Fails with `ToolRefused`, `CommandFailed` or `CommandTimedOut` (final) with the document's last words.
   */
  awaitMemoryCapture(input: {
    caseId: string;
    target: InstanceTarget;
    capture: MemoryCapture;
  }): Promise<MemoryCaptureReport>;
  /**
   * Completes the upload, re-reads and re-hashes it, checks that it is a memory image of this kernel (header walk against
   * /proc/iomem, kernel banner against /proc/version) and copies it write-once into the evidence bucket, with what the
   * kernel says of itself beside it. An image that fails its checks is kept write-once too, as rejected.
   * Fails with `EvidenceMismatch` or `EvidenceUnusable` (final); the details then hold its `location`.
   */
  sealMemoryImage(input: {
    caseId: string;
    exhibitId: string;
    target: InstanceTarget;
    capture: MemoryCapture;
    report: MemoryCaptureReport;
    retentionDays: number;
  }): Promise<Exhibit>;
  /** After a failure or a cancellation: cancels the command and aborts the upload. Safe to call at any time. */
  abandonMemoryCapture(input: {
    caseId: string;
    target: InstanceTarget;
    attempt: number;
    capture?: MemoryCapture;
  }): Promise<void>;
}

export interface ContainmentActivities {
  /**
   * Carries out the plan's security-group layer on every interface, then reads each one again. An interface that fails
   * is reported and the others go on; nothing is rolled back.
   */
  isolateInstance(input: { caseId: string; plan: ContainmentPlan }): Promise<ContainmentResult>;
}

export interface ForensicInstance {
  instanceId: string;
  availabilityZone: string;
}

export interface EvidenceVolume {
  volumeId: string;
}

/** A running examination: the command, and where its results will be staged. */
export interface StartedExamination extends StartedCommand {
  staging: { bucket: string; prefix: string };
  /** Names of the outputs that the document may upload. */
  outputs: string[];
}

export interface ExaminationActivities {
  /** Starts a forensic instance from the forensic image for one exhibit. ClientToken makes it idempotent. */
  launchForensicInstance(input: { caseId: string; region: string; exhibit: Exhibit }): Promise<ForensicInstance>;
  /** Waits (retry-poll) until the instance runs and its agent is online. */
  awaitForensicInstance(input: { caseId: string; region: string; instance: ForensicInstance }): Promise<void>;
  /** Creates a volume from the forensic snapshot copy in the instance's zone. Returns at once. */
  createEvidenceVolume(input: {
    caseId: string;
    region: string;
    exhibit: Exhibit;
    instance: ForensicInstance;
  }): Promise<EvidenceVolume>;
  /** Waits until the volume is available, attaches it, waits until it is attached. */
  attachEvidenceVolume(input: {
    caseId: string;
    region: string;
    instance: ForensicInstance;
    volume: EvidenceVolume;
  }): Promise<void>;
  /** Publishes the manifest (pre-signed inputs and outputs) and sends the examination document. */
  startExamination(input: {
    caseId: string;
    region: string;
    exhibit: Exhibit;
    instance: ForensicInstance;
    volume?: EvidenceVolume;
    deadlineSeconds: number;
  }): Promise<StartedExamination>;
  /**
   * Follows the command to its end. Fails with `CommandFailed` / `CommandTimedOut` (final), and with `ImageUnreadable`
   * (final) when the tools can read nothing of a memory image.
   */
  awaitExamination(input: { caseId: string; region: string; examination: StartedExamination }): Promise<void>;
  /** Verifies the staged outputs, copies them write-once into the evidence bucket and turns them into findings. */
  collectExamination(input: {
    caseId: string;
    region: string;
    exhibit: Exhibit;
    examination: StartedExamination;
    retentionDays: number;
  }): Promise<ExaminationResult>;
  /** Ends the forensic instance and deletes its working volume, whatever was made of them. Finds them by tag. */
  releaseForensicInstance(input: { caseId: string; region: string; exhibitId: string }): Promise<void>;
}

export interface RecordActivities {
  /** Writes the event and the head of the case (DynamoDB, one transaction) and tells people when the event says so (SNS). */
  recordEvent(input: { record: CaseRecord; event: CustodyEntry }): Promise<void>;
  /** Renders the report and writes it, with the outcome as JSON beside it, write-once into the evidence bucket. */
  writeReport(input: {
    request: CaseRequest;
    facts: InstanceFacts | null;
    plan: ContainmentPlan | null;
    outcome: CaseOutcome;
    retentionDays: number;
  }): Promise<S3Location & { sha256: string; sizeBytes: number }>;
}

export type Activities = TriageActivities &
  ProtectionActivities &
  VolumeActivities &
  MemoryActivities &
  ContainmentActivities &
  ExaminationActivities &
  RecordActivities;
