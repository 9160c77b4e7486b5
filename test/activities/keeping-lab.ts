import { createHash } from 'node:crypto';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import {
  CopySnapshotCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  LockSnapshotCommand,
  ModifySnapshotAttributeCommand,
} from '@aws-sdk/client-ec2';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateTopicCommand } from '@aws-sdk/client-sns';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { accountKeys, caseTableDefinition, headKeys } from '../../activities/case-table';
import { CustodyLog } from '../../activities/custody-log';
import { createKeepingActivities } from '../../activities/keeping';
import type { KeepingActivities } from '../../activities/types';
import { BLOCK_BYTES, BlockTree } from '../../domain/custody/block-digests';
import { exhibitAcquired } from '../../domain/case-story';
import type { CustodyDraft } from '../../domain/custody/entry';
import type { Exhibit } from '../../domain/evidence';
import type { CaseRecord } from '../../domain/outcome';
import { setUpPurgeRole } from '../../infra/purge-role';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { type ActivityLab, createKeys, startActivityLab, writeVolume } from './support';

const DAY_MS = 86_400_000;
export const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/** A forensics account that keeps evidence of closed cases, and what the product does with it. */
export interface KeepingLab extends ActivityLab {
  custodyLog: CustodyLog;
  keeping: ReturnType<typeof createKeepingActivities>;
  /** A worker of its own: it knows nothing of what others have written. */
  anotherWorker(): ReturnType<typeof createKeepingActivities>;
}

export type StepInput<Name extends keyof KeepingActivities> = Parameters<KeepingActivities[Name]>[0];

export interface KeptCase {
  record: CaseRecord;
  caseId: string;
  memory: { bucket: string; key: string; versionId: string };
  disk: Exhibit;
  /** Of the member account. */
  sourceSnapshotId: string;
  forensicSnapshotId: string;
}

