import { planContainment, planHash } from '../../domain/containment';
import { caseRequest, CONSENT_REQUIRED, instanceFacts } from './case-fixtures';
import { failure, until, type Script } from './fakes';
import { TemporalForTests, type CaseRun } from './temporal';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await TemporalForTests.start();
});
afterAll(() => temporal.stop());

const ASKS: Script = { decision: { isolationConsent: CONSENT_REQUIRED } };
const asked = (run: CaseRun, checkpoint: 'acquisition' | 'isolation' = 'isolation'): Promise<void> =>
  until(async () => (await run.view()).checkpoints[checkpoint].state === 'open', `${checkpoint} was never asked for`);

test.concurrent('isolation waits for a person; acquisition and examination do not', async () => {
  const { outcome, fakes } = await temporal.runCase(ASKS, caseRequest(), async (run) => {
    await until(async () => (await run.view()).examinations.length === 2, 'examination waited for the consent');
    const view = await run.view();
    expect(view).toMatchObject({ status: 'awaiting-consent', phase: 'containment' });
    expect(view.plan!.plan.blastRadius.length).toBeGreaterThan(0);
    expect(run.fakes.of('applyLayer')).toEqual([]);
    await run.decide({ checkpoint: 'isolation', verdict: 'approve', approver: 'ann', reason: 'confirmed' });
  });
  expect(outcome).toMatchObject({
    outcome: 'complete',
    decisions: [{ checkpoint: 'isolation', verdict: 'approve', approver: 'ann', reason: 'confirmed', door: 'update' }],
    containment: { outcome: 'isolated' },
  });
  expect(fakes.events().find((event) => event.kind === 'consent-requested')).toMatchObject({ notify: true });
});

test.concurrent(
  'people are asked while memory is still being acquired, and isolation waits for the memory all the same',
  async () => {
    let decided = false;
    const script: Script = { ...ASKS, holds: { awaitMemoryCapture: () => decided } };
    const { fakes, outcome } = await temporal.runCase(script, caseRequest(), async (run) => {
      await asked(run);
      await run.decide({ checkpoint: 'isolation', verdict: 'approve', approver: 'ann' });
      expect(run.fakes.of('sealMemoryImage')).toEqual([]);
      decided = true;
    });
    expect(outcome.outcome).toBe('complete');
    expect(fakes.of('applyLayer')[0]!.startedAt).toBeGreaterThanOrEqual(fakes.of('sealMemoryImage')[0]!.endedAt!);
  },
);

test.concurrent('a rejected isolation is a decision, not a failure: complete, without isolation', async () => {
  const { outcome, fakes, view } = await temporal.runCase(ASKS, caseRequest(), async (run) => {
    await asked(run);
    await run.signal('reject', { checkpoint: 'isolation', approver: 'bob', reason: 'payment system' });
  });
  expect(outcome.outcome).toBe('complete');
  expect(outcome.decisions).toMatchObject([{ verdict: 'reject', approver: 'bob', door: 'signal' }]);
  expect(outcome.containment).toBeUndefined();
  expect(fakes.of('applyLayer')).toEqual([]);
  expect(view.phases.find((phase) => phase.name === 'containment')).toMatchObject({
    outcome: 'skipped',
    reason: 'declined by bob',
  });
});

test.concurrent('a declined acquisition ends the case; nothing was acquired, protections are kept', async () => {
  const script: Script = { decision: { acquisitionConsent: CONSENT_REQUIRED } };
  const { outcome, fakes } = await temporal.runCase(script, caseRequest(), async (run) => {
    await asked(run, 'acquisition');
    expect(run.fakes.of('protectInstance')).toHaveLength(1);
    await run.decide({ checkpoint: 'acquisition', verdict: 'reject', approver: 'bob' });
  });
  expect(outcome.outcome).toBe('declined');
  expect(outcome.reasons[0]).toContain('declined by bob');
  expect(fakes.of('createSnapshots')).toEqual([]);
  expect(fakes.of('startMemoryCapture')).toEqual([]);
});

