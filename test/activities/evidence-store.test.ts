import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { copyObject } from '../../activities/evidence-copy';
import { createEvidenceStore, type EvidenceStore } from '../../activities/evidence-store';
import { actsOf } from './acts';
import { type CommandLab, MIB, runActivity, startCommandLab } from './command-lab';
import { noise, sha256 } from './memory-fixture';

let lab: CommandLab;
let store: EvidenceStore;
const contentType = 'application/json';

beforeAll(async () => {
  lab = await startCommandLab();
  store = createEvidenceStore({ config: lab.config, clients: lab.clients });
});
afterAll(() => lab.stop());
afterEach(() => lab.aws.lab.clearFaults());

const versionsOf = async (key: string): Promise<number> => {
  const { Versions } = await lab.aws.forensics.s3.send(
    new ListObjectVersionsCommand({ Bucket: lab.config.buckets.evidence, Prefix: key }),
  );
  return Versions?.length ?? 0;
};

async function stage(key: string, body: Buffer) {
  const bucket = lab.config.buckets.staging;
  const put = await lab.aws.forensics.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
  return { bucket, key, etag: put.ETag!, sizeBytes: body.length };
}

describe('putEvidence', () => {
  it('writes the same content once, and cannot have it deleted', async () => {
    const put = { key: 'cases/1/report.json', body: Buffer.from('{"a":1}'), contentType, retentionDays: 10 };
    const first = await store.putEvidence(put);
    expect(first).toMatchObject({ sha256: sha256('{"a":1}'), sizeBytes: 7, versionId: expect.stringMatching(/.+/) });
    expect(await store.putEvidence(put)).toEqual(first);
    expect(await versionsOf(put.key)).toBe(1);
    await expect(
      lab.aws.forensics.s3.send(
        new DeleteObjectCommand({ Bucket: first.bucket, Key: first.key, VersionId: first.versionId }),
      ),
    ).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  it('writes other content as a version beside the first one', async () => {
    const key = 'cases/2/report.json';
    const first = await store.putEvidence({ key, body: Buffer.from('1'), contentType, retentionDays: 1 });
    const second = await store.putEvidence({ key, body: Buffer.from('2'), contentType, retentionDays: 1 });
    expect(second.versionId).not.toBe(first.versionId);
    expect(await versionsOf(key)).toBe(2);
  });

  it('takes a file, and an answer that got lost makes no second version', async () => {
    const file = path.join(lab.folder, 'report.html');
    await writeFile(file, 'a report');
    const put = { key: 'cases/3/report.html', body: { file }, contentType: 'text/html', retentionDays: 1 };
    await lab.aws.lab.setFaults([
      { service: 's3', action: 'PutObject', code: 'AccessDenied', status: 403, when: 'after' },
    ]);
    await expect(store.putEvidence(put)).rejects.toMatchObject({ type: 'AccessDenied' });
    expect(await store.putEvidence(put)).toMatchObject({ sha256: sha256('a report') });
    expect(await versionsOf(put.key)).toBe(1);
  });
});

/** The SDK would repeat the write by itself, and S3 would make a second version, which nobody can delete. */
describe('a write whose answer got lost makes no second version', () => {
  it.each<[string, (key: string) => Promise<unknown>]>([
    ['PutObject', (key) => store.putEvidence({ key, body: Buffer.from('put'), contentType, retentionDays: 1 })],
    [
      'CopyObject',
      async (key) => {
        const source = await stage('lost-answer', Buffer.from('copied'));
        return store.copyEvidence({ key, source, sha256: sha256('copied'), contentType, retentionDays: 1 });
      },
    ],
  ])('%s', async (action, write) => {
    const key = `cases/lost/${action}`;
    await lab.aws.lab.setFaults([{ service: 's3', action, code: 'InternalError', when: 'after' }]);
    await expect(write(key)).rejects.toMatchObject({ type: 'Unavailable' });
    expect(await write(key)).toMatchObject({ key });
    expect(await versionsOf(key)).toBe(1);
  });
});

describe('copyEvidence', () => {
  it('copies once, under the evidence key, with digest and retention', async () => {
    const body = noise(100_000, 'copy');
    const source = await stage('copy', body);
    const copy = { key: 'cases/4/a b.bin', source, sha256: sha256(body), contentType, retentionDays: 2 };
    const first = await store.copyEvidence(copy);
    expect(await store.copyEvidence(copy)).toEqual(first);
    expect(await versionsOf('cases/4/')).toBe(1);
    const head = await lab.aws.forensics.s3.send(new HeadObjectCommand({ Bucket: first.bucket, Key: first.key }));
    expect(head).toMatchObject({
      SSEKMSKeyId: lab.config.evidenceKeyArn,
      ObjectLockMode: 'GOVERNANCE',
      Metadata: { sha256: sha256(body) },
    });
  });

  it('copies in parts what is too large for one copy', async () => {
    const body = noise(12 * MIB, 'parts');
    const source = await stage('parts', body);
    const seen: number[] = [];
    // As a worker left it that died in the middle of the copy.
    const open = { Bucket: lab.config.buckets.evidence, Key: 'cases/5/parts' };
    await lab.aws.forensics.s3.send(new CreateMultipartUploadCommand(open));
    const versionId = await copyObject(
      lab.clients.forensics(),
      source,
      {
        Bucket: lab.config.buckets.evidence,
        Key: 'cases/5/parts',
        sha256: sha256(body),
        Metadata: { sha256: sha256(body) },
        ObjectLockMode: 'GOVERNANCE',
        ObjectLockRetainUntilDate: new Date(Date.now() + 86_400_000),
        onProgress: (bytes) => seen.push(bytes),
      },
      8 * MIB,
      5 * MIB,
    );
    const object = { Bucket: lab.config.buckets.evidence, Key: 'cases/5/parts', VersionId: versionId };
    const { Body, ObjectLockMode } = await lab.aws.forensics.s3.send(new GetObjectCommand(object));
    expect(sha256(Buffer.from(await Body!.transformToByteArray()))).toBe(sha256(body));
    expect(ObjectLockMode).toBe('GOVERNANCE');
    expect(seen.at(-1)).toBe(body.length);
    const { Uploads } = await lab.aws.forensics.s3.send(new ListMultipartUploadsCommand({ Bucket: open.Bucket }));
    expect(Uploads ?? []).toEqual([]);
  });

  it('refuses a source that changed since it was read, and leaves no upload open', async () => {
    const body = noise(1_000, 'before');
    const source = await stage('changed', body);
    await stage('changed', noise(1_000, 'after'));
    const copy = { key: 'cases/6/x', source, sha256: sha256(body), contentType, retentionDays: 1 };
    await expect(store.copyEvidence(copy)).rejects.toMatchObject({ nonRetryable: true });
    const target = { Bucket: lab.config.buckets.evidence, Key: 'cases/6/x', sha256: sha256(body) };
    await expect(copyObject(lab.clients.forensics(), source, target, 1, 400)).rejects.toMatchObject({
      nonRetryable: true,
    });
    // The emulator copies in spite of If-Match, which S3 does not; then the copy's own checksum tells, also later.
    expect(await store.findEvidence(copy.key, copy.sha256)).toBeUndefined();
    const { Uploads } = await lab.aws.forensics.s3.send(
      new ListMultipartUploadsCommand({ Bucket: lab.config.buckets.evidence }),
    );
    expect(Uploads ?? []).toEqual([]);
  });
});

describe('setLegalHold', () => {
  it('holds exactly these versions until it is lifted, and may be repeated', async () => {
    const put = { key: 'cases/7/held.json', body: Buffer.from('held'), contentType, retentionDays: 1 };
    const held = await store.putEvidence(put);
    const other = await store.putEvidence({ ...put, body: Buffer.from('not held') });
    const remove = ({ bucket: Bucket, key: Key, versionId: VersionId }: typeof held) =>
      lab.aws.forensics.s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention: true }));
    const hold = (on: boolean) => store.setLegalHold([held], on);
    const acts = await actsOf(async () => {
      await runActivity(hold, true);
      await runActivity(hold, true);
    });
    expect(acts[0]).toMatchObject({
      message: expect.stringMatching(/^A legal hold was put on 1 stored objects/),
      data: { legalHold: true, objects: [{ key: put.key, versionId: held.versionId }] },
    });
    await expect(remove(held)).rejects.toMatchObject({ name: 'AccessDenied' });
    await remove(other);
    await runActivity(hold, false);
    await remove(held);
    expect(await versionsOf(put.key)).toBe(0);
  });

  it('refuses a location without a version before it changes anything', async () => {
    const put = { key: 'cases/8/held.json', body: Buffer.from('held'), contentType, retentionDays: 1 };
    const { bucket, key, versionId } = await store.putEvidence(put);
    await expect(
      store.setLegalHold(
        [
          { bucket, key, versionId },
          { bucket, key },
        ],
        true,
      ),
    ).rejects.toMatchObject({
      type: 'InvalidRequest',
    });
    const head = await lab.aws.forensics.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
    expect(head.ObjectLockLegalHoldStatus ?? 'OFF').toBe('OFF');
  });
});

it('locks in compliance mode where the configuration says so', async () => {
  const strict = createEvidenceStore({
    config: { ...lab.config, objectLockMode: 'compliance' },
    clients: lab.clients,
  });
  const put = { key: 'cases/9/strict.json', body: Buffer.from('strict'), contentType, retentionDays: 1 };
  const { bucket: Bucket, key: Key } = await strict.putEvidence(put);
  const head = await lab.aws.forensics.s3.send(new HeadObjectCommand({ Bucket, Key }));
  expect(head.ObjectLockMode).toBe('COMPLIANCE');
});
