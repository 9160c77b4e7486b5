import { type CheckpointName, reviewsDue } from '../../domain/checkpoint';
import { consentCard } from '../../domain/consent-card';
import { measuredSentences } from '../../domain/containment';
import type { ExaminationFinding } from '../../domain/examination';
import type { CaseView } from '../../workflows/contract/messages';
import { bytes, table } from './output';

/** A case on one screen, for a person at 3 a.m.: state first, then what waits for whom, then what there is. */
export function caseText(view: CaseView): string {
  const { request } = view;
  const sections = [
    [
      `Case      ${view.caseId}`,
      `Instance  ${request.target.instanceId} in account ${request.target.accountId}, ${request.target.region}`,
      `Finding   ${request.finding.severity}: ${request.finding.type} - ${request.finding.title}`,
      `Status    ${view.outcome ? `closed: ${view.outcome}` : `${view.status}, phase ${view.phase}`}`,
      ...view.reasons.map((reason) => `          ${reason}`),
    ].join('\n'),
    table(
      ['phase', 'outcome', 'from', 'to', 'note'],
      view.phases.map((phase) => [
        phase.name,
        phase.outcome,
        clock(phase.startedAt),
        clock(phase.endedAt),
        phase.reason ?? '',
      ]),
    ),
  ];
  if (view.inProgress.length > 0)
    sections.push(`In progress\n${view.inProgress.map((line) => `  ${line}`).join('\n')}`);
  if (view.request.dryRun && view.plan) sections.push(planText(view.plan));
  if (view.measured)
    sections.push(['After the isolation', ...measuredSentences(view.measured).map((line) => `  ${line}`)].join('\n'));
  const waiting = openCheckpoint(view);
  if (waiting) sections.push(approvalCard(view, waiting));
  sections.push(...reviewsDue(view.checkpoints).map((checkpoint) => reviewText(view, checkpoint)));
  if (view.exhibits.length + view.missing.length > 0) sections.push(evidenceText(view));
  const findings = view.examinations.flatMap((examination) => examination.findings);
  if (findings.length > 0) sections.push(findingsText(findings));
  return sections.join('\n\n');
}

/** Of a dry run: what an isolation would do. */
function planText({ plan, hash }: NonNullable<CaseView['plan']>): string {
  const indented = (lines: string[]): string[] => lines.map((line) => `    ${line}`);
  return [
    `PLAN OF A DRY RUN ${hash}`,
    '  What would be done',
    ...indented(plan.steps.map(({ layer, effect }) => `${layer}: ${effect}`)),
    '  What it would mean for others',
    ...indented(plan.blastRadius),
    '  What would still flow',
    ...indented(plan.residualPaths),
  ].join('\n');
}

export function openCheckpoint(view: CaseView): CheckpointName | undefined {
  return (Object.keys(view.checkpoints) as CheckpointName[]).find((name) => view.checkpoints[name].state === 'open');
}

/** What the approver reads before deciding: the plan, what it costs others, what still flows, and how to answer. */
export function approvalCard(view: CaseView, checkpoint: CheckpointName): string {
  const state = view.checkpoints[checkpoint];
  if (state.state !== 'open') return '';
  const card = consentCard(checkpoint, state, view.plan?.plan);
  const list = (title: string, sentences: string[]): string[] =>
    sentences.length > 0 ? [`  ${title}`, ...sentences.map((sentence) => `    ${sentence}`)] : [];
  const command = (verdict: string) =>
    `    npm run -s forensics -- ${verdict} ${view.caseId} --checkpoint ${checkpoint} --plan ${state.planHash.slice(0, 12)} --as <you> --reason <why>`;
  return [
    `WAITING FOR CONSENT: ${checkpoint}${state.escalated ? ' (overdue)' : ''}`,
    ...list('Who decides', card.terms),
    ...list('What is done', [...card.steps, ...(checkpoint === 'isolation' ? placesOf(view) : [])]),
    ...list('Asked for and NOT enforced', card.notEnforced),
    ...list('What changes', card.blastRadius),
    ...list('What still flows afterwards', card.residualPaths),
    `  Plan ${state.planHash}`,
    '  Answer',
    command('approve'),
    command('reject'),
    ...(card.needsProof ? ['    with --prove: a typed name decides nothing here'] : []),
    ...(card.mayBreakGlass ? ['    alone, in an emergency: approve with --break-glass'] : []),
  ].join('\n');
}

/** Which address is taken off, and what a release gives back to which interface. */
function placesOf({ plan }: CaseView): string[] {
  if (!plan) return [];
  const { internetEdge, securityGroups } = plan.plan.layers;
  return [
    ...internetEdge.map((one) => `${one.networkInterfaceId}: ${one.address} (${one.kind}) is taken away`),
    ...securityGroups.map(
      (eni) =>
        `${eni.networkInterfaceId}: ${eni.groupsBefore.join(', ')} -> an all-open group, then the isolation group`,
    ),
  ];
}

/** Somebody went ahead alone, and the case does not close before another person has looked at it. */
function reviewText(view: CaseView, checkpoint: CheckpointName): string {
  return [
    `WAITING FOR A REVIEW: ${checkpoint} was approved by one person alone`,
    '  Answer, by another person',
    `    npm run -s forensics -- review ${view.caseId} --checkpoint ${checkpoint} --verdict justified --note <why> --as <you>`,
  ].join('\n');
}

export function evidenceText(view: Pick<CaseView, 'exhibits' | 'missing'>): string {
  return table(
    ['exhibit', 'kind', 'size', 'SHA-256', 'where'],
    [
      ...view.exhibits.map((exhibit) => [
        exhibit.id,
        exhibit.kind,
        bytes(exhibit.sizeBytes),
        exhibit.sha256,
        's3' in exhibit.location
          ? `s3://${exhibit.location.s3.bucket}/${exhibit.location.s3.key}`
          : exhibit.location.snapshotId,
      ]),
      ...view.missing.map((missing) => [missing.id, missing.kind, 'missing', '', missing.reason]),
    ],
  );
}

export function findingsText(findings: ExaminationFinding[]): string {
  return table(
    ['severity', 'exhibit', 'time', 'finding'],
    findings.map((finding) => [finding.severity, finding.evidence.exhibit, finding.time ?? '', finding.title]),
  );
}

function clock(time: string | undefined): string {
  return time === undefined ? '' : time.slice(11, 19);
}
