import fc from 'fast-check';
import {
  type Approval,
  type ApprovalEvent,
  type ApprovalPolicy,
  approvalsMissing,
  applyApproval,
  type Approver,
  countedApprovals,
  openApproval,
} from '../../domain/approval';
import { approvalEventOf, readApprovalMessage } from '../../domain/approval-message';

const [PLAN, OTHER_PLAN] = ['a'.repeat(64), 'b'.repeat(64)];
const at = (minute: number): string => new Date(Date.UTC(2026, 10, 22, 8, minute)).toISOString();
const POLICY: ApprovalPolicy = { quorum: 2, roles: [], separationOfDuties: true, provenIdentityRequired: false };
const person = (name: string, more: Partial<Approver> = {}): Approver => ({
  name,
  knownBy: 'claimed',
  roles: [],
  ...more,
});
const asked = (policy: Partial<ApprovalPolicy> = {}): Approval =>
  openApproval({ policy: { ...POLICY, ...policy }, planHash: PLAN, openedBy: 'olga', openedAt: at(0) });
const decision = (verdict: 'approve' | 'reject', by: Approver, minute: number, planHash = PLAN): ApprovalEvent => ({
  kind: 'decision',
  verdict,
  by,
  at: at(minute),
  planHash,
});
const approve = (name: string, minute: number, planHash?: string) =>
  decision('approve', person(name), minute, planHash);

/** The state after all events, and what was refused of them. */
function after(approval: Approval, ...events: ApprovalEvent[]): Approval & { refusals: string[] } {
  const refusals: string[] = [];
  for (const event of events) {
    const step = applyApproval(approval, event);
    if (step.refusal !== undefined) {
      expect(step.approval).toBe(approval);
      refusals.push(step.refusal);
    }
    approval = step.approval;
  }
  return { ...approval, refusals };
}

describe('a quorum of two', () => {
  test('is two different people', () => {
    const one = after(asked(), approve('ann', 1));
    expect(one.status).toBe('open');
    expect(approvalsMissing(one)).toBe(1);
    expect(after(one, approve('bob', 2)).status).toBe('approved');
  });

  test('is not one person twice, however the name is written', () => {
    const { status, refusals } = after(asked(), approve('ann', 1), approve(' Ann', 2), approve('ＡＮＮ', 3));
    expect(status).toBe('open');
    expect(refusals).toEqual(Array(2).fill(expect.stringContaining('the same person counts once')));
  });

  test('is nobody who opened it; rejecting is theirs', () => {
    const opened = after(asked(), approve('OLGA ', 1));
    expect(opened).toMatchObject({ status: 'open', decisions: [], refusals: [expect.stringContaining('opened it')] });
    expect(after(asked(), decision('reject', person('olga'), 1)).status).toBe('rejected');
  });

  test('may change their mind before it is reached: a rejection ends it', () => {
    const { status, refusals } = after(
      asked(),
      approve('ann', 1),
      decision('reject', person('ann'), 2),
      approve('bob', 3),
    );
    expect({ status, refusals }).toEqual({ status: 'rejected', refusals: ['it was rejected already'] });
  });
});

test('a changed plan voids what was approved, also when it was enough, and comes back as a new question', () => {
  const approved = after(asked(), approve('ann', 1), approve('bob', 2));
  const changed = after(approved, { kind: 'plan-changed', planHash: OTHER_PLAN, at: at(3) });
  expect(changed).toMatchObject({ status: 'open', planHash: OTHER_PLAN });
  expect(after(changed, approve('ann', 4)).refusals[0]).toContain('the plan has changed');
  const back = after(changed, { kind: 'plan-changed', planHash: PLAN, at: at(0) });
  expect(approvalsMissing(back)).toBe(2);
  expect(back.decisions).toHaveLength(2);
});

