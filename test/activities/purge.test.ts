import { DeleteSnapshotCommand, DescribeSnapshotsCommand, UnlockSnapshotCommand } from '@aws-sdk/client-ec2';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { AssumeRoleCommand } from '@aws-sdk/client-sts';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { headKeys } from '../../activities/case-table';
import { ActsOfAttempt, gatherActs } from '../../activities/custody-acts';
import { asPurger } from '../../activities/purge-role';
import { LAB_ACCOUNTS } from '../../lab/config';
import { refusal } from '../lab/aws/emulated-aws';
import {
  event,
  keepCase,
  type KeepingLab,
  keepMemory,
  putObject,
  startKeepingLab,
  type StepInput,
} from './keeping-lab';
import { failureOf, runActivity } from './support';

let lab: KeepingLab;
beforeAll(async () => {
  lab = await startKeepingLab();
});
afterAll(() => lab.stop());
afterEach(() => lab.aws.lab.clearFaults());

const plan = (caseId: string) =>
  runActivity((input: StepInput<'planPurge'>) => lab.keeping.planPurge(input), { caseId });
const hold = (caseId: string, on: boolean) =>
  runActivity((input: StepInput<'setCaseHold'>) => lab.keeping.setCaseHold(input), { caseId, on, snapshotDays: 20 });
const versionsOf = async (caseId: string): Promise<string[]> => {
  const Bucket = lab.config.buckets.evidence;
  const { Versions } = await lab.aws.forensics.s3.send(
    new ListObjectVersionsCommand({ Bucket, Prefix: `cases/${caseId}/` }),
  );
  return (Versions ?? []).map(({ Key }) => Key!).sort();
};

/** What days do: every retention and lock of the case runs out within seconds, and this waits for that. */
async function letTimePass(caseId: string, snapshotId?: string): Promise<void> {
  const { s3, ec2 } = lab.aws.forensics;
  const Bucket = lab.config.buckets.evidence;
  if (snapshotId !== undefined) await ec2.send(new UnlockSnapshotCommand({ SnapshotId: snapshotId }));
  const { Versions } = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: `cases/${caseId}/` }));
  let end = 0;
  for (const { Key, VersionId } of Versions ?? []) {
    // Of each one anew: a slow machine must not be late with the last one.
    end = Date.now() + 3_000;
    const Retention = { Mode: 'GOVERNANCE', RetainUntilDate: new Date(end) } as const;
    await s3.send(
      new PutObjectRetentionCommand({ Bucket, Key, VersionId, Retention, BypassGovernanceRetention: true }),
    );
  }
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, end - Date.now() + 100)));
}

test('before the retention is over: the plan says what holds what, and nothing is deleted whoever asks', async () => {
  const { caseId, memory, disk, forensicSnapshotId } = await keepCase(lab);
  const { plan: listed, obstacles } = await plan(caseId);
  const list = disk.companions![0]!;
  expect(listed).toMatchObject({
    objects: [{ key: list.key }, { key: memory.key, versionId: memory.versionId }],
    snapshots: [{ snapshotId: forensicSnapshotId, sizeGiB: 1 }],
    exhibits: [
      { id: 'memory', kind: 'memory' },
      { id: disk.id, kind: 'disk' },
    ],
  });
  expect(obstacles).toEqual([
    expect.stringMatching(/blocks\.txt is retained until/),
    expect.stringMatching(/memory\.lime is retained until/),
    expect.stringMatching(new RegExp(`${forensicSnapshotId} is locked until`)),
  ]);
  const refused = await runActivity((input: StepInput<'purgeCase'>) => lab.keeping.purgeCase(input), {
    caseId,
    plan: listed,
  });
  expect(refused).toMatchObject({ objects: 0, snapshots: 0, left: obstacles.map((reason) => ({ reason })) });
  // The role itself can do nothing either: AWS holds what is locked against it.
  const byRole = asPurger(lab, caseId, ({ s3 }) => {
    const { bucket: Bucket, key: Key, versionId: VersionId } = memory;
    return s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
  });
  await expect(byRole).rejects.toMatchObject({ name: 'AccessDenied' });
  expect(await versionsOf(caseId)).toEqual([list.key, memory.key]);
});

