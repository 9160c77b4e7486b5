import { utf8ToBytes } from '@noble/hashes/utils';
import type { Approver } from './approval';
import { findingCount } from './case-story';
import type { CaseView } from './case-view';
import { CHECKPOINTS, type CheckpointName, reviewsDue } from './checkpoint';
import { consentCard } from './consent-card';
import { measuredSentences } from './containment';
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
/** Of one list of a card; the JSON to answer with comes after the lists and has to fit too. */
const SENTENCES_SHOWN = 12;

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
  // Line by line: the page cuts a long line off.
  const answer = (verdict?: string): string =>
    JSON.stringify(
      {
        checkpoint: name,
        ...(verdict && { verdict }),
        approver: 'your name',
        reason: 'why',
        planHash: state.planHash,
      },
      null,
      1,
    );
  const card = consentCard(name, state, details.plan?.plan);
  return [
    `### Waits for a person: ${name} of ${details.request.target.instanceId}${state.escalated ? ' (OVERDUE)' : ''}`,
    '',
    ...listed('Who decides', card.terms),
    ...listed('What is done', card.steps),
    ...listed('Asked for and NOT enforced', card.notEnforced),
    ...listed('What changes', card.blastRadius),
    ...listed('What still flows afterwards', card.residualPaths),
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
    'The planHash binds the decision to this very plan: another plan is refused.',
    ...(card.mayBreakGlass ? ['Alone, in an emergency: add `"breakGlass": true` to an approval.'] : []),
    ...(card.needsProof ? ['A proof is made by the command `forensics approve` with `--prove`.'] : []),
    '',
  ];
}

function listed(title: string, sentences: string[]): string[] {
  if (sentences.length === 0) return [];
  const rest = sentences.length - SENTENCES_SHOWN;
  const shownOnes = sentences.slice(0, SENTENCES_SHOWN).map((sentence) => `- ${e(sentence)}`);
  return [
    `**${title}**`,
    '',
    ...shownOnes,
    ...(rest > 0 ? [`- … and ${rest} more: see the query caseStatus`] : []),
    '',
  ];
}

/** Somebody went ahead alone: the case does not close before another person has looked at it. */
function reviewLines({ checkpoints, request: { target } }: CaseDetails): string[] {
  return reviewsDue(checkpoints).flatMap((checkpoint) => [
    `### Waits for a review: ${checkpoint} of ${target.instanceId} was approved by one person alone`,
    '',
    'Another person: More Actions → Send an Update, `review`, with this JSON (`justified` or `not-justified`):',
    '',
    '```json',
    JSON.stringify({ checkpoint, reviewer: 'your name', verdict: 'justified', note: 'why' }),
    '```',
    '',
  ]);
}

/** Every decision that was taken, also those that were not enough or count no more. */
function decisionLines(details: CaseDetails): string[] {
  return CHECKPOINTS.flatMap((name) => {
    const state = details.checkpoints[name];
    if (state.state !== 'open' && state.state !== 'decided') return [];
    const { decisions, brokenGlass } = state.approval;
    return [
      ...decisions.map(({ verdict, by, at, reason }) => {
        const done = verdict === 'approve' ? 'approved' : 'rejected';
        return `- ${name} ${done} by ${person(by)} at ${at}${because(reason)}`;
      }),
      ...brokenGlass.map(({ by, at, reason, review }) => {
        const reviewed = review.state === 'done' ? `${review.verdict}, says ${person(review.by)}` : 'not reviewed yet';
        return `- ${name} approved ALONE, IN AN EMERGENCY, by ${person(by)} at ${at} (${reviewed})${because(reason)}`;
      }),
    ].slice(-ROWS_SHOWN);
  });
}

const person = ({ name, knownBy }: Approver): string =>
  `${e(name)}, ${knownBy === 'proven' ? 'proven by STS' : 'a typed name'}`;
const because = (reason: string | undefined): string => (reason === undefined ? '' : `: ${e(reason)}`);

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
    ...CHECKPOINTS.flatMap((name) => checkpointLines(name, details)),
    ...reviewLines(details),
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
    ...section(
      'After the isolation',
      details.measured ? measuredSentences(details.measured).map((line) => `- ${e(line)}`) : [],
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