describe('expiry', () => {
  const expiring = asked({ quorum: 1, expiresAfterSeconds: 600 });
  test('holds: what comes later changes nothing, whether or not somebody looked at the clock', () => {
    expect(after(expiring, approve('ann', 10)).refusals[0]).toContain('too late');
    const expired = after(expiring, { kind: 'time-passed', at: at(9) }, { kind: 'time-passed', at: at(10) });
    expect(expired).toMatchObject({ status: 'expired', refusals: ['its time is not over'] });
    expect(after(expired, approve('ann', 11))).toMatchObject({ status: 'expired', decisions: [] });
  });

  test('is ended by asking again', () => {
    const again = after(expiring, { kind: 'time-passed', at: at(20) }, { kind: 'asked-again', at: at(30) });
    expect(after(again, approve('ann', 39)).status).toBe('approved');
  });
});

test('who may decide: roles and a proven identity', () => {
  const strict = asked({ quorum: 1, roles: ['custodian', 'counsel'], provenIdentityRequired: true });
  const refusalOf = (by: Approver) => after(strict, decision('reject', by, 1)).refusals[0];
  expect(refusalOf(person('ann', { roles: ['counsel'] }))).toContain('proven identity');
  expect(refusalOf(person('ann', { knownBy: 'proven', roles: ['analyst'] }))).toContain('custodian, counsel');
  expect(refusalOf(person('  ', { knownBy: 'proven', roles: ['counsel'] }))).toContain('who decides');
  const ann = person('ann', { knownBy: 'proven', roles: ['counsel'] });
  expect(after(strict, decision('approve', ann, 1)).status).toBe('approved');
});

describe('break-glass', () => {
  const glass = (name: string, reason = 'the attacker is in', minute = 1): ApprovalEvent => ({
    kind: 'break-glass',
    by: person(name),
    at: at(minute),
    reason,
  });
  test('is nobody’s unless the policy says so, and needs a reason', () => {
    expect(after(asked(), glass('ann')).refusals[0]).toContain('lets nobody');
    expect(after(asked({ breakGlassRoles: [] }), glass('ann', ' ')).refusals[0]).toContain('needs a reason');
    expect(after(asked({ breakGlassRoles: ['lead'] }), glass('ann')).refusals[0]).toContain('none of the roles');
  });

  test('goes ahead at once, the opener too, and owes a review by another person', () => {
    const broken = after(asked({ breakGlassRoles: [] }), glass('olga'));
    expect(broken).toMatchObject({
      status: 'approved',
      brokenGlass: [{ by: { name: 'olga' }, review: { state: 'due' } }],
    });
    const reviewed = (name: string): ApprovalEvent => ({
      kind: 'reviewed',
      by: person(name),
      at: at(60),
      verdict: 'justified',
      note: 'it was',
    });
    expect(after(broken, reviewed('Olga')).refusals[0]).toContain('another person');
    const done = after(broken, reviewed('ann'), reviewed('bob'));
    expect(done).toMatchObject({ brokenGlass: [{ review: { state: 'done', by: { name: 'ann' } } }] });
    expect(done.refusals).toEqual(['there is nothing to review']);
  });

  test('does not outlive the plan', () => {
    const changed = after(asked({ breakGlassRoles: [] }), glass('ann'), {
      kind: 'plan-changed',
      planHash: OTHER_PLAN,
      at: at(2),
    });
    expect(changed).toMatchObject({ status: 'open', brokenGlass: [{ review: { state: 'due' } }] });
  });
});

test.each([
  [null, 'JSON object'],
  [[], 'JSON object'],
  [{ approver: 'ann' }, 'verdict'],
  [{ verdict: 'approve' }, 'approver'],
  [{ verdict: 'approve', approver: 'x'.repeat(257) }, 'approver'],
  [{ verdict: 'approve', approver: 'ann', planHash: 'abc' }, 'planHash'],
  [{ verdict: 'reject', approver: 'ann', breakGlass: true }, 'breakGlass'],
])('a malformed message is told what is wrong: %j', (payload, word) => {
  expect(readApprovalMessage(payload)).toContain(word);
});