test('a case that is open, under legal hold, or of a deployment without the role is not purged', async () => {
  const { caseId, record } = await keepMemory(lab);
  await letTimePass(caseId);
  const { dynamo } = lab.clients.forensics();
  const { caseTable: TableName } = lab.config;
  const head = (status: 'open' | 'closed') =>
    new PutCommand({ TableName, Item: { ...headKeys(caseId), ...record, status } });
  await dynamo.send(head('open'));
  expect((await plan(caseId)).obstacles).toEqual([`case ${caseId} is not closed`]);
  await dynamo.send(head('closed'));
  expect((await plan(caseId)).obstacles).toEqual([]);
  await hold(caseId, true);
  await lab.custodyLog.append(caseId, [event(caseId, 'hold', { kind: 'legal-hold-changed', data: { hold: 'on' } })]);
  expect((await plan(caseId)).obstacles).toEqual([
    'the case is under legal hold: lift it first',
    expect.stringMatching(/memory\.lime is under legal hold/),
  ]);
  await hold(caseId, false);
  await lab.custodyLog.append(caseId, [event(caseId, 'lifted', { kind: 'legal-hold-changed', data: { hold: 'off' } })]);
  const { purgeRole } = lab.config;
  delete lab.config.purgeRole;
  try {
    const { plan: listed, obstacles } = await plan(caseId);
    expect(obstacles).toEqual([expect.stringContaining('no role for purging')]);
    const purge = runActivity((input: StepInput<'purgeCase'>) => lab.keeping.purgeCase(input), {
      caseId,
      plan: listed,
    });
    expect(await failureOf(purge)).toMatchObject({ type: 'InvalidRequest' });
  } finally {
    if (purgeRole !== undefined) lab.config.purgeRole = purgeRole;
  }
  expect(await versionsOf(caseId)).toHaveLength(1);
});

test('after it: what the plan names goes, by the purge role; the seal, the log and what came later stay', async () => {
  const { caseId, forensicSnapshotId, sourceSnapshotId } = await keepCase(lab);
  await putObject(lab, `cases/${caseId}/bundle/seal.json`, '{}');
  await letTimePass(caseId, forensicSnapshotId);
  const { plan: listed, obstacles } = await plan(caseId);
  expect(obstacles).toEqual([]);
  await putObject(lab, `cases/${caseId}/late.txt`, 'written after the plan');

  await lab.aws.lab.clearCalls();
  const acts = new ActsOfAttempt();
  const result = await gatherActs(acts, () =>
    runActivity((input: StepInput<'purgeCase'>) => lab.keeping.purgeCase(input), { caseId, plan: listed }),
  );
  expect(result).toEqual({ objects: 2, bytes: 27, snapshots: 1, left: [] });
  expect(acts.all('purgeCase')).toMatchObject([
    {
      message: expect.stringContaining('was destroyed: 2 object versions and 1 snapshots'),
      principal: expect.stringMatching(/assumed-role\/ForensicsPurge\/purge-/),
      awsCalls: [{ call: 's3:DeleteObject' }, { call: 's3:DeleteObject' }, { call: 'ec2:DeleteSnapshot' }],
    },
  ]);
  expect(await versionsOf(caseId)).toEqual([`cases/${caseId}/bundle/seal.json`, `cases/${caseId}/late.txt`]);
  const gone = lab.aws.forensics.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [forensicSnapshotId] }));
  await expect(gone).rejects.toMatchObject({ name: 'InvalidSnapshot.NotFound' });
  const source = await lab.aws.member.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [sourceSnapshotId] }));
  expect(source.Snapshots).toHaveLength(1);
  // A repeated attempt finds it done.
  expect(
    await runActivity(
      (input: StepInput<'purgeCase'>) => lab.keeping.purgeCase(input),
      { caseId, plan: listed },
      { attempt: 2 },
    ),
  ).toEqual(result);
  // The log is whole, and the audit asks for nothing that went.
  await lab.custodyLog.append(caseId, [event(caseId, 'purged', { kind: 'evidence-purged', data: { complete: true } })]);
  const audit = await runActivity((input: StepInput<'auditCase'>) => lab.keeping.auditCase(input), {
    caseId,
    disks: false,
  });
  expect(audit).toMatchObject({ differences: [], notes: [expect.stringContaining('was purged')] });
});

