import { makerOf, countCalls } from '../../bench/aws-calls';
import type { ActivityRun, WorkflowRun } from '../../bench/history';
import { criticalPath, type Job, jobsOf, overshoots } from '../../bench/jobs';
import { median } from '../../bench/statistics';
import type { RecordedCall } from '../../lab/aws/emulator-client';

const T0 = Date.parse('2026-01-01T00:00:00.000Z');

const run = (
  type: string,
  times: [scheduled: number, started: number, closed: number],
  more: object = {},
): ActivityRun => ({
  type,
  scheduledAt: T0 + times[0],
  startedAt: T0 + times[1],
  closedAt: T0 + times[2],
  attempts: 1,
  succeeded: true,
  input: undefined,
  result: undefined,
  ...more,
});

const workflow = (type: string, activities: ActivityRun[]): WorkflowRun => ({
  workflowId: type,
  type,
  startedAt: T0,
  closedAt: T0 + 60_000,
  events: 1,
  bytes: 1,
  activities,
});

const call = (action: string, at: number, more: Partial<RecordedCall> = {}): RecordedCall => ({
  at: new Date(T0 + at).toISOString(),
  service: 'ec2',
  action,
  account: '111122223333',
  region: 'us-east-1',
  userAgent: 'aws-sdk-js/3 ec2-forensics/0.1.0',
  error: null,
  status: 200,
  milliseconds: 5,
  ...more,
});

const disk = workflow('diskAcquisition', [
  run('awaitSnapshot', [100, 10_400, 10_410], { input: { owner: 'source', snapshotId: 'snap-1' } }),
  run('reencryptSnapshot', [10_420, 10_430, 10_500], {
    input: { snapshotId: 'snap-1' },
    result: { snapshotId: 'snap-2' },
  }),
  run('awaitSnapshot', [10_510, 20_900, 20_910], { input: { owner: 'source', snapshotId: 'snap-2' } }),
  run('copySnapshotToForensics', [20_920, 20_930, 21_000], {
    input: { snapshotId: 'snap-2' },
    result: { snapshotId: 'snap-3' },
  }),
  run('awaitSnapshot', [21_010, 31_500, 31_510], { input: { owner: 'forensics', snapshotId: 'snap-3' } }),
]);

const times = {
  calls: [
    call('CreateSnapshots', 50),
    call('CopySnapshot', 10_440, { parameters: { SourceSnapshotId: 'snap-1' }, error: 'Throttling' }),
    call('CopySnapshot', 10_450, { parameters: { SourceSnapshotId: 'snap-1' } }),
    call('CopySnapshot', 20_950, { parameters: { SourceSnapshotId: 'snap-2' } }),
  ],
  snapshotCompleted: new Map([
    ['snap-1', T0 + 10_000],
    ['snap-2', T0 + 20_500],
    ['snap-3', T0 + 31_000],
  ]),
  commands: new Map(),
  agentOnline: new Map(),
};

test('a snapshot and its two copies are three jobs, each from the call that was carried out to its completion', () => {
  const jobs = jobsOf([disk], times);
  expect(jobs.map(({ stage, start, end }) => [stage, start - T0, end - T0])).toEqual([
    ['snapshot', 50, 10_000],
    ['re-encryption copy', 10_450, 20_500],
    ['forensic copy', 20_950, 31_000],
  ]);
});

test('overshoot runs from the end of the job to the start of the next step; a job without one has none', () => {
  const found = overshoots(jobsOf([disk], times));
  expect([...found]).toEqual([
    ['snapshot', [430]],
    ['re-encryption copy', [430]],
  ]);
});

test('commands and instances are told by their ids', () => {
  const examination = workflow('examination', [
    run('launchForensicInstance', [0, 10, 50], { input: { exhibit: { id: 'vol-1' } }, result: { instanceId: 'i-1' } }),
    run('awaitForensicInstance', [60, 2_100, 2_110], { input: { instance: { instanceId: 'i-1' } } }),
    run('awaitExamination', [2_200, 2_210, 9_000], { input: { examination: { commandId: 'c-1' } } }),
    run('collectExamination', [9_010, 9_020, 9_500]),
  ]);
  const jobs = jobsOf([examination], {
    ...times,
    calls: [
      call('RunInstances', 15, { parameters: { Tags: [{ Value: 'vol-2' }] } }),
      call('RunInstances', 20, { parameters: { Tags: [{ Value: 'vol-1' }] } }),
    ],
    commands: new Map([['c-1', { start: T0 + 2_300, end: T0 + 8_000 }]]),
    agentOnline: new Map([['i-1', T0 + 2_000]]),
  });
  expect(jobs.map(({ stage, start, end, nextStepAt }) => [stage, start - T0, end - T0, nextStepAt! - T0])).toEqual([
    ['instance start', 20, 2_000, 2_210],
    ['examination command', 2_300, 8_000, 9_020],
  ]);
});

test('the critical path is the longest chain of one exhibit', () => {
  const job = (exhibit: string, start: number, end: number): Job => ({
    stage: 'snapshot',
    exhibit,
    id: 'x',
    start,
    end,
  });
  expect(criticalPath([job('memory', 0, 50), job('vol-1', 0, 20), job('vol-1', 30, 65), job('vol-2', 10, 40)])).toBe(
    55,
  );
  expect(criticalPath([])).toBe(0);
});

test('a time that the lab did not record stops the benchmark and says which', () => {
  expect(() => jobsOf([disk], { ...times, snapshotCompleted: new Map() })).toThrow('the completion of snap-1');
});

test('calls of the worker and of documents are counted by API, others are not', () => {
  expect(makerOf({ userAgent: 'curl/8.5.0' })).toBe('documents');
  const counted = countCalls([
    call('DescribeInstances', 0),
    call('DescribeInstances', 1, { error: 'RequestLimitExceeded' }),
    call('DescribeInstances', 2, { userAgent: 'aws-sdk-js/3' }),
    call('GetObject', 3, { service: 's3', userAgent: 'curl/8.5.0' }),
    // moto's own answer, which the SSM server replaces.
    call('GetCommandInvocation', 4, { service: 'ssm', error: 'InvocationDoesNotExist' }),
  ]);
  expect(counted).toEqual([
    { maker: 'worker', service: 'ec2', action: 'DescribeInstances', calls: 2, failed: 1 },
    { maker: 'worker', service: 'ssm', action: 'GetCommandInvocation', calls: 1, failed: 0 },
    { maker: 'documents', service: 's3', action: 'GetObject', calls: 1, failed: 0 },
  ]);
});

test('the median of an even number of values is the mean of the middle two', () => {
  expect(median([9, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 100])).toBe(3.5);
  expect(() => median([])).toThrow();
});
