import { renderCaseDetails, type CaseDetails } from '../../domain/case-details';
import { judgeCase } from '../../domain/case-judgement';
import { currentPhase, endPhase, outcomeOf, startPhase } from '../../domain/case-phases';
import { NO_CHECKPOINT_REACHED } from '../../domain/checkpoint';
import { escapeMarkdown, plainSummary } from '../../domain/markdown';
import { caseRequest, diskExhibit } from '../workflows/case-fixtures';

const AT = '2026-11-22T07:00:00.000Z';

describe('escapeMarkdown', () => {
  test.each([
    '<img src=x>',
    '[a](b)',
    'http://evil',
    'www.evil.com',
    '`x`',
    '**b**',
    'a|b',
    '# h',
    'me@evil.com',
    '&lt;',
  ])('leaves nothing of %s that could be markup or a link', (text) => {
    const escaped = escapeMarkdown(text);
    expect(escaped.replace(/&#\d+;/g, '')).not.toMatch(/[<>[\]`*|#@&:]|www\./);
  });
  test('takes out lines, control and bidirectional characters, and cuts', () => {
    expect(escapeMarkdown('a\n\n## b\u202e\u0000c')).toBe('a &#35;&#35; b c');
    expect(escapeMarkdown('x'.repeat(500), 10)).toBe(`${'x'.repeat(10)}…`);
  });
});

test('details stay within what Temporal takes, however much there is to say', () => {
  const details: CaseDetails = {
    caseId: 'case',
    request: caseRequest(),
    joinedFindings: Array.from({ length: 500 }, (_, n) => `<finding ${n}>`),
    status: 'open',
    phases: [{ name: 'triage', startedAt: AT, outcome: 'running', reason: '<'.repeat(5000) }],
    checkpoints: NO_CHECKPOINT_REACHED,
    exhibits: Array.from({ length: 500 }, (_, n) => diskExhibit(`vol-${n}`, 'snap-1', AT)),
    missing: [],
    examinations: [],
    inProgress: [],
    reasons: Array.from({ length: 500 }, () => '<'.repeat(5000)),
  };
  const text = renderCaseDetails(details, []);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(20_000);
  expect(text).not.toContain('<');
});

describe('phases', () => {
  test('overlap, and the first that still runs is shown', () => {
    let phases = startPhase(startPhase([], 'acquisition', AT), 'containment', AT);
    phases = startPhase(phases, 'triage', AT);
    expect(phases.map((phase) => phase.name)).toEqual(['triage', 'acquisition', 'containment']);
    phases = endPhase(phases, 'triage', { at: AT, outcome: 'succeeded' });
    expect(currentPhase(phases)).toBe('acquisition');
    phases = endPhase(phases, 'acquisition', { at: AT, outcome: 'partial', reason: 'one disk' });
    expect(currentPhase(phases)).toBe('containment');
    phases = endPhase(phases, 'containment', { at: AT, outcome: 'skipped' });
    expect(currentPhase(phases)).toBe('containment');
    expect(currentPhase([])).toBe('triage');
  });
  test('a phase begins once', () => {
    expect(startPhase(startPhase([], 'examination', AT), 'examination', '2027')).toHaveLength(1);
  });
  test('are partial when some of it was had', () => {
    expect([outcomeOf(2, 2), outcomeOf(2, 1), outcomeOf(2, 0)]).toEqual(['succeeded', 'partial', 'failed']);
  });
});

test.each([
  ['complete', { evidenceAsked: true, exhibits: 2, reasons: [] }],
  ['partial', { evidenceAsked: true, exhibits: 1, reasons: ['memory is missing'] }],
  ['failed', { evidenceAsked: true, exhibits: 0, reasons: ['all is missing'] }],
  ['cancelled', { ending: 'cancelled', evidenceAsked: true, exhibits: 0, reasons: [] }],
  ['declined', { ending: 'declined', evidenceAsked: false, exhibits: 0, reasons: ['policy'] }],
] as const)('a case is %s when it is so', (outcome, soFar) => {
  expect(judgeCase({ ...soFar, reasons: [...soFar.reasons] })).toBe(outcome);
});

describe('a summary line', () => {
  test('holds no markup, since the Temporal UI shows it as text here and renders it there', () => {
    expect(plainSummary('Event 1: <img src=x onerror=alert(1)> **bold** [a](http://x)\u202e\n`code`')).toBe(
      'Event 1: img src=x onerror=alert(1) bold a(http://x) code',
    );
  });

  test('is cut', () => {
    expect(plainSummary('x'.repeat(500))).toHaveLength(120);
  });
});