test('what AWS refuses to delete is left and named; the rest goes', async () => {
  const { caseId, memory } = await keepMemory(lab);
  await putObject(lab, `cases/${caseId}/report.html`, 'report');
  await letTimePass(caseId);
  const { plan: listed } = await plan(caseId);
  await lab.aws.lab.setFaults([{ service: 's3', action: 'DeleteObject', code: 'AccessDenied', status: 403 }]);
  const result = await runActivity((input: StepInput<'purgeCase'>) => lab.keeping.purgeCase(input), {
    caseId,
    plan: listed,
  });
  expect(result).toMatchObject({ objects: 1, left: [{ what: expect.stringContaining(memory.key) }] });
  expect(await versionsOf(caseId)).toEqual([memory.key]);
});

test('the purge role itself can neither bypass a retention nor lift a lock or a hold', async () => {
  const { memory, forensicSnapshotId: SnapshotId } = await keepCase(lab);
  const { Credentials: given } = await lab.aws.forensics.sts.send(
    new AssumeRoleCommand({
      RoleArn: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:role/${lab.config.purgeRole!}`,
      RoleSessionName: 'whole-role',
    }),
  );
  const role = lab.aws.clients(LAB_ACCOUNTS.forensics, {
    accessKeyId: given!.AccessKeyId!,
    secretAccessKey: given!.SecretAccessKey!,
    sessionToken: given!.SessionToken!,
  });
  const version = { Bucket: memory.bucket, Key: memory.key, VersionId: memory.versionId };
  await lab.aws.lab.enforceIam(true);
  try {
    const remove = new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true });
    expect(await refusal(role.s3.send(remove))).toBe('AccessDenied');
    const off = new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'OFF' } });
    expect(await refusal(role.s3.send(off))).toBe('AccessDenied');
    expect(await refusal(role.ec2.send(new UnlockSnapshotCommand({ SnapshotId })))).toBe('UnauthorizedOperation');
    expect(await refusal(role.ec2.send(new DeleteSnapshotCommand({ SnapshotId })))).toBe('SnapshotLocked');
  } finally {
    await lab.aws.lab.enforceIam(false);
  }
});

test('a session of the purge role reaches its case and no other', async () => {
  await lab.aws.lab.enforceIam(true);
  try {
    const [one, other] = [await keepMemory(lab), await keepMemory(lab)];
    await Promise.all([one, other].map(({ caseId }) => letTimePass(caseId)));
    const remove = ({ caseId }: { caseId: string }, { memory }: typeof one) =>
      asPurger(lab, caseId, async ({ s3 }) => {
        const { bucket: Bucket, key: Key, versionId: VersionId } = memory;
        await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
      });
    await expect(remove(one, other)).rejects.toMatchObject({ name: 'AccessDenied' });
    await remove(one, one);
    const read = asPurger(lab, one.caseId, ({ s3 }) =>
      s3.send(new GetObjectCommand({ Bucket: other.memory.bucket, Key: other.memory.key })),
    );
    await expect(read).rejects.toMatchObject({ name: 'AccessDenied' });
    expect(await versionsOf(other.caseId)).toHaveLength(1);
  } finally {
    await lab.aws.lab.enforceIam(false);
  }
});

test('a legal hold is on every version, and puts off the locks of both snapshots; it shortens none when it is lifted', async () => {
  const { caseId, memory, forensicSnapshotId, sourceSnapshotId } = await keepCase(lab);
  const held = await hold(caseId, true);
  expect(held.objects).toBe(2);
  expect(held.snapshots.map(({ snapshotId }) => snapshotId)).toEqual([forensicSnapshotId, sourceSnapshotId]);
  for (const { lockedUntil } of held.snapshots)
    expect(Date.parse(lockedUntil)).toBeGreaterThan(Date.now() + 19 * 86_400_000);
  expect(held.notEnforced).toEqual([expect.stringContaining('EBS knows no legal hold')]);
  const { bucket: Bucket, key: Key, versionId: VersionId } = memory;
  const head = await lab.aws.forensics.s3.send(new HeadObjectCommand({ Bucket, Key, VersionId }));
  expect(head.ObjectLockLegalHoldStatus).toBe('ON');
  const lifted = await hold(caseId, false);
  expect(lifted).toEqual({ objects: 2, snapshots: [], notEnforced: [] });
  const { Retention } = await lab.aws.forensics.s3.send(new GetObjectRetentionCommand({ Bucket, Key, VersionId }));
  expect(Retention!.RetainUntilDate!.getTime()).toBeGreaterThan(Date.now());
  expect((await plan(caseId)).obstacles).toHaveLength(3);
});
