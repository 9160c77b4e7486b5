import { DeleteSnapshotCommand, UnlockSnapshotCommand } from '@aws-sdk/client-ec2';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { DeleteCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { logEndKeys } from '../../activities/case-table';
import type { EvidenceThreat } from '../../domain/evidence-threat';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import {
  event,
  keepCase,
  type KeepingLab,
  keepMemory,
  type KeptCase,
  startKeepingLab,
  type StepInput,
} from './keeping-lab';
import { failureOf, runActivity } from './support';

let lab: KeepingLab;
let one: KeptCase;
let other: Pick<KeptCase, 'caseId' | 'memory'>;
beforeAll(async () => {
  lab = await startKeepingLab();
  one = await keepCase(lab);
  other = await keepMemory(lab);
});
afterAll(() => lab.stop());

const threat = (
  call: string,
  target: EvidenceThreat['target'],
  more: Partial<EvidenceThreat> = {},
): EvidenceThreat => ({
  eventId: 'event-1',
  at: '2026-11-22T08:00:00Z',
  region: LAB_REGION,
  accountId: LAB_ACCOUNTS.forensics,
  call,
  caller: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:user/mallory`,
  severity: 'critical',
  means: 'does harm',
  target,
  ...more,
});
const casesOf = async (given: EvidenceThreat): Promise<string[]> =>
  (
    await runActivity((input: StepInput<'findThreatenedCases'>) => lab.keeping.findThreatenedCases(input), {
      threat: given,
    })
  ).caseIds;

describe('whose evidence a call works on', () => {
  const snapshots = (...snapshotIds: string[]) => ({ kind: 'snapshots' as const, snapshotIds });

  test('a snapshot’s, by its tag, in either account', async () => {
    expect(await casesOf(threat('ec2:UnlockSnapshot', snapshots(one.forensicSnapshotId)))).toEqual([one.caseId]);
    const inMember = threat('ec2:UnlockSnapshot', snapshots(one.sourceSnapshotId), { accountId: LAB_ACCOUNTS.member });
    expect(await casesOf(inMember)).toEqual([one.caseId]);
    expect(await casesOf(threat('ec2:DeleteSnapshot', snapshots('snap-00000000000000000')))).toEqual([]);
  });

  test('a snapshot’s that is gone, by the custody log', async () => {
    const SnapshotId = one.forensicSnapshotId;
    await lab.aws.forensics.ec2.send(new UnlockSnapshotCommand({ SnapshotId }));
    await lab.aws.forensics.ec2.send(new DeleteSnapshotCommand({ SnapshotId }));
    expect(await casesOf(threat('ec2:DeleteSnapshot', snapshots(SnapshotId)))).toEqual([one.caseId]);
  });

  test('an object’s by its key, a bucket’s, a key’s, the table’s and the trail’s: of all', async () => {
    const all = [one.caseId, other.caseId].sort();
    const { bucket, key } = other.memory;
    expect(await casesOf(threat('s3:DeleteObject', { kind: 'object', bucket, key }))).toEqual([other.caseId]);
    expect(await casesOf(threat('s3:DeleteObject', { kind: 'object', bucket, key: 'cases/unknown/a' }))).toEqual([]);
    expect(await casesOf(threat('s3:PutBucketPolicy', { kind: 'object', bucket }))).toEqual(all);
    expect(await casesOf(threat('s3:PutBucketPolicy', { kind: 'object', bucket: 'another' }))).toEqual([]);
    const keyId = lab.config.evidenceKeyArn;
    expect(await casesOf(threat('kms:DisableKey', { kind: 'key', keyId }))).toEqual(all);
    expect(await casesOf(threat('kms:DisableKey', { kind: 'key', keyId: keyId.split('/')[1]! }))).toEqual(all);
    expect(await casesOf(threat('kms:DisableKey', { kind: 'key', keyId: 'another' }))).toEqual([]);
    expect(await casesOf(threat('dynamodb:DeleteTable', { kind: 'table', table: lab.config.caseTable }))).toEqual(all);
    expect(await casesOf(threat('cloudtrail:StopLogging', { kind: 'trail' }))).toEqual(all);
    const elsewhere = { accountId: '777788889999' };
    expect(await casesOf(threat('cloudtrail:StopLogging', { kind: 'trail' }, elsewhere))).toEqual([]);
  });

  test('nobody’s when the product itself does what it does', async () => {
    const { Arn } = await lab.aws.forensics.sts.send(new GetCallerIdentityCommand({}));
    const { bucket, key } = other.memory;
    const hold = (caller: string) =>
      casesOf(threat('s3:PutObjectLegalHold', { kind: 'object', bucket, key }, { caller }));
    expect(await hold(Arn!)).toEqual([]);
    expect(await hold('arn:aws:iam::444455556666:user/mallory')).toEqual([other.caseId]);
    const deletes = threat('s3:DeleteObject', { kind: 'object', bucket, key }, { caller: Arn! });
    expect(await casesOf(deletes)).toEqual([other.caseId]);
    const purger = { role: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:role/${lab.config.purgeRole!}` };
    expect(await casesOf({ ...deletes, ...purger })).toEqual([]);
  });
});

describe('telling a case', () => {
  const tell = (caseId: string, activities = lab.keeping) =>
    runActivity((input: Parameters<typeof activities.tellCase>[0]) => activities.tellCase(input), {
      caseId,
      entries: [
        event(caseId, 'alert-1', {
          kind: 'evidence-alert',
          message: 'somebody meddles',
          severity: 'high',
          notify: true,
        }),
      ],
    });
  const published = async () => (await lab.aws.lab.calls()).filter(({ action }) => action === 'Publish').length;

  test('writes once and notifies; of an unknown case it says so', async () => {
    const { caseId } = await keepMemory(lab);
    await lab.aws.lab.clearCalls();
    const end = await tell(caseId);
    expect(await tell(caseId, lab.anotherWorker())).toEqual(end);
    expect(end.sequence).toBe(4);
    expect(await lab.custodyLog.read(caseId)).toHaveLength(4);
    expect(await published()).toBe(2);
    expect(await failureOf(tell('i-unknown'))).toMatchObject({ type: 'InvalidRequest' });
  });

  test('reaches people also when somebody has cut the log short', async () => {
    const { caseId } = await keepMemory(lab);
    const { dynamo } = lab.clients.forensics();
    const TableName = lab.config.caseTable;
    await dynamo.send(new DeleteCommand({ TableName, Key: logEndKeys(caseId) }));
    const [first] = await lab.custodyLog.read(caseId);
    await dynamo.send(
      new PutCommand({
        TableName,
        Item: { ...logEndKeys(caseId), entity: 'custody-log', sequence: 1, hash: first!.hash },
      }),
    );
    await lab.aws.lab.clearCalls();
    expect(await failureOf(tell(caseId))).toMatchObject({ type: 'CustodyForked' });
    expect(await published()).toBe(1);
  });
});
