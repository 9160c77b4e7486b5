/** One case, whole: real documents, real plaso and Volatility, real bytes; only AWS is the lab's. */
import { describeRelease } from './released-instance';
import { describeSealedBundle } from './sealed-bundle';
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import {
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
} from '@aws-sdk/client-ec2';
import { GetObjectCommand, GetObjectRetentionCommand } from '@aws-sdk/client-s3';
import { ListCommandsCommand } from '@aws-sdk/client-ssm';
import type { WorkflowHandle } from '@temporalio/client';
import type { CaseOutcome } from '../../domain/outcome';
import type { Suspect } from '../../lab/seed/suspect';
import { workerLogs, decide, outcomeOf, startTestLab, type TestLab, until, view } from './support';

jest.setTimeout(300_000);

describe('a case on an instance with three volumes (unencrypted, customer key, aws/ebs key)', () => {
  let lab: TestLab;
  let suspect: Suspect;
  let handle: WorkflowHandle;
  let outcome: CaseOutcome;

  beforeAll(async () => {
    lab = await startTestLab();
    suspect = await lab.launch();
    handle = await lab.openCase(suspect);
    await until(handle, 'the isolation checkpoint open', (now) => now.checkpoints.isolation.state === 'open');
    await decide(handle);
    outcome = await outcomeOf(handle);
  });
  afterAll(() => lab.stop());

  test('closes complete', () => {
    expect({ outcome: outcome.outcome, reasons: outcome.reasons, missing: outcome.missing }).toEqual({
      outcome: 'complete',
      reasons: [],
      missing: [],
    });
  });

  test('has the memory image and every disk, each with its digest', () => {
    expect(outcome.exhibits.map((exhibit) => exhibit.id).sort()).toEqual(['memory', ...suspect.volumeIds].sort());
    for (const exhibit of outcome.exhibits) expect(exhibit.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test('has every disk under the forensics key in the forensics account, and unshared', async () => {
    const ids = outcome.exhibits.flatMap((exhibit) =>
      'snapshotId' in exhibit.location ? [exhibit.location.snapshotId] : [],
    );
    expect(ids).toHaveLength(3);
    const copies = await lab.deployment.forensics.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: ids }));
    for (const copy of copies.Snapshots ?? []) {
      expect(copy).toMatchObject({
        OwnerId: '444455556666',
        Encrypted: true,
        State: 'completed',
        KmsKeyId: lab.deployment.config.evidenceKeyArn,
      });
    }
    const shared = await lab.deployment.forensics.ec2.send(
      new DescribeSnapshotsCommand({ OwnerIds: ['111122223333'] }),
    );
    expect(shared.Snapshots ?? []).toEqual([]);
  });

  test('has the memory image write-once in the evidence bucket', async () => {
    const memory = outcome.exhibits.find((exhibit) => exhibit.kind === 'memory');
    if (!memory || !('s3' in memory.location)) throw new Error('no memory exhibit in S3');
    const { bucket, key, versionId } = memory.location.s3;
    const retention = await lab.deployment.forensics.s3.send(
      new GetObjectRetentionCommand({ Bucket: bucket, Key: key, VersionId: versionId }),
    );
    expect(retention.Retention?.Mode).toBe('GOVERNANCE');
  });

  test('isolated the instance: every interface in the isolation group only', async () => {
    expect(outcome.containment?.outcome).toBe('isolated');
    const found = await lab.deployment.member.ec2.send(
      new DescribeNetworkInterfacesCommand({
        Filters: [{ Name: 'attachment.instance-id', Values: [suspect.instanceId] }],
      }),
    );
    const groups = (found.NetworkInterfaces ?? []).flatMap((eni) => (eni.Groups ?? []).map((group) => group.GroupId));
    expect(groups).toHaveLength(found.NetworkInterfaces!.length);
    expect(outcome.containment?.interfaces.map((eni) => eni.groupsAfter).flat()).toEqual(groups);
  });

  test('found the planted intrusion in memory and on disk', () => {
    const text = (id: string) =>
      outcome.examinations
        .filter((one) => one.exhibit === id)
        .flatMap((one) => one.findings.map((finding) => `${finding.title} ${finding.detail}`))
        .join('\n');
    expect(text('memory')).toMatch(/kworker-evil|X11-cache/);
    expect(text('memory')).toMatch(/4444/);
    expect(text(suspect.volumeIds[0]!)).toMatch(/203\.0\.113\.66/);
    expect(text(suspect.volumeIds[0]!)).toMatch(/svc-backup/);
    expect(text(suspect.volumeIds[0]!)).toMatch(/sysupd/);
  });

  test('wrote a report that names the exhibits', async () => {
    const answer = await lab.deployment.forensics.s3.send(
      new GetObjectCommand({
        Bucket: outcome.report!.bucket,
        Key: outcome.report!.key,
        VersionId: outcome.report!.versionId,
      }),
    );
    const page = await answer.Body!.transformToString();
    for (const exhibit of outcome.exhibits) expect(page).toContain(exhibit.sha256);
  });

  test('left no forensic instance and no working volume behind', async () => {
    const { ec2 } = lab.deployment.forensics;
    const instances = (await ec2.send(new DescribeInstancesCommand({}))).Reservations!.flatMap(
      (one) => one.Instances ?? [],
    );
    expect(instances).toHaveLength(4);
    expect(instances.filter((one) => one.State?.Name !== 'terminated')).toEqual([]);
    expect(
      (await ec2.send(new DescribeVolumesCommand({ Filters: [{ Name: 'tag-key', Values: ['forensics:case'] }] })))
        .Volumes ?? [],
    ).toEqual([]);
  });

  test('can still be asked after it closed', async () => {
    expect((await view(handle)).outcome).toBe('complete');
  });

  test('passed no secret through Run Command, histories, the case table or logs', async () => {
    const { deployment } = lab;
    const commands = [
      ...((await deployment.member.ssm.send(new ListCommandsCommand({}))).Commands ?? []),
      ...((await deployment.forensics.ssm.send(new ListCommandsCommand({}))).Commands ?? []),
    ];
    expect(commands).toHaveLength(5);
    for (const command of commands) {
      const values = Object.values(command.Parameters ?? {}).flat();
      // One bearer value, and it reads a manifest for at most an hour.
      const urls = values.filter((value) => value.includes('://'));
      expect(urls).toHaveLength(1);
      expect(urls[0]).toMatch(/\/manifests\/[^?]+\?/);
      expect(new URL(urls[0]!).searchParams.get('X-Amz-Expires')).toMatch(/^([12]?\d{1,3}|3[0-5]\d\d|3600)$/);
      expect(JSON.stringify(values)).not.toContain(deployment.environment.AWS_SECRET_ACCESS_KEY);
    }
    const children = [];
    for await (const found of lab.client.workflow.list()) children.push(found);
    expect(children).toHaveLength(1 + 1 + 3 + 4);
    const histories = await Promise.all(
      children.map(async (found) =>
        JSON.stringify(await lab.client.workflow.getHandle(found.workflowId, found.runId).fetchHistory()),
      ),
    );
    const decoded = histories
      .join('\n')
      .replace(/"data":"([^"]+)"/g, (_all, data: string) => Buffer.from(data, 'base64').toString('utf8'));
    const rows = JSON.stringify(
      (await deployment.forensics.dynamodb.send(new ScanCommand({ TableName: deployment.config.caseTable }))).Items,
    );
    const logs = await workerLogs(lab.config.stateFolder);
    for (const [where, text] of [
      ['histories', decoded],
      ['case table', rows],
      ['logs', logs],
    ] as const) {
      const found = text.match(/X-Amz-Signature|X-Amz-Security-Token|aws_secret_access_key|AKIA[0-9A-Z]{16}/gi) ?? [];
      expect({ where, found, secret: text.includes(deployment.environment.AWS_SECRET_ACCESS_KEY!) }).toEqual({
        where,
        found: [],
        secret: false,
      });
    }
  });

  describeSealedBundle(() => ({ lab, outcome }));
  describeRelease(() => ({ lab, outcome }));
});
