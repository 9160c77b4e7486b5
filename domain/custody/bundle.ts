import { bytesToHex } from '@noble/hashes/utils';
import type { Exhibit, MissingEvidence } from '../evidence';
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
} as const;

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

/** How a file came to be from an exhibit or from another derived file. */
export interface DerivedFile {
  path: string;
  from: string[];
  tool: { name: string; version: string; arguments?: string[] };
}

export interface Manifest {
  caseId: string;
  exhibits: (Exhibit & { path?: string })[];
  missing: MissingEvidence[];
  derived: DerivedFile[];
  decisions: { checkpoint: string; verdict: string; approver: string; planHash: string; decidedAt: string }[];
}

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
