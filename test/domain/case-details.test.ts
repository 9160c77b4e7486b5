import { renderCaseDetails, type CaseDetails } from '../../domain/case-details';
import { judgeCase } from '../../domain/case-judgement';
import { currentPhase, endPhase, outcomeOf, startPhase } from '../../domain/case-phases';
import { openApproval, type ApprovalPolicy } from '../../domain/approval';
import {
  applyDecision,
  type CheckpointName,
  type Checkpoints,
  claimedDecider,
  type Decision,
  NO_CHECKPOINT_REACHED,
  openCheckpoint,
} from '../../domain/checkpoint';
import { planContainment, planHash } from '../../domain/containment';
import { escapeMarkdown, plainSummary } from '../../domain/markdown';
import { caseRequest, diskExhibit, instanceFacts } from '../workflows/case-fixtures';

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

describe('the page of a case that waits', () => {
  const POLICY: ApprovalPolicy = { quorum: 2, roles: [], separationOfDuties: true, provenIdentityRequired: false };
  const request = caseRequest({ openedBy: 'eve' });
  const plan = planContainment(instanceFacts(request), {
    mode: 'keep-ssm',
    layers: ['security-groups', 'network-acl', 'guest-firewall'],
  });
  const hash = planHash(plan);
  const open = (name: CheckpointName, policy: Partial<ApprovalPolicy> = {}): Checkpoints => ({
    ...NO_CHECKPOINT_REACHED,
    [name]: openCheckpoint(
      openApproval({ policy: { ...POLICY, ...policy }, planHash: hash, openedBy: 'eve', openedAt: AT }),
      false,
    ),
  });
  const after = (checkpoints: Checkpoints, decision: Omit<Decision, 'verdict' | 'checkpoint'>): Checkpoints =>
    applyDecision(
      checkpoints,
      { checkpoint: 'isolation', verdict: 'approve', ...decision },
      claimedDecider(decision.approver),
      { decidedAt: AT, door: 'signal' },
    ).checkpoints;
  const page = (checkpoints: Checkpoints): string =>
    renderCaseDetails(
      {
        caseId: 'case',
        request,
        joinedFindings: [],
        status: 'awaiting-consent',
        phases: [],
        checkpoints,
        plan: { plan, hash },
        exhibits: [],
        missing: [],
        examinations: [],
        inProgress: [],
        reasons: [],
      },
      [],
      // Character references stand for what could be markup.
    ).replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));

  test('says who has approved, who is missing and until when', () => {
    const text = page(after(open('isolation', { expiresAfterSeconds: 3600 }), { approver: 'ann', reason: 'seen' }));
    expect(text).toContain('1 approval(s) missing of 2');
    expect(text).toContain(`approved so far: ann (a typed name) at ${AT}`);
    expect(text).toContain('it expires at 2026-11-22T08:00:00.000Z');
    expect(text).toContain('eve opened the case and may not approve it');
    expect(text).toContain(`isolation approved by ann, a typed name at ${AT}: seen`);
    expect(text).not.toContain('break the glass');
  });

  test('says which roles, that a typed name has none, and who may go ahead alone', () => {
    const text = page(open('isolation', { roles: ['responder'], breakGlassRoles: ['duty-manager'] }));
    expect(text).toContain('needs one of the roles responder, and a proof');
    expect(text).toContain('one person with the role duty-manager may break the glass');
    expect(text).toContain('"breakGlass": true');
    expect(text).toContain('--prove');
    expect(text).not.toContain('a typed name is enough');
  });

  test('shows layers with what they do, and those that are not enforced', () => {
    const text = page(open('isolation'));
    expect(text).toContain('- security-groups: every network interface gets the isolation group');
    expect(text).toContain('asked for once more, as subnet-isolation');
    expect(text).toContain('**Asked for and NOT enforced**\n\n- guest-firewall: ');
  });

  test('asks for the subnet with its own layers only', () => {
    const text = page(open('subnet-isolation'));
    expect(text).toContain('Waits for a person: subnet-isolation');
    expect(text).toContain('- network-acl: ');
    expect(text).not.toContain('- security-groups: ');
    expect(text).toContain('"checkpoint": "subnet-isolation"');
  });

  test('holds a decision to paste that is bound to the plan', () => {
    const [pasted] = /\{[^}]*\}/.exec(page(open('isolation'))) ?? [];
    expect(JSON.parse(pasted ?? '')).toEqual({
      checkpoint: 'isolation',
      approver: 'your name',
      reason: 'why',
      planHash: hash,
    });
  });

  test('asks another person for a review of what one approved alone', () => {
    const alone = { approver: 'ann', breakGlass: true as const, reason: 'ransomware' };
    const text = page(after(open('isolation', { breakGlassRoles: [] }), alone));
    expect(text).toContain('Waits for a review: isolation');
    expect(text).toContain('"verdict":"justified"');
    expect(text).toContain('approved ALONE, IN AN EMERGENCY, by ann, a typed name');
    expect(text).toContain('(not reviewed yet): ransomware');
  });
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
