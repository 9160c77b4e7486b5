import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { eventsAsJson, historyOfWorkflow } from '../../activities/sealing/temporal-history';
import { linesOf } from '../../domain/custody/bundle';
import { sharedServerAddress } from '../workflows/support/shared-server';

describe('histories as a worker reads them', () => {
  let connection: NativeConnection;
  let client: Client;
  const read = (workflowId: string, runId?: string): Promise<unknown[] | undefined> =>
    new MockActivityEnvironment({}, { client }).run(() => historyOfWorkflow(workflowId, runId));

  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
    connection = await NativeConnection.connect({ address: await sharedServerAddress() });
    client = new Client({ connection });
  });
  afterAll(() => connection.close());

  test('of a workflow that still runs: what it has behind it', async () => {
    const workflowId = `history-${randomUUID()}`;
    const handle = await client.workflow.start('nobodyRunsIt', { workflowId, taskQueue: workflowId });
    try {
      expect(await read(workflowId, handle.firstExecutionRunId)).toMatchObject([
        { eventId: '1', eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED' },
        { eventId: '2', eventType: 'EVENT_TYPE_WORKFLOW_TASK_SCHEDULED' },
      ]);
    } finally {
      await handle.terminate();
    }
  });

  test('of a workflow that Temporal does not know: none', async () => {
    expect(await read(`history-${randomUUID()}`)).toBeUndefined();
  });
});

test('a history as JSON loses nothing: it gives Temporal’s own bytes again', () => {
  const { History, HistoryEvent } = proto.temporal.api.history.v1;
  const bytes = readFileSync(path.join(__dirname, '../replay/histories/case-with-three-volumes-approved.pb'));
  const read = JSON.parse(JSON.stringify(eventsAsJson(History.decode(bytes).events))) as Record<string, unknown>[];
  const again = History.encode({ events: read.map((event) => HistoryEvent.fromObject(event)) }).finish();
  expect(bytes.equals(again)).toBe(true);
});

test('the same event is the same line, in whatever order the server gives its maps', () => {
  const eventWith = (...names: string[]): unknown[] =>
    eventsAsJson([
      {
        upsertWorkflowSearchAttributesEventAttributes: {
          searchAttributes: {
            indexedFields: Object.fromEntries(names.map((name) => [name, { data: Buffer.from(name) }])),
          },
        },
      },
    ]);
  expect(linesOf(eventWith('CasePhase', 'CaseStatus'))).toBe(linesOf(eventWith('CaseStatus', 'CasePhase')));
});
