import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startTemporal, type TemporalServer } from '../../lab/temporal/temporal-server';
import { searchAttributes } from '../../workflows/contract/search-attributes';
import { caseRequest, CONSENT_REQUIRED } from './case-fixtures';
import { until } from './fakes';
import { freePort, temporalCli } from './support/shared-server';
import { TemporalForTests } from './temporal';

let folder: string;
let ports: { port: number; uiPort: number };
let server: TemporalServer;

/** Temporal's development server with its histories in a file, at the same place each time. */
const start = (): Promise<TemporalServer> =>
  startTemporal({
    cli: temporalCli(),
    ...ports,
    stateFolder: folder,
    keepState: true,
    searchAttributes: Object.values(searchAttributes).map(({ name }) => ({ name, type: 'Keyword' })),
    logFile: path.join(folder, 'temporal.log'),
  });

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'temporal-restart-'));
  ports = { port: await freePort(), uiPort: await freePort() };
  server = await start();
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('one of two has approved when worker and Temporal server go; both are back, and the second approval is enough', async () => {
  const temporal = await TemporalForTests.startAt(server.address);
  try {
    const queue = `restart-${randomUUID()}`;
    const asks = { decision: { isolationConsent: { ...CONSENT_REQUIRED, quorum: 2 } } };
    const run = await temporal.open(asks, caseRequest(), queue);
    const first = await temporal.worker(queue);
    await first.runUntil(async () => {
      await until(async () => (await run.view()).examinations.length === 2, 'the examinations never ended');
      await run.decide({ checkpoint: 'isolation', verdict: 'approve', approver: 'ann' });
    });
    await server.stop();
    await expect(
      temporal.client.connection.withDeadline(Date.now() + 1000, () => run.handle.describe()),
    ).rejects.toThrow();

    server = await start();
    const second = await temporal.worker(queue);
    const outcome = await second.runUntil(async () => {
      expect((await run.view()).checkpoints.isolation).toMatchObject({ state: 'open', approvalsMissing: 1 });
      expect(await run.refusalOf({ checkpoint: 'isolation', verdict: 'approve', approver: 'ann' })).toContain(
        'counts once',
      );
      expect(run.fakes.of('applyLayer')).toEqual([]);
      await run.decide({ checkpoint: 'isolation', verdict: 'approve', approver: 'bob' });
      return run.handle.result();
    });
    expect(outcome).toMatchObject({
      outcome: 'complete',
      containment: { outcome: 'isolated' },
      decisions: [{ approver: 'ann' }, { approver: 'bob' }],
    });
    // Nothing that was done before is done again.
    expect(run.fakes.of('createSnapshots')).toHaveLength(1);
  } finally {
    await temporal.stop();
  }
});
