import { createHash } from 'node:crypto';
import { BUNDLE_FILES, type HistoryFile, linesOf, type SealedFile } from '../../domain/custody/bundle';
import { manifestOf } from '../../domain/custody/case-manifest';
import { wellFormed } from '../../domain/custody/chain';
import type { CaseDossier } from '../../domain/custody/dossier';
import type { CustodyEntry } from '../../domain/custody/entry';
import { type EvidenceFile, evidenceFilesOf } from '../../domain/custody/evidence-files';
import { type CaseDocument, documentsOf } from '../../domain/standards/documents';
import type { SealCaseInput } from '../types';

/** A history as it was read. */
export interface WorkflowHistory {
  workflowId: string;
  runId?: string;
  /** undefined when Temporal has none. */
  events: unknown[] | undefined;
}

/** What a bundle is made of: files that are written into it, and evidence that it only names. */
export interface BundleContents {
  files: { path: string; content: Buffer }[];
  evidence: EvidenceFile[];
}

/** Temporal keeps the history of a closed workflow for the namespace's retention time; a case may be open for longer. */
const NO_HISTORY =
  'Temporal knows no such workflow: it never started, or it closed longer ago than the namespace keeps histories';

export function contentsOf(
  input: SealCaseInput,
  entries: CustodyEntry[],
  histories: readonly WorkflowHistory[],
): BundleContents {
  const { request, facts, plan, outcome } = wellFormed({
    request: input.request,
    facts: input.facts,
    plan: input.plan,
    outcome: input.outcome,
  });
  const evidence = evidenceFilesOf(outcome);
  const historyFiles = histories.map<HistoryFile>(({ workflowId, runId, events }) => ({
    path: historyPath(input, workflowId),
    workflowId,
    ...(runId !== undefined && { runId }),
    events: events?.length ?? 0,
    ...(events === undefined && { missing: NO_HISTORY }),
  }));
  const manifest = manifestOf(outcome, request.target, entries, evidence, historyFiles);
  const texts: CaseDocument[] = [
    { path: 'README.txt', content: README },
    { path: BUNDLE_FILES.outcome, content: pretty({ request, facts, plan, outcome }) },
    { path: BUNDLE_FILES.manifest, content: pretty(manifest) },
    { path: BUNDLE_FILES.custodyLog, content: linesOf(entries) },
    ...histories.map(({ workflowId, events }) => ({
      path: historyPath(input, workflowId),
      content: linesOf(events ?? []),
    })),
    ...documentsOrWhyNot({ request, facts, plan, outcome, manifest, entries }),
  ];
  return { files: texts.map(({ path, content }) => ({ path, content: Buffer.from(content) })), evidence };
}

/** They can be made again from the rest of the bundle: a case is not left unsealed for want of them. */
function documentsOrWhyNot(dossier: CaseDossier): CaseDocument[] {
  try {
    return documentsOf(dossier);
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return [{ path: 'documents/could-not-be-made.txt', content: `${reason}\n` }];
  }
}

/** A line of the list for a file that was written into the bundle. */
export function sealedFile(
  path: string,
  content: Buffer,
  object: Required<NonNullable<SealedFile['object']>>,
): SealedFile {
  return {
    path,
    sizeBytes: content.length,
    sha256: digest(content),
    ...(path.endsWith('.jsonl') && { lines: content.toString().split('\n').slice(0, -1).map(digest) }),
    object,
  };
}

/** A line for evidence that the bundle names. */
export const namedFile = ({ path, sizeBytes, sha256, object }: EvidenceFile): SealedFile => ({
  path,
  sizeBytes,
  sha256,
  mayBeAbsent: true,
  object,
});

export const digest = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** `<case>/disk/vol-1` lies in `history/disk-vol-1.jsonl`, the case itself in `history/case.jsonl`. */
function historyPath({ caseId, workflowId: own }: SealCaseInput, workflowId: string): string {
  const child = workflowId.startsWith(`${caseId}/`) ? workflowId.slice(caseId.length + 1) : workflowId;
  const name = workflowId === own ? 'case' : child.replaceAll(/[^\w.-]/g, '-');
  return `history/${name}.jsonl`;
}

const README = `This folder is a sealed forensic case. To check it, with no network and nothing installed but Node.js 20 or later:

    node verify.cjs .

It says for each exhibit whether it is intact, and names the first thing that does not hold. Compare the fingerprint of the signing
key, which it prints, with what the owner of the case tells you by another way: a forger could put in a key of his own, and a
verifier of his own too. Who would rather write one: docs/evidence-format.md of ec2-forensics describes every file.

custody.jsonl    who did what, when, with what and under whose authority; each entry holds the hash of the one before
manifest.json    the exhibits with their digests, what is missing and why, how each thing came to be, who decided
outcome.json     what the case came to, and what it started from
history/         what Temporal recorded of each workflow, one event a line
findings/        what the examinations found
documents/       the same case for counsel and for other tools
evidence/        evidence itself, if it was taken along; files.jsonl names all of it with its digests
`;