export async function startKeepingLab(): Promise<KeepingLab> {
  const lab = await startActivityLab();
  const { forensics } = lab.aws;
  await forensics.dynamodb.send(new CreateTableCommand(caseTableDefinition(lab.config.caseTable)));
  const topic = await forensics.sns.send(new CreateTopicCommand({ Name: 'forensics' }));
  lab.config.topicArn = topic.TopicArn!;
  await forensics.s3.send(new CreateBucketCommand({ Bucket: lab.config.buckets.staging }));
  await forensics.s3.send(
    new CreateBucketCommand({ Bucket: lab.config.buckets.evidence, ObjectLockEnabledForBucket: true }),
  );
  lab.config.purgeRole = await setUpPurgeRole(forensics.iam, {
    region: LAB_REGION,
    evidenceBucket: lab.config.buckets.evidence,
    workerPrincipalArn: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:root`,
  });
  const custodyLog = new CustodyLog(lab);
  const anotherWorker = () => createKeepingActivities({ ...lab, custodyLog: new CustodyLog(lab) });
  return { ...lab, custodyLog, keeping: createKeepingActivities({ ...lab, custodyLog }), anotherWorker };
}

let cases = 0;

export const event = (caseId: string, entryId: string, more: Partial<CustodyDraft>): CustodyDraft => ({
  entryId,
  kind: 'phase-ended',
  at: '2026-11-22T07:30:00.000Z',
  message: `${entryId} of ${caseId}`,
  actor: { name: 'ec2-forensics', knownBy: 'service' },
  notify: false,
  ...more,
});

/** A closed case with a memory image and a disk, locked for ten days, as the product leaves it. */
export async function keepCase(lab: KeepingLab): Promise<KeptCase> {
  const kept = await keepMemory(lab);
  const { disk, ...snapshots } = await keepDisk(lab, kept.record);
  await lab.custodyLog.append(kept.caseId, [event(kept.caseId, 'event-4', exhibitAcquired(disk))]);
  return { ...kept, disk, ...snapshots };
}

/** The same without a disk. @param image what lies in the store; the log says `memory of the suspect` */
export async function keepMemory(
  lab: KeepingLab,
  image = 'memory of the suspect',
): Promise<Pick<KeptCase, 'record' | 'caseId' | 'memory'>> {
  cases += 1;
  const instanceId = `i-${String(cases).padStart(17, '0')}`;
  const caseId = `${instanceId}-20261122t073000z`;
  const record: CaseRecord = {
    caseId,
    workflowId: `forensic-case/${LAB_ACCOUNTS.member}/${LAB_REGION}/${instanceId}`,
    runId: 'run-1',
    target: { accountId: LAB_ACCOUNTS.member, region: LAB_REGION, instanceId },
    severity: 'high',
    findingType: 'Backdoor:EC2/C&CActivity.B!DNS',
    openedBy: 'guardduty',
    openedAt: '2026-11-22T07:30:00.000Z',
    status: 'closed',
    phase: 'report',
    outcome: 'complete',
    updatedAt: '2026-11-22T08:00:00.000Z',
  };
  await lab.clients.forensics().dynamo.send(
    new PutCommand({
      TableName: lab.config.caseTable,
      Item: { ...headKeys(caseId), ...accountKeys(record), entity: 'case', ...record, lastEvent: 3 },
    }),
  );
  const memory = await putObject(lab, `cases/${caseId}/memory/attempt-1/memory.lime`, image);
  const memoryExhibit: Exhibit = {
    id: 'memory',
    kind: 'memory',
    source: instanceId,
    sha256: sha256('memory of the suspect'),
    sizeBytes: 'memory of the suspect'.length,
    location: { s3: memory },
    acquiredAt: '2026-11-22T07:31:00.000Z',
    tool: { name: 'avml', version: '0.21.0' },
    notes: [],
  };
  await lab.custodyLog.append(caseId, [
    event(caseId, 'event-1', { kind: 'case-opened' }),
    event(caseId, 'event-2', exhibitAcquired(memoryExhibit)),
    event(caseId, 'event-3', { kind: 'case-closed' }),
  ]);
  return { record, caseId, memory };
}

export async function putObject(lab: KeepingLab, Key: string, Body: string) {
  const Bucket = lab.config.buckets.evidence;
  const { VersionId } = await lab.aws.forensics.s3.send(
    new PutObjectCommand({
      Bucket,
      Key,
      Body,
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: lab.config.evidenceKeyArn,
      ObjectLockMode: 'GOVERNANCE',
      ObjectLockRetainUntilDate: new Date(Date.now() + 10 * DAY_MS),
      ChecksumAlgorithm: 'SHA256',
      Metadata: { sha256: sha256(Body) },
    }),
  );
  return { bucket: Bucket, key: Key, versionId: VersionId! };
}

/** A disk of 1 GiB with a few bytes on it: snapshot, copy under the evidence key, both locked. */
async function keepDisk(lab: KeepingLab, { caseId }: CaseRecord) {
  const { member, forensics } = lab.aws;
  const { shared } = await createKeys(lab);
  const { VolumeId } = await member.ec2.send(
    new CreateVolumeCommand({ AvailabilityZone: `${LAB_REGION}a`, Size: 1, Encrypted: true, KmsKeyId: shared }),
  );
  const words = Buffer.from(`disk of ${caseId}`);
  await writeVolume(lab, VolumeId!, words, BLOCK_BYTES);
  const tree = new BlockTree();
  tree.add({ index: 1, sha256: sha256(Buffer.concat([words, Buffer.alloc(BLOCK_BYTES - words.length)])) });
  const count = 2 ** 30 / BLOCK_BYTES;
  const tags = [{ Key: 'forensics:case', Value: caseId }];
  const TagSpecifications = [{ ResourceType: 'snapshot' as const, Tags: tags }];
  const source = await member.ec2.send(new CreateSnapshotCommand({ VolumeId: VolumeId!, TagSpecifications }));
  const sourceSnapshotId = source.SnapshotId!;
  const permission = {
    SnapshotId: sourceSnapshotId,
    Attribute: 'createVolumePermission',
    UserIds: [LAB_ACCOUNTS.forensics],
  } as const;
  await member.ec2.send(
    new ModifySnapshotAttributeCommand({ ...permission, UserIds: [...permission.UserIds], OperationType: 'add' }),
  );
  const copy = await forensics.ec2.send(
    new CopySnapshotCommand({
      SourceRegion: LAB_REGION,
      SourceSnapshotId: sourceSnapshotId,
      Encrypted: true,
      KmsKeyId: lab.config.evidenceKeyArn,
      TagSpecifications,
    }),
  );
  const forensicSnapshotId = copy.SnapshotId!;
  const lock = { LockMode: 'governance', LockDuration: 10 } as const;
  await member.ec2.send(new LockSnapshotCommand({ SnapshotId: sourceSnapshotId, ...lock }));
  await forensics.ec2.send(new LockSnapshotCommand({ SnapshotId: forensicSnapshotId, ...lock }));
  const text = 'blocks';
  const list = {
    ...(await putObject(lab, `cases/${caseId}/disks/${VolumeId!}/blocks.txt`, text)),
    sha256: sha256(text),
    sizeBytes: text.length,
  };
  const disk: Exhibit = {
    id: VolumeId!,
    kind: 'disk',
    source: VolumeId!,
    sha256: 'd'.repeat(64),
    sizeBytes: 2 ** 30,
    location: {
      snapshotId: forensicSnapshotId,
      accountId: LAB_ACCOUNTS.forensics,
      region: LAB_REGION,
      keyArn: lab.config.evidenceKeyArn,
    },
    acquiredAt: '2026-11-22T07:32:00.000Z',
    tool: { name: 'ebs-direct', version: '2019-11-02' },
    notes: [],
    companions: [list],
    blocks: { blockSizeBytes: BLOCK_BYTES, count, merkleRoot: tree.root(count), list },
  };
  return { disk, sourceSnapshotId, forensicSnapshotId };
}
