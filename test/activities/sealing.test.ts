import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { GetObjectRetentionCommand, ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { SealingParts } from '../../activities/sealing/sealing';
import type { SealCaseInput } from '../../activities/types';
import {
  BUNDLE_FILES,
  EVIDENCE_KINDS,
  linesOf,
  type Manifest,
  type SealedCase,
  type SealedFile,
} from '../../domain/custody/bundle';
import { appendEntry, emptyChain } from '../../domain/custody/chain';
import { packBundle, unpackBundle } from '../../starters/export/bundle-archive';
import { fetchBundle } from '../../starters/export/fetch-bundle';
import { type BundleVerdict, verifyBundle } from '../../starters/verify/verify-bundle';
import { ALTERATIONS, BundleInHand } from '../starters/verify/alterations';
import { actsOf } from './acts';
import { sha256 } from './memory-fixture';
import { draft, type SealingLab, startSealingLab, VOLUME } from './sealed-case';
import { CASE_ID, failureOf, runActivity } from './support';

let lab: SealingLab;
let sealed: SealedCase;
let folder: string;
/** The bundle as it was exported, with all its evidence. */
let exported: string;

beforeAll(async () => {
  lab = await startSealingLab();
  folder = await mkdtemp(path.join(os.tmpdir(), 'sealed-'));
  exported = path.join(folder, 'exported');
  sealed = await seal();
  await fetchBundle(sealed, exported, EVIDENCE_KINDS);
});
afterAll(async () => {
  await lab.stop();
  await rm(folder, { recursive: true, force: true });
});

const seal = (input: SealCaseInput = lab.input, parts: Partial<SealingParts> = {}): Promise<SealedCase> =>
  runActivity((given: SealCaseInput) => lab.worker(parts).sealCase(given), input);

const broken = ({ checks, exhibits }: BundleVerdict): string =>
  [
    ...checks.filter(({ holds }) => !holds).map(({ what, detail }) => `${what}: ${detail}`),
    ...exhibits.filter(({ verdict }) => verdict === 'broken').map(({ id, detail }) => `${id}: ${detail}`),
  ].join('\n');

/** Runs the verifier that lies in a bundle, as its receiver does. */
const verifyItself = (bundle: string, ...options: string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    const program = path.join(exported, BUNDLE_FILES.verifier);
    execFile(
      process.execPath,
      [program, bundle, ...options],
      { cwd: os.tmpdir(), env: {} },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: `${stdout}${stderr}` });
      },
    );
  });

const versionsOf = async (prefix: string): Promise<{ key: string; versionId: string }[]> => {
  const { Versions } = await lab.aws.forensics.s3.send(
    new ListObjectVersionsCommand({ Bucket: sealed.bundle.bucket, Prefix: prefix }),
  );
  return (Versions ?? []).map(({ Key, VersionId }) => ({ key: Key!, versionId: VersionId! }));
};

