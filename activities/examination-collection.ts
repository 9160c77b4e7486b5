import { heartbeat } from '@temporalio/activity';
import { type ExaminationFinding, FINDINGS_KEPT_IN_HISTORY } from '../domain/examination';
import { findingsFromMemory } from '../domain/findings-from-memory';
import type { AwsClients } from './aws/clients';
import { followCommand } from './command-following';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import type { EvidenceStore, StoredEvidence } from './evidence-store';
import { type Collected, contentTypeOf, readerOf } from './examination-outputs';
import { mismatch, readStaged, unusable } from './examination-staged';
import {
  EXAMINATION_REPORT,
  type ExaminationSummary,
  LARGEST_SUMMARY_BYTES,
  readSummary,
  SUMMARY,
  type SummaryToolRun,
  TIMELINE,
} from './examination-summary';
import type { ExaminationActivities } from './types';

type CollectInput = Parameters<ExaminationActivities['collectExamination']>[0];

const evidencePrefix = (caseId: string, exhibitId: string): string => `cases/${caseId}/examination/${exhibitId}`;

/** What an examination left in staging becomes evidence: compared with its digests, locked away, and read by the rules. */
export function createExaminationCollection(dependencies: {
  config: ForensicsConfig;
  clients: AwsClients;
  store: EvidenceStore;
}): Pick<ExaminationActivities, 'collectExamination'> {
  const { clients, store } = dependencies;
  const s3 = () => clients.forensics().s3;

  const collectExamination: ExaminationActivities['collectExamination'] = async (input) => {
    const { caseId, exhibit, retentionDays } = input;
    const { summary, bytes } = await summaryOf(input);
    const prefix = evidencePrefix(caseId, exhibit.id);
    const kept = await store.putEvidence({
      key: `${prefix}/${SUMMARY}`,
      body: bytes,
      contentType: 'application/json',
      retentionDays,
    });
    noteKept(exhibit, `The summary of the examination of exhibit ${exhibit.id}`, kept);
    const collected: Collected = {
      tools: [],
      rows: {},
      problems: summary.reason === undefined ? [] : [summary.reason],
    };
    const seen = new Set<string>();
    for (const run of summary.tools) await collectRun(input, run, seen, collected);

    const findings = [...findingsFromMemory(exhibit.id, collected.rows), ...(collected.timeline?.findings() ?? [])];
    const allFindings = await store.putEvidence({
      key: `${prefix}/findings.json`,
      body: Buffer.from(JSON.stringify(findings, null, 1)),
      contentType: 'application/json',
      retentionDays,
    });
    noteKept(exhibit, `The ${findings.length} findings that the rules made of exhibit ${exhibit.id}`, allFindings);
    const outcome = summary.outcome === 'succeeded' && collected.problems.length > 0 ? 'partial' : summary.outcome;
    return {
      exhibit: exhibit.id,
      kind: exhibit.kind,
      outcome,
      ...(collected.problems.length > 0 && { reason: collected.problems.join('; ').slice(0, 1_000) }),
      findings: firstOf(findings),
      allFindings: { ...allFindings, count: findings.length },
      tools: collected.tools,
      ...(collected.timelineAt && { timeline: { ...collected.timelineAt, events: collected.timeline?.events ?? 0 } }),
    };
  };

  async function summaryOf(input: CollectInput): Promise<{ summary: ExaminationSummary; bytes: Buffer }> {
    const { caseId, exhibit, examination } = input;
    const { bucket, prefix } = examination.staging;
    const key = `${prefix}/${SUMMARY}`;
    const report = await followCommand({
      ssm: clients.forensics().ssm,
      command: examination,
      result: EXAMINATION_REPORT,
    });
    const parts: Buffer[] = [];
    const object = await readStaged(s3(), { bucket, key }, LARGEST_SUMMARY_BYTES, (chunk) => parts.push(chunk));
    if (object.sha256 !== report.summarySha256) {
      throw mismatch(key, `SHA-256 ${object.sha256} here, ${report.summarySha256} on the forensic instance`);
    }
    const bytes = Buffer.concat(parts);
    const summary = readSummary(bytes.toString('utf8'));
    if (typeof summary === 'string') throw unusable(key, summary);
    if (summary.case !== caseId || summary.exhibit !== exhibit.id) {
      throw mismatch(key, `it is of another case or exhibit than ${exhibit.id} of ${caseId}`);
    }
    return { summary, bytes };
  }

  /** One tool of the summary: its output is compared, copied and read in one pass over the staged object. */
  async function collectRun(input: CollectInput, run: SummaryToolRun, seen: Set<string>, to: Collected): Promise<void> {
    const { tool, version, outcome, records, seconds, note, output: name } = run;
    const notes = note === undefined ? [] : [note];
    const told = { tool, version, outcome, records, seconds };
    if (name === undefined) {
      to.tools.push({ ...told, ...(note !== undefined && { note }) });
      return;
    }
    if (!input.examination.outputs.includes(name) || name === SUMMARY || seen.has(name)) {
      const problem = `${tool} names an output that it was not given: nothing of it was taken`;
      to.problems.push(problem);
      to.tools.push({ ...told, outcome: 'failed', note: problem });
      return;
    }
    seen.add(name);
    const { bucket, prefix } = input.examination.staging;
    const key = `${prefix}/${name}`;
    const reader = readerOf(name, run, input.exhibit.id, to);
    const object = await readStaged(s3(), { bucket, key }, Number.MAX_SAFE_INTEGER, reader?.update, reader?.compressed);
    if (object.sha256 !== run.sha256 || object.source.sizeBytes !== run.sizeBytes) {
      throw mismatch(
        key,
        `${object.source.sizeBytes} bytes with SHA-256 ${object.sha256} here, ` +
          `${run.sizeBytes ?? 0} bytes with ${run.sha256 ?? 'none'} in the summary`,
      );
    }
    notes.push(...(reader?.finish() ?? []));
    const stored = await store.copyEvidence({
      key: `${evidencePrefix(input.caseId, input.exhibit.id)}/${name}`,
      source: object.source,
      sha256: object.sha256,
      contentType: contentTypeOf(name),
      retentionDays: input.retentionDays,
      onProgress: (bytesCopied) => heartbeat({ step: 'copying', output: name, bytesCopied }),
    });
    noteKept(
      input.exhibit,
      `Output ${name} of ${tool} on exhibit ${input.exhibit.id}, compared with its reported SHA-256`,
      stored,
      {
        name: tool,
        version,
      },
    );
    if (name === TIMELINE) to.timelineAt = stored;
    to.tools.push({ ...told, ...(notes.length > 0 && { note: notes.join('; ').slice(0, 1_000) }), output: stored });
  }

  return { collectExamination };
}

function noteKept(
  { id, kind, source }: CollectInput['exhibit'],
  what: string,
  { bucket, key, versionId, sha256, sizeBytes }: StoredEvidence,
  tool?: { name: string; version: string },
): void {
  noteAct({
    message: `Kept write-once: ${what}, as s3://${bucket}/${key} (version ${versionId}), ${sizeBytes} bytes`,
    exhibit: { id, kind, source },
    ...(tool && { tool }),
    sha256,
    data: { location: { bucket, key, versionId }, sizeBytes },
  });
}

/** History holds a few findings only, and none with pages of text. */
const firstOf = (findings: ExaminationFinding[]): ExaminationFinding[] =>
  findings.slice(0, FINDINGS_KEPT_IN_HISTORY).map((finding) => ({ ...finding, detail: finding.detail.slice(0, 500) }));
