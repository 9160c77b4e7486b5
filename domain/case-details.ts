import { utf8ToBytes } from '@noble/hashes/utils';
import { findingCount } from './case-story';
import type { CaseView } from './case-view';
import { CHECKPOINTS, type CheckpointName } from './checkpoint';
import { escapeMarkdown } from './markdown';
import type { PhaseRecord } from './outcome';

/** What the page of a case in the Temporal UI shows; a `CaseView` is one. */
export type CaseDetails = Omit<CaseView, 'workflowId' | 'phase' | 'request'> & {
  request: Pick<CaseView['request'], 'target' | 'finding' | 'openedBy'>;
};

/** The child workflows of a case, for links: what it does, and its workflow id. */
export interface CaseChild {
  title: string;
  workflowId: string;
}

/** Bytes. Temporal asks for at most 20,000 of details. */
const LONGEST = 18_000;
const ROWS_SHOWN = 40;

const SIGN: Record<PhaseRecord['outcome'], string> = {
  running: '… running',
  succeeded: '✓ succeeded',
  partial: '△ partial',
  failed: '✗ failed',
  skipped: '– skipped',
  cancelled: '✗ cancelled',
};

const e = escapeMarkdown;
const clock = (iso: string | undefined): string => (iso ? iso.slice(11, 19) : '');
const shown = <T>(rows: T[], render: (row: T) => string): string[] => [
  ...rows.slice(0, ROWS_SHOWN).map(render),
  ...(rows.length > ROWS_SHOWN ? [`| … and ${rows.length - ROWS_SHOWN} more |`] : []),
];

function gigabytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
}

/** What the waiting checkpoint asks of people, with the JSON to paste into the dialog Send a Signal or Send an Update. */
function checkpointLines(name: CheckpointName, details: CaseDetails): string[] {
  const state = details.checkpoints[name];
  if (state.state !== 'open') return [];
  const answer = (verdict?: string): string =>
    JSON.stringify({ checkpoint: name, ...(verdict && { verdict }), approver: 'your name', reason: 'why' });
  const plan = name === 'isolation' ? details.plan?.plan : undefined;
  return [
    `### Waits for a person: ${name} of ${details.request.target.instanceId}${state.escalated ? ' (OVERDUE)' : ''}`,
    '',
    ...(plan
      ? [
          '**What changes**',
          '',
          ...plan.blastRadius.map((line) => `- ${e(line)}`),
          '',
          '**What still flows afterwards**',
          '',
          ...plan.residualPaths.map((line) => `- ${e(line)}`),
          '',
        ]
      : []),
    'More Actions → Send a Signal, `approve` or `reject`, with this JSON (put your name in):',
    '',
    '```json',
    answer(),
    '```',
    '',
    'or Send an Update, `decide`, which answers at once whether it was taken:',
    '',
    '```json',
    answer('approve'),
    '```',
    '',
    `Plan hash: \`${state.planHash}\` (add it as "planHash" to bind the decision to this very plan).`,
    '',
  ];
}

function decisionLines(details: CaseDetails): string[] {
  return CHECKPOINTS.flatMap((name) => {
    const state = details.checkpoints[name];
    if (state.state !== 'decided') return [];
    const { decision } = state;
    const verdict = decision.verdict === 'approve' ? 'approved' : 'rejected';
    const reason = decision.reason === undefined ? '' : `: ${e(decision.reason)}`;
    return [`- ${name} ${verdict} by ${e(decision.approver)} at ${decision.decidedAt} (${decision.door})${reason}`];
  });
}

const section = (title: string, lines: string[]): string[] =>
  lines.length > 0 ? [`### ${title}`, '', ...lines, ''] : [];

/** Markdown for the details of the case's page in the Temporal UI. Every word that is not ours is escaped. */
export function renderCaseDetails(details: CaseDetails, children: CaseChild[]): string {
  const { target, finding, openedBy } = details.request;
  const state = details.outcome ? `closed: **${details.outcome}**` : `**${details.status}**`;
  const lines = [
    `**${e(details.caseId)}** is ${state}`,
    '',
    `${e(finding.title)} (${e(finding.type)}, severity ${e(finding.severity)}), instance ${e(target.instanceId)} ` +
      `in account ${e(target.accountId)}, ${e(target.region)}; opened by ${e(openedBy)}`,
    '',
    ...checkpointLines('acquisition', details),
    ...checkpointLines('isolation', details),
    '| phase | state | from | to | |',
    '|---|---|---|---|---|',
    ...details.phases.map(
      (phase) =>
        `| ${phase.name} | ${SIGN[phase.outcome]} | ${clock(phase.startedAt)} | ${clock(phase.endedAt)} | ` +
        `${e(phase.reason ?? '')} |`,
    ),
    '',
    ...section(
      'Running now',
      details.inProgress.slice(0, ROWS_SHOWN).map((line) => `- ${e(line)}`),
    ),
    ...(details.exhibits.length > 0 ? ['| exhibit | of | size | SHA-256 |', '|---|---|---|---|'] : []),
    ...shown(
      details.exhibits,
      (exhibit) =>
        `| ${e(exhibit.id)} | ${e(exhibit.source)} | ${gigabytes(exhibit.sizeBytes)} | \`${exhibit.sha256.slice(0, 16)}…\` |`,
    ),
    '',
    ...section(
      'Examined',
      details.examinations
        .slice(0, ROWS_SHOWN)
        .map((result) => `- ${e(result.exhibit)}: ${result.outcome}, ${findingCount(result)} finding(s)`),
    ),
    ...section(
      'Missing evidence',
      details.missing.slice(0, ROWS_SHOWN).map((item) => `- ${e(item.id)}: ${e(item.reason)}`),
    ),
    ...section('Decisions', decisionLines(details)),
    ...section(
      'Not complete because',
      details.reasons.slice(0, ROWS_SHOWN).map((line) => `- ${e(line)}`),
    ),
    ...section(
      `Findings that joined: ${details.joinedFindings.length + (details.joinedFindingsNotListed ?? 0)}`,
      details.joinedFindings.slice(0, ROWS_SHOWN).map((id) => `- ${e(id)}`),
    ),
    // The Temporal UI puts its own namespace in for {namespace}.
    ...section(
      'Workflows of this case',
      children
        .slice(0, ROWS_SHOWN)
        .map(
          (child) => `- [${e(child.title)}](/namespaces/{namespace}/workflows/${encodeURIComponent(child.workflowId)})`,
        ),
    ),
  ];
  return withinLimit(lines);
}

/** The lines that fit. The page begins with what a person has to decide, so the end is what may be cut. */
function withinLimit(lines: string[]): string {
  const kept: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    bytes += utf8ToBytes(line).length + 1;
    if (bytes > LONGEST) return [...kept, '', '… cut: the query caseStatus answers everything'].join('\n');
    kept.push(line);
  }
  return kept.join('\n');
}
