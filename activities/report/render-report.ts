import type { CaseRequest } from '../../domain/case-request';
import { type ContainmentPlan, type ContainmentResult, planHash } from '../../domain/containment';
import type { Exhibit } from '../../domain/evidence';
import { SEVERITIES } from '../../domain/finding';
import type { InstanceFacts } from '../../domain/instance-facts';
import { attemptSentence } from '../../domain/memory-tools';
import type { CaseOutcome } from '../../domain/outcome';
import { type Html, html } from './html';
import { findingsPlot, phasesPlot } from './timeline-plot';

export interface ReportInput {
  request: CaseRequest;
  facts: InstanceFacts | null;
  plan: ContainmentPlan | null;
  outcome: CaseOutcome;
}

/** The report as one HTML file that needs nothing else: no script, no font, no picture from anywhere. */
export function renderReport({ request, facts, plan, outcome }: ReportInput): string {
  const findings = outcome.examinations
    .flatMap((examination) => examination.findings)
    .sort(
      (a, b) =>
        SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) || (a.time ?? '').localeCompare(b.time ?? ''),
    );
  const { target, finding } = request;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Forensic report ${outcome.caseId}</title>
        <style>
          ${STYLE}
        </style>
      </head>
      <body>
        <header>
          <h1>Forensic report <small>${outcome.caseId}</small></h1>
          <p class="outcome ${outcome.outcome}">The case closed <strong>${outcome.outcome}</strong>.</p>
          ${outcome.reasons.length > 0 ? list(outcome.reasons) : html``}
        </header>

        <section>
          <h2>Summary</h2>
          ${definitions([
            ['Instance', `${target.instanceId}, account ${target.accountId}, ${target.region}`],
            ['Finding', `${finding.severity}: ${finding.type}`],
            ['', finding.title],
            ['Opened by', `${request.openedBy}, ${clock(request.receivedAt)} UTC`],
            ['Evidence', `${outcome.exhibits.length} exhibit(s) acquired, ${outcome.missing.length} missing`],
            [
              'Examination',
              `${findings.length} finding(s), ${findings.filter((one) => one.severity === 'critical' || one.severity === 'high').length} of them high or critical`,
            ],
            ['Isolation', outcome.containment ? outcome.containment.outcome : 'not isolated'],
            ...(facts ? instanceFacts(facts) : []),
          ])}
        </section>

        <section>
          <h2>Findings</h2>
          ${
            findings.length === 0
              ? html`<p>The examination found nothing that its rules know.</p>`
              : html` ${findingsPlot(findings)}
                ${table(
                  ['Severity', 'Finding', 'Time (UTC)', 'Exhibit', 'Source'],
                  findings.map((one) => [
                    html`<span class="severity ${one.severity}">${one.severity}</span>`,
                    html`${one.title}
                      <div class="detail">${one.detail}</div>`,
                    html`<span class="time">${clock(one.time)}</span>`,
                    html`${one.evidence.exhibit}`,
                    html`${one.evidence.tool}, ${one.evidence.record}`,
                  ]),
                )}`
          }
        </section>

        <section>
          <h2>Evidence</h2>
          <p>SHA-256 of each raw image, computed in the forensics account, off the instance.</p>
          ${outcome.exhibits.map(exhibitCard)}
