import { type CountedCalls, keyOf } from './aws-calls';
import { NETWORK_INTERFACES } from './bench-lab';
import { DURATIONS, type Mode } from './durations';
import type { CaseMeasurement } from './measure-case';
import type { MachineFacts } from './machine';
import { type CaseShape, minimumCalls } from './minimum-calls';
import { DISK_BLOCKS } from './stand-ins';
import { STAGES, type Stage } from './jobs';
import { overCriticalPath, overhead, ownTime, ownWithoutCalls } from './overhead';
import { median } from './statistics';
import { encryptionsOf } from './suspects';

export interface BenchResult {
  at: string;
  machine: MachineFacts;
  /** One measurement a run. */
  cases: { mode: Mode; volumes: number; runs: CaseMeasurement[] }[];
  /** Cases whose isolation waits for nothing but the consent. */
  containment: CaseMeasurement[];
}

/** What is to be reached (DESIGN.md §7); seconds unless said. */
const TARGETS = { ownWithoutDurations: 2, overhead: 0.02, overshoot: 1.5, containment: 10, calls: 1.3 };
/** Of the AWS solution "Automated Forensics Orchestrator for Amazon EC2": it waits in steps of 120 s. Seconds. */
const PEER = { overshootMean: 60, containment: 122 };
const STEPS_SHOWN = 8;
/** With these the product looks how far a job is. */
const LOOKS = new Set([
  'DescribeSnapshots',
  'DescribeInstances',
  'DescribeVolumes',
  'DescribeInstanceInformation',
  'GetCommandInvocation',
  'ListParts',
]);

const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(2);
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const verdict = (met: boolean): string => (met ? 'met' : 'MISSED');

/** The whole result as Markdown, which reads well in a terminal too. */
export function report(result: BenchResult): string {
  return [
    heading(result),
    overheads(result),
    ownTimes(result),
    overshoot(result),
    containment(result),
    histories(result),
    ...calls(result),
  ].join('\n\n');
}

function heading({ at, machine, cases }: BenchResult): string {
  const modes = [...new Set(cases.map(({ mode }) => mode))];
  return [
    `Benchmark of ${at}: ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, load ` +
      `${machine.load.map((load) => load.toFixed(1)).join(' / ')} (1, 5, 15 min) at its begin, Node ${machine.node}, ` +
      `Temporal server ${machine.temporalServer ?? 'unknown'} (development server).`,
    'SIMULATED: AWS is the lab’s emulator; memory tool, Volatility and plaso are stand-ins that sleep and examine nothing.',
    ...modes.map((mode) => {
      const { snapshotSeconds, copySeconds, memorySeconds, examinationSeconds } = DURATIONS[mode];
      return (
        `Durations "${mode}": snapshot ${snapshotSeconds} s, copy ${copySeconds} s, memory tool ${memorySeconds} s, ` +
        `examination tool ${examinationSeconds} s.`
      );
    }),
  ].join('\n');
}

function overheads({ cases }: BenchResult): string {
  const rows = cases.map(({ mode, volumes, runs }): Cell[] => {
    const of = (figure: (run: CaseMeasurement) => number): number => median(runs.map(figure));
    const [own, withoutCalls] = [of(ownTime), of(ownWithoutCalls)];
    const [share, overPath] = [of(overhead), of(overCriticalPath)];
    const zero = mode === 'zero';
    const limit = TARGETS.ownWithoutDurations * 1000;
    return [
      mode,
      volumes,
      seconds(of((run) => run.wall)),
      seconds(of((run) => run.jobs)),
      seconds(own),
      seconds(of((run) => run.answering)),
      seconds(withoutCalls),
      percent(share),
      zero ? `rest < ${TARGETS.ownWithoutDurations} s` : `rest ÷ at work < ${percent(TARGETS.overhead)}`,
      verdict(zero ? withoutCalls < limit : share < TARGETS.overhead),
      percent(overPath),
      zero ? `own: ${verdict(own < limit)}` : `over path: ${verdict(overPath < TARGETS.overhead)}`,
    ];
  });
  return section(
    'Orchestration overhead (seconds)',
    [
      'durations',
      'volumes',
      'case',
      'jobs',
      'own',
      'of it: API call being answered',
      'rest',
      'rest ÷ at work',
      'target',
      '',
      'over critical path',
      'stricter, same target',
    ],
    rows,
  );
}

function ownTimes({ cases }: BenchResult): string {
  const rows = cases.flatMap(({ mode, volumes, runs }) => {
    const [first] = runs;
    return (first?.own.slice(0, STEPS_SHOWN) ?? []).map(({ step, milliseconds, answering }) => [
      mode,
      volumes,
      step,
      seconds(milliseconds),
      seconds(answering),
    ]);
  });
  return section(
    'Where the own time went (seconds, first run, largest parts)',
    ['durations', 'volumes', 'step', 'own', 'of it: API call being answered'],
    rows,
  );
}

function overshoot({ cases, containment: others }: BenchResult): string {
  const rows = [...new Set(cases.map(({ mode }) => mode))].flatMap((mode) => {
    const runs = cases.filter((one) => one.mode === mode).flatMap((one) => one.runs);
    if (mode === cases[0]?.mode) runs.push(...others);
    return STAGES.flatMap((stage: Stage) => {
      const values = runs.flatMap((run) => run.overshoots[stage] ?? []);
      return values.length === 0 ? [] : [overshootRow(mode, stage, values)];
    });
  });
  return section(
    `Completion overshoot (seconds from the end of a job to the next step; the peer: mean ${PEER.overshootMean} s)`,
    ['durations', 'stage', 'jobs', 'median', 'largest', 'target (median)', ''],
    rows,
  );
}