test.concurrent(
  'a decision is refused with its reason when it comes early, twice, from the opener, or is nonsense',
  async () => {
    const request = caseRequest({ openedBy: 'ann' });
    const plan = planContainment(instanceFacts(request));
    let tooEarly = true;
    const script: Script = { ...ASKS, holds: { triageInstance: () => !tooEarly } };
    const { outcome, fakes } = await temporal.runCase(script, request, async (run) => {
      const approve = { checkpoint: 'isolation', verdict: 'approve', approver: 'bob' };
      expect(await run.refusalOf(approve)).toContain('is not open yet');
      await run.signal('approve', approve);
      tooEarly = false;
      await asked(run);
      expect(await run.refusalOf('yes')).toContain('a decision is a JSON object');
      expect(await run.refusalOf({ checkpoint: 'isolation' })).toContain('verdict must be');
      expect(await run.refusalOf({ ...approve, checkpoint: 'launch' })).toContain('checkpoint must be one of');
      expect(await run.refusalOf({ ...approve, approver: 'ann' })).toContain('opened the case and may not approve it');
      expect(await run.refusalOf({ ...approve, planHash: '0'.repeat(64) })).toContain('the plan has changed');
      expect(await run.refusalOf({ ...approve, checkpoint: 'acquisition' })).toContain('needs no decision');
      await run.signal('approve', ['nonsense']);
      await run.signal('reject', null);
      expect((await run.view()).checkpoints.isolation).toMatchObject({ state: 'open', planHash: planHash(plan) });

      expect(await run.decide({ ...approve, planHash: planHash(plan) })).toMatchObject({ planHash: planHash(plan) });
      expect(await run.refusalOf({ ...approve, verdict: 'reject', approver: 'eve' })).toContain('already decided');
      await run.signal('reject', { checkpoint: 'isolation', approver: 'eve' });
    });
    expect(outcome).toMatchObject({ outcome: 'complete', decisions: [{ approver: 'bob', verdict: 'approve' }] });
    const refused = fakes.events().filter((event) => event.kind === 'decision-refused');
    expect(refused.map((event) => event.message)).toEqual([
      expect.stringContaining('is not open yet'),
      expect.stringContaining('a decision is a JSON object'),
      expect.stringContaining('a decision is a JSON object'),
      expect.stringContaining('already decided'),
    ]);
  },
);

test.concurrent('who waits is reminded, and once the checkpoint is escalated; it goes on waiting', async () => {
  const policy = { ...CONSENT_REQUIRED, reminderSeconds: 1, escalateAfterSeconds: 4 };
  const { outcome, fakes } = await temporal.runCase(
    { decision: { isolationConsent: policy } },
    caseRequest(),
    async (run) => {
      const kinds = (): string[] => run.fakes.events().map((event) => event.kind);
      await until(() => kinds().includes('consent-escalated'), 'never escalated');
      await until(
        () => kinds().lastIndexOf('consent-reminder') > kinds().indexOf('consent-escalated'),
        'no reminder after the escalation',
      );
      expect((await run.view()).checkpoints.isolation).toMatchObject({ state: 'open', escalated: true });
      await run.signal('approve', { checkpoint: 'isolation', approver: 'ann' });
    },
  );
  expect(outcome.outcome).toBe('complete');
  const kinds = fakes.events().map((event) => event.kind);
  expect(kinds.filter((kind) => kind === 'consent-escalated')).toHaveLength(1);
  expect(kinds.indexOf('consent-reminder')).toBeLessThan(kinds.indexOf('consent-escalated'));
  expect(fakes.events().find((event) => event.kind === 'consent-reminder')).toMatchObject({ notify: true });
});

/** A proof as the stand-in for STS answers it: the address is the principal. */
const proofOf = (arn: string) => ({ url: arn, headers: {}, body: '' });
const RESPONDER = (session: string) =>
  `arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_Responder_0123/${session}`;
const APPROVE = { checkpoint: 'isolation', verdict: 'approve', approver: 'typed' };
const askedWith = (policy: Partial<typeof CONSENT_REQUIRED>, roles: Record<string, string[]> = {}): Script => ({
  decision: { isolationConsent: { ...CONSENT_REQUIRED, ...policy }, roles },
});