test('a message becomes a decision, or a broken glass', () => {
  const read = readApprovalMessage({ approver: ' ann ', breakGlass: true, reason: 'r' }, 'approve');
  if (typeof read === 'string') throw new Error(read);
  expect(approvalEventOf(read, person(read.approver), at(1))).toMatchObject({
    kind: 'break-glass',
    by: { name: 'ann' },
  });
});

describe('whatever happens in whatever order', () => {
  const names = fc.constantFrom('olga', 'ann', 'Ann ', 'bob', 'cid', '');
  const approver = fc.record({
    name: names,
    knownBy: fc.constantFrom('proven' as const, 'claimed' as const),
    roles: fc.subarray(['custodian', 'analyst']),
  });
  const time = fc.integer({ min: -5, max: 60 }).map(at);
  const plan = fc.constantFrom(PLAN, OTHER_PLAN);
  const maybePlan = fc.option(plan, { nil: undefined }).map((planHash) => (planHash === undefined ? {} : { planHash }));
  const verdict = fc.constantFrom('approve' as const, 'approve' as const, 'approve' as const, 'reject' as const);
  const event: fc.Arbitrary<ApprovalEvent> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(verdict, approver, time, maybePlan)
        .map(([v, by, t, p]) => ({ kind: 'decision', verdict: v, by, at: t, ...p }) as const),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(plan, time).map(([planHash, t]) => ({ kind: 'plan-changed', planHash, at: t }) as const),
    },
    { weight: 1, arbitrary: time.map((t) => ({ kind: 'time-passed', at: t }) as const) },
    { weight: 1, arbitrary: time.map((t) => ({ kind: 'asked-again', at: t }) as const) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(approver, time, maybePlan)
        .map(([by, t, p]) => ({ kind: 'break-glass', by, at: t, reason: 'r', ...p }) as const),
    },
  );
  const policy: fc.Arbitrary<ApprovalPolicy> = fc
    .record({
      quorum: fc.constantFrom(0, 1, 2, 3, NaN),
      roles: fc.constantFrom<string[][]>([], ['custodian']),
      separationOfDuties: fc.boolean(),
      provenIdentityRequired: fc.boolean(),
      expires: fc.constantFrom(undefined, 1200),
      glass: fc.constantFrom<(string[] | undefined)[]>(undefined, []),
    })
    .map(({ expires, glass, ...rest }) => ({
      ...rest,
      ...(expires !== undefined && { expiresAfterSeconds: expires }),
      ...(glass !== undefined && { breakGlassRoles: glass }),
    }));

  test('it is approved only by enough eligible, different people on the current plan, or by a broken glass on it', () => {
    let approvals = 0;
    fc.assert(
      fc.property(policy, fc.array(event, { maxLength: 25 }), (given, events) => {
        let state = asked(given);
        for (const one of events) {
          const step = applyApproval(state, one);
          if (step.refusal !== undefined) expect(step.approval).toBe(state);
          state = step.approval;
          if (state.status !== 'approved') continue;
          approvals += 1;
          const people = new Set(countedApprovals(state).map(({ by }) => by.name.trim().toLowerCase()));
          const eligible = countedApprovals(state).every(
            ({ by, planHash }) =>
              planHash === state.planHash &&
              by.name.trim() !== '' &&
              (!given.provenIdentityRequired || by.knownBy === 'proven') &&
              (given.roles.length === 0 || by.roles.includes('custodian')) &&
              (!given.separationOfDuties || by.name !== 'olga'),
          );
          expect(eligible).toBe(true);
          const glass = given.breakGlassRoles !== undefined && state.brokenGlass.at(-1)?.planHash === state.planHash;
          if (!glass) expect(people.size).toBeGreaterThanOrEqual(Math.max(1, given.quorum));
        }
      }),
      { numRuns: 1000 },
    );
    // The property was put to the test, and not only to states that are open.
    expect(approvals).toBeGreaterThan(50);
  });
});
