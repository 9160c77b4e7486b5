import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { AwsClients } from '../activities/aws/clients';
import { BlockDigestThreads } from '../activities/block-digest-threads';
import { createEvidenceStore } from '../activities/evidence-store';
import type { ForensicsConfig } from '../activities/config';
import { verifyDisk } from '../activities/verify-disk';
import { BLOCK_BYTES } from '../domain/custody/block-digests';
import { DEFAULT_POLICY } from '../domain/policy';
import { type DiskImage, makeDiskImage } from './disk-image';

/** Bytes a second, by the clock and by the processor's time: the latter holds on a machine that does other work too. */
export interface Throughput {
  megabytesPerSecond: number;
  megabytesPerCpuSecond: number;
}

export interface BlockReaderResult {
  /** The same bytes by sha256sum. */
  sha256sum: Throughput;
  /** Digests of blocks in memory, by threads. */
  digests: (Throughput & { threads: number })[];
  /** A whole verification of a disk that is full: bytes read of both sides. */
  verification: Throughput & { imageMiB: number; seconds: number };
  /** A sparse disk: what it takes beyond what the process held before. */
  sparse: { imageMiB: number; writtenMiB: number; seconds: number; memoryBeforeMiB: number; memoryPeakMiB: number };
}

const FULL = { sizeGiB: 1, blocks: 2048 };
const SPARSE = { sizeGiB: 8, blocks: 1024 };
const WARM_UP = { sizeGiB: 1, blocks: 256 };
const RUNS = 3;
const THREADS = [1, 2, 4].filter((count) => count <= os.availableParallelism());
/** Blocks that wait for a thread, so that it never waits for one. */
const AHEAD = 4;

