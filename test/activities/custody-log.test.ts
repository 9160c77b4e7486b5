import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { caseTableDefinition, logEndKeys } from '../../activities/case-table';
import { CustodyLog } from '../../activities/custody-log';
import { verifyChain } from '../../domain/custody/chain';
import type { CustodyDraft } from '../../domain/custody/entry';
import { type ActivityLab, failureOf, startActivityLab } from './support';

let lab: ActivityLab;
beforeAll(async () => {
  lab = await startActivityLab();
  await lab.aws.forensics.dynamodb.send(new CreateTableCommand(caseTableDefinition(lab.config.caseTable)));
});
afterAll(() => lab.stop());
afterEach(() => lab.aws.lab.clearFaults());

/** A worker of its own: it remembers only what it has seen itself. */
const worker = (): CustodyLog => new CustodyLog(lab);

const draft = (entryId: string): CustodyDraft => ({
  entryId,
  kind: 'act',
  at: '2026-11-22T07:30:00.000Z',
  message: `act ${entryId}`,
  actor: { name: 'ec2-forensics', knownBy: 'service' },
  notify: false,
});
const drafts = (worker: string, count: number): CustodyDraft[] =>
  Array.from({ length: count }, (_, index) => draft(`${worker}-${index}`));

test('several workers append to one log at once: one chain, every entry once, each writer’s own order kept', async () => {
  const workers = ['a', 'b', 'c'];
  await Promise.all(
    workers.map(async (name) => {
      const log = worker();
      for (const one of drafts(name, 6)) await log.append('case-1', [one]);
    }),
  );
  const log = await worker().read('case-1');
  expect(verifyChain(log, 'case-1')).toMatchObject({ holds: true, head: { sequence: 18 } });
  for (const name of workers) {
    const own = log.filter(({ entryId }) => entryId.startsWith(name)).map(({ entryId }) => entryId);
    expect(own).toEqual(drafts(name, 6).map(({ entryId }) => entryId));
  }
});

test('more entries than one transaction takes', async () => {
  const written = await worker().append('case-2', drafts('a', 60));
  expect(written.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
  expect(await worker().read('case-2')).toEqual(written);
});

test('what was written before is answered as it stands, by the same worker and by another', async () => {
  const log = worker();
  const [first] = await log.append('case-3', [draft('x')]);
  await worker().append('case-3', [draft('y')]);
  for (const again of [log, worker()]) {
    const [same, next] = await again.append('case-3', [draft('x'), draft('y')]);
    expect(same).toEqual(first);
    expect(next).toMatchObject({ entryId: 'y', sequence: 2 });
  }
  expect(await worker().read('case-3')).toHaveLength(2);
});

test.each(['before', 'after'] as const)('a write that fails %s it was carried out is made good', async (when) => {
  const caseId = `case-4-${when}`;
  const log = worker();
  await lab.aws.lab.setFaults([
    { action: 'TransactWriteItems', code: 'InternalServerError', status: 500, when, times: 9 },
  ]);
  expect(await failureOf(log.append(caseId, drafts('a', 2)))).toMatchObject({ type: 'Unavailable' });
  await lab.aws.lab.clearFaults();
  await log.append(caseId, drafts('a', 3));
  const entries = await worker().read(caseId);
  expect(entries.map(({ entryId }) => entryId)).toEqual(['a-0', 'a-1', 'a-2']);
  expect(verifyChain(entries, caseId)).toMatchObject({ holds: true });
});

test('a log that was cut short or put in place of another is not written on', async () => {
  const log = worker();
  const [first] = await log.append('case-5', drafts('a', 3));
  await lab.clients.forensics().dynamo.send(
    new PutCommand({
      TableName: lab.config.caseTable,
      Item: { ...logEndKeys('case-5'), entity: 'custody-log', sequence: 1, hash: first!.hash },
    }),
  );
  expect(await failureOf(log.append('case-5', [draft('b')]))).toMatchObject({
    type: 'CustodyForked',
    nonRetryable: true,
    message: expect.stringContaining('but entry 3') as string,
  });
});
