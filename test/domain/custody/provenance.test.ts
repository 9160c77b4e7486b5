import { manifestOf } from '../../../domain/custody/case-manifest';
import { appendEntry, emptyChain, headOf } from '../../../domain/custody/chain';
import type { CustodyEntry } from '../../../domain/custody/entry';
import { evidenceFilesOf } from '../../../domain/custody/evidence-files';
import type { Exhibit } from '../../../domain/evidence';
import type { CaseOutcome } from '../../../domain/outcome';

const CASE = 'i-1-20261122t073000z';
const target = { accountId: '111122223333', region: 'us-east-1', instanceId: 'i-0123456789abcdef0' };
const stored = (key: string, versionId = 'v1') => ({
  bucket: 'evidence',
  key: `cases/${CASE}/${key}`,
  versionId,
  sha256: 'a'.repeat(64),
  sizeBytes: 1,
});
const snapshot = (id: string): string => `arn:aws:ec2:us-east-1::snapshot/${id}`;

function log(...acts: Record<string, unknown>[]): CustodyEntry[] {
  let head = emptyChain(CASE);
  return acts.map((data, index) => {
    const entry = appendEntry(head, {
      entryId: String(index),
      kind: 'act',
      at: '2026-11-22T07:30:00.000Z',
      message: 'act',
      notify: false,
      actor: { name: 'worker', knownBy: 'service' },
      data,
    });
    head = headOf(entry);
    return entry;
  });
}

const disk: Exhibit = {
  id: 'vol-1',
  kind: 'disk',
  source: 'vol-1',
  sha256: 'b'.repeat(64),
  sizeBytes: 1,
  location: { snapshotId: 'snap-c', accountId: '444455556666', region: 'us-east-1', keyArn: 'arn:key' },
  acquiredAt: '2026-11-22T07:30:00.000Z',
  tool: { name: 'reader', version: '1' },
  notes: [],
};
const memory: Exhibit = {
  ...disk,
  id: 'memory',
  kind: 'memory',
  source: target.instanceId,
  location: { s3: stored('memory/attempt-1/memory.lime') },
  companions: [stored('memory/attempt-1/kernel-facts.tar.gz')],
};

const outcome = (more: Partial<CaseOutcome>): CaseOutcome => ({
  caseId: CASE,
  workflowId: 'w',
  outcome: 'complete',
  reasons: [],
  phases: [],
  exhibits: [],
  missing: [],
  examinations: [],
  decisions: [],
  ...more,
});
const derived = (of: CaseOutcome, entries: CustodyEntry[] = []) =>
  manifestOf(of, target, entries, evidenceFilesOf(of), []).derived;

test('a disk that was encrypted anew on its way: volume, snapshot, snapshot under the shared key, copy', () => {
  const entries = log(
    { snapshots: [{ volumeId: 'vol-1', snapshotId: 'snap-a' }] },
    { from: 'snap-a', snapshotId: 'snap-b' },
    { from: 'snap-b', snapshotId: 'snap-c' },
    { snapshotId: 'snap-c', mode: 'governance' },
  );
  expect(
    derived(outcome({ exhibits: [disk] }), entries).map(({ path, from, tool }) => [path, ...from, tool.name]),
  ).toEqual([
    [snapshot('snap-c'), snapshot('snap-b'), 'ec2:CopySnapshot'],
    [snapshot('snap-b'), snapshot('snap-a'), 'ec2:CopySnapshot'],
    [snapshot('snap-a'), 'arn:aws:ec2:us-east-1:111122223333:volume/vol-1', 'ec2:CreateSnapshots'],
  ]);
});

test('a log that leads in a circle, or tells nothing, still names copy and volume', () => {
  const circle = log({ from: 'snap-c', snapshotId: 'snap-c' });
  for (const entries of [circle, []])
    expect(derived(outcome({ exhibits: [disk] }), entries)).toMatchObject([
      { path: snapshot('snap-c'), from: ['arn:aws:ec2:us-east-1:111122223333:volume/vol-1'] },
    ]);
});

test('memory and what was kept with it come from the instance, tool outputs from the image', () => {
  const of = outcome({
    exhibits: [memory],
    examinations: [
      {
        exhibit: 'memory',
        kind: 'memory',
        outcome: 'succeeded',
        findings: [],
        tools: [
          {
            tool: 'linux.pslist',
            version: '2.28.2',
            outcome: 'succeeded',
            records: 1,
            seconds: 1,
            output: stored('examination/memory/linux.pslist.jsonl'),
          },
        ],
      },
    ],
  });
  const instance = `arn:aws:ec2:us-east-1:111122223333:instance/${target.instanceId}`;
  const image = 'evidence/memory/memory/attempt-1/memory.lime';
  expect(derived(of).map(({ path, from }) => [path, ...from])).toEqual([
    [image, instance],
    ['evidence/companions/memory/attempt-1/kernel-facts.tar.gz', instance],
    ['evidence/tool-outputs/examination/memory/linux.pslist.jsonl', image],
  ]);
  expect(manifestOf(of, target, [], evidenceFilesOf(of), []).exhibits[0]!.path).toBe(image);
});

test('evidence is named once each, also when two versions lie under one key; what has no version is not named', () => {
  const { versionId: _versionId, ...unversioned } = stored('memory/none');
  const files = evidenceFilesOf(
    outcome({
      exhibits: [
        { ...memory, companions: [stored('a'), stored('a'), stored('a', 'v2')] },
        { ...memory, id: 'memory-2', location: { s3: unversioned }, companions: [] },
      ],
    }),
  );
  expect(files.map(({ path }) => path)).toEqual([
    'evidence/companions/a',
    'evidence/companions/a.v2',
    'evidence/memory/memory/attempt-1/memory.lime',
  ]);
});
