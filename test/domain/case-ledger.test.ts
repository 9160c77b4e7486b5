import { renderCaseDetails } from '../../domain/case-details';
import { CaseLedger } from '../../domain/case-ledger';
import { findingIdsForMemo, JOINED_FINDINGS_KEPT, keptReasons, REASONS_KEPT } from '../../domain/case-limits';
import { beingAcquired, beingExamined, messageRefused } from '../../domain/case-story';
import { planContainment } from '../../domain/containment';
import type { ExaminationFinding } from '../../domain/examination';
import {
  caseRequest,
  CONSENT_REQUIRED,
  diskExhibit,
  instanceFacts,
  volumeId,
  volumes,
} from '../workflows/case-fixtures';

const AT = '2026-11-22T07:00:00.000Z';
const VOLUMES = 40;
/** Longer than any name in AWS, markup, and three bytes a character. */
const HOSTILE = '<img src=x onerror=alert(1)> [a](http://evil) | \u202e`語`\n'.repeat(200);

function ledger(): CaseLedger {
  return new CaseLedger(caseRequest(), {
    caseId: 'i-1-x',
    workflowId: 'forensic-case/i-1',
    runId: 'run',
    openedAt: AT,
  });
}

function hostileFinding(exhibit: string, n: number): ExaminationFinding {
  return {
    id: `${exhibit}-rule-${n}`,
    severity: 'critical',
    category: 'file',
    title: HOSTILE,
    detail: HOSTILE,
    evidence: { exhibit, tool: 'plaso', record: String(n) },
  };
}

test('a case of 40 volumes with hostile names and all that can go wrong stays within what Temporal takes', () => {
  const book = ledger();
  const facts = instanceFacts(book.request, {
    volumes: volumes(VOLUMES),
    tags: { 'aws:autoscaling:groupName': HOSTILE },
  });
  book.facts = facts;
  book.planned(planContainment(facts));
  book.asksFor('isolation', 'a'.repeat(64), CONSENT_REQUIRED, AT);
  book.isOverdue('isolation');
  book.startPhase('acquisition', AT);
  const children = facts.volumes.map((volume) => ({ title: HOSTILE, workflowId: `i-1-x/disk/${volume.volumeId}` }));
  for (const { volumeId: id } of facts.volumes) {
    book.inProgress.add(`${id} ${HOSTILE}`);
    book.acquired({ ...diskExhibit(id, 'snap-1', AT) }, [HOSTILE, HOSTILE]);
    book.isMissing({ id, kind: 'disk', source: id, reason: HOSTILE });
    const findings = Array.from({ length: 50 }, (_, n) => hostileFinding(id, n));
    book.examined({ exhibit: id, kind: 'disk', outcome: 'partial', reason: HOSTILE, findings, tools: [] }, [HOSTILE]);
  }
  book.endPhase('acquisition', { at: AT, outcome: 'partial', reason: HOSTILE });
  const view = book.view([]);
  expect(Buffer.byteLength(JSON.stringify(view))).toBeLessThan(2 * 1024 ** 2 * 0.8);
  expect(Buffer.byteLength(JSON.stringify(book.outcome([])))).toBeLessThan(2 * 1024 ** 2 * 0.8);
  for (const result of view.examinations) expect(result.findings.length).toBeGreaterThanOrEqual(4);

  const details = renderCaseDetails(view, children);
  expect(Buffer.byteLength(details)).toBeLessThanOrEqual(20_000);
  expect(details).not.toMatch(/<img|\]\(http|\u202e/);
  // What a person has to decide comes first and is not cut.
  expect(details).toMatch(/"checkpoint": "isolation",\s+"verdict": "approve"/);
  expect(details).toContain('the query caseStatus answers everything');
});

test('findings join by name up to a limit; those beyond it count and still raise the severity', () => {
  const book = ledger();
  const { finding } = book.request;
  expect(book.findingJoins(finding)).toBe(false);
  const joined = Array.from({ length: JOINED_FINDINGS_KEPT + 20 }, (_, n) =>
    book.findingJoins({ ...finding, id: `f${n}` }),
  );
  expect(joined.filter(Boolean)).toHaveLength(JOINED_FINDINGS_KEPT);
  expect(book.findingJoins({ ...finding, id: 'f1', severity: 'critical' })).toBe(false);
  expect(book.severity).toBe('high');
  book.findingJoins({ ...finding, id: 'last', severity: 'critical' });
  expect(book.view([])).toMatchObject({ joinedFindingsNotListed: 21 });
  expect(book.head(AT).severity).toBe('critical');
});

test('the memo holds the opening finding and the latest that fit', () => {
  expect(findingIdsForMemo('first', ['a', 'b'])).toEqual(['first', 'a', 'b']);
  const many = findingIdsForMemo(
    'first',
    Array.from({ length: 500 }, (_, n) => `f${n}`),
  );
  expect(many).toHaveLength(100);
  expect([many[0], many.at(-1)]).toEqual(['first', 'f499']);
  expect(findingIdsForMemo('first', ['x'.repeat(10_000)])).toEqual(['first']);
});

test('reasons are shown up to a limit, and the rest is counted', () => {
  const kept = keptReasons(Array.from({ length: REASONS_KEPT + 5 }, (_, n) => `reason ${n}`));
  expect(kept).toHaveLength(REASONS_KEPT + 1);
  expect(kept.at(-1)).toContain('and 5 more');
});

test('sentences of what is being done', () => {
  expect(beingAcquired('memory', 'i-1')).toBe('the memory of i-1 is being acquired');
  expect(beingExamined({ kind: 'memory', id: 'memory' })).toBe('the memory image is being examined');
  expect(beingExamined({ kind: 'disk', id: volumeId(1) })).toBe(`disk ${volumeId(1)} is being examined`);
});

test('a refused signal is told by its kind', () => {
  expect(messageRefused('approve', 'why', false)).toMatchObject({ kind: 'decision-refused', notify: false });
  expect(messageRefused('findingReported', 'finding must be an object', false)).toMatchObject({
    kind: 'message-refused',
    message: 'a signal findingReported changed nothing: finding must be an object',
  });
});
