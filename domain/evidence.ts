export type ExhibitKind = 'memory' | 'disk';

/** An object in S3, pinned to the version that was written. */
export interface S3Location {
  bucket: string;
  key: string;
  versionId?: string;
}

/** An attempt to acquire memory that came to no good image, as it is kept with the evidence. */
export interface MemoryAttempt {
  /** 1, 2, 3 … in the case. */
  number: number;
  tool: string;
  /**
   * - `tool-refused`: the tool could not run on the suspect, or ended with an error.
   * - `image-rejected`: an image arrived and failed its checks; it is kept at `rejected`.
   * - `image-unreadable`: the image passed them, and the examination could not read it; it is an exhibit of its own.
   */
  outcome: 'tool-refused' | 'image-rejected' | 'image-unreadable';
  /** One plain sentence; may hold words of the suspect. */
  reason: string;
  rejected?: S3Location;
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
  /** Kept with it, write-once too: of memory, what its kernel says of itself (symbols, modules, ranges). */
  companions?: (Required<S3Location> & { sha256: string; sizeBytes: number })[];
  /** Of memory: the attempts that came before it. */
  attempts?: MemoryAttempt[];
  /** Of a disk: by which one block of it can be checked alone. */
  blocks?: BlockDigests;
  /** Of memory: the parts in which it was uploaded. */
  transfer?: MemoryTransfer;
}

/** The parts of a memory image: by them one changed part can be named, and a part can be checked without the others. */
export interface MemoryTransfer {
  /** Bytes of every part but the last. */
  partSizeBytes: number;
  parts: number;
  /** One line a part: its number, its SHA-256, its bytes (docs/evidence-format.md). As re-read in the forensics account. */
  list: Required<S3Location> & { sha256: string; sizeBytes: number };
  /** Whether each of them was compared with the digest that the suspect computed before it sent the part. */
  compared: boolean;
  /** SHA-256 of each part, in order; left out where there are more than 100. */
  partSha256?: string[];
}

/**
 * The blocks of a disk as the EBS direct APIs know them. The Merkle tree (RFC 6962) has a leaf for every block of the
 * device, in order: the 32 bytes of the block's SHA-256, holes as blocks of zeros.
 */
export interface BlockDigests {
  /** Bytes of one block: 524,288. */
  blockSizeBytes: number;
  /** Blocks of the device. */
  count: number;
  /** Hexadecimal. */
  merkleRoot: string;
  /** One line for each block that does not hold zeros only: its index and its SHA-256 (docs/evidence-format.md). */
  list: Required<S3Location> & { sha256: string; sizeBytes: number };
}

/** Evidence that could not be had; recorded with the reason, never skipped in silence (RFC 3227). */
export interface MissingEvidence {
  id: string;
  kind: ExhibitKind;
  source: string;
  /** One plain sentence: what failed, on which resource, what was left undone. */
  reason: string;
  /** Of memory: what was tried. */
  attempts?: MemoryAttempt[];
  /** It is there, twice, and the two are not the same: both are kept. */
  mismatch?: true;
}
