import { diskWorkflowId, memoryWorkflowId } from '../../workflows/contract/workflow-ids';
import { searchAttributes } from '../../workflows/contract/search-attributes';
import { KEEPING_WORKFLOWS } from '../../workflows/contract/keeping';
import { WORKFLOW_TYPES } from '../../workflows/contract/messages';
import type { CaseRequest } from '../../domain/case-request';
import * as workflows from '../../workflows';
import { caseRequest, CONSENT_REQUIRED, policyDecision, volumeId, volumes } from './case-fixtures';
import { failure, until, type ActivityName, type Fakes, type Script } from './fakes';
import { TemporalForTests } from './temporal';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await TemporalForTests.start();
});
afterAll(() => temporal.stop());

const phasesOf = (phases: { name: string; outcome: string }[]): Record<string, string> =>
  Object.fromEntries(phases.map(({ name, outcome }) => [name, outcome]));
const indexOf = (fakes: Fakes, name: ActivityName): number => fakes.names().indexOf(name);

test('workflow types are the names that clients know', () => {
  expect(Object.keys(workflows).sort()).toEqual(Object.values({ ...WORKFLOW_TYPES, ...KEEPING_WORKFLOWS }).sort());
});

describe('a case that goes well', () => {
  test.concurrent('closes complete, and tells its story', async () => {
    const request = caseRequest();
    const { outcome, fakes, view } = await temporal.runCase({}, request);
    expect(outcome).toMatchObject({ outcome: 'complete', reasons: [], missing: [], decisions: [] });
    expect(outcome.exhibits.map((exhibit) => exhibit.id).sort()).toEqual(['memory', volumeId(1)]);
    expect(outcome.examinations.map((result) => result.exhibit).sort()).toEqual(['memory', volumeId(1)]);
    expect(outcome.containment?.outcome).toBe('isolated');
    expect(outcome.report?.key).toBe('report.html');
    expect(phasesOf(outcome.phases)).toEqual({
      triage: 'succeeded',
      protection: 'succeeded',
      acquisition: 'succeeded',
      containment: 'succeeded',
      examination: 'succeeded',
      report: 'succeeded',
    });
    const events = fakes.events();
    expect(events.map((event) => event.entryId)).toEqual(events.map((_, index) => `event-${index + 1}`));
    expect(events[0]?.kind).toBe('case-opened');
    expect(events.at(-1)).toMatchObject({ kind: 'case-closed', notify: true });
    // The query answers on a closed case too.
    expect(view).toMatchObject({ status: 'closed', outcome: 'complete', inProgress: [] });
  });

  test.concurrent(
    'keeps the order of the process: protect first, contain after memory, lock what is verified',
    async () => {
      const { fakes } = await temporal.runCase({}, caseRequest());
      expect(indexOf(fakes, 'protectInstance')).toBeLessThan(indexOf(fakes, 'createSnapshots'));
      expect(indexOf(fakes, 'sealMemoryImage')).toBeLessThan(indexOf(fakes, 'applyLayer'));
      expect(indexOf(fakes, 'verifyDisk')).toBeLessThan(indexOf(fakes, 'lockSnapshot'));
      // The copy is there when it is no longer shared; verifying it needs no permission.
      expect(fakes.of('unshareSnapshot')[0]!.startedAt).toBeGreaterThanOrEqual(fakes.of('awaitSnapshot')[1]!.endedAt!);
      expect(
        fakes
          .of('lockSnapshot')
          .map((call) => (call.input as { owner: string }).owner)
          .sort(),
      ).toEqual(['forensics', 'source']);
      expect(fakes.of('abandonMemoryCapture')).toEqual([]);
    },
  );

  test.concurrent('three volumes and memory go in parallel, each its own way, from one CreateSnapshots', async () => {
    // Each waits for the others to have begun: one after the other they would never end.
    const copiesUnderWay = (fakes: Fakes): boolean => fakes.of('copySnapshotToForensics').length === 3;
    const script: Script = {
      facts: { volumes: volumes(3) },
      holds: {
        copySnapshotToForensics: (fakes) => copiesUnderWay(fakes) && fakes.of('awaitMemoryCapture').length > 0,
        awaitMemoryCapture: copiesUnderWay,
      },
    };
    const { outcome, fakes } = await temporal.runCase(script, caseRequest());
    expect(outcome.outcome).toBe('complete');
    expect(outcome.exhibits).toHaveLength(4);
    expect(fakes.of('createSnapshots')).toHaveLength(1);
    // Volume 3 is under aws/ebs, which cannot be shared; 1 and 2 go straight.
    expect(fakes.of('reencryptSnapshot').map((call) => (call.input as { volumeId: string }).volumeId)).toEqual([
      volumeId(3),
    ]);
  });

  test.concurrent('an exhibit is examined as soon as it is there, not when all are', async () => {
    const script: Script = {
      holds: {
        verifyDisk: (fakes) => fakes.of('startExamination').some(({ workflowId }) => workflowId.endsWith('/memory')),
      },
    };
    const { outcome } = await temporal.runCase(script, caseRequest());
    expect(outcome.outcome).toBe('complete');
  });

  test.concurrent('a job that is not ready is asked again, without a new entry in the history', async () => {
    const notReady = (_: unknown, nth: number): void => {
      if (nth <= 3) throw failure('NotReady', 'snapshot 43 %');
    };
    const { outcome, fakes, handle } = await temporal.runCase({ failures: { awaitSnapshot: notReady } }, caseRequest());
    expect(outcome.outcome).toBe('complete');
    expect(fakes.of('awaitSnapshot').map((call) => call.attempt)).toEqual([1, 2, 3, 4, 1]);
    const disk = await temporal.client.workflow.getHandle(diskWorkflowId(outcome.caseId, volumeId(1))).fetchHistory();
    expect(disk.events!.length).toBeLessThan(60);
    expect((await handle.describe()).historyLength).toBeLessThan(182);
  });
});

