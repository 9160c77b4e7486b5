/* eslint-disable @typescript-eslint/unbound-method -- activities are closures; a worker takes them one by one too */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  GetObjectCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { ListCommandsCommand } from '@aws-sdk/client-ssm';
import type { ApplicationFailure } from '@temporalio/common';
import { StopInstancesCommand } from '@aws-sdk/client-ec2';
import { AwsClients } from '../../activities/aws/clients';
import { readKernelFacts } from '../../activities/kernel-facts';
import { MANIFEST_RENEWAL } from '../../activities/manifests';
import { createMemoryActivities } from '../../activities/memory';
import type { MemoryActivities, MemoryCapture, MemoryCaptureReport } from '../../activities/types';
import type { MemoryAttempt } from '../../domain/evidence';
import type { InstanceFacts } from '../../domain/instance-facts';
import type { MemoryTool } from '../../domain/memory-tools';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { fixtureSystem } from '../../lab/memory-tools/fixture-system';
import { loadDocuments } from '../../ssm-documents/documents';
import { actsOf } from './acts';
import { activityEnvironment, type CommandLab, MIB, runActivity, startCommandLab } from './command-lab';
import { startExpiringUrls } from './expiring-urls';
import { BANNER, memoryImage, noise, sha256 } from './memory-fixture';

let lab: CommandLab;
let instanceId: string;
let image: Buffer;
let goodTool: MemoryTool;

/** Stands where AVML stands: writes a file to the stream that it is given. */
const toolThatWrites = (file: string): string => `#!/bin/sh\n[ "$1" = acquire ] && exec cat '${file}' >"$2"\n`;

beforeAll(async () => {
  lab = await startCommandLab();
  const document = loadDocuments().find(({ key }) => key === 'acquireMemoryLinux')!;
  lab.config.documents.acquireMemoryLinux = await lab.publish(document.name, document.content);
  image = memoryImage(4 * MIB);
  const file = path.join(lab.folder, 'memory.lime');
  await writeFile(file, image);
  goodTool = await lab.putTool(toolThatWrites(file));
  instanceId = await lab.runInstance('member');
  await lab.startAgent(instanceId, 'member', {
    FORENSICS_MANIFEST_INTERVAL: '1',
    FORENSICS_SYSTEM_ROOT: await fixtureSystem(file),
  });
});
afterAll(() => lab.stop());

const activities = (...ladder: MemoryTool[]): MemoryActivities =>
  createMemoryActivities({
    config: { ...lab.config, memoryTools: ladder.length > 0 ? ladder : [goodTool] },
    clients: lab.clients,
  });

function facts(changes: Partial<InstanceFacts> = {}): InstanceFacts {
  return {
    target: { accountId: LAB_ACCOUNTS.member, region: LAB_REGION, instanceId },
    readAt: '2026-11-22T07:30:00.000Z',
    state: 'running',
    instanceType: 't3.small',
    memoryMiB: 16,
    architecture: 'x86_64',
    imageId: 'ami-1',
    launchTime: '2026-11-22T07:00:00.000Z',
    availabilityZone: `${LAB_REGION}a`,
    tags: {},
    volumes: [],
    networkInterfaces: [],
    agent: { state: 'online', platform: 'Linux', platformName: 'Debian', platformVersion: '12' },
    protection: { apiTerminationDisabled: false, apiStopDisabled: false, shutdownBehavior: 'stop' },
    ...changes,
  };
}

let cases = 0;
const newCase = (): string => `${instanceId}-20261122t0730${String(cases++).padStart(2, '0')}z`;

async function start(
  caseId: string,
  memory = activities(),
  attempt = 1,
  changes: Partial<InstanceFacts> = {},
  attempts: MemoryAttempt[] = [],
): Promise<MemoryCapture> {
  const input = { caseId, facts: facts(changes), attempts, deadlineSeconds: 60 };
  const capture = await runActivity(memory.startMemoryCapture, input, attempt);
  if (!capture) throw new Error('no tool is left');
  return capture;
}

