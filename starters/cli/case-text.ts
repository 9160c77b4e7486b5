import type { CheckpointName } from '../../domain/checkpoint';
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
  const waiting = openCheckpoint(view);
  if (waiting) sections.push(approvalCard(view, waiting));
  if (view.exhibits.length + view.missing.length > 0) sections.push(evidenceText(view));
  const findings = view.examinations.flatMap((examination) => examination.findings);
  if (findings.length > 0) sections.push(findingsText(findings));
  return sections.join('\n\n');
}

export function openCheckpoint(view: CaseView): CheckpointName | undefined {
  return (Object.keys(view.checkpoints) as CheckpointName[]).find((name) => view.checkpoints[name].state === 'open');
}

/** What the approver reads before deciding: the plan, what it costs others, what still flows, and how to answer. */
export function approvalCard(view: CaseView, checkpoint: CheckpointName): string {
  const state = view.checkpoints[checkpoint];
  if (state.state !== 'open') return '';
  const lines = [`WAITING FOR CONSENT: ${checkpoint}${state.escalated ? ' (overdue)' : ''}`];
  if (checkpoint === 'isolation' && view.plan) {
    const { plan } = view.plan;
    const { internetEdge, securityGroups } = plan.layers;
    lines.push(
      '  What will be done',
      ...internetEdge.map((one) => `    ${one.networkInterfaceId}: ${one.address} (${one.kind}) is taken away`),
      ...securityGroups.map(
        (eni) =>
          `    ${eni.networkInterfaceId}: ${eni.groupsBefore.join(', ')} -> an all-open group, then the isolation group`,
      ),
    );
    lines.push('  What it means for others', ...plan.blastRadius.map((line) => `    ${line}`));
    lines.push('  What still flows afterwards', ...plan.residualPaths.map((line) => `    ${line}`));
  }
  const command = (verdict: string) =>
    `    npm run -s forensics -- ${verdict} ${view.caseId} --checkpoint ${checkpoint} --plan ${state.planHash.slice(0, 12)} --as <you> --reason <why>`;
  lines.push(`  Plan ${state.planHash}`, '  Answer', command('approve'), command('reject'));
  return lines.join('\n');
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
