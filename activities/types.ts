/**
 * What a forensic case is made of, step by step: the contract between workflows (who import these types only) and the
 * activities that carry them out. One argument, one result, JSON-plain. Every step may run again after it succeeded, so
 * each is idempotent: it looks for what an earlier attempt made (by tag, client token or condition) before it makes it.
 *
 * Failures are `ApplicationFailure`s whose `type` is one of `FailureType` (workflows/contract/failures.ts).
 */
import type { LayerActivities } from './containment/layer-activities';
import type { CustodyDraft } from '../domain/custody/entry';
import type { CaseRequest } from '../domain/case-request';
import type { EvidenceThreat } from '../domain/evidence-threat';
import type { PurgePlan, PurgeResult } from '../domain/evidence-purge';
import type { CaseAudit } from '../domain/evidence-audit';
import type { ContainmentPlan, IsolationMeasurement } from '../domain/containment';
import type { Exhibit, MemoryAttempt, S3Location } from '../domain/evidence';
import type { ExaminationResult } from '../domain/examination';
import type { IdentityProof, ProofBinding, ProvenIdentity } from '../domain/identity-proof';
import type { InstanceFacts } from '../domain/instance-facts';
import type { ContainedData } from '../domain/case-story';
import type { CaseOutcome, CaseRecord } from '../domain/outcome';
import type { SealedCase } from '../domain/custody/bundle';
import type { PolicyDecision } from '../domain/policy';
import type { InstanceTarget } from '../domain/target';

export type { LayerActivities } from './containment/layer-activities';

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
  step:
    | 'termination-protection'
    | 'stop-protection'
    | 'shutdown-behavior'
    | 'delete-on-termination'
    | 'case-tag'
    | 'scale-in-protection'
    | 'standby'
    | 'spot-reclaim';
  /** `not-possible`: nothing keeps a Spot Instance; no failure of ours. */
  outcome: 'set' | 'already-set' | 'failed' | 'not-possible';
  /** The value before, as the undo needs it; e.g. `false`, or `vol-1=true,vol-2=false`. */
  before: string;
  reason?: string;
}

