import fs from 'node:fs';
import path from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import proto from '@temporalio/proto';
import { workflowBundle } from '../workflows/support/workflow-bundle';
import { recordHistories } from './record';

const FOLDER = path.join(__dirname, 'histories');

/**
 * Cases run for days: a change of the workflows that cannot replay what a running case has behind it would leave that
 * case stuck. When such a change is meant, see record.ts.
 */
test('the workflows replay every stored history', async () => {
  if (process.env.RECORD_HISTORIES === 'yes') await recordHistories();
  else Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
  const stored = fs.readdirSync(FOLDER).filter((name) => name.endsWith('.pb'));
  expect(stored.length).toBeGreaterThanOrEqual(5);
  const histories = stored.map((name) => ({
    workflowId: name,
    history: proto.temporal.api.history.v1.History.decode(fs.readFileSync(path.join(FOLDER, name))),
  }));
  const results: { name: string; error: string | undefined }[] = [];
  for await (const result of Worker.runReplayHistories({ workflowBundle: await workflowBundle() }, histories)) {
    results.push({ name: result.workflowId, error: result.error?.message });
  }
  expect(results.sort((one, other) => one.name.localeCompare(other.name))).toEqual(
    stored.map((name) => ({ name, error: undefined })).sort((one, other) => one.name.localeCompare(other.name)),
  );
});