describe('a sealed case', () => {
  test('verifies, exhibit by exhibit', async () => {
    const { sequence, hash } = sealed.seal.custody;
    const verdict = await verifyBundle(exported, { head: { sequence, hash } });
    expect(broken(verdict)).toBe('');
    expect(verdict).toMatchObject({
      holds: true,
      caseId: CASE_ID,
      keyFingerprint: sealed.publicKeySha256,
      exhibits: [
        { id: 'memory', verdict: 'intact' },
        { id: VOLUME, verdict: 'blocks-intact' },
      ],
    });
  });

  test('by the verifier that came with it, too', async () => {
    const { code, output } = await verifyItself(exported);
    expect(output).toContain('EVERYTHING HOLDS');
    expect(output).toMatch(/^intact +memory +SHA-256 [0-9a-f]{64}/m);
    expect(code).toBe(0);
  });

  test('holds log, histories, report, findings and documents', async () => {
    const histories = (await new BundleInHand(exported).manifest()).histories!;
    const files = histories.map(({ path: name }) => name);
    expect(files).toEqual([
      'history/case.jsonl',
      'history/memory.jsonl',
      `history/disk-${VOLUME}.jsonl`,
      'history/examination-never-started.jsonl',
    ]);
    expect(histories.map(({ missing }) => missing !== undefined)).toEqual([false, false, false, true]);
    for (const name of [
      ...files,
      'report.html',
      'outcome.json',
      'README.txt',
      `findings/${VOLUME}.json`,
      'documents/case.jsonld',
      'documents/certificate-draft.md',
      'documents/changes-on-suspect.md',
    ])
      expect([name, existsSync(path.join(exported, name))]).toEqual([name, true]);
  });

  test('tells how each thing came to be, from the volume to the timeline', async () => {
    const { derived } = JSON.parse(await readFile(path.join(exported, BUNDLE_FILES.manifest), 'utf8')) as Manifest;
    const from = (item: string): string[] => derived.find((one) => one.path === item)?.from ?? [];
    const timeline = `evidence/timelines/examination/${VOLUME}/timeline.jsonl.gz`;
    const [copy] = from(timeline);
    const [snapshot] = from(copy!);
    expect([copy, snapshot, ...from(snapshot!)]).toEqual([
      'arn:aws:ec2:us-east-1::snapshot/snap-0000000000000000b',
      'arn:aws:ec2:us-east-1::snapshot/snap-0000000000000000a',
      `arn:aws:ec2:us-east-1:111122223333:volume/${VOLUME}`,
    ]);
    expect(derived.find(({ path: name }) => name === timeline)?.tool).toEqual({ name: 'plaso', version: '20260119' });
  });

  test('lies write-once in the evidence bucket, each file in one version', async () => {
    const versions = await versionsOf(sealed.bundle.prefix);
    expect(new Set(versions.map(({ key }) => key)).size).toBe(versions.length);
    for (const { key, versionId } of versions) {
      const { Retention } = await lab.aws.forensics.s3.send(
        new GetObjectRetentionCommand({ Bucket: sealed.bundle.bucket, Key: key, VersionId: versionId }),
      );
      expect([key, Retention?.Mode]).toEqual([key, 'GOVERNANCE']);
    }
  });

  test('is told to the custody log, and sealed once: a later attempt finds it, however the log has grown', async () => {
    const before = await versionsOf(sealed.bundle.prefix);
    await lab.log.append(CASE_ID, [draft('later', { message: 'something came after the seal' })]);
    let again: SealedCase | undefined;
    const acts = await actsOf(async () => {
      again = await seal();
    });
    expect(again).toEqual(sealed);
    expect(await versionsOf(sealed.bundle.prefix)).toEqual(before);
    expect(acts.map(({ message }) => message)).toEqual([expect.stringContaining('an earlier attempt had sealed it')]);
  });

  test('leaves evidence out by choice, and says so', async () => {
    const lean = path.join(folder, 'lean');
    const { leftOut } = await fetchBundle(sealed, lean, ['blocks']);
    expect(leftOut).toBe(2);
    expect(await verifyBundle(lean)).toMatchObject({
      holds: true,
      exhibits: [{ verdict: 'not-included' }, { verdict: 'blocks-intact' }],
    });
  });

  test.each(['.tar.zst', '.tar.gz'])('comes whole out of a %s', async (format) => {
    const file = path.join(folder, `case${format}`);
    await packBundle(exported, CASE_ID, file);
    const unpacked = await unpackBundle(file, path.join(folder, `unpacked${format}`));
    expect(path.basename(unpacked)).toBe(CASE_ID);
    expect((await verifyBundle(unpacked)).holds).toBe(true);
  });
});

describe('an alteration of a sealed case is named', () => {
  test.each(ALTERATIONS)('$what', async ({ alter, names }) => {
    const bundle = new BundleInHand(await mkdtemp(path.join(folder, 'altered-')));
    await cp(exported, bundle.folder, { recursive: true });
    const expected = await names(sealed.seal.custody.sequence, bundle);
    await alter(bundle);
    const verdict = await verifyBundle(bundle.folder);
    expect(verdict.holds).toBe(false);
    expect(broken(verdict)).toEqual(
      typeof expected === 'string' ? expect.stringContaining(expected) : expect.stringMatching(expected),
    );
    // The program that came with the bundle says the very same.
    const { code, output } = await verifyItself(bundle.folder, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(output)).toEqual(verdict);
  });
});