async function follow(caseId: string, capture: MemoryCapture, memory = activities()) {
  const { environment, heartbeats } = activityEnvironment();
  const { target } = facts();
  const run = () => memory.awaitMemoryCapture({ caseId, target, capture });
  const report = await environment.run<[], MemoryCaptureReport, typeof run>(run);
  return { report, heartbeats };
}

function seal(caseId: string, capture: MemoryCapture, report: MemoryCaptureReport) {
  const { target } = facts();
  return runActivity(activities().sealMemoryImage, {
    caseId,
    exhibitId: 'memory',
    target,
    capture,
    report,
    retentionDays: 30,
  });
}

const commandsOf = async (caseId: string) => {
  const { Commands } = await lab.runCommand('member').send(new ListCommandsCommand({ InstanceId: instanceId }));
  return Commands!.filter((command) => command.Comment!.startsWith(`${caseId}/`));
};

const stagedKeys = async (caseId: string): Promise<string[]> => {
  const { Contents } = await lab.aws.forensics.s3.send(
    new ListObjectsV2Command({ Bucket: lab.config.buckets.staging, Prefix: caseId }),
  );
  return (Contents ?? []).map((object) => object.Key!);
};

const openUploads = async (caseId: string): Promise<number> => {
  const { Uploads } = await lab.aws.forensics.s3.send(
    new ListMultipartUploadsCommand({ Bucket: lab.config.buckets.staging, Prefix: caseId }),
  );
  return (Uploads ?? []).length;
};

async function bytesOf(bucket: string, key: string): Promise<Buffer> {
  const { Body } = await lab.aws.forensics.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return Buffer.from(await Body!.transformToByteArray());
}

