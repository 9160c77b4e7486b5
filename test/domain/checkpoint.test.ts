import { openApproval, type ApprovalPolicy } from '../../domain/approval';
import {
  applyDecision,
  applyToCheckpoint,
  claimedDecider,
  NO_CHECKPOINT_REACHED,
  openCheckpoint,
  provenDecider,
  readDecision,
  refusal,
  reviewsDue,
  type Checkpoints,
  type Decision,
} from '../../domain/checkpoint';

const HASH = 'a'.repeat(64);
const OPENED = '2026-11-22T07:00:00.000Z';
const NOW = '2026-11-22T07:01:00.000Z';
const ONE: ApprovalPolicy = { quorum: 1, roles: [], separationOfDuties: true, provenIdentityRequired: false };
const opened = (policy: ApprovalPolicy = ONE, openedBy = 'guardduty'): Checkpoints => ({
  ...NO_CHECKPOINT_REACHED,
  isolation: openCheckpoint(openApproval({ policy, planHash: HASH, openedBy, openedAt: OPENED }), false),
});
const approve = { checkpoint: 'isolation', verdict: 'approve', approver: 'ann' } as const;
const at = { decidedAt: NOW, door: 'update' } as const;
const refusedBecause = (checkpoints: Checkpoints, decision: Decision, by = claimedDecider(decision.approver)) =>
  refusal(checkpoints, decision, by, NOW);
const taken = (checkpoints: Checkpoints, decision: Decision, by = claimedDecider(decision.approver)): Checkpoints =>
  applyDecision(checkpoints, decision, by, at).checkpoints;

describe('readDecision', () => {
  test('reads what it is given, and the verdict of the door wins', () => {
    expect(readDecision({ ...approve, reason: 'yes', planHash: HASH, more: 1 })).toEqual({
      ...approve,
      reason: 'yes',
      planHash: HASH,
    });
    expect(readDecision({ ...approve, approver: '  ann ' }, 'reject')).toEqual({ ...approve, verdict: 'reject' });
  });

  test.each([
    [undefined, 'a decision is a JSON object'],
    [[approve], 'a decision is a JSON object'],
    [{ ...approve, checkpoint: 'x'.repeat(1000) }, 'checkpoint must be one of'],
    [{ ...approve, verdict: 'maybe' }, 'verdict must be'],
    [{ ...approve, approver: ' ' }, 'approver must say who decides'],
    [{ ...approve, approver: 'a'.repeat(257) }, 'approver must say who decides'],
    [{ ...approve, reason: 7 }, 'reason must be text'],
    [{ ...approve, planHash: 'abc' }, 'planHash must be the 64 hexadecimal digits'],
  ])('says what is wrong with %j', (payload, sentence) => {
    const problem = readDecision(payload);
    expect(problem).toEqual(expect.stringContaining(sentence));
    expect(JSON.stringify(problem).length).toBeLessThan(250);
  });
});

describe('refusal', () => {
  test('lets a decision on an open checkpoint through, once', () => {
    const open = opened();
    expect(refusedBecause(open, approve)).toBeUndefined();
    const { checkpoints, recorded } = applyDecision(open, approve, claimedDecider('ann'), at);
    expect(recorded).toEqual({ ...approve, ...at, planHash: HASH, knownBy: 'claimed' });
    expect(checkpoints.isolation).toMatchObject({ state: 'decided', decision: recorded });
    expect(refusedBecause(checkpoints, approve)).toContain('already decided (approve) by ann');
    expect(taken(checkpoints, { ...approve, verdict: 'reject' })).toBe(checkpoints);
  });

  test('keeps the opener from approving, not from rejecting', () => {
    const open = opened(ONE, 'ann');
    expect(refusedBecause(open, approve)).toContain('another person has to');
    expect(refusedBecause(open, { ...approve, verdict: 'reject' })).toBeUndefined();
  });

  test('the opener is known again behind a proven identity', () => {
    const open = opened(ONE, 'ann');
    for (const arn of ['arn:aws:iam::111122223333:user/ann', 'arn:aws:sts::111122223333:assumed-role/Responder/Ann']) {
      const by = provenDecider({ arn, accountId: '111122223333', proofSha256: 'b'.repeat(64) }, {});
      expect(refusedBecause(open, { ...approve, approver: 'somebody else' }, by)).toContain('another person has to');
    }
  });

  test('refuses another plan than the one that was read, and what is not asked', () => {
    expect(refusedBecause(opened(), { ...approve, planHash: 'b'.repeat(64) })).toContain('the plan has changed');
    expect(refusedBecause(opened(), { ...approve, checkpoint: 'acquisition' })).toContain('is not open yet');
    const notNeeded: Checkpoints = { ...opened(), isolation: { state: 'not-needed', because: 'by policy' } };
    expect(refusedBecause(notNeeded, approve)).toContain('needs no decision: by policy');
  });
});

