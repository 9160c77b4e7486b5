import { MockActivityEnvironment } from '@temporalio/testing';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { noteAct, noteAwsCall } from '../../activities/custody-acts';
import type { CustodyDraft, CustodyEntry } from '../../domain/custody/entry';
import { CustodyRecorder } from '../../workers/custody-interceptor';

/** A log that keeps what it is given; `failures` are thrown first, one a call. */
class KeptLog {
  readonly appended: { caseId: string; draft: CustodyDraft }[] = [];
  constructor(private readonly failures: Error[] = []) {}

  append(caseId: string, drafts: readonly CustodyDraft[]): Promise<CustodyEntry[]> {
    const failure = this.failures.shift();
    if (failure) return Promise.reject(failure);
    this.appended.push(...drafts.map((draft) => ({ caseId, draft })));
    return Promise.resolve([]);
  }
}

const CALL = { call: 'ec2:CreateSnapshots', requestId: 'request-1', accountId: '111122223333' };
const ROLE = 'arn:aws:sts::111122223333:assumed-role/ForensicsAcquire/case-1';

async function attemptOf(log: KeptLog, step: () => Promise<unknown>, attempt = 1): Promise<CustodyRecorder> {
  const recorder = new CustodyRecorder(log);
  const environment = new MockActivityEnvironment({ attempt, activityType: 'createSnapshots', activityId: '7' });
  await environment.run(async () => {
    const { inbound } = recorder.interceptor(Context.current());
    await inbound!.execute!({ args: [{ caseId: 'case-1' }], headers: {} }, step);
  });
  return recorder;
}

test('an act is written with its calls, the role that made them and the step, under an id of its own', async () => {
  const log = new KeptLog();
  await attemptOf(log, () => {
    noteAwsCall(CALL, ROLE);
    noteAct({ message: 'two volumes were snapshotted', data: { volumes: 2 } });
    noteAct({ message: 'and nothing else' });
    return Promise.resolve();
  });
  expect(log.appended).toEqual([
    {
      caseId: 'case-1',
      draft: expect.objectContaining({
        kind: 'act',
        step: 'createSnapshots',
        message: 'two volumes were snapshotted',
        data: { volumes: 2 },
        awsCalls: [CALL],
        actor: { name: ROLE, knownBy: 'service' },
        entryId: expect.stringMatching(/\/7\/done\/1$/) as string,
        at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      }) as CustodyDraft,
    },
    {
      caseId: 'case-1',
      draft: expect.objectContaining({
        message: 'and nothing else',
        awsCalls: [],
        actor: { name: 'ec2-forensics', knownBy: 'service' },
        entryId: expect.stringMatching(/\/7\/done\/2$/) as string,
      }) as CustodyDraft,
    },
  ]);
  expect(log.appended[0]!.draft).not.toHaveProperty('principal');
});

test('calls that the step says nothing about are told all the same', async () => {
  const log = new KeptLog();
  await attemptOf(log, () => {
    noteAwsCall(CALL, ROLE);
    return Promise.resolve();
  });
  expect(log.appended.map(({ draft }) => draft.message)).toEqual(['createSnapshots called ec2:CreateSnapshots']);
});

test('a step that changes nothing leaves no entry', async () => {
  const log = new KeptLog();
  await attemptOf(log, () => Promise.resolve());
  expect(log.appended).toEqual([]);
});

test('what a failed attempt did is told under that attempt, and its failure stays as it was', async () => {
  const log = new KeptLog();
  const failed = attemptOf(
    log,
    () => {
      noteAct({ message: 'one of two was done' });
      return Promise.reject(ApplicationFailure.retryable('the other failed', 'Throttled'));
    },
    3,
  );
  await expect(failed).rejects.toThrow('the other failed');
  expect(log.appended.map(({ draft }) => draft.entryId)).toEqual([expect.stringMatching(/\/7\/attempt-3\/1$/)]);
});

test('a table that cannot be written for a moment loses no act', async () => {
  const log = new KeptLog([ApplicationFailure.retryable('slow down', 'Throttled'), new Error('socket hang up')]);
  const recorder = await attemptOf(log, () => {
    noteAct({ message: 'done' });
    return Promise.resolve();
  });
  await recorder.settled(60_000);
  expect(log.appended.map(({ draft }) => draft.message)).toEqual(['done']);
});

test('a call beyond those that an entry has room for is counted', async () => {
  const log = new KeptLog();
  await attemptOf(log, () => {
    for (let part = 1; part <= 25; part += 1) noteAwsCall({ ...CALL, requestId: `request-${part}` }, ROLE);
    noteAct({ message: '25 parts were copied' });
    return Promise.resolve();
  });
  expect(log.appended[0]!.draft.awsCalls).toHaveLength(20);
  expect(log.appended[0]!.draft.awsCallsNotListed).toBe(5);
});
