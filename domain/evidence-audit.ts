import { sha256 } from '@noble/hashes/sha2';
import { utf8ToBytes } from '@noble/hashes/utils';
import type { CaseEventDraft } from './case-event';
import type { ChainHead } from './custody/chain';
import type { Severity } from './finding';

/** Something is not as the custody log says, or not as safe as it was. */
export interface AuditDifference {
  /** What it is about: an object, a snapshot, a key, the custody log. */
  what: string;
  /** One plain sentence; may hold words of somebody who meddles. */
  problem: string;
  severity: Extract<Severity, 'medium' | 'high' | 'critical'>;
}

/** How long something that an audit has seen is locked; the next audit holds against it, so that a lock cut short shows. */
export type LockEnds = Record<string, string>;

/** What one audit of one case found. */
export interface CaseAudit {
  caseId: string;
  /** ISO 8601. */
  auditedAt: string;
  /** Where the custody log ended. */
  head: ChainHead;
  checked: { objects: number; bytes: number; snapshots: number; snapshotsReread: number; entries: number };
  differences: AuditDifference[];
  /** What could not be checked, and why; what is worth knowing and no alarm. */
  notes: string[];
  lockEnds: LockEnds;
}

/** What stays of an audit outside of the case's table, write-once: the next audit holds the log and the locks against it. */
export interface AuditRecord extends CaseAudit {
  format: 'ec2-forensics-audit/1';
}

/** What is audited. */
export interface AuditScope {
  /** These cases; left out: every closed case of the Region. */
  caseIds?: string[];
  /** Share of the closed cases, above 0 and at most 1, chosen anew by each run. */
  sample?: number;
  /** Disks are read again, block by block, too: for each as long as its verification took. */
  disks?: boolean;
}

export interface EvidenceAuditResult {
  startedAt: string;
  endedAt: string;
  audited: number;
  bytes: number;
  /** Audits that found something, whole. */
  withDifferences: CaseAudit[];
  /** Cases that could not be audited. */
  failed: { caseId: string; reason: string }[];
}

const FRACTION_BYTES = 6;

/** Whether a case is in the sample of a run: the same for the same seed, and about `share` of all cases. */
export function isInSample(caseId: string, seed: string, share: number): boolean {
  const digest = sha256(utf8ToBytes(`${seed}\n${caseId}`)).slice(0, FRACTION_BYTES);
  const fraction = digest.reduce((sum, byte) => sum * 256 + byte, 0) / 256 ** FRACTION_BYTES;
  return fraction < share;
}

const RANK = ['medium', 'high', 'critical'] as const;
/** Differences that one event tells; the record of the audit has all of them. */
const TOLD = 20;

/** The audit as the case's log and its people are told of it. */
export function auditEvent(audit: CaseAudit): CaseEventDraft {
  const { caseId, checked, differences, notes, head } = audit;
  const seen =
    `${checked.entries} entries of the custody log, ${checked.objects} objects (${checked.bytes} bytes re-read) and ` +
    `${checked.snapshots} snapshots`;
  const data = { checked, head: { sequence: head.sequence, hash: head.hash }, notes: notes.slice(0, TOLD) };
  if (differences.length === 0) {
    return { kind: 'evidence-audited', message: `evidence of case ${caseId} is whole: ${seen}`, data, notify: false };
  }
  const gravest = RANK.findLast((severity) => differences.some((one) => one.severity === severity)) ?? 'high';
  const [first] = differences;
  return {
    kind: 'evidence-alert',
    message:
      `EVIDENCE OF CASE ${caseId} IS NOT AS IT MUST BE: ${differences.length} difference(s), the first: ` +
      `${first?.what ?? ''}: ${first?.problem ?? ''}`,
    severity: gravest,
    data: { ...data, differences: differences.slice(0, TOLD), differencesFound: differences.length },
    notify: true,
  };
}