describe('memory of a running instance', () => {
  it('is streamed by the real document, verified, and locked away as an exhibit', async () => {
    const caseId = newCase();
    const capture = await start(caseId);
    const { report, heartbeats } = await follow(caseId, capture);
    const { name, version } = goodTool;
    expect(report).toEqual({
      sha256: sha256(image),
      sizeBytes: image.length,
      parts: Math.ceil(image.length / 5 / MIB),
      tool: { name, version, sha256: goodTool.sha256 },
      module: 'none',
      taintBefore: null,
      taintAfter: null,
      kernelFacts: { sha256: expect.any(String), sizeBytes: expect.any(Number) },
      partDigests: { sha256: expect.any(String), sizeBytes: expect.any(Number) },
      clockOffset: expect.any(Number),
      timeSource: expect.stringMatching(/^clock source /),
    });

    const exhibit = await seal(caseId, capture, report);
    const key = `cases/${caseId}/memory/attempt-1/memory.lime`;
    expect(exhibit).toMatchObject({
      id: 'memory',
      kind: 'memory',
      source: instanceId,
      sha256: sha256(image),
      sizeBytes: image.length,
      location: { s3: { bucket: lab.config.buckets.evidence, key, versionId: expect.any(String) } },
      acquiredAt: capture.startedAt,
      tool: { name: 'test-tool', version: '1.0', sha256: goodTool.sha256 },
    });
    const notes = exhibit.notes.join('\n');
    expect(notes).toContain(BANNER);
    expect(notes).toContain('the banner is that of /proc/version');
    expect(notes).toMatch(/System RAM \(100 %\)/);
    expect(notes).toContain('no kernel module was loaded');
    expect(notes).toContain('each of its 3 parts has the SHA-256 that was computed on the instance');
    expect(notes).toMatch(/The instance’s clock .* that of S3 by the Date header/);
    const parts = [0, 1, 2].map((index) => image.subarray(index * 5 * MIB, (index + 1) * 5 * MIB));
    const [kernelFacts, partList] = exhibit.companions!;
    expect(exhibit.transfer).toEqual({
      partSizeBytes: 5 * MIB,
      parts: 3,
      compared: true,
      partSha256: parts.map(sha256),
      list: partList,
    });
    expect((await bytesOf(lab.config.buckets.evidence, partList!.key)).toString()).toBe(
      parts.map((part, index) => `${index + 1} ${sha256(part)} ${part.length}\n`).join(''),
    );
    // Write once: each object of the exhibit is pinned to a version that is locked.
    for (const { bucket: Bucket, key: Key, versionId: VersionId } of exhibit.companions!) {
      const { Retention } = await lab.aws.forensics.s3.send(new GetObjectRetentionCommand({ Bucket, Key, VersionId }));
      expect(Retention!.Mode).toBe('GOVERNANCE');
    }
    const archive = await bytesOf(lab.config.buckets.evidence, kernelFacts!.key);
    expect(sha256(archive)).toBe(kernelFacts!.sha256);
    expect(readKernelFacts(archive).version).toBe(`${BANNER}\n`);
    expect((await bytesOf(lab.config.buckets.evidence, key)).equals(image)).toBe(true);
    const { Retention } = await lab.aws.forensics.s3.send(
      new GetObjectRetentionCommand({ Bucket: lab.config.buckets.evidence, Key: key }),
    );
    expect(Retention!.Mode).toBe('GOVERNANCE');
    const days = (Retention!.RetainUntilDate!.getTime() - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThan(30.1);
    const head = await lab.aws.forensics.s3.send(
      new HeadObjectCommand({ Bucket: lab.config.buckets.evidence, Key: key }),
    );
    expect(head.SSEKMSKeyId).toBe(lab.config.evidenceKeyArn);
    expect(await stagedKeys(caseId)).not.toContain(`${caseId}/memory/attempt-1/memory.lime`);

    // An attempt that runs again after success tells the same and makes no second version.
    expect(await seal(caseId, capture, report)).toEqual(exhibit);
    await runActivity(activities().abandonMemoryCapture, {
      caseId,
      target: facts().target,
      attempt: 1,
      capture,
    });
    expect((await bytesOf(lab.config.buckets.evidence, key)).equals(image)).toBe(true);

    // No bearer URL and no credential anywhere but in the one parameter of the command.
    const told = JSON.stringify([capture, report, exhibit, heartbeats]);
    expect(told).not.toMatch(/https?:|X-Amz|Signature/i);
    const { accessKeyId, secretAccessKey, sessionToken } = lab.aws.forensics.credentials;
    const commands = await commandsOf(caseId);
    expect(commands).toHaveLength(1);
    const parameters = commands[0]!.Parameters!;
    expect(Object.keys(parameters).sort()).toEqual(['CaseId', 'ExecutionTimeout', 'ManifestUrl']);
    const text = JSON.stringify(parameters);
    expect(text.match(/X-Amz-Signature/g)).toHaveLength(1);
    expect(parameters.ManifestUrl![0]).toMatch(/x-id=GetObject/);
    expect(parameters.ManifestUrl![0]).toMatch(/X-Amz-Expires=900\b/);
    expect(text).not.toContain(secretAccessKey);
    expect(told).not.toContain(accessKeyId);
    if (sessionToken !== undefined) expect(told).not.toContain(sessionToken);
  });

  it('is commanded once, whatever number of attempts the start took', async () => {
    const caseId = newCase();
    const first = await start(caseId);
    const again = await start(caseId, activities(), 2);
    expect(again).toEqual(first);
    expect(await commandsOf(caseId)).toHaveLength(1);
    expect(await openUploads(caseId)).toBeLessThanOrEqual(1);
    await follow(caseId, first);
    await runActivity(activities().abandonMemoryCapture, { caseId, target: facts().target, attempt: 1 });
    expect(await openUploads(caseId)).toBe(0);
  });

  it('gets part URLs by the batch: the first manifest has 64, and names where the next ones will be', async () => {
    const caseId = newCase();
    const capture = await start(caseId, activities(), 1, { memoryMiB: 512 });
    expect(capture.upload.partCount).toBe(Math.ceil((512 * 1.05 + 64) / 5));
    await follow(caseId, capture);
    const { staging } = lab.config.buckets;
    const first = (await bytesOf(staging, `${caseId}/memory/attempt-1/manifests/first.txt`)).toString();
    expect(first.match(/^part \d+ /gm)).toHaveLength(64);
    expect(first.match(/^tool program test-tool 1\.0 [0-9a-f]{64} http/gm)).toHaveLength(1);
    expect(/^next (\S+)$/m.exec(first)?.[1]).toContain(`${caseId}/memory/attempt-1/manifests/renewed.txt`);
    expect(first).toMatch(/X-Amz-Expires=3600/);
    expect(first).not.toMatch(/checksum/i);
    const put = /^part 64 (\S+)$/m.exec(first)![1]!;
    expect((await fetch(put, { method: 'PUT', body: noise(1000, 'part') })).status).toBe(200);
    await runActivity(activities().abandonMemoryCapture, {
      caseId,
      target: facts().target,
      attempt: 1,
      capture,
    });
    expect(await openUploads(caseId)).toBe(0);
  });

  it('of many batches arrives whole: each manifest is there when the suspect needs it', async () => {
    const caseId = newCase();
    const large = memoryImage(14 * MIB);
    const file = path.join(lab.folder, 'large.lime');
    await writeFile(file, large);
    const memory = createMemoryActivities({
      config: { ...lab.config, memoryTools: [await lab.putTool(toolThatWrites(file))] },
      clients: lab.clients,
      renewal: { ...MANIFEST_RENEWAL, parts: 2 },
    });
    const capture = await start(caseId, memory);
    const { report } = await follow(caseId, capture, memory);
    expect(report).toMatchObject({ sha256: sha256(large), parts: 9 });

    // The last window begins at or before the part that needed it: eight parts came from later manifests than the first.
    const { staging } = lab.config.buckets;
    const numbers = async (edition: string): Promise<number[]> => {
      const text = (await bytesOf(staging, `${caseId}/memory/attempt-1/manifests/${edition}.txt`)).toString();
      return [...text.matchAll(/^part (\d+) /gm)].map((match) => Number(match[1]));
    };
    expect(await numbers('first')).toEqual([1, 2]);
    const last = await numbers('renewed');
    expect(last).toHaveLength(2);
    expect(last[0]).toBeGreaterThanOrEqual(8);
    const exhibit = await seal(caseId, capture, report);
    expect(exhibit).toMatchObject({ sha256: sha256(large), sizeBytes: large.length });
  }, 120_000);

  it('of a suspect that is slower than its URLs live arrives whole', async () => {
    const urls = await startExpiringUrls(lab.aws.emulator.url);
    const endpoint = process.env.AWS_ENDPOINT_URL;
    process.env.AWS_ENDPOINT_URL = urls.url;
    const clients = new AwsClients(lab.config);
    try {
      const caseId = newCase();
      const file = path.join(lab.folder, 'memory.lime');
      const slow = `#!/bin/sh\n{ head -c ${5 * MIB}; sleep 20; head -c ${5 * MIB}; sleep 4; cat; } <'${file}' >"$2"\n`;
      const memoryTools = [await lab.putTool(slow)];
      const memory = createMemoryActivities({
        config: { ...lab.config, memoryTools },
        clients,
        renewal: { urlSeconds: 15, everyMs: 3_000, parts: 64 },
      });
      const capture = await start(caseId, memory);
      const { report } = await follow(caseId, capture, memory);
      expect(report).toMatchObject({ sha256: sha256(image), parts: 3 });
      const first = await bytesOf(lab.config.buckets.staging, `${caseId}/memory/attempt-1/manifests/first.txt`);
      const expired = /^part 3 (\S+)$/m.exec(first.toString())![1]!;
      expect((await fetch(expired, { method: 'PUT', body: 'late' })).status).toBe(403);
      expect(await seal(caseId, capture, report)).toMatchObject({ sha256: sha256(image) });
    } finally {
      process.env.AWS_ENDPOINT_URL = endpoint;
      clients.destroy();
      await urls.stop();
    }
  }, 120_000);

  it('goes on with an attempt that takes over: it renews what the lost one left', async () => {
    const caseId = newCase();
    const capture = await start(caseId);
    const { report } = await follow(caseId, { ...capture, startedAt: '2026-11-22T07:00:00.000Z' });
    expect(report.sha256).toBe(sha256(image));
    const renewed = await bytesOf(lab.config.buckets.staging, `${caseId}/memory/attempt-1/manifests/renewed.txt`);
    expect(renewed.toString()).not.toMatch(/^tool /m);
    expect(renewed.toString()).toMatch(/^next \S+renewed\.txt/m);
    await runActivity(activities().abandonMemoryCapture, { caseId, target: facts().target, attempt: 1, capture });
  });
});

it('tells the custody log each thing that it does to the suspect and to the image', async () => {
  const caseId = newCase();
  let capture = {} as MemoryCapture;
  let report = {} as MemoryCaptureReport;
  const acts = await actsOf(async () => {
    capture = await start(caseId);
    ({ report } = await follow(caseId, capture));
    await seal(caseId, capture, report);
  });
  const [started, ended] = acts.filter(({ data }) => data?.changesSuspect);
  expect(started).toMatchObject({
    document: capture.document,
    data: { commandId: capture.commandId, tools: capture.tools, reversible: false },
  });
  expect(started!.awsCalls.map(({ call }) => call)).toContain('ssm:SendCommand');
  const { name, version, sha256: digest } = goodTool;
  expect(ended).toMatchObject({
    tool: { name, version, sha256: digest },
    sha256: sha256(image),
    clockOffsetSeconds: report.clockOffset,
  });
  const told = acts.map(({ message }) => message);
  expect(told).toEqual([
    expect.stringMatching(/^The SSM agent of i-\w+ is told to run document/),
    expect.stringMatching(/^The memory of i-\w+ was read by test-tool 1\.0 and left it/),
    expect.stringMatching(/^The upload of the memory image is whole: \d+ bytes in 3 parts/),
    expect.stringMatching(/^Kept write-once: What the kernel says of itself/),
    expect.stringMatching(/^Kept write-once: The digests of the 3 parts/),
    expect.stringMatching(/^The memory image of i-\w+ was re-read, .* kept write-once/),
    expect.stringMatching(/^The staged copy of the memory image was deleted/),
  ]);
  expect(JSON.stringify(acts)).not.toMatch(/https?:|X-Amz|Signature/i);
});

describe('a memory image that is not what it should be', () => {
  it('fails with EvidenceMismatch when the digests differ, and keeps everything', async () => {
    const caseId = newCase();
    const capture = await start(caseId);
    const { report } = await follow(caseId, capture);
    const wrong = { ...report, sha256: createHash('sha256').update('something else').digest('hex') };
    await expect(seal(caseId, capture, wrong)).rejects.toMatchObject({
      type: 'EvidenceMismatch',
      nonRetryable: true,
      message: expect.stringContaining(wrong.sha256),
    });
    const { staging, evidence } = lab.config.buckets;
    expect((await bytesOf(staging, `${caseId}/memory/attempt-1/memory.lime`)).equals(image)).toBe(true);
    expect((await bytesOf(evidence, `cases/${caseId}/memory/attempt-1/rejected/memory.lime`)).equals(image)).toBe(true);
    await expect(bytesOf(evidence, `cases/${caseId}/memory/attempt-1/memory.lime`)).rejects.toThrow();
  });

  it('names the part that is not the one that was sent', async () => {
    const caseId = newCase();
    const capture = await start(caseId);
    const { report } = await follow(caseId, capture);
    const altered = Buffer.from(image.subarray(5 * MIB, 10 * MIB));
    altered[77]! ^= 1;
    const { bucket: Bucket, key: Key, uploadId: UploadId } = capture.upload;
    await lab.aws.forensics.s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 2, Body: altered }));
    const acts = await actsOf(() => seal(caseId, capture, report).catch(() => undefined));
    const [rejected] = acts.filter(({ data }) => data?.failure === 'EvidenceMismatch');
    expect(rejected).toMatchObject({ exhibit: { id: 'memory', kind: 'memory', source: instanceId } });
    const words = rejected!.message;
    expect(words).toContain(`part 2 (from byte ${5 * MIB}): SHA-256 ${sha256(altered)} over ${5 * MIB} bytes here`);
    expect(words).not.toMatch(/part [13] \(/);
  });

  it('whose list of parts was changed on the way is held against its whole digest alone, and says so', async () => {
    const caseId = newCase();
    const capture = await start(caseId);
    const { report } = await follow(caseId, capture);
    await lab.aws.forensics.s3.send(
      new PutObjectCommand({
        Bucket: capture.upload.bucket,
        Key: `${caseId}/memory/attempt-1/part-digests.txt`,
        Body: `1 ${sha256('x')} 1\n`,
      }),
    );
    const exhibit = await seal(caseId, capture, report);
    expect(exhibit.transfer).toMatchObject({ compared: false, parts: 3 });
    expect(exhibit.notes.join('\n')).toMatch(
      /parts are those of the forensics account alone: part-digests\.txt has SHA-256/,
    );
  });

  it('fails with EvidenceUnusable when it is no LiME image', async () => {
    const caseId = newCase();
    const file = path.join(lab.folder, 'noise');
    await writeFile(file, noise(300_000, 'no image'));
    const memory = activities(await lab.putTool(toolThatWrites(file)));
    const capture = await start(caseId, memory);
    const { report } = await follow(caseId, capture, memory);
    await expect(seal(caseId, capture, report)).rejects.toMatchObject({
      type: 'EvidenceUnusable',
      nonRetryable: true,
      message: expect.stringMatching(/no LiME range header.*rejected\/memory\.lime/),
    });
  });

  it('fails with EvidenceUnusable when nothing ever arrived', async () => {
    const caseId = newCase();
    const upload = {
      bucket: lab.config.buckets.staging,
      key: `${caseId}/memory/attempt-1/memory.lime`,
      uploadId: 'gone',
    };
    const capture: MemoryCapture = {
      commandId: 'none',
      instanceId,
      document: { name: 'none', version: '1', sha256: '' },
      startedAt: '2026-11-22T07:30:00.000Z',
      upload: { ...upload, partSizeBytes: 5 * MIB, partCount: 1 },
      attempt: 1,
      tool: 'test-tool',
      tools: [goodTool],
    };
    const report: MemoryCaptureReport = {
      sha256: sha256('x'),
      sizeBytes: 1,
      parts: 1,
      tool: goodTool,
      module: 'none',
      taintBefore: 0,
      taintAfter: 0,
      kernelFacts: { reason: 'none' },
    };
    await expect(seal(caseId, capture, report)).rejects.toMatchObject({ type: 'EvidenceUnusable' });
  });
});