describe('sealing', () => {
  /** A case in which nothing was acquired. */
  const otherCase = (caseId: string) => ({
    ...lab.input,
    caseId,
    outcome: { ...lab.input.outcome, caseId, exhibits: [], examinations: [], decisions: [] },
  });
  const listOf = async (caseId: string): Promise<SealedFile[]> => {
    const target = path.join(folder, caseId);
    const again = await seal(otherCase(caseId));
    await fetchBundle(again, target, []);
    return (await readFile(path.join(target, BUNDLE_FILES.list), 'utf8'))
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as SealedFile);
  };

  test('an attempt that dies before the signature is taken up by the next: the same list, one seal', async () => {
    const caseId = `${CASE_ID}-dies`;
    await lab.log.append(caseId, [draft('opened', { kind: 'case-opened' })]);
    await lab.aws.lab.addFaults({ service: 'kms', action: 'Sign', code: 'DisabledException', times: 3 });
    const failure = await failureOf(seal(otherCase(caseId)));
    expect(failure.message).toContain('DisabledException');
    await lab.aws.lab.clearFaults();
    await lab.log.append(caseId, [draft('later', {})]);
    const list = await listOf(caseId);
    const log = list.find(({ path: name }) => name === BUNDLE_FILES.custodyLog)!;
    expect(log.lines).toHaveLength(1);
    expect(list.filter(({ path: name }) => name.startsWith('history/'))).toHaveLength(4);
    expect(await verifyBundle(path.join(folder, caseId))).toMatchObject({ holds: true, caseId });
    const prefix = `cases/${caseId}/bundle/`;
    const keys = (await versionsOf(prefix)).map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('an attempt that dies before the list is taken up by the next: its history has grown, and no version is added', async () => {
    const caseId = `${CASE_ID}-dies-early`;
    await lab.log.append(caseId, [draft('opened', { kind: 'case-opened' })]);
    const asked = { eventId: '1', activityTaskScheduledEventAttributes: { activityId: 'seal-7' } };
    const sealing = (events: unknown[]): Promise<SealedCase> =>
      runActivity(
        (given: SealCaseInput) => lab.worker({ readHistory: () => Promise.resolve(events) }).sealCase(given),
        { ...otherCase(caseId), childWorkflowIds: [] },
        { activityId: 'seal-7' },
      );
    const Key = `cases/${caseId}/bundle/${BUNDLE_FILES.list}`;
    await lab.aws.lab.setFaults([{ service: 's3', action: 'PutObject', code: 'AccessDenied', match: { Key } }]);
    await failureOf(sealing([asked]));
    await sealing([asked, { eventId: '2' }]);
    const keys = (await versionsOf(`cases/${caseId}/bundle/`)).map(({ key }) => key);
    expect(keys.filter((key) => key.endsWith('history/case.jsonl'))).toHaveLength(1);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('nobody can have a bundle sealed that he has put there himself', async () => {
    const caseId = `${CASE_ID}-forged`;
    await lab.log.append(caseId, [draft('opened', { kind: 'case-opened' })]);
    const { s3 } = lab.clients.forensics();
    const { evidence: Bucket } = lab.deployment.config.buckets;
    const put = async (name: string, Body: string) => {
      const { VersionId } = await s3.send(
        new PutObjectCommand({ Bucket, Key: `cases/${caseId}/bundle/${name}`, Body, ChecksumAlgorithm: 'SHA256' }),
      );
      return { bucket: Bucket, key: `cases/${caseId}/bundle/${name}`, versionId: VersionId! };
    };
    const forged = linesOf([appendEntry(emptyChain(caseId), draft('opened', { message: 'all was well' }))]);
    const object = await put(BUNDLE_FILES.custodyLog, forged);
    await put(
      BUNDLE_FILES.list,
      linesOf([{ path: BUNDLE_FILES.custodyLog, sizeBytes: forged.length, sha256: sha256(forged), object }]),
    );
    const failure = await failureOf(seal(otherCase(caseId)));
    expect(failure).toMatchObject({ type: 'EvidenceMismatch', nonRetryable: true });
    expect(failure.message).toContain('entry 1 is not the one that was sealed');
  });

  test('a report that is not the one that was written stops it', async () => {
    const caseId = `${CASE_ID}-report`;
    await lab.log.append(caseId, [draft('opened', { kind: 'case-opened' })]);
    const input = otherCase(caseId);
    const report = { ...input.outcome.report!, sha256: '0'.repeat(64) };
    const failure = await failureOf(seal({ ...input, outcome: { ...input.outcome, report } }));
    expect(failure).toMatchObject({ type: 'EvidenceMismatch', nonRetryable: true });
  });

  test('brings the log up to the histories before it reads it', async () => {
    const caseId = `${CASE_ID}-reconciled`;
    await lab.log.append(caseId, [draft('opened', { kind: 'case-opened' })]);
    const reconcile = async (of: string, histories: readonly { events: unknown[] | undefined }[]): Promise<void> => {
      expect(histories.map(({ events }) => events?.length)).toEqual([
        expect.any(Number),
        expect.any(Number),
        expect.any(Number),
        undefined,
      ]);
      await lab.log.append(of, [draft('made up for', {})]);
    };
    const made = await seal(otherCase(caseId), { reconcile });
    expect(made.seal.custody.sequence).toBe(2);
  });
});
