import type { ExaminationFinding } from '../../../domain/examination';
import { judgeScenario } from '../../../lab/scenarios/expected-findings';
import { readScenario } from '../../../lab/scenarios/scenario';

const scenario = readScenario(
  `
name: mine
summary: Mine.
noFindingFrom: critical
traces:
  - id: log
    tells: a line
    plant: log-lines
    file: /var/log/x
    program: x
    lines: [a "quoted" line]
    expect: [{ timeline: text/syslog_traditional, text: a "quoted" line }]
  - id: program
    tells: a process
    plant: program
    path: /tmp/.x
    processName: x
    expect:
      - { memory: linux.psaux, text: /tmp/.x }
      - { finding: process-hidden, severity: medium, text: /tmp/.x }
`,
  'mine.yaml',
);

const event = (parser: string, message: string) => JSON.stringify({ parser, message });
function finding(id: string, severity: ExaminationFinding['severity'], title: string): ExaminationFinding {
  const evidence = { exhibit: 'memory', tool: 'linux.psaux', record: 'row 1' };
  return { id, severity, category: 'process', title, detail: '', evidence };
}
const timeline = [event('filestat', 'other'), event('text/syslog_traditional', 'a "quoted" line, and more')];
const memory = { 'linux.psaux': '{"PID":1,"ARGS":"init"}\n{"PID":2,"ARGS":"/tmp/.x --listen"}' };
const findings = [finding('memory-process-hidden-1', 'high', '/tmp/.x hides')];

const judge = (evidence: Parameters<typeof judgeScenario>[1]) =>
  judgeScenario(scenario, evidence).traces.map(({ trace, outcome, reasons }) => [trace, outcome, ...reasons]);

test('a trace is found where all that is expected of it is there; a graver finding will do', () => {
  expect(judge({ timeline, memory, findings })).toEqual([
    ['log', 'found'],
    ['program', 'found'],
  ]);
});

test('a trace is missing when one thing is, and that is said', () => {
  expect(judge({ timeline: timeline.slice(0, 1), memory: { 'linux.psaux': '{"PID":1}' }, findings: [] })).toEqual([
    ['log', 'missing', 'the timeline has no text/syslog_traditional event with "a "quoted" line"'],
    [
      'program',
      'missing',
      'linux.psaux shows no "/tmp/.x"',
      'there is no finding process-hidden, medium or graver, with "/tmp/.x"',
    ],
  ]);
});

test.each([
  ['another parser', { timeline: [event('filestat', 'a "quoted" line')] }, 'log'],
  ['a line that is no JSON', { timeline: ['text/syslog_traditional a \\"quoted\\" line'] }, 'log'],
  ['too low a severity', { findings: [finding('memory-process-hidden-1', 'low', '/tmp/.x')] }, 'program'],
  [
    'a rule whose name only begins like it',
    { findings: [finding('m-process-hidden-file-1', 'high', '/tmp/.x')] },
    'program',
  ],
  ['a finding about something else', { findings: [finding('m-process-hidden-1', 'high', '/tmp/.y')] }, 'program'],
])('%s does not count', (_what, evidence, id) => {
  expect(judge(evidence).find(([trace]) => trace === id)?.[1]).toBe('missing');
});

test('what was not examined is not missed, and not called found', () => {
  expect(judge({ timeline })).toEqual([
    ['log', 'found'],
    ['program', 'not-examined'],
  ]);
  expect(judge({ memory: {} })).toEqual([
    ['log', 'not-examined'],
    ['program', 'not-examined'],
  ]);
});

test('what could not be planted is not missed', () => {
  const report = { scenario: 'mine', traces: [{ id: 'log', outcome: 'left-out' as const, reason: 'no disk' }] };
  expect(judgeScenario(scenario, { timeline: [] }, report).traces[0]).toMatchObject({
    outcome: 'left-out',
    reasons: ['no disk'],
  });
});

test('a finding that is graver than the scenario allows is told', () => {
  const grave = finding('memory-x-1', 'critical', 'x');
  expect(judgeScenario(scenario, { findings: [...findings, grave] }).unexpected).toEqual([grave]);
  expect(judgeScenario(scenario, { findings }).unexpected).toEqual([]);
});
