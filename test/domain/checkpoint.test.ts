import { applyDecision, NO_CHECKPOINT_REACHED, readDecision, refusal, type Checkpoints } from '../../domain/checkpoint';

const HASH = 'a'.repeat(64);
const OPEN: Checkpoints = {
  ...NO_CHECKPOINT_REACHED,
  isolation: { state: 'open', planHash: HASH, openedAt: '2026-11-22T07:00:00.000Z', escalated: false },
};
const approve = { checkpoint: 'isolation', verdict: 'approve', approver: 'ann' } as const;
const at = { decidedAt: '2026-11-22T07:01:00.000Z', door: 'update' } as const;

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
    expect(refusal(OPEN, approve, 'guardduty')).toBeUndefined();
    const decided = applyDecision(OPEN, approve, at);
    expect(decided.isolation).toEqual({ state: 'decided', decision: { ...approve, ...at, planHash: HASH } });
    expect(refusal(decided, approve, 'guardduty')).toContain('already decided (approve) by ann');
    expect(applyDecision(decided, { ...approve, verdict: 'reject' }, at)).toBe(decided);
  });

  test('keeps the opener from approving, not from rejecting', () => {
    expect(refusal(OPEN, approve, 'ann')).toContain('another person has to');
    expect(refusal(OPEN, { ...approve, verdict: 'reject' }, 'ann')).toBeUndefined();
  });

  test('refuses another plan than the one that was read, and what is not asked', () => {
    expect(refusal(OPEN, { ...approve, planHash: 'b'.repeat(64) }, 'guardduty')).toContain('the plan has changed');
    expect(refusal(OPEN, { ...approve, checkpoint: 'acquisition' }, 'guardduty')).toContain('is not open yet');
    const notNeeded: Checkpoints = { ...OPEN, isolation: { state: 'not-needed', because: 'by policy' } };
    expect(refusal(notNeeded, approve, 'guardduty')).toContain('needs no decision: by policy');
  });
});