test.concurrent('two people with a role, each proven by STS: one is not enough, and nobody counts twice', async () => {
  const script = askedWith(
    { quorum: 2, roles: ['responder'], provenIdentityRequired: true },
    { responder: ['arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_Responder_*'] },
  );
  const { outcome, fakes } = await temporal.runCase(script, caseRequest(), async (run) => {
    await asked(run);
    expect(await run.refusalOf({ ...APPROVE, approver: 'ann' })).toContain('a typed name');
    const stranger = proofOf('arn:aws:iam::444455556666:user/eve');
    expect(await run.refusalOf({ ...APPROVE, proof: stranger })).toContain('none of the roles');
    expect(await run.decide({ ...APPROVE, proof: proofOf(RESPONDER('ann@example.com')) })).toMatchObject({
      approvalsMissing: 1,
      knownBy: 'proven',
    });
    expect(await run.refusalOf({ ...APPROVE, proof: proofOf(RESPONDER('ann@example.com')) })).toContain('counts once');
    expect(run.fakes.of('applyLayer')).toEqual([]);
    // The other door leads to the same rule.
    await run.signal('approve', { ...APPROVE, proof: proofOf(RESPONDER('bob@example.com')) });
  });
  expect(outcome.decisions).toMatchObject([
    { principal: RESPONDER('ann@example.com'), knownBy: 'proven', door: 'update' },
    { principal: RESPONDER('bob@example.com'), knownBy: 'proven', door: 'signal' },
  ]);
  const told = fakes.events().filter((event) => event.kind === 'decision-taken');
  expect(told.map(({ actor }) => actor)).toEqual([
    { name: RESPONDER('ann@example.com'), knownBy: 'proven' },
    { name: RESPONDER('bob@example.com'), knownBy: 'proven' },
  ]);
});

test.concurrent('a proof that STS refuses decides nothing, by update or by signal', async () => {
  const script: Script = {
    ...ASKS,
    failures: {
      redeemIdentityProof: () => {
        throw failure('ProofRefused', 'the proof was used before');
      },
    },
  };
  const { fakes } = await temporal.runCase(script, caseRequest(), async (run) => {
    await asked(run);
    const proof = proofOf(RESPONDER('ann'));
    expect(await run.refusalOf({ ...APPROVE, proof })).toContain('used before');
    await run.signal('approve', { ...APPROVE, proof });
    await until(() => run.fakes.events().some(({ kind }) => kind === 'decision-refused'), 'the signal left no event');
    expect((await run.view()).checkpoints.isolation).toMatchObject({ state: 'open' });
    await run.decide({ ...APPROVE, approver: 'bob' });
  });
  expect(fakes.events().find(({ kind }) => kind === 'decision-refused')?.message).toContain('used before');
});

test.concurrent(
  'what expires is escalated and asked anew: approvals until then count no more, and nothing goes ahead',
  async () => {
    const script = askedWith({ quorum: 2, expiresAfterSeconds: 3, reminderSeconds: 3600 });
    const { outcome } = await temporal.runCase(script, caseRequest(), async (run) => {
      await asked(run);
      await run.decide({ ...APPROVE, approver: 'ann' });
      await until(() => run.fakes.events().some(({ kind }) => kind === 'consent-expired'), 'never expired');
      const { isolation } = (await run.view()).checkpoints;
      expect(isolation).toMatchObject({ state: 'open', escalated: true, approvalsMissing: 2 });
      expect(run.fakes.of('applyLayer')).toEqual([]);
      await run.signal('reject', { ...APPROVE, approver: 'bob' });
    });
    expect(outcome).toMatchObject({ outcome: 'complete', decisions: [{ approver: 'ann' }, { verdict: 'reject' }] });
    expect(outcome.containment).toBeUndefined();
  },
);

test.concurrent(
  'who breaks the glass isolates at once, and the case does not close before another person has reviewed it',
  async () => {
    const script = askedWith({ quorum: 2, breakGlassRoles: [] });
    const { outcome, fakes } = await temporal.runCase(script, caseRequest(), async (run) => {
      await asked(run);
      const alone = { ...APPROVE, approver: 'ann', breakGlass: true };
      expect(await run.refusalOf(alone)).toContain('needs a reason');
      await run.decide({ ...alone, reason: 'ransomware is spreading' });
      await run.fakes.started('applyLayer');
      await until(async () => (await run.view()).examinations.length === 2, 'the case did not go on');
      expect((await run.view()).status).not.toBe('closed');
      const review = { checkpoint: 'isolation', verdict: 'justified', note: 'it was' };
      await expect(run.review({ ...review, reviewer: 'ann' })).rejects.toThrow();
      await run.review({ ...review, reviewer: 'bob' });
    });
    expect(outcome.decisions).toMatchObject([{ approver: 'ann', breakGlass: true }]);
    const kinds = fakes.events().map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['review-due', 'reviewed']));
    expect(fakes.events().find(({ kind }) => kind === 'review-due')).toMatchObject({ notify: true, severity: 'high' });
  },
);
