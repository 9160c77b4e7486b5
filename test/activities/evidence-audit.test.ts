import { ModifySnapshotAttributeCommand, UnlockSnapshotCommand } from '@aws-sdk/client-ec2';
import { DisableKeyCommand, EnableKeyCommand } from '@aws-sdk/client-kms';
import { DeleteObjectCommand, PutObjectCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3';
import { DeleteCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { eventKeys, logEndKeys } from '../../activities/case-table';
import type { CaseAudit } from '../../domain/evidence-audit';
import { LAB_ACCOUNTS } from '../../lab/config';
import {
  event,
  keepCase,
  type KeepingLab,
  keepMemory,
  putObject,
  sha256,
  startKeepingLab,
  type StepInput,
} from './keeping-lab';
import { runActivity, writeSnapshot } from './support';

let lab: KeepingLab;
beforeAll(async () => {
  lab = await startKeepingLab();
});
afterAll(() => lab.stop());
afterEach(() => lab.aws.lab.clearFaults());

const audit = (caseId: string, disks = false): Promise<CaseAudit> =>
  runActivity((input: { caseId: string; disks: boolean }) => lab.anotherWorker().auditCase(input), { caseId, disks });
const problemsOf = async (caseId: string, disks = false): Promise<string[]> =>
  (await audit(caseId, disks)).differences.map(({ what, problem }) => `${what}: ${problem}`);

test('evidence as the case left it: whole, also when its disks are read again; the next audit goes on from there', async () => {
  const { caseId } = await keepCase(lab);
  const first = await audit(caseId, true);
  expect(first).toMatchObject({
    differences: [],
    notes: [],
    checked: { objects: 2, bytes: 27, snapshots: 2, snapshotsReread: 1, entries: 4 },
    head: { sequence: 4 },
  });
  await lab.custodyLog.append(caseId, [event(caseId, 'later', { kind: 'evidence-audited' })]);
  expect(await audit(caseId)).toMatchObject({ differences: [], head: { sequence: 5 } });
});

describe('what an audit finds', () => {
  test('bytes that are not those of the log', async () => {
    const { caseId, memory } = await keepMemory(lab, 'memory of the suspecT');
    expect(await problemsOf(caseId)).toEqual([
      `s3://evidence/${memory.key} (version ${memory.versionId}): its bytes are not those that were stored: SHA-256 is ` +
        `${sha256('memory of the suspecT')}, the custody log says ${sha256('memory of the suspect')}`,
    ]);
  });

  test('a newer version over an exhibit, and a delete marker over another object', async () => {
    const { caseId, memory, disk } = await keepCase(lab);
    const list = disk.companions![0]!;
    await putObject(lab, memory.key, 'something else');
    await lab.aws.forensics.s3.send(new DeleteObjectCommand({ Bucket: list.bucket, Key: list.key }));
    const { differences, notes } = await audit(caseId);
    expect(differences).toEqual([
      {
        what: expect.stringContaining(memory.key),
        problem: expect.stringContaining('wrote over it'),
        severity: 'high',
      },
      { what: expect.stringContaining(list.key), problem: expect.stringContaining('delete marker'), severity: 'high' },
    ]);
    expect(notes).toEqual([expect.stringContaining('1 object version(s) are named neither')]);
  });

  test('a version that is gone, and one without retention', async () => {
    const { caseId, memory } = await keepMemory(lab);
    const { bucket: Bucket, key: Key, versionId: VersionId } = memory;
    const bypass = { BypassGovernanceRetention: true };
    await lab.aws.forensics.s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId, ...bypass }));
    await lab.aws.forensics.s3.send(new PutObjectCommand({ Bucket, Key: `cases/${caseId}/loose.txt`, Body: 'x' }));
    expect(await problemsOf(caseId)).toEqual([
      expect.stringMatching(/memory\.lime.*cannot be read/),
      expect.stringMatching(/loose\.txt.*it has no retention/),
    ]);
  });

  test('retention and locks that were cut short since the last audit', async () => {
    const { caseId, memory, forensicSnapshotId, sourceSnapshotId } = await keepCase(lab);
    expect(await problemsOf(caseId)).toEqual([]);
    const { bucket: Bucket, key: Key, versionId: VersionId } = memory;
    const Retention = { Mode: 'GOVERNANCE', RetainUntilDate: new Date(Date.now() + 86_400_000) } as const;
    await lab.aws.forensics.s3.send(
      new PutObjectRetentionCommand({ Bucket, Key, VersionId, Retention, BypassGovernanceRetention: true }),
    );
    await lab.aws.forensics.ec2.send(new UnlockSnapshotCommand({ SnapshotId: forensicSnapshotId }));
    await lab.aws.member.ec2.send(new UnlockSnapshotCommand({ SnapshotId: sourceSnapshotId }));
    const problems = await problemsOf(caseId);
    expect(problems).toEqual([
      expect.stringMatching(/memory\.lime.*it was locked until .* now$/),
      expect.stringContaining(`${forensicSnapshotId} of account ${LAB_ACCOUNTS.forensics}`),
      expect.stringMatching(/it was locked until .*, and is not locked now/),
      expect.stringMatching(/source snapshot .*it is not locked/),
      expect.stringMatching(/source snapshot .*it was locked until/),
    ]);
    // It is not forgotten: the next one finds the same.
    expect(await problemsOf(caseId)).toEqual(problems);
  });

  test('a disk whose blocks are others, and one that is shared', async () => {
    const { caseId, forensicSnapshotId } = await keepCase(lab);
    await lab.aws.forensics.ec2.send(
      new ModifySnapshotAttributeCommand({
        SnapshotId: forensicSnapshotId,
        Attribute: 'createVolumePermission',
        OperationType: 'add',
        UserIds: ['777788889999'],
      }),
    );
    await writeSnapshot(lab, forensicSnapshotId, Buffer.from('altered'), 600_000);
    expect(await problemsOf(caseId)).toEqual([expect.stringContaining('it is shared with 777788889999')]);
    expect(await problemsOf(caseId, true)).toEqual([
      expect.stringContaining('it is shared with 777788889999'),
      expect.stringContaining('its blocks are not those that were verified'),
    ]);
  });

  test('a key that is disabled', async () => {
    const { caseId } = await keepMemory(lab);
    const KeyId = lab.config.evidenceKeyArn;
    await lab.aws.forensics.kms.send(new DisableKeyCommand({ KeyId }));
    try {
      const { differences } = await audit(caseId);
      expect(differences).toContainEqual({
        what: `key ${KeyId}`,
        problem: 'its state is Disabled: nothing under it can be read',
        severity: 'critical',
      });
    } finally {
      await lab.aws.forensics.kms.send(new EnableKeyCommand({ KeyId }));
    }
  });

  test('an entry of the custody log that was altered in the table', async () => {
    const { caseId } = await keepMemory(lab);
    await lab.clients.forensics().dynamo.send(
      new UpdateCommand({
        TableName: lab.config.caseTable,
        Key: eventKeys(caseId, 2),
        UpdateExpression: 'SET message = :text',
        ExpressionAttributeValues: { ':text': 'nothing happened' },
      }),
    );
    expect(await problemsOf(caseId)).toEqual([expect.stringMatching(/entry 2: entry 2 was altered/)]);
  });

  test('a log that was cut short together with its end: the record of the last audit knows better', async () => {
    const { caseId } = await keepMemory(lab);
    await audit(caseId);
    const { dynamo } = lab.clients.forensics();
    const TableName = lab.config.caseTable;
    const [, second] = await lab.custodyLog.read(caseId);
    await dynamo.send(new DeleteCommand({ TableName, Key: eventKeys(caseId, 3) }));
    const Item = { ...logEndKeys(caseId), entity: 'custody-log', sequence: 2, hash: second!.hash };
    await dynamo.send(new PutCommand({ TableName, Item }));
    expect(await problemsOf(caseId)).toEqual([expect.stringMatching(/entry 3: the log ends at entry 2/)]);
  });

  test('an object without the legal hold that the case is under', async () => {
    const { caseId } = await keepMemory(lab);
    await runActivity((input: StepInput<'setCaseHold'>) => lab.keeping.setCaseHold(input), {
      caseId,
      on: true,
      snapshotDays: 20,
    });
    const data = { hold: 'on' };
    await lab.custodyLog.append(caseId, [event(caseId, 'hold', { kind: 'legal-hold-changed', data })]);
    expect(await problemsOf(caseId)).toEqual([]);
    await putObject(lab, `cases/${caseId}/late.txt`, 'written later');
    expect(await problemsOf(caseId)).toEqual([expect.stringMatching(/late\.txt.*under legal hold, and it is not/)]);
  });
});

test('passing trouble is no difference: the step is tried again', async () => {
  const { caseId } = await keepMemory(lab);
  await lab.aws.lab.setFaults([{ service: 's3', action: 'HeadObject', code: 'SlowDown', status: 503, times: 9 }]);
  await expect(audit(caseId)).rejects.toMatchObject({ type: 'Unavailable' });
});

test('a sample is of closed cases, the same for one seed, and not the same for all', async () => {
  const list = (seed: string, sample?: number) =>
    runActivity((input: StepInput<'listCasesToAudit'>) => lab.keeping.listCasesToAudit(input), {
      seed,
      ...(sample !== undefined && { sample }),
    });
  for (let more = 0; more < 4; more += 1) await keepMemory(lab);
  const all = await list('run-1');
  expect(all.length).toBeGreaterThan(4);
  const samples = await Promise.all(Array.from({ length: 8 }, (_, run) => list(`run-${run}`, 0.5)));
  expect(await list('run-0', 0.5)).toEqual(samples[0]);
  expect(new Set(samples.map(String)).size).toBeGreaterThan(1);
  for (const sample of samples) expect(all).toEqual(expect.arrayContaining(sample));
  expect(await list('run-1', 0)).toEqual([]);
});