export interface ProtectionActivities {
  /** Keeps the evidence from vanishing. One failing step never keeps the others from running. */
  protectInstance(input: {
    caseId: string;
    facts: InstanceFacts;
    /** Into standby, when it is in an Auto Scaling group; the group launches another one in its place. Default false. */
    standby?: boolean;
  }): Promise<{ steps: ProtectionStep[] }>;
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
   * of the raw device, holes read as zeros. Writes the list of its blocks once into the evidence bucket. Heartbeats progress,
   * and goes on after the last finished range. Fails with `EvidenceMismatch` (final), naming blocks, when they differ.
   */
  verifyDisk(input: {
    caseId: string;
    target: InstanceTarget;
    volumeId: string;
    acquiredAt: string;
    sourceSnapshotId: string;
    forensicSnapshotId: string;
    retentionDays: number;
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
  /** SHA-256 of each part before it was sent, as the list was uploaded; or why it was not. */
  partDigests?: { sha256: string; sizeBytes: number } | { reason: string };
  /** Whole seconds by which the suspect's clock was ahead of S3's; `null` where that could not be told. */
  clockOffset?: number | null;
  /** How the suspect keeps its clock, in a few of its own words. */
  timeSource?: string;
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
  /**
   * Appends events to the custody log (DynamoDB), writes the head of the case, and tells people of those that say so (SNS).
   * `lastEvent` is the number of the last of them in the case's own count. Fails with `CustodyForked` (final).
   */
  recordEvents(input: { record: CaseRecord; lastEvent: number; events: CustodyDraft[] }): Promise<void>;
  /** Renders the report and writes it, with the outcome as JSON beside it, write-once into the evidence bucket. */
  writeReport(input: {
    request: CaseRequest;
    facts: InstanceFacts | null;
    plan: ContainmentPlan | null;
    outcome: CaseOutcome;
    retentionDays: number;
  }): Promise<S3Location & { sha256: string; sizeBytes: number }>;
}

export interface IdentityActivities {
  /**
   * Sends the request that a person signed to STS and tells who signed it. A proof counts once: for one decision.
   * Fails with `ProofRefused` (final) when it proves nothing; nothing is decided then.
   */
  redeemIdentityProof(input: { caseId: string; proof: IdentityProof; binding: ProofBinding }): Promise<ProvenIdentity>;
}

export type Activities = TriageActivities &
  IdentityActivities &
  LayerActivities &
  MeasurementActivities &
  SealingActivities &
  ProtectionActivities &
  VolumeActivities &
  MemoryActivities &
  ExaminationActivities &
  RecordActivities;

export interface SealCaseInput {
  caseId: string;
  workflowId: string;
  runId: string;
  childWorkflowIds: string[];
  request: CaseRequest;
  facts: InstanceFacts | null;
  plan: ContainmentPlan | null;
  outcome: CaseOutcome;
  retentionDays: number;
}

export interface SealingActivities {
  /**
   * Writes the case's bundle write-once into the evidence bucket and has KMS sign it: custody log up to now, manifest, decisions,
   * histories of the case and its children, report, findings, documents. A later attempt gives what was sealed first.
   * Fails with `EvidenceMismatch` (final) when something is not what was recorded; nothing is signed then.
   */
  sealCase(input: SealCaseInput): Promise<SealedCase>;
}

export interface HeldSnapshot {
  snapshotId: string;
  accountId: string;
  /** ISO 8601. */
  lockedUntil: string;
}

/** Steps that keep, audit and at last destroy the evidence of closed cases; a worker has them beside those of a case. */
export interface KeepingActivities extends ReleaseActivities, ProtectionUndoActivities {
  /**
   * Appends entries to the custody log of a case, closed or not, and tells people of those that say so. People are told too when the
   * log cannot be written since somebody meddled with it; then it fails with `CustodyForked` (final).
   */
  tellCase(input: { caseId: string; entries: CustodyDraft[] }): Promise<{ sequence: number; hash: string }>;
  /** Ids of the closed cases of the Region; with `sample`, the share of them that belongs to this seed. */
  listCasesToAudit(input: { seed: string; sample?: number }): Promise<string[]>;
  /**
   * Reads the evidence of a case again and holds it against its custody log, its seal and the audit before. Writes down what it saw,
   * write-once, and changes nothing else. `disks`: blocks of the forensic copies are read again too. Heartbeats.
   */
  auditCase(input: { caseId: string; disks: boolean }): Promise<CaseAudit>;
  /** Puts a legal hold on everything of a case, or lifts it. Locks of snapshots are put off for `snapshotDays`, never shortened. */
  setCaseHold(input: {
    caseId: string;
    on: boolean;
    snapshotDays: number;
  }): Promise<{ objects: number; snapshots: HeldSnapshot[]; notEnforced: string[] }>;
  /** What a purge would delete, and what stands against it: retention, locks, holds. Changes nothing. */
  planPurge(input: { caseId: string }): Promise<{ plan: PurgePlan; obstacles: string[] }>;
  /** Deletes what the plan names and nothing else, as the purge role; nothing at all when anything is still held. */
  purgeCase(input: { caseId: string; plan: PurgePlan }): Promise<PurgeResult>;
  /** The cases whose evidence a call works on; none for what the product itself does. `because`: why there are none. */
  findThreatenedCases(input: { threat: EvidenceThreat }): Promise<{ caseIds: string[]; because: string }>;
}

/** What a release goes by, as the case's custody log has it. */
export interface ContainedInstance {
  facts: InstanceFacts;
  /** Of the last containment of the case. */
  contained: ContainedData;
  protections: ProtectionStep[];
}

export interface ReleaseActivities {
  /**
   * Reads from the custody log of a case, whose chain it checks, how its instance was contained. Fails with `InvalidRequest` (final)
   * when it was not, with `CustodyForked` (final) when the log does not hold.
   */
  readContainment(input: { caseId: string }): Promise<ContainedInstance>;
}

/** What became of one protection at release. */
export interface ProtectionUndo {
  step: ProtectionStep['step'];
  /** `differs`: somebody else changed it meanwhile; it is left as it is. `gone`: the instance is. */
  outcome: 'restored' | 'differs' | 'gone' | 'failed';
  /** Of `differs` and `failed`: what is there. Of `restored`: what could not come back as it was. */
  difference?: string;
}

export interface ProtectionUndoActivities {
  /**
   * Takes back what `protectInstance` set, last first, each only where it is still as it was set. For the release of an
   * instance whose evidence is safe.
   */
  undoProtection(input: {
    caseId: string;
    facts: InstanceFacts;
    steps: ProtectionStep[];
  }): Promise<{ steps: ProtectionUndo[] }>;
}

export interface MeasurementActivities {
  /**
   * Has the isolated instance try to reach the configured canaries, the resolver and the metadata service; ends within some two
   * minutes. What cannot be measured is told with its reason, at once when no canaries are configured; it fails only when it is
   * cancelled or AWS has passing trouble.
   * @param measurement 1 after the first layers, 2 after those with a consent of their own
   */
  probeIsolation(input: { caseId: string; plan: ContainmentPlan; measurement: 1 | 2 }): Promise<IsolationMeasurement>;
}