describe('what the policy decides', () => {
  test.concurrent('a policy that asks for nothing ends the case declined, and touches nothing', async () => {
    const decision = { acquireMemory: false, acquireDisks: false, isolation: 'never', reasons: ['tagged'] } as const;
    const script = { decision: { ...decision, reasons: [...decision.reasons] } };
    const { outcome, fakes } = await temporal.runCase(script, caseRequest());
    expect(outcome).toMatchObject({ outcome: 'declined', reasons: ['tagged'] });
    expect(new Set(fakes.names())).toEqual(new Set(['triageInstance', 'recordEvents', 'writeReport', 'sealCase']));
  });

  test.concurrent('a dry run tells the plan and what would be acquired, and changes nothing', async () => {
    const request = { ...caseRequest(), dryRun: true as const };
    const { outcome, fakes, view } = await temporal.runCase({}, request);
    expect(outcome).toMatchObject({ outcome: 'declined', reasons: ['dry run: nothing was changed'] });
    expect(outcome.caseId).toMatch(/-dry-run$/);
    expect(new Set(fakes.names())).toEqual(new Set(['triageInstance', 'recordEvents', 'writeReport', 'sealCase']));
    const told = fakes.events().find((event) => event.kind === 'dry-run')!;
    expect(told.message).toContain(`memory, ${volumeId(1)}`);
    const { plan } = view;
    expect(told.data).toMatchObject({ plan: plan!.plan, planHash: plan!.hash, acquire: { memory: true } });
    expect(plan!.plan.steps.map(({ layer }) => layer)).toEqual(['internet-edge', 'security-groups']);
  });

  test.concurrent('isolation never: the case is complete without it', async () => {
    const { outcome, fakes } = await temporal.runCase({ decision: { isolation: 'never' } }, caseRequest());
    expect(outcome.outcome).toBe('complete');
    expect(phasesOf(outcome.phases).containment).toBe('skipped');
    expect(fakes.of('applyLayer')).toEqual([]);
  });

  test.concurrent('isolation before acquisition does not wait for the memory image', async () => {
    const script: Script = {
      decision: { isolation: 'before-acquisition' },
      holds: { awaitMemoryCapture: (fakes) => fakes.of('applyLayer').length > 0 },
    };
    const { outcome } = await temporal.runCase(script, caseRequest());
    expect(outcome.outcome).toBe('complete');
  });

  test.concurrent('isolation after all waits for the last disk', async () => {
    const script = { decision: { isolation: 'after-all' as const }, delays: { verifyDisk: 700 } };
    const { fakes } = await temporal.runCase(script, caseRequest());
    expect(fakes.of('applyLayer')[0]!.startedAt).toBeGreaterThanOrEqual(fakes.of('verifyDisk')[0]!.endedAt!);
  });

  test.concurrent('no consent required: nobody is asked, and the view says why', async () => {
    const { view, fakes } = await temporal.runCase({}, caseRequest());
    expect(view.checkpoints.isolation).toMatchObject({ state: 'not-needed' });
    expect(fakes.events().some((event) => event.kind === 'consent-requested')).toBe(false);
  });
});

