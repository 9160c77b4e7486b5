import canonicalize from 'canonicalize';
import { bytesToHex } from '@noble/hashes/utils';
import type { Exhibit, MissingEvidence, S3Location } from '../evidence';
import { canonicalBytes, type ChainHead } from './chain';
import { merkleRoot } from './merkle-tree';

/** A case as it is handed over: a folder of these files, described for strangers in docs/evidence-format.md. */
export const BUNDLE_FORMAT = 'ec2-forensics-bundle/1';
export const BUNDLE_FILES = {
  seal: 'seal.json',
  signature: 'seal.signature',
  publicKey: 'public-key.pem',
  /** One SealedFile a line, by path. Names every other file of the bundle but the four of this list. */
  list: 'files.jsonl',
  custodyLog: 'custody.jsonl',
  manifest: 'manifest.json',
  /** What the case came to, with the request, the facts and the plan that it started from. */
  outcome: 'outcome.json',
  report: 'report.html',
  /** Checks the folder that it lies in, with nothing but Node.js. */
  verifier: 'verify.cjs',
} as const;

/** Evidence may be taken along or left out when a bundle is handed over, kind by kind: these are folders below `evidence/`. */
export const EVIDENCE_KINDS = ['memory', 'blocks', 'companions', 'timelines', 'tool-outputs'] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];
export const evidenceFolder = (kind: EvidenceKind): string => `evidence/${kind}/`;

/** A file of the bundle as it was when the case was sealed. */
export interface SealedFile {
  /** Relative, with `/`; never leads out of the bundle. */
  path: string;
  sizeBytes: number;
  /** SHA-256, hexadecimal. */
  sha256: string;
  /** Evidence may be left out of a bundle; its digest stays. */
  mayBeAbsent?: true;
  /** Of a file with one record a line: SHA-256 of each line without its end, so that an altered record is named. */
  lines?: string[];
  /** Where it lay when the case was sealed; the version is write-once. Of no meaning for the check. */
  object?: Required<S3Location>;
}

/** What is signed: the canonical JSON (RFC 8785) of this. */
export interface Seal {
  format: typeof BUNDLE_FORMAT;
  caseId: string;
  /** ISO 8601, UTC. */
  sealedAt: string;
  custody: { sequence: number; hash: string };
  files: { count: number; merkleRoot: string };
}

/** A case's bundle as it was sealed. */
export interface SealedCase {
  seal: Seal;
  /** Where it lies: the evidence bucket, and the keys' beginning. */
  bundle: { bucket: string; prefix: string };
  /** Of the signature in DER, hexadecimal. */
  signatureSha256: string;
  /** Of the public key in DER, hexadecimal: what a verifier shows as the key's fingerprint. */
  publicKeySha256: string;
  sealObject: Required<S3Location>;
}

/**
 * How something came to be from an exhibit or from something derived before. A file is named by its path in the bundle, a volume or a
 * snapshot by its ARN.
 */
export interface DerivedFile {
  path: string;
  from: string[];
  tool: { name: string; version: string; arguments?: string[] };
}

/** A workflow's history in the bundle: one event a line, as it was when the case was sealed. */
export interface HistoryFile {
  path: string;
  workflowId: string;
  /** Of the case only; a child workflow has one run. */
  runId?: string;
  events: number;
  /** Why there are none. */
  missing?: string;
}

export interface Manifest {
  caseId: string;
  exhibits: (Exhibit & { path?: string })[];
  missing: MissingEvidence[];
  derived: DerivedFile[];
  decisions: { checkpoint: string; verdict: string; approver: string; planHash: string; decidedAt: string }[];
  histories?: HistoryFile[];
}

/**
 * One record a line, in canonical JSON (RFC 8785): the same record is the same bytes, however its fields came. Temporal gives the maps of
 * one event in another order with each reading.
 */
export const linesOf = (records: readonly unknown[]): string =>
  records.map((record) => `${canonicalize(record) ?? 'null'}\n`).join('');

/** Root over the files in the order of the list; a leaf is the canonical JSON of its line. */
export const rootOfFiles = (files: readonly SealedFile[]): string =>
  bytesToHex(merkleRoot(files.map((file) => canonicalBytes(file))));

/** @param files sorted by path, each path once */
export function sealOf(head: ChainHead, files: readonly SealedFile[], sealedAt: string): Seal {
  return {
    format: BUNDLE_FORMAT,
    caseId: head.caseId,
    sealedAt,
    custody: { sequence: head.sequence, hash: head.hash },
    files: { count: files.length, merkleRoot: rootOfFiles(files) },
  };
}