function overshootRow(mode: Mode, stage: string, values: number[]): Cell[] {
  const middle = median(values);
  return [
    mode,
    stage,
    values.length,
    seconds(middle),
    seconds(Math.max(...values)),
    `< ${TARGETS.overshoot} s`,
    verdict(middle < TARGETS.overshoot * 1000),
  ];
}

function containment({ cases, containment: runs }: BenchResult): string {
  const limit = TARGETS.containment * 1000;
  const row = (what: string, values: number[]): Cell[] => [
    what,
    values.length,
    seconds(median(values)),
    seconds(Math.max(...values)),
    `< ${TARGETS.containment} s`,
    verdict(Math.max(...values) < limit),
  ];
  const all = cases.flatMap((one) => one.runs);
  const rows = [
    ...(runs.length > 0
      ? [
          row(
            'isolation before acquisition: decision to verified isolation',
            runs.map((run) => run.containment.fromDecision),
          ),
          row(
            'isolation before acquisition: opening of the case to verified isolation',
            runs.map((run) => run.containment.fromOpening),
          ),
        ]
      : []),
    row(
      'isolation after memory: memory image safe to verified isolation',
      all.map((run) => run.containment.fromClearance),
    ),
  ];
  return section(
    `Time to containment, ${NETWORK_INTERFACES} network interfaces (seconds; the peer: never under ${PEER.containment} s)`,
    ['what', 'cases', 'median', 'largest', 'target', ''],
    rows,
  );
}

function histories({ cases }: BenchResult): string {
  const rows = cases.flatMap(({ mode, volumes, runs }) => {
    const workflows = runs[0]?.histories ?? [];
    const types = [...new Set(workflows.map(({ workflow }) => workflow))];
    const sum = (type: string | undefined): Cell[] => {
      const some = workflows.filter(({ workflow }) => type === undefined || workflow === type);
      const total = (name: 'events' | 'bytes') => some.reduce((all, one) => all + one[name], 0);
      return [mode, volumes, type ?? 'all', some.length, total('events'), total('bytes')];
    };
    return [...types.map(sum), sum(undefined)];
  });
  return section('History (first run)', ['durations', 'volumes', 'workflow', 'runs', 'events', 'bytes'], rows);
}

function calls({ cases }: BenchResult): string[] {
  return [...new Set(cases.map(({ volumes }) => volumes))].map((volumes) => {
    const measured = cases.filter((one) => one.volumes === volumes);
    const minimum = minimumCalls(shapeOf(volumes));
    const counted = measured.map(({ runs }) => new Map((runs[0]?.calls ?? []).map((one) => [keyOf(one), one])));
    const named = new Map<string, Pick<CountedCalls, 'maker' | 'service' | 'action'>>();
    for (const one of [...minimum, ...measured.flatMap(({ runs }) => runs[0]?.calls ?? [])]) named.set(keyOf(one), one);
    const rows = [...named]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([key, { maker, service, action }]): Cell[] => [
        maker,
        service,
        action,
        minimum.find((one) => keyOf(one) === key)?.calls ?? 0,
        ...counted.flatMap((of) => [of.get(key)?.calls ?? 0, of.get(key)?.failed ?? 0]),
      ]);
    const total = (column: number): number => rows.reduce((sum, row) => sum + Number(row[column]), 0);
    const least = total(3);
    // What waits for a job may look at it many times; here it counts as one look at its end.
    const withoutWaiting = counted.map((_, index) => {
      const sum = rows.reduce((all, row) => {
        const [made, needed] = [Number(row[4 + 2 * index]), Number(row[3])];
        return all + (LOOKS.has(String(row[2])) ? Math.min(made, needed) : made);
      }, 0);
      return (sum / least).toFixed(2);
    });
    const ratios = counted.flatMap((_, index) => {
      const ratio = total(4 + 2 * index) / least;
      return [`${ratio.toFixed(2)} ${verdict(ratio <= TARGETS.calls)}`, ''];
    });
    rows.push(['all', '', '', least, ...counted.flatMap((_, index) => [total(4 + 2 * index), total(5 + 2 * index)])]);
    rows.push([`÷ minimum, target ${TARGETS.calls}`, '', '', 1, ...ratios]);
    rows.push(['÷ minimum, one look a job', '', '', 1, ...withoutWaiting.flatMap((ratio) => [ratio, ''])]);
    return section(
      `AWS calls of a case with ${volumes} volume(s) (first run)`,
      ['by', 'service', 'API', 'minimum', ...measured.flatMap(({ mode }) => [mode, 'failed'])],
      rows,
    );
  });
}

function shapeOf(volumes: number): CaseShape {
  const encryptions = encryptionsOf(volumes);
  const of = (...kinds: string[]): number => encryptions.filter((one) => kinds.includes(one)).length;
  return {
    volumes,
    reencrypted: of('default-key', 'customer-key'),
    // The default key is one for the whole account and Region; the lab makes each customer key anew.
    keys: Math.min(1, of('default-key')) + of('customer-key', 'shared-customer-key'),
    networkInterfaces: NETWORK_INTERFACES,
    blocks: DISK_BLOCKS,
    memoryParts: 1,
  };
}

type Cell = string | number;

function section(title: string, head: string[], rows: readonly Cell[][]): string {
  const cells = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[], of: readonly Cell[] = []): string =>
    `| ${row.map((cell, column) => (typeof of[column] === 'number' ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [`### ${title}`, '', line(head), rule, ...rows.map((row) => line(row.map(String), row))].join('\n');
}