describe('bad days', () => {
  test.concurrent('an unknown instance: the case fails with the reason, reported and closed', async () => {
    const triageInstance = (): void => {
      throw failure('InstanceNotFound', 'there is no instance i-1 in us-east-1');
    };
    const { outcome, fakes } = await temporal.runCase({ failures: { triageInstance } }, caseRequest());
    expect(outcome.outcome).toBe('failed');
    expect(outcome.reasons.join()).toContain('there is no instance i-1 in us-east-1');
    expect(phasesOf(outcome.phases)).toEqual({ triage: 'failed', report: 'succeeded' });
    expect((fakes.of('writeReport')[0]!.input as { facts: unknown }).facts).toBeNull();
    expect(fakes.events().map((event) => event.kind)).toEqual([
      'case-opened',
      'phase-ended',
      'case-sealed',
      'case-closed',
    ]);
  });

  test.concurrent('no agent: memory is missing with its reason; disks and isolation go on', async () => {
    const startMemoryCapture = (): void => {
      throw failure('AgentUnavailable', 'the SSM agent of i-1 is offline');
    };
    const { outcome, fakes } = await temporal.runCase({ failures: { startMemoryCapture } }, caseRequest());
    expect(outcome.outcome).toBe('partial');
    expect(outcome.missing).toMatchObject([{ id: 'memory', reason: 'the SSM agent of i-1 is offline' }]);
    expect(outcome.exhibits.map((exhibit) => exhibit.id)).toEqual([volumeId(1)]);
    expect(outcome.containment?.outcome).toBe('isolated');
    expect(phasesOf(outcome.phases).acquisition).toBe('partial');
    expect(fakes.events().find((event) => event.kind === 'evidence-missing')).toMatchObject({ notify: true });
  });

  test.concurrent('the memory capture takes too long: it is abandoned, and said', async () => {
    const { deadlines } = policyDecision();
    const script = {
      decision: { deadlines: { ...deadlines, memory: 1 } },
      delays: { awaitMemoryCapture: 4000 },
    };
    const { outcome, fakes } = await temporal.runCase(script, caseRequest());
    expect(outcome.outcome).toBe('partial');
    expect(outcome.missing[0]!.reason).toBe('step awaitMemoryCapture did not end within its time');
    expect(fakes.of('abandonMemoryCapture')[0]!.input).toMatchObject({ capture: { upload: { uploadId: 'upload-1' } } });
  });

  test.concurrent('a snapshot that never completes is given up at its deadline', async () => {
    const { deadlines } = policyDecision();
    const awaitSnapshot = (): void => {
      throw failure('NotReady', 'snapshot 43 %');
    };
    const script = { decision: { deadlines: { ...deadlines, snapshot: 1 } }, failures: { awaitSnapshot } };
    const { outcome } = await temporal.runCase(script, caseRequest());
    expect(outcome.missing[0]!.reason).toContain('step awaitSnapshot did not end within its time');
  });

  test.concurrent(
    'one copy ends in error: that volume is missing, its siblings are not, and nothing stays shared',
    async () => {
      const awaitSnapshot = (input: { owner: string; snapshotId: string }): void => {
        if (input.owner === 'forensics' && input.snapshotId.endsWith('2')) {
          throw failure('SnapshotFailed', `copy ${input.snapshotId} ended in error: key is disabled`);
        }
      };
      const script = { facts: { volumes: volumes(3) }, failures: { awaitSnapshot } };
      const { outcome, fakes } = await temporal.runCase(script, caseRequest());
      expect(outcome.outcome).toBe('partial');
      expect(outcome.missing).toMatchObject([{ id: volumeId(2), kind: 'disk' }]);
      expect(outcome.missing[0]!.reason).toContain('key is disabled');
      expect(outcome.exhibits).toHaveLength(3);
      expect(outcome.examinations).toHaveLength(3);
      const shared = fakes.of('shareSnapshot').map((call) => (call.input as { snapshotId: string }).snapshotId);
      const unshared = fakes.of('unshareSnapshot').map((call) => (call.input as { snapshotId: string }).snapshotId);
      expect(unshared.sort()).toEqual(shared.sort());
      expect(shared).toHaveLength(3);
    },
  );

  test.concurrent('no snapshots at all: every disk is missing, memory and isolation go on', async () => {
    const createSnapshots = (): void => {
      throw failure('AccessDenied', 'CreateSnapshots was refused on i-1');
    };
    const script = { facts: { volumes: volumes(2) }, failures: { createSnapshots } };
    const { outcome } = await temporal.runCase(script, caseRequest());
    expect(outcome.outcome).toBe('partial');
    expect(outcome.missing.map((item) => item.id)).toEqual([volumeId(1), volumeId(2)]);
    expect(outcome.missing.every((item) => item.reason === 'CreateSnapshots was refused on i-1')).toBe(true);
    expect(outcome.exhibits.map((exhibit) => exhibit.id)).toEqual(['memory']);
    expect(outcome.containment?.outcome).toBe('isolated');
  });

  test.concurrent('the instance is gone in the middle: failed, with every reason', async () => {
    const gone = (): void => {
      throw failure('InstanceNotFound', 'i-1 is gone');
    };
    const failures = { createSnapshots: gone, startMemoryCapture: gone, applyLayer: gone };
    const { outcome } = await temporal.runCase({ failures }, caseRequest());
    expect(outcome.outcome).toBe('failed');
    expect(outcome.missing).toHaveLength(2);
    expect(phasesOf(outcome.phases)).toMatchObject({
      acquisition: 'failed',
      containment: 'failed',
      examination: 'skipped',
      report: 'succeeded',
    });
  });

  test.concurrent('protection, locking, unsharing and release that fail cost no evidence, and are told', async () => {
    const refused = (step: string) => (): void => {
      throw failure('AccessDenied', `${step} was refused`);
    };
    const failures = {
      protectInstance: refused('protection'),
      lockSnapshot: refused('lock'),
      unshareSnapshot: refused('unshare'),
      releaseForensicInstance: refused('release'),
    };
    const { outcome } = await temporal.runCase({ failures }, caseRequest());
    expect(outcome.outcome).toBe('partial');
    expect(outcome.missing).toEqual([]);
    expect(outcome.exhibits).toHaveLength(2);
    const reasons = outcome.reasons.join('\n');
    for (const said of ['protection was refused', 'is not locked', 'still shared', 'may still exist']) {
      expect(reasons).toContain(said);
    }
  });

  test.concurrent('an examination that fails keeps its exhibit and ends its forensic instance', async () => {
    const awaitExamination = (_: unknown, nth: number): void => {
      if (nth === 1) throw failure('CommandFailed', 'the document ended with 3: no symbols');
    };
    const { outcome, fakes } = await temporal.runCase({ failures: { awaitExamination } }, caseRequest());
    expect(outcome.outcome).toBe('partial');
    expect(outcome.exhibits).toHaveLength(2);
    const failed = outcome.examinations.filter((result) => result.outcome === 'failed');
    expect(failed).toMatchObject([{ reason: 'the document ended with 3: no symbols' }]);
    expect(phasesOf(outcome.phases).examination).toBe('partial');
    expect(fakes.of('releaseForensicInstance')).toHaveLength(2);
  });

  test.concurrent('what the isolated instance still reaches is told, after the containment', async () => {
    const measured = { measured: true, flows: [{ path: 'TCP to 198.51.100.10:443', result: 'open' as const }] };
    const { outcome, fakes } = await temporal.runCase({ results: { probeIsolation: () => measured } }, caseRequest());
    expect(outcome.outcome).toBe('complete');
    expect(outcome.containment).toMatchObject({ outcome: 'isolated', measured });
    const sentence = 'measured from the instance: STILL OPEN: TCP to 198.51.100.10:443';
    expect(outcome.containment!.residualPaths).toContain(sentence);
    const kinds = fakes.events().map((event) => event.kind);
    expect(kinds.indexOf('isolation-measured')).toBeGreaterThan(kinds.indexOf('contained'));
    expect(fakes.events().find((event) => event.kind === 'isolation-measured')).toMatchObject({
      notify: true,
      message: expect.stringContaining(sentence) as string,
    });
  });

  test.concurrent('a measurement that fails takes nothing from the containment', async () => {
    const probeIsolation = (): void => {
      throw failure('AccessDenied', 'SendCommand was refused');
    };
    const { outcome, fakes } = await temporal.runCase({ failures: { probeIsolation } }, caseRequest());
    expect(outcome.outcome).toBe('complete');
    expect(outcome.containment).toMatchObject({ outcome: 'isolated', measured: { measured: false } });
    expect(outcome.containment!.residualPaths.at(-1)).toContain('SendCommand was refused');
    expect(fakes.events().map((event) => event.kind)).not.toContain('isolation-measured');
  });

  test.concurrent('an interface that stays open is said loudly', async () => {
    const script: Script = {
      results: {
        applyLayer: (result) =>
          result.layer === 'security-groups'
            ? { ...result, outcome: 'failed', after: result.before, verified: false, reason: 'refused' }
            : result,
      },
    };
    const { outcome, fakes } = await temporal.runCase(script, caseRequest());
    expect(outcome.outcome).toBe('partial');
    expect(outcome.reasons.join()).toContain('eni-00000000000000001');
    expect(fakes.events().find((event) => event.kind === 'contained')!.message).toContain('NOT fully isolated');
  });

  test.concurrent('events that cannot be written stop nothing, and the outcome says so', async () => {
    const recordEvents = (_: unknown, nth: number): void => {
      if (nth === 2) throw failure('AccessDenied', 'PutItem was refused');
    };
    const { outcome, fakes } = await temporal.runCase({ failures: { recordEvents } }, caseRequest());
    expect(outcome.outcome).toBe('partial');
    expect(outcome.reasons).toEqual([
      expect.stringMatching(/^\d+ case event\(s\) could not be written to the case's table: event-2 \(/) as string,
    ]);
    expect(fakes.events().at(-1)!.kind).toBe('case-closed');
  });

  test.concurrent('a case that cannot be sealed closes, and everybody is told that it is not', async () => {
    const sealCase = (): void => {
      throw failure('AccessDenied', 'Sign was refused');
    };
    const { outcome, fakes } = await temporal.runCase({ failures: { sealCase } }, caseRequest());
    expect(outcome).toMatchObject({ outcome: 'partial', reasons: ['the case is not sealed: Sign was refused'] });
    expect(outcome.seal).toBeUndefined();
    expect(fakes.events().at(-2)).toMatchObject({ kind: 'sealing-failed', notify: true, severity: 'high' });
  });

  test.concurrent('a report that cannot be written is a reason, and the case closes', async () => {
    const writeReport = (): void => {
      throw failure('AccessDenied', 'PutObject was refused');
    };
    const { outcome } = await temporal.runCase({ failures: { writeReport } }, caseRequest());
    expect(outcome).toMatchObject({
      outcome: 'partial',
      reasons: ['the report could not be written: PutObject was refused'],
    });
    expect(outcome.report).toBeUndefined();
  });

  test.concurrent('throttling costs attempts, not evidence', async () => {
    const throttled = (_: unknown, nth: number): void => {
      if (nth <= 2) throw failure('Throttled', 'Request limit exceeded');
    };
    const failures = { shareSnapshot: throttled, copySnapshotToForensics: throttled, applyLayer: throttled };
    const { outcome } = await temporal.runCase({ failures }, caseRequest());
    expect(outcome.outcome).toBe('complete');
  });

  test.concurrent('a malformed request is refused at once, with every problem', async () => {
    const broken = { ...caseRequest(), requestedAction: 'erase', finding: { id: 'f' } } as unknown as CaseRequest;
    const ended = temporal.runCase({}, broken);
    await expect(ended).rejects.toMatchObject({ cause: { type: 'InvalidRequest' } });
    await expect(ended).rejects.toMatchObject({
      cause: { message: expect.stringContaining('requestedAction must be one of') as string },
    });
  });
});

describe('several findings on one instance', () => {
  test.concurrent('a second finding joins the open case, once, and may raise its severity', async () => {
    const request = caseRequest();
    let joined = false;
    const script: Script = { holds: { awaitMemoryCapture: () => joined } };
    const further = { ...request.finding, id: 'finding-2', severity: 'critical' as const, title: 'Cryptomining' };
    const { view, fakes, outcome } = await temporal.runCase(script, request, async (run) => {
      for (let delivery = 0; delivery < 2; delivery += 1) {
        const answer = await temporal.client.workflow.signalWithStart<typeof workflows.forensicCase, [unknown]>(
          'forensicCase',
          {
            workflowId: run.handle.workflowId,
            taskQueue: run.taskQueue,
            args: [request],
            signal: 'findingReported',
            signalArgs: [{ finding: further, openedBy: 'guardduty', receivedAt: request.receivedAt }],
          },
        );
        expect(answer.signaledRunId).toBe(run.handle.firstExecutionRunId);
      }
      await run.signal('findingReported', 'nonsense');
      await run.signal('findingReported', { finding: request.finding });
      joined = true;
    });
    expect(outcome.outcome).toBe('complete');
    expect(view.joinedFindings).toEqual(['finding-2']);
    expect(fakes.of('triageInstance')).toHaveLength(1);
    expect(fakes.of('startMemoryCapture')).toHaveLength(1);
    expect(fakes.events().filter((event) => event.kind === 'finding-joined')).toHaveLength(1);
    expect(fakes.events().at(-1)!.severity).toBe('critical');
  });

  test.concurrent('a duplicate start finds the open case', async () => {
    let refused = false;
    const script: Script = { holds: { awaitMemoryCapture: () => refused } };
    await temporal.runCase(script, caseRequest(), async (run) => {
      const again = temporal.start(run.request, run.taskQueue);
      await expect(again).rejects.toMatchObject({ name: 'WorkflowExecutionAlreadyStartedError' });
      refused = true;
    });
  });
});

describe('what the Temporal UI shows', () => {
  test.concurrent('search attributes follow the case', async () => {
    const request = caseRequest();
    const script = { decision: { isolationConsent: CONSENT_REQUIRED } };
    const { handle, outcome } = await temporal.runCase(script, request, async (run) => {
      await until(async () => (await run.view()).checkpoints.isolation.state === 'open', 'never asked');
      await until(async () => {
        const shown = await run.handle.describe();
        return shown.typedSearchAttributes.get(searchAttributes.AwaitingApproval) === 'isolation';
      }, 'AwaitingApproval was never shown');
      await run.signal('approve', { checkpoint: 'isolation', approver: 'ann' });
    });
    const { typedSearchAttributes: shown } = await handle.describe();
    const values = Object.entries(searchAttributes).map(([name, key]) => [name, shown.get(key) ?? null]);
    expect(Object.fromEntries(values)).toEqual({
      CaseId: outcome.caseId,
      CaseStatus: 'closed',
      CasePhase: 'report',
      CaseSeverity: 'high',
      CaseAccount: request.target.accountId,
      CaseRegion: 'us-east-1',
      CaseInstance: request.target.instanceId,
      AwaitingApproval: null,
    });
  });

  test.concurrent('current details: what waits for whom, links, and nothing of an attacker’s markup', async () => {
    const hostile = '<img src=x onerror=alert(1)> [click](http://evil.example) | `code` **bold**';
    const request = caseRequest();
    request.finding.title = hostile;
    request.openedBy = hostile;
    const script = {
      facts: { tags: { 'aws:autoscaling:groupName': hostile } },
      decision: { isolationConsent: CONSENT_REQUIRED },
    };
    let details = '';
    const { outcome } = await temporal.runCase(script, request, async (run) => {
      await until(async () => (await run.view()).exhibits.length === 2, 'no exhibits');
      const metadata = await run.handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
      details = metadata.currentDetails;
      await run.signal('approve', { checkpoint: 'isolation', approver: 'ann' });
    });
    expect(details).toContain('Waits for a person: isolation');
    expect(details).toMatch(/"checkpoint": "isolation",\s+"verdict": "approve",\s+"approver": "your name"/);
    const link = encodeURIComponent(memoryWorkflowId(outcome.caseId));
    expect(details).toContain(`(/namespaces/{namespace}/workflows/${link})`);
    expect(details).not.toContain('<img');
    expect(details).not.toContain('](http');
    expect(details).not.toContain('http://evil');
    expect(details).not.toContain('**bold**');
    expect(details).toContain('Auto Scaling group &#60;img');
  });
});
