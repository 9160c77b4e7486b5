export type ExhibitKind = 'memory' | 'disk';

/** An object in S3, pinned to the version that was written. */
export interface S3Location {
  bucket: string;
  key: string;
  versionId?: string;
}

/** One acquired piece of evidence, as it lies in the forensics account. */
export interface Exhibit {
  /** Unique in its case: `memory` or the source volume's id. */
  id: string;
  kind: ExhibitKind;
  /** What it was taken from: an instance or a volume id. */
  source: string;
  /** Lowercase hexadecimal SHA-256 of the raw image, computed off the suspect in the forensics account. */
  sha256: string;
  /** Bytes of the raw image. */
  sizeBytes: number;
  location: { s3: S3Location } | { snapshotId: string; accountId: string; region: string; keyArn: string };
  /** ISO 8601. For a disk: when the snapshot was asked for. */
  acquiredAt: string;
  tool: { name: string; version: string; sha256?: string };
  /** Facts worth keeping with the exhibit, one sentence each (how the hash was compared, what was skipped). */
  notes: string[];
}

/** Evidence that could not be had; recorded with the reason, never skipped in silence (RFC 3227). */
export interface MissingEvidence {
  id: string;
  kind: ExhibitKind;
  source: string;
  /** One plain sentence: what failed, on which resource, what was left undone. */
  reason: string;
}
