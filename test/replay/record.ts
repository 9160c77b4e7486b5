/**
 * Writes the histories that replay.test.ts replays: run `RECORD_HISTORIES=yes npx jest test/replay` when a deliberate
 * change of the workflows makes the stored ones obsolete, and say so in the changelog, since running cases break as
 * they do. They are stored as Temporal's own protobuf message `History`.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import proto from '@temporalio/proto';
import { diskWorkflowId, examinationWorkflowId, memoryWorkflowId } from '../../workflows/contract/workflow-ids';
import { caseRequest, CONSENT_REQUIRED, volumeId, volumes } from '../workflows/case-fixtures';
import { failure, until } from '../workflows/fakes';
import { TemporalForTests, type FinishedCase } from '../workflows/temporal';

const FOLDER = path.join(__dirname, 'histories');

export async function recordHistories(): Promise<void> {
  const temporal = await TemporalForTests.start();
  const keep = async (name: string, workflowId: string): Promise<void> => {
    const history = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
    await fs.writeFile(path.join(FOLDER, `${name}.pb`), proto.temporal.api.history.v1.History.encode(history).finish());
  };

  const approved: FinishedCase = await temporal.runCase(
    { facts: { volumes: volumes(3) }, decision: { isolationConsent: CONSENT_REQUIRED } },
    caseRequest(),
    async (run) => {
      await until(async () => (await run.view()).checkpoints.isolation.state === 'open', 'never asked');
      await run.signal('approve', ['nonsense']);
      await run.decide({ checkpoint: 'isolation', verdict: 'approve', approver: 'ann' });
    },
  );
  const { caseId } = approved.outcome;
  await keep('case-with-three-volumes-approved', approved.handle.workflowId);
  await keep('memory-acquisition', memoryWorkflowId(caseId));
  await keep('disk-acquisition-re-encrypted', diskWorkflowId(caseId, volumeId(3)));
  await keep('disk-examination', examinationWorkflowId(caseId, volumeId(1)));

  const startMemoryCapture = (): void => {
    throw failure('AgentUnavailable', 'the SSM agent is offline');
  };
  const cancelled = await temporal.runCase(
    {
      failures: { startMemoryCapture },
      decision: { isolationConsent: { ...CONSENT_REQUIRED, reminderSeconds: 0.3, escalateAfterSeconds: 0.5 } },
    },
    caseRequest(),
    async (run) => {
      await until(() => run.fakes.events().some((event) => event.kind === 'consent-escalated'), 'never escalated');
      await until(() => run.fakes.of('collectExamination').length === 1, 'never examined');
      await run.handle.cancel();
    },
  );
  await keep('case-without-agent-cancelled', cancelled.handle.workflowId);
  await temporal.stop();
}
