/**
 * Audit, legal hold and purge of a closed case as people do them: the commands, a Temporal server, a real worker with the recorder
 * of the custody log, and the emulated accounts.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { verifyChain } from '../../domain/custody/chain';
import type { EvidenceAuditResult } from '../../domain/evidence-audit';
import { createWorker } from '../../workers/create-worker';
import { keepCase, type KeepingLab, type KeptCase, startKeepingLab } from '../activities/keeping-lab';
import { until } from '../workflows/fakes';
import { sharedServerAddress } from '../workflows/support/shared-server';

const PROJECT = path.resolve(__dirname, '../..');

let lab: KeepingLab;
let kept: KeptCase;
let address: string;
let connection: NativeConnection;
let running: Promise<void>;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
  [lab, address] = await Promise.all([startKeepingLab(), sharedServerAddress()]);
  kept = await keepCase(lab);
  connection = await NativeConnection.connect({ address });
  const worker = await createWorker({ connection, namespace: 'default', config: lab.config });
  running = worker.run();
}, 300_000);
afterAll(async () => {
  // The worker ends as in production: it is asked to by a signal.
  process.emit('SIGTERM');
  await running;
  await connection.close();
  await lab.stop();
}, 120_000);

/** Runs one command as a person would; resolves with its exit code and what it printed. */
function forensics(...given: string[]): Promise<{ code: number; out: string; error: string }> {
  const command = [require.resolve('tsx/cli'), 'starters/cli/main.ts', ...given];
  const env = { ...process.env, TEMPORAL_ADDRESS: address, AWS_REGION: lab.config.region };
  return new Promise((resolve) => {
    execFile(process.execPath, command, { cwd: PROJECT, env }, (failure, out, error) =>
      resolve({ code: typeof failure?.code === 'number' ? failure.code : 0, out, error }),
    );
  });
}
const audited = async (): Promise<{ code: number; result: EvidenceAuditResult }> => {
  const { code, out } = await forensics('audit', 'run', kept.caseId, '--json');
  return { code, result: JSON.parse(out) as EvidenceAuditResult };
};
const log = () => lab.custodyLog.read(kept.caseId);
const kindsSince = async (sequence: number): Promise<string[]> => (await log()).slice(sequence).map(({ kind }) => kind);

test('audit, hold, purge by command', async () => {
  expect(await audited()).toMatchObject({ code: 0, result: { audited: 1, withDifferences: [], failed: [] } });
  await until(async () => (await log()).length === 6, 'the audit was never told');
  expect(await kindsSince(4)).toEqual(['act', 'evidence-audited']);

  const asked = await forensics('hold', 'on', kept.caseId, '--as', 'olga', '--reason', 'order of the court');
  expect(asked).toMatchObject({ code: 0, out: expect.stringContaining('hold approve') as string });
  const approved = await forensics('hold', 'approve', kept.caseId, '--as', 'ann');
  expect(approved).toMatchObject({ code: 0, out: expect.stringContaining('approved') as string });
  await until(async () => (await kindsSince(6)).includes('legal-hold-changed'), 'the hold was never told');
  // One act for the objects, one for each of the two snapshots.
  expect((await kindsSince(6)).sort()).toEqual([
    'act',
    'act',
    'act',
    'consent-requested',
    'decision-taken',
    'legal-hold-changed',
  ]);
  const { key: Key, bucket: Bucket, versionId: VersionId } = kept.memory;
  const remove = new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention: true });
  await expect(lab.aws.forensics.s3.send(remove)).rejects.toMatchObject({ name: 'AccessDenied' });

  const purge = await forensics('purge', 'ask', kept.caseId, '--as', 'olga', '--reason', 'retention is over');
  expect(purge.code).toBe(1);
  expect(purge.out).toContain(kept.memory.key);
  expect(purge.out).toMatch(/REFUSED, nobody was asked.*\n.*under legal hold/);

  await lab.aws.forensics.s3.send(new DeleteObjectCommand({ Bucket, Key }));
  expect(await audited()).toMatchObject({
    code: 1,
    result: { withDifferences: [{ differences: [{ problem: expect.stringContaining('delete marker') as string }] }] },
  });
  await until(async () => (await log()).at(-1)!.kind === 'evidence-alert', 'the alert was never told');
  expect(verifyChain(await log(), kept.caseId)).toMatchObject({ holds: true });

  const wrong = await forensics('hold', 'off', kept.caseId, '--reason', 'x', '--within', 'soon');
  expect(wrong).toMatchObject({ code: 2, error: expect.stringContaining('--within soon') as string });
});
