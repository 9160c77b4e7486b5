import { diskWorkflowId, examinationWorkflowId, memoryWorkflowId } from '../../workflows/contract/workflow-ids';
import { caseRequest, volumeId, volumes } from './case-fixtures';
import { historyOf, TemporalForTests } from './temporal';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await TemporalForTests.start();
});
afterAll(() => temporal.stop());

/** Temporal warns at 10,240 events; a case shall need far fewer, and grow by a fixed share with each volume. */
test.each([
  [1, 175],
  [4, 265],
])('the history of a case with %d volume(s) has at most %d events of its own', async (count, most) => {
  const { outcome, handle } = await temporal.runCase({ facts: { volumes: volumes(count) } }, caseRequest());
  const { caseId } = outcome;
  const ids = Array.from({ length: count }, (_, index) => volumeId(index + 1));
  const children = [
    memoryWorkflowId(caseId),
    ...ids.map((id) => diskWorkflowId(caseId, id)),
    ...['memory', ...ids].map((id) => examinationWorkflowId(caseId, id)),
  ];
  const own = await historyOf(temporal.client, handle.workflowId);
  const theirs = await Promise.all(children.map((id) => historyOf(temporal.client, id)));
  if (process.env.SHOW_HISTORY_SIZE === 'yes') process.stdout.write(`${JSON.stringify([own, ...theirs], null, 1)}\n`);
  expect(own.events).toBeLessThanOrEqual(most);
  expect(own.bytes).toBeLessThan(250_000);
  for (const child of theirs) expect(child.events).toBeLessThanOrEqual(70);
});