describe('an image of another kernel than the one that runs', () => {
  it('is EvidenceUnusable, kept where the failure says, with what the kernel said of itself', async () => {
    const caseId = newCase();
    const file = path.join(lab.folder, 'other-kernel');
    const other = Buffer.from(image.toString('latin1').replace('6.1.0-18', '6.1.0-17'), 'latin1');
    await writeFile(file, other);
    const memory = activities(await lab.putTool(toolThatWrites(file)));
    const capture = await start(caseId, memory);
    const { report } = await follow(caseId, capture, memory);
    const failure = await seal(caseId, capture, report).catch((error: unknown) => error as ApplicationFailure);
    expect(failure).toMatchObject({
      type: 'EvidenceUnusable',
      message: expect.stringContaining('running kernel’s banner (/proc/version) is not in it'),
    });
    const [{ location }] = (failure as ApplicationFailure).details as [{ location: { bucket: string; key: string } }];
    expect((await bytesOf(location.bucket, location.key)).equals(other)).toBe(true);
    const facts = `cases/${caseId}/memory/attempt-1/kernel-facts.tar.gz`;
    expect(readKernelFacts(await bytesOf(location.bucket, facts)).version).toContain(BANNER);
  });
});

describe('the ladder of tools', () => {
  const failed = (tool: string): MemoryAttempt => ({ number: 1, tool, outcome: 'image-rejected', reason: 'broken' });

  it('goes on with the next one, in a command and a place of its own', async () => {
    const caseId = newCase();
    const file = path.join(lab.folder, 'memory.lime');
    const second = await lab.putTool(toolThatWrites(file), 'second-tool');
    const memory = activities(goodTool, second);
    await follow(caseId, await start(caseId, memory), memory);
    const capture = await start(caseId, memory, 1, {}, [failed('test-tool')]);
    expect(capture).toMatchObject({
      attempt: 2,
      tool: 'second-tool',
      upload: { key: expect.stringMatching(/attempt-2/) },
    });
    const { report } = await follow(caseId, capture, memory);
    const exhibit = await seal(caseId, capture, report);
    expect(exhibit).toMatchObject({ tool: { name: 'second-tool' }, sha256: sha256(image) });
    expect((await commandsOf(caseId)).map((command) => command.Comment).sort()).toEqual([
      `${caseId}/acquire-memory/1`,
      `${caseId}/acquire-memory/2`,
    ]);
    // What an attempt left behind is put away by its number: the other one's is not touched.
    await runActivity(memory.abandonMemoryCapture, { caseId, target: facts().target, attempt: 1 });
    expect(await openUploads(caseId)).toBe(0);
  });

  it('ends when nothing is left to try, and commands nothing then', async () => {
    const caseId = newCase();
    const attempts = [failed('test-tool'), { ...failed('test-tool'), number: 2 }];
    const input = { caseId, facts: facts(), attempts, deadlineSeconds: 60 };
    expect(await runActivity(activities().startMemoryCapture, input)).toBeNull();
    expect(await commandsOf(caseId)).toEqual([]);
  });
});

