import { scaleUtc } from 'd3-scale';
import type { ExaminationFinding } from '../../domain/examination';
import type { PhaseRecord } from '../../domain/outcome';
import { type Html, html } from './html';

const WIDTH = 960;
const LABELS = 150;
const ROW = 26;
const COLOURS: Record<string, string> = {
  critical: '#9b1c1c',
  high: '#c2410c',
  medium: '#b45309',
  low: '#4d7c0f',
  informational: '#475569',
};
const PHASE_COLOURS: Record<string, string> = {
  succeeded: '#1d6f42',
  partial: '#b45309',
  failed: '#9b1c1c',
  cancelled: '#6b7280',
  skipped: '#cbd5e1',
  running: '#1d4ed8',
};

/** What the evidence says happened when: a plot an exhibit, since theirs may lie months apart; a row a severity. */
export function findingsPlot(findings: ExaminationFinding[]): Html {
  const timed = findings.flatMap((finding) => (finding.time ? [{ finding, at: new Date(finding.time) }] : []));
  if (timed.length === 0) return html`<p>No finding carries a time.</p>`;
  const exhibits = [...new Set(timed.map(({ finding }) => finding.evidence.exhibit))].sort();
  return html`${exhibits.map((exhibit) => {
    const own = timed.filter(({ finding }) => finding.evidence.exhibit === exhibit);
    const severities = Object.keys(COLOURS).filter((severity) =>
      own.some(({ finding }) => finding.severity === severity),
    );
    const scale = timeScale(own.map(({ at }) => at));
    const marks = own.map(({ finding, at }) => {
      const y = severities.indexOf(finding.severity) * ROW + ROW / 2;
      const tip = `${finding.time ?? ''} ${finding.severity}: ${finding.title}`;
      return html`<circle cx="${round(scale(at))}" cy="${y}" r="6" fill="${COLOURS[finding.severity] ?? '#475569'}" fill-opacity="0.75"><title>${tip}</title></circle>`;
    });
    return html`<h3>${exhibit}</h3>${plot(severities, scale, marks)}`;
  })}`;
}

/** How the case itself went: a bar a phase. */
export function phasesPlot(phases: PhaseRecord[]): Html {
  const run = phases.filter((phase) => phase.outcome !== 'skipped');
  if (run.length === 0) return html`<p>No phase ran.</p>`;
  const scale = timeScale(
    run.flatMap((phase) => [new Date(phase.startedAt), new Date(phase.endedAt ?? phase.startedAt)]),
  );
  const bars = run.map((phase, row) => {
    const x = scale(new Date(phase.startedAt));
    const width = Math.max(2, scale(new Date(phase.endedAt ?? phase.startedAt)) - x);
    return html`<rect
      x="${round(x)}"
      y="${row * ROW + 6}"
      width="${round(width)}"
      height="${ROW - 12}"
      rx="3"
      fill="${PHASE_COLOURS[phase.outcome] ?? '#475569'}"
      ><title>${phase.name}: ${phase.outcome}, ${phase.startedAt} to ${phase.endedAt ?? 'now'}</title></rect
    >`;
  });
  return plot(
    run.map((phase) => phase.name),
    scale,
    bars,
  );
}

function timeScale(times: Date[]) {
  const stamps = times.map((time) => time.getTime());
  const from = Math.min(...stamps);
  const to = Math.max(...stamps);
  const margin = Math.max(1000, (to - from) * 0.03);
  return scaleUtc()
    .domain([new Date(from - margin), new Date(to + margin)])
    .range([LABELS, WIDTH - 20]);
}

function plot(rows: string[], scale: ReturnType<typeof timeScale>, marks: Html[]): Html {
  const height = rows.length * ROW;
  const format = scale.tickFormat(6);
  const [from] = scale.domain();
  const ticks = scale.ticks(6).map((tick) => {
    const x = round(scale(tick));
    return html`<line x1="${x}" x2="${x}" y1="0" y2="${height}" stroke="#e2e8f0" /><text
        x="${x}"
        y="${height + 16}"
        text-anchor="middle"
        >${format(tick)}</text
      >`;
  });
  const labels = rows.map(
    (row, index) =>
      html`<text x="${LABELS - 10}" y="${index * ROW + ROW / 2 + 4}" text-anchor="end">${row.slice(0, 24)}</text>`,
  );
  return html`<svg viewBox="0 0 ${WIDTH} ${height + 40}" role="img" class="plot">
    ${ticks}${labels}${marks}
    <text x="${LABELS}" y="${height + 34}" class="note">UTC, from ${from?.toISOString() ?? ''}</text>
  </svg>`;
}

const round = (value: number): string => value.toFixed(1);