/** Measures reader and digests over loopback HTTP; a process of its own stands for EBS. */
export async function measureBlockReader(): Promise<BlockReaderResult> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'forensics-blocks-'));
  try {
    const image = (name: string, { sizeGiB, blocks }: typeof FULL) =>
      makeDiskImage(path.join(folder, name), sizeGiB, blocks);
    await verified(await image('warm-up', WARM_UP));
    const full = await image('full', FULL);
    const sums = await repeated(() => bySha256sum(full.file));
    const digests = [];
    for (const threads of THREADS) digests.push({ threads, ...(await repeated(() => digestsBy(threads))) });
    const runs = [];
    for (let run = 0; run < RUNS; run += 1) runs.push(await verified(full));
    const verification = best(runs.map(({ seconds, cpuSeconds }) => throughput(readOf(full), seconds, cpuSeconds)));
    const sparse = await verified(await image('sparse', SPARSE));
    return {
      sha256sum: sums,
      digests,
      verification: {
        ...verification,
        imageMiB: FULL.sizeGiB * 1024,
        seconds: Math.min(...runs.map(({ seconds }) => seconds)),
      },
      sparse: {
        imageMiB: SPARSE.sizeGiB * 1024,
        writtenMiB: mebibytes(SPARSE.blocks),
        seconds: sparse.seconds,
        memoryBeforeMiB: sparse.memoryBeforeMiB,
        memoryPeakMiB: sparse.memoryPeakMiB,
      },
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

export function blockReaderText({ sha256sum, digests, verification, sparse }: BlockReaderResult): string {
  const line = (what: string, { megabytesPerSecond, megabytesPerCpuSecond }: Throughput): string =>
    `| ${what} | ${megabytesPerSecond.toFixed(0)} | ${megabytesPerCpuSecond.toFixed(0)} | ` +
    `${(megabytesPerCpuSecond / sha256sum.megabytesPerCpuSecond).toFixed(2)} |`;
  return [
    '## Block reader',
    '',
    '| | MB/s by the clock | MB per second of processor time | against sha256sum |',
    '| --- | --- | --- | --- |',
    line('`sha256sum` of the image', sha256sum),
    ...digests.map((one) => line(`digests of blocks in memory, threads: ${one.threads}`, one)),
    line('verification, bytes read of both sides', verification),
    '',
    `A full disk of ${verification.imageMiB} MiB: ${verification.seconds.toFixed(1)} s. A sparse disk of ${sparse.imageMiB} MiB with ` +
      `${sparse.writtenMiB} MiB written: ${sparse.seconds.toFixed(1)} s; the process held ${sparse.memoryBeforeMiB} MiB before and ` +
      `${sparse.memoryPeakMiB} MiB at most.`,
  ].join('\n');
}

/** Bytes of both sides. */
const readOf = ({ written }: DiskImage): number => 2 * written.length * BLOCK_BYTES;
const mebibytes = (blocks: number): number => (blocks * BLOCK_BYTES) / 2 ** 20;

function throughput(bytes: number, seconds: number, cpuSeconds: number): Throughput {
  return { megabytesPerSecond: bytes / 1e6 / seconds, megabytesPerCpuSecond: bytes / 1e6 / cpuSeconds };
}

/** The best of several runs, each figure by itself: what else the machine does only makes them worse. */
function best(runs: Throughput[]): Throughput {
  return {
    megabytesPerSecond: Math.max(...runs.map((run) => run.megabytesPerSecond)),
    megabytesPerCpuSecond: Math.max(...runs.map((run) => run.megabytesPerCpuSecond)),
  };
}

async function repeated(measure: () => Promise<Throughput>): Promise<Throughput> {
  const runs: Throughput[] = [];
  for (let run = 0; run < RUNS; run += 1) runs.push(await measure());
  return best(runs);
}

async function bySha256sum(file: string): Promise<Throughput> {
  const script = 'TIMEFORMAT="%R %U %S"; time sha256sum "$1"';
  const { stderr } = await promisify(execFile)('bash', ['-c', script, 'bash', file], {
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [seconds = 0, user = 0, system = 0] = stderr.trim().split(' ').map(Number);
  return throughput(FULL.sizeGiB * 2 ** 30, seconds, user + system);
}

async function digestsBy(threadCount: number): Promise<Throughput> {
  const threads = new BlockDigestThreads(threadCount);
  const block = new Uint8Array(new SharedArrayBuffer(BLOCK_BYTES)).fill(1);
  await Promise.all(Array.from({ length: threadCount }, () => threads.digest(block)));
  const clock = stopwatch();
  let left = FULL.blocks;
  const digest = async (): Promise<void> => {
    for (; left > 0; left -= 1) await threads.digest(block);
  };
  await Promise.all(Array.from({ length: AHEAD * threadCount }, digest));
  const { seconds, cpuSeconds } = clock();
  await threads.end();
  return throughput(FULL.blocks * BLOCK_BYTES, seconds, cpuSeconds);
}

/** Seconds, and seconds of processor time of this process with its threads, since then. */
function stopwatch(): () => { seconds: number; cpuSeconds: number } {
  const [began, used] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(used);
    return { seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 };
  };
}

/** One verification of the image against itself, as a worker does it. */
async function verified(image: DiskImage) {
  const server = fork(path.join(__dirname, 'ebs-block-server.ts'), {
    execArgv: ['--import', pathToFileURL(require.resolve('tsx')).href],
  });
  try {
    server.send(image);
    const [{ port }] = (await once(server, 'message')) as [{ port: number }];
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_S3_FORCE_PATH_STYLE: 'true',
      AWS_ACCESS_KEY_ID: 'bench',
      AWS_SECRET_ACCESS_KEY: 'bench',
    });
    // An account a side: what EBS allows a second is counted by account.
    const [source, copy] = ['111111111111', '222222222222'].map(
      (forensicsAccountId) => new AwsClients({ ...CONFIG, forensicsAccountId }),
    ) as [AwsClients, AwsClients];
    const memory = watchMemory();
    const clock = stopwatch();
    const exhibit = await verifyDisk(
      { member: source.forensics(), forensics: copy.forensics() },
      CONFIG,
      createEvidenceStore({ config: CONFIG, clients: copy }),
      {
        caseId: 'bench',
        target: { accountId: '111111111111', region: CONFIG.region, instanceId: 'i-0' },
        volumeId: 'vol-0',
        acquiredAt: new Date().toISOString(),
        sourceSnapshotId: 'snap-1',
        forensicSnapshotId: 'snap-2',
        retentionDays: 1,
      },
    );
    const measured = { ...clock(), ...memory() };
    if (exhibit.sizeBytes !== image.sizeGiB * 2 ** 30) throw new Error('not the whole image was read');
    for (const clients of [source, copy]) clients.destroy();
    return measured;
  } finally {
    server.disconnect();
    await once(server, 'exit');
  }
}

function watchMemory(): () => { memoryBeforeMiB: number; memoryPeakMiB: number } {
  const now = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20);
  const memoryBeforeMiB = now();
  let memoryPeakMiB = memoryBeforeMiB;
  const timer = setInterval(() => (memoryPeakMiB = Math.max(memoryPeakMiB, now())), 250);
  return () => {
    clearInterval(timer);
    return { memoryBeforeMiB, memoryPeakMiB };
  };
}

const DOCUMENT = { name: 'none', arn: 'none', version: '1', sha256: '' };
const CONFIG: ForensicsConfig = {
  region: 'us-east-1',
  forensicsAccountId: '222222222222',
  memberRoles: { triage: 'none', acquire: 'none', contain: 'none' },
  sharingKeyAlias: 'none',
  evidenceKeyArn: 'none',
  sealingKeyArn: 'none',
  verifier: { key: 'none', sha256: '' },
  buckets: { staging: 'staging', evidence: 'evidence', tools: 'tools' },
  caseTable: 'none',
  topicArn: 'none',
  documents: { acquireMemoryLinux: DOCUMENT, examineMemory: DOCUMENT, examineDisk: DOCUMENT, probeIsolation: DOCUMENT },
  memoryTools: [],
  forensicInstance: { imageId: 'none', instanceTypes: [], subnetId: 'none', securityGroupId: 'none' },
  memoryPartSizeBytes: 8 * 2 ** 20,
  polling: { minimumSeconds: 1, maximumSeconds: 60 },
  policy: DEFAULT_POLICY,
};