describe('memory that cannot be had', () => {
  it('a tool that fails is told in its own words, without URLs', async () => {
    const caseId = newCase();
    const tool = await lab.putTool(
      '#!/bin/sh\necho "kernel_lockdown: see http://example.com/?X-Amz-Signature=1" >&2\nexit 7\n',
    );
    const memory = activities(tool);
    const capture = await start(caseId, memory);
    let failure: unknown;
    const acts = await actsOf(async () => {
      failure = await follow(caseId, capture, memory).catch((error: unknown) => error);
    });
    expect(failure).toMatchObject({ type: 'ToolRefused', nonRetryable: true });
    // It ended by itself, so that nothing of it stayed.
    expect(acts).toMatchObject([{ data: { commandId: capture.commandId, code: 'tool-failed' } }]);
    expect(acts[0]!.data).not.toHaveProperty('changesSuspect');
    const { message } = failure as Error;
    expect(message).toMatch(/test-tool 1\.0 ended with status 7/);
    expect(message).not.toMatch(/http|Signature/);
  });

  it('what is ended by force is told, with what it may have left behind', async () => {
    const caseId = newCase();
    const memory = activities(await lab.putTool('#!/bin/sh\nexec sleep 600\n'));
    const capture = await start(caseId, memory);
    const abandon = { caseId, target: facts().target, attempt: 1, capture };
    const acts = await actsOf(() => runActivity(memory.abandonMemoryCapture, abandon));
    expect(acts.map(({ message }) => message)).toEqual([
      `Command ${capture.commandId} on ${instanceId} was cancelled`,
      expect.stringMatching(/^The unfinished upload of a memory image .* was given up/),
    ]);
    expect(acts[0]!.data).toMatchObject({ changesSuspect: true, change: expect.stringContaining('tmpfs') });
    // Once more there is nothing to do, and nothing to tell.
    expect(await actsOf(() => runActivity(memory.abandonMemoryCapture, abandon))).toEqual([]);
  });

  it('an instance without an agent is AgentUnavailable', async () => {
    const caseId = newCase();
    const lonely = await lab.runInstance('member');
    const target = { ...facts().target, instanceId: lonely };
    await expect(start(caseId, activities(), 1, { target })).rejects.toMatchObject({
      type: 'AgentUnavailable',
      nonRetryable: true,
      message: expect.stringContaining('no SSM agent has registered'),
    });
    await lab.aws.member.ec2.send(new StopInstancesCommand({ InstanceIds: [lonely] }));
    await expect(start(caseId, activities(), 1, { target })).rejects.toMatchObject({ type: 'AgentUnavailable' });
    expect(await openUploads(caseId)).toBe(0);
  });

  it('an instance that does not exist is InstanceNotFound', async () => {
    const target = { ...facts().target, instanceId: 'i-0aaaaaaaaaaaaaaaa' };
    await expect(start(newCase(), activities(), 1, { target })).rejects.toMatchObject({ type: 'InstanceNotFound' });
  });

  it('another architecture is UnsupportedPlatform', async () => {
    await expect(start(newCase(), activities(), 1, { architecture: 'arm64' })).rejects.toMatchObject({
      type: 'UnsupportedPlatform',
      nonRetryable: true,
    });
  });
});