${
  outcome.missing.length > 0
    ? html`<h3>Evidence that could not be had</h3>
                  ${table(
                    ['Exhibit', 'Kind', 'Reason'],
                    outcome.missing.map((one) => [html`${one.id}`, html`${one.kind}`, html`${one.reason}`]),
                  )}`
    : html``
}
        </section>

        <section>
          <h2>Examination</h2>
          ${outcome.examinations.map(
            (examination) =>
              html`<h3>${examination.exhibit}: ${examination.outcome}</h3>
                ${examination.reason ? html`<p>${examination.reason}</p>` : html``}
                ${table(
                  ['Tool', 'Version', 'Outcome', 'Records', 'Seconds', 'Note'],
                  examination.tools.map((tool) => [
                    html`${tool.tool}`,
                    html`${tool.version}`,
                    html`${tool.outcome}`,
                    html`${tool.records}`,
                    html`${tool.seconds.toFixed(1)}`,
                    html`${tool.note ?? ''}`,
                  ]),
                )}`,
          )}
        </section>

        <section>
          <h2>Consent</h2>
          ${
            outcome.decisions.length === 0
              ? html`<p>No decision was asked of a person.</p>`
              : table(
                  ['Checkpoint', 'Decision', 'By (as given)', 'When (UTC)', 'Reason', 'Plan'],
                  outcome.decisions.map((decision) => [
                    html`${decision.checkpoint}`,
                    html`${decision.verdict}`,
                    html`${decision.approver} <span class="detail">by ${decision.door}</span>`,
                    html`<span class="time">${clock(decision.decidedAt)}</span>`,
                    html`${decision.reason ?? ''}`,
                    html`<code>${decision.planHash}</code>`,
                  ]),
                )
          }
        </section>

        <section>
          <h2>Isolation</h2>
          ${containment(plan, outcome)}
        </section>

        <section>
          <h2>Course of the case</h2>
          ${phasesPlot(outcome.phases)}
          ${table(
            ['Phase', 'Outcome', 'From (UTC)', 'To (UTC)', 'Note'],
            outcome.phases.map((phase) => [
              html`${phase.name}`,
              html`${phase.outcome}`,
              html`<span class="time">${clock(phase.startedAt)}</span>`,
              html`<span class="time">${clock(phase.endedAt)}</span>`,
              html`${phase.reason ?? ''}`,
            ]),
          )}
        </section>

        <footer>
          <p>
            Made by ec2-forensics from the record of the workflow <code>${outcome.workflowId}</code>. Names, commands
            and messages above come from the evidence and are shown as they were found. This report makes no claim on
            admissibility in a court of law.
          </p>
        </footer>
      </body>
    </html> `;
  return page.html;
}

function instanceFacts(facts: InstanceFacts): [string, string][] {
  const { agent } = facts;
  return [
    [
      'Type and image',
      `${facts.instanceType}, ${facts.imageId}, launched ${clock(facts.launchTime)} UTC, ${facts.memoryMiB} MiB of memory`,
    ],
    [
      'Addresses',
      facts.networkInterfaces
        .flatMap((eni) => [
          ...eni.privateIpAddresses,
          ...eni.publicAddresses.map(({ address }) => address),
          ...eni.ipv6Addresses,
        ])
        .join(', '),
    ],
    [
      'SSM agent',
      agent.state === 'online'
        ? `online, ${agent.platformName} ${agent.platformVersion}`
        : `unavailable: ${agent.reason}`,
    ],
    [
      'Volumes',
      facts.volumes.map((volume) => `${volume.volumeId} (${volume.device}, ${volume.sizeGiB} GiB)`).join(', '),
    ],
  ];
}

function exhibitCard(exhibit: Exhibit): Html {
  const { location } = exhibit;
  const where =
    's3' in location
      ? `s3://${location.s3.bucket}/${location.s3.key}, version ${location.s3.versionId ?? 'none'}`
      : `${location.snapshotId} in account ${location.accountId}, ${location.region}, under ${location.keyArn}`;
  const beside = (exhibit.companions ?? []).map(
    ({ bucket, key, versionId, sha256 }) =>
      `kept with it: s3://${bucket}/${key}, version ${versionId}, SHA-256 ${sha256}`,
  );
  const before = (exhibit.attempts ?? []).map((attempt) => `before it, ${attemptSentence(attempt)}`);
  return html`<h3>${exhibit.kind}: ${exhibit.id}</h3>${definitions([
    ['SHA-256', exhibit.sha256],
    ['Size', `${exhibit.sizeBytes.toLocaleString('en')} bytes`],
    ['Taken from', `${exhibit.source}, ${clock(exhibit.acquiredAt)} UTC`],
    ['Lies in', where],
    [
      'Tool',
      `${exhibit.tool.name} ${exhibit.tool.version}${exhibit.tool.sha256 ? `, SHA-256 ${exhibit.tool.sha256}` : ''}`,
    ],
  ])}<div class="notes">${list([...exhibit.notes, ...beside, ...before])}</div>`;
}

/** A time as people read it: `2026-02-17 02:13:05`, UTC. What is no time is shown as it is. */
function clock(time: string | undefined): string {
  if (time === undefined) return '';
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : date.toISOString().slice(0, 19).replace('T', ' ');
}

