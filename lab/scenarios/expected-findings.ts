import type { ExaminationFinding } from '../../domain/examination';
import { SEVERITIES, type Severity } from '../../domain/finding';
import type { PlantingReport } from './plant';
import type { Expectation, Scenario, Trace } from './scenario';

/** What examinations of an instance gave; a part that is absent was not examined, and is not judged. */
export interface ExaminedEvidence {
  /** All findings of the case, not only those that its outcome keeps (`allFindings` of each examination). */
  findings?: readonly ExaminationFinding[];
  /** Lines of the root volume's timeline: plaso's `json_line`. Read once. */
  timeline?: Iterable<string>;
  /** Volatility's output (JSON lines) by plugin. */
  memory?: Readonly<Record<string, string>>;
}

export interface TraceJudgement {
  trace: string;
  tells: string;
  /** `left-out`: it could not be planted on this instance. `not-examined`: nothing that could show it was given. */
  outcome: 'found' | 'missing' | 'left-out' | 'not-examined';
  /** What of its expectations was not met, as sentences; or why it was left out. */
  reasons: string[];
}

export interface ScenarioJudgement {
  traces: TraceJudgement[];
  /** Findings graver than the scenario allows. */
  unexpected: ExaminationFinding[];
}

const graver = (one: Severity, than: Severity): boolean => SEVERITIES.indexOf(one) >= SEVERITIES.indexOf(than);

/** How a text stands inside a JSON string. */
const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);

type FindingExpectation = Extract<Expectation, { finding: string }>;

function meets(finding: ExaminationFinding, { finding: rule, severity, text = '' }: FindingExpectation): boolean {
  return (
    new RegExp(`-${rule}-\\d+$`).test(finding.id) &&
    (severity === undefined || graver(finding.severity, severity)) &&
    `${finding.title} ${finding.detail}`.includes(text)
  );
}

type TimelineExpectation = Extract<Expectation, { timeline: string }>;

/** Whether a line of the timeline is an event of that parser with that text; parsers that plaso nests end in the name. */
function isEventOf(lineOfTimeline: string, { timeline: parser, text }: TimelineExpectation): boolean {
  if (!lineOfTimeline.includes(inJson(text))) return false;
  try {
    const event = JSON.parse(lineOfTimeline) as { parser?: unknown };
    return typeof event.parser === 'string' && (event.parser === parser || event.parser.endsWith(`/${parser}`));
  } catch {
    return false;
  }
}

/** In one pass, since a timeline may be long. */
function metInTimeline(scenario: Scenario, timeline: Iterable<string>): Set<Expectation> {
  const wanted = new Set(
    scenario.traces.flatMap(({ expect }) => expect.filter((one): one is TimelineExpectation => 'timeline' in one)),
  );
  const met = new Set<Expectation>();
  for (const lineOfTimeline of timeline) {
    if (wanted.size === 0) break;
    for (const expectation of wanted) {
      if (!isEventOf(lineOfTimeline, expectation)) continue;
      met.add(expectation);
      wanted.delete(expectation);
    }
  }
  return met;
}

function unmetSentence(expectation: Expectation): string {
  if ('timeline' in expectation) return `the timeline has no ${expectation.timeline} event with "${expectation.text}"`;
  if ('memory' in expectation) return `${expectation.memory} shows no "${expectation.text}"`;
  const { finding, severity, text } = expectation;
  const graded = severity === undefined ? '' : `, ${severity} or graver`;
  return `there is no finding ${finding}${graded}${text === undefined ? '' : `, with "${text}"`}`;
}

/**
 * Holds what examinations found against what a scenario planted. Pure. With the planting's report, what could not be planted
 * is not missed.
 */
export function judgeScenario(
  scenario: Scenario,
  evidence: ExaminedEvidence,
  report?: PlantingReport,
): ScenarioJudgement {
  const { findings, timeline, memory } = evidence;
  const inTimeline = timeline === undefined ? undefined : metInTimeline(scenario, timeline);
  /** Undefined: that part was not examined. */
  const isMet = (expectation: Expectation): boolean | undefined => {
    if ('timeline' in expectation) return inTimeline?.has(expectation);
    if ('finding' in expectation) return findings?.some((finding) => meets(finding, expectation));
    return memory?.[expectation.memory]?.split('\n').some((row) => row.includes(inJson(expectation.text)));
  };
  const judge = ({ id, tells, expect }: Trace): TraceJudgement => {
    const judgement = { trace: id, tells: tells.trim() };
    const planted = report?.traces.find((trace) => trace.id === id);
    if (planted?.outcome === 'left-out') return { ...judgement, outcome: 'left-out', reasons: [planted.reason ?? ''] };
    const looked = expect.map((expectation) => ({ expectation, met: isMet(expectation) }));
    const unmet = looked.filter(({ met }) => met === false).map(({ expectation }) => unmetSentence(expectation));
    const outcome = unmet.length > 0 ? 'missing' : looked.some(({ met }) => met === true) ? 'found' : 'not-examined';
    return { ...judgement, outcome, reasons: unmet };
  };
  const from = scenario.noFindingFrom;
  return {
    traces: scenario.traces.map(judge),
    unexpected: from === undefined ? [] : (findings ?? []).filter((finding) => graver(finding.severity, from)),
  };
}