test('a quorum of two needs two people; each decision is kept', () => {
  const first = applyDecision(opened({ ...ONE, quorum: 2 }), approve, claimedDecider('ann'), at);
  expect(first.checkpoints.isolation).toMatchObject({ state: 'open', approvalsMissing: 1 });
  expect(refusedBecause(first.checkpoints, { ...approve, approver: ' ANN' })).toContain('counts once');
  const second = applyDecision(first.checkpoints, { ...approve, approver: 'bob' }, claimedDecider('bob'), at);
  expect(second.checkpoints.isolation.state).toBe('decided');
  expect([first.recorded?.approver, second.recorded?.approver]).toEqual(['ann', 'bob']);
});

test('a role counts only for a proven identity, and two sessions of one role are one person', () => {
  const policy = { ...ONE, quorum: 2, roles: ['lead'] };
  const roles = { lead: ['arn:aws:sts::111122223333:assumed-role/Lead/*'] };
  const proven = (session: string) =>
    provenDecider(
      {
        arn: `arn:aws:sts::111122223333:assumed-role/Lead/${session}`,
        accountId: '111122223333',
        proofSha256: 'c'.repeat(64),
      },
      roles,
    );
  const open = opened(policy);
  expect(refusedBecause(open, approve)).toContain('none of the roles');
  const once = taken(open, approve, proven('ann'));
  expect(once.isolation).toMatchObject({ state: 'open', approvalsMissing: 1 });
  expect(refusedBecause(once, approve, proven('another-session'))).toContain('counts once');
});

test('another plan voids the decision on the one before', () => {
  const decided = taken(opened(), approve);
  const { checkpoints } = applyToCheckpoint(decided, 'isolation', {
    kind: 'plan-changed',
    planHash: 'b'.repeat(64),
    at: NOW,
  });
  expect(checkpoints.isolation).toMatchObject({ state: 'open', planHash: 'b'.repeat(64), approvalsMissing: 1 });
});

test('who goes ahead alone gives a reason, and another person has to review it', () => {
  const open = opened({ ...ONE, quorum: 2, breakGlassRoles: [] });
  const alone: Decision = { ...approve, breakGlass: true };
  expect(refusedBecause(open, alone)).toContain('needs a reason');
  expect(refusedBecause(opened({ ...ONE, quorum: 2 }), { ...alone, reason: 'now' })).toContain('nobody go ahead alone');
  const decided = taken(open, { ...alone, reason: 'it encrypts the file server' });
  expect(decided.isolation).toMatchObject({ state: 'decided', decision: { breakGlass: true } });
  expect(reviewsDue(decided)).toEqual(['isolation']);
  const review = (name: string) =>
    applyToCheckpoint(decided, 'isolation', {
      kind: 'reviewed',
      by: claimedDecider(name),
      at: NOW,
      verdict: 'justified',
      note: 'it did',
    });
  expect(review('ann').refusal).toContain('another person has to review');
  expect(reviewsDue(review('bob').checkpoints)).toEqual([]);
});