function containment(plan: ContainmentPlan | null, outcome: CaseOutcome): Html {
  const result = outcome.containment;
  if (!result) return html`<p>The instance was not isolated by this case.</p>`;
  return html`<p>
      Result, by reading every interface again: <strong>${result.outcome}</strong>, verified ${clock(result.verifiedAt)} UTC.
    </p>
    ${table(
      ['Interface', 'Outcome', 'Groups before', 'Groups after', 'Reason'],
      result.interfaces.map((eni) => [
        html`${eni.networkInterfaceId}`,
        html`${eni.outcome}`,
        html`${eni.groupsBefore.join(', ')}`,
        html`${eni.groupsAfter.join(', ')}`,
        html`${eni.reason ?? ''}`,
      ]),
    )}
    ${
      result.internetEdge.length === 0
        ? ''
        : table(
            ['Address', 'Kind', 'Interface', 'Outcome', 'Allocation', 'Reason'],
            result.internetEdge.map((one) => [
              html`${one.address}`,
              html`${one.kind}`,
              html`${one.networkInterfaceId}`,
              html`${one.outcome}`,
              html`${one.allocationId ?? ''}`,
              html`${one.reason ?? ''}`,
            ]),
          )
    }
    <h3>What still flows</h3>
    ${list(result.residualPaths)} ${measured(result.measured)}
    ${
      plan
        ? html`<h3>What the approver was told</h3>
            ${list(plan.blastRadius)}
            <p class="detail">Plan <code>${planHash(plan)}</code></p>`
        : html``
    }`;
}

function measured(measurement: ContainmentResult['measured']): Html {
  if (!measurement?.measured) return html``;
  return html`<h3>Tried from the instance, at ${clock(measurement.measuredAt ?? '')} UTC</h3>
    <p class="detail">This is the word of the suspect: who owns its kernel may have it say so.</p>
    ${table(
      ['Path', 'Result', 'Detail'],
      measurement.flows.map((flow) => [html`${flow.path}`, html`${flow.result}`, html`${flow.detail ?? ''}`]),
    )}`;
}

function table(head: string[], rows: Html[][]): Html {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${head.map((cell) => html`<th>${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function definitions(rows: [string, string][]): Html {
  return html`<dl>
    ${rows.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

function list(lines: string[]): Html {
  return lines.length === 0
    ? html``
    : html`<ul>
        ${lines.map((line) => html`<li>${line}</li>`)}
      </ul>`;
}

const STYLE: Html = {
  html: `
:root { color-scheme: light; --ink: #0f172a; --soft: #475569; --line: #e2e8f0; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 1080px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 0; } h1 small { color: var(--soft); font-weight: 400; font-size: 17px; margin-left: 8px; }
h2 { font-size: 19px; margin: 32px 0 8px; border-bottom: 2px solid var(--line); } h3 { font-size: 16px; margin: 18px 0 6px; }
.outcome { font-size: 17px; padding: 8px 12px; border-left: 5px solid #b45309; background: #fff7ed; }
.outcome.complete { border-color: #1d6f42; background: #f0fdf4; } .outcome.failed { border-color: #9b1c1c; background: #fef2f2; }
dl { display: grid; grid-template-columns: 140px 1fr; gap: 4px 12px; margin: 0; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; color: var(--soft); font-weight: 600; } th, td { padding: 5px 8px; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: break-word; }
.time { white-space: nowrap; font-variant-numeric: tabular-nums; } .notes { color: var(--soft); font-size: 13px; } .notes ul { margin: 4px 0; }
code { font: 12px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; } .detail { color: var(--soft); font-size: 12.5px; overflow-wrap: anywhere; }
.severity { padding: 1px 7px; border-radius: 9px; color: #fff; font-size: 12px; background: #475569; white-space: nowrap; }
.severity.critical { background: #9b1c1c; } .severity.high { background: #c2410c; } .severity.medium { background: #b45309; } .severity.low { background: #4d7c0f; }
.plot { width: 100%; height: auto; margin: 8px 0; } .plot text { font-size: 12px; fill: #475569; } .plot .note { font-size: 11px; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; border-top: 1px solid var(--line); }
@media print { body { max-width: none; padding: 0; } }
`,
};
