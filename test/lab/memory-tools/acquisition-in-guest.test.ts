import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { readKernelFacts } from '../../../activities/kernel-facts';
import { createMemoryActivities } from '../../../activities/memory';
import type { Exhibit } from '../../../domain/evidence';
import type { MemoryTool } from '../../../domain/memory-tools';
import { bundleAgent } from '../../../lab/agent/bundle';
import { LAB_ACCOUNTS, LAB_REGION, labConfig } from '../../../lab/config';
import { type Guest, startGuest } from '../../../lab/guest/guest';
import { ensureGuestParts, type GuestParts } from '../../../lab/guest/guest-parts';
import { findProgram } from '../../../lab/guest/tool-output';
import { userModeNetwork } from '../../../lab/guest/user-mode-network';
import { guestMemoryTools } from '../../../lab/memory-tools/guest-memory-tools';
import { ensureLime } from '../../../lab/memory-tools/lime';
import { loadDocuments } from '../../../ssm-documents/documents';
import { heartbeatInterceptor } from '../../../workers/heartbeat-interceptor';
import type { memoryAcquisition } from '../../../workflows';
import { type CommandLab, startCommandLab } from '../../activities/command-lab';
import { caseRequest, instanceFacts } from '../../workflows/case-fixtures';
import { sharedServerAddress } from '../../workflows/support/shared-server';
import { workflowBundle } from '../../workflows/support/workflow-bundle';

const CACHE = labConfig().cacheFolder;
const VOLUME = 'vol-0123456789abcdef0';
/** From an empty cache: a kernel and its headers, AVML, LiME and a root disk. */
const BUILD_MS = 900_000;
/** Some 30 s on an idle machine; an emulated processor that shares two with other suites is slow. */
const ACQUISITION_MS = 900_000;
const MEMORY_MIB = 256;
const MIB = 1024 ** 2;

it('LiME that cannot be built leaves a ladder of AVML alone, and one line that says why', async () => {
  const error = await ensureLime('/nonexistent', '6.1.0-1-cloud-amd64', { PATH: '/nonexistent' }).catch(String);
  expect(error).toMatch(/^LimeError: apt-get is missing/);
  const avml = { path: '/avml', sha256: '', version: '0.21.0' };
  const { tools, note } = await guestMemoryTools(path.join(CACHE, 'no-lime'), { avml, kernelVersion: '0.0.0-none' });
  expect(tools.map((tool) => tool.name)).toEqual(['avml']);
  expect(note).toMatch(/AVML only: .*0\.0\.0-none/);
});

/**
 * Memory of a real kernel: the product's own workflow, activities and document, an agent inside of a machine under QEMU.
 * Only AWS is emulated.
 */
function describeAcquisition(): void {
  let parts: GuestParts;
  let lab: CommandLab;
  let guest: Guest;
  let temporal: TestWorkflowEnvironment;
  let instanceId: string;
  let avml: MemoryTool;
  let lime: MemoryTool;

  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
    parts = await ensureGuestParts(CACHE);
    const built = await ensureLime(CACHE, parts.kernelVersion);
    lab = await startCommandLab();
    temporal = await TestWorkflowEnvironment.createFromExistingServer({ address: await sharedServerAddress() });
    const document = loadDocuments().find(({ key }) => key === 'acquireMemoryLinux')!;
    lab.config.documents.acquireMemoryLinux = await lab.publish(document.name, document.content);
    lab.config.memoryPartSizeBytes = 16 * MIB;
    avml = await lab.putTool(await readFile(parts.avml.path), 'avml');
    const module = await lab.putTool(await readFile(built.path), 'lime');
    lime = { ...module, kind: 'kernel-module', kernelRelease: parts.kernelVersion };
    instanceId = await lab.runInstance('member');
    guest = await bootGuest();
    await guest.waitReady(400);
    for (let looks = 0; !lab.ssm.agents().some((agent) => agent.instanceId === instanceId); looks += 1) {
      if (looks > 1500) throw new Error(`the agent of the guest never registered: see ${guest.consoleLog}`);
      await sleep(200);
    }
  }, BUILD_MS);

  afterAll(async () => {
    await guest.stop();
    await temporal.teardown();
    await lab.stop();
  });

  async function bootGuest(): Promise<Guest> {
    const rootImage = path.join(lab.folder, 'root.img');
    await promisify(execFile)('cp', ['--sparse=always', parts.rootDisk, rootImage]);
    const agentFile = path.join(lab.folder, 'guest-agent.cjs');
    await bundleAgent(agentFile);
    const portOf = (url: string): number => Number(new URL(url).port);
    const network = userModeNetwork('02:00:0a:00:03:11', '10.0.3.17', {
      aws: portOf(lab.aws.emulator.url),
      ssm: portOf(lab.ssm.url),
    });
    return startGuest(parts, {
      instanceId,
      stateFolder: path.join(lab.folder, 'guest'),
      memoryMiB: MEMORY_MIB,
      volumes: [{ volumeId: VOLUME, file: rootImage, readOnly: false }],
      interfaces: [network.interface],
      hostname: 'ip-10-0-3-17',
      agent: {
        file: agentFile,
        environment: {
          LAB_INSTANCE: instanceId,
          LAB_SSM_ENDPOINT: network.ssmUrl,
          http_proxy: network.proxyUrl,
          AWS_ACCESS_KEY_ID: lab.aws.member.credentials.accessKeyId,
          AWS_REGION: LAB_REGION,
          HOME: '/root',
        },
        atBoot: true,
      },
    });
  }

  /** The workflow as a case starts it, with the real steps and this ladder. */
  async function acquire(caseId: string, ...memoryTools: MemoryTool[]): Promise<Exhibit> {
    const taskQueue = caseId;
    const worker = await Worker.create({
      connection: temporal.nativeConnection,
      taskQueue,
      workflowBundle: await workflowBundle(),
      activities: { ...createMemoryActivities({ config: { ...lab.config, memoryTools }, clients: lab.clients }) },
      interceptors: { activity: [heartbeatInterceptor] },
    });
    const facts = instanceFacts(caseRequest(), { memoryMiB: MEMORY_MIB });
    facts.target = { accountId: LAB_ACCOUNTS.member, region: LAB_REGION, instanceId };
    const { result } = await worker.runUntil(
      temporal.client.workflow.execute<typeof memoryAcquisition>('memoryAcquisition', {
        taskQueue,
        workflowId: `${caseId}/memory`,
        workflowExecutionTimeout: ACQUISITION_MS,
        args: [{ caseId, exhibitId: 'memory', facts, attempts: [], deadlineSeconds: 800, retentionDays: 1 }],
      }),
    );
    return result;
  }

  async function evidence(key: string): Promise<Buffer> {
    const { Body } = await lab.aws.forensics.s3.send(
      new GetObjectCommand({ Bucket: lab.config.buckets.evidence, Key: key }),
    );
    return Buffer.from(await Body!.transformToByteArray());
  }

  it(
    'by AVML: holds the running kernel, lies in RAM only, and has its symbols beside it',
    async () => {
      const exhibit = await acquire(`${instanceId}-avml`, avml, lime);
      const notes = exhibit.notes.join('\n');
      expect(exhibit.attempts).toBeUndefined();
      expect(exhibit.tool.name).toBe('avml');
      expect(notes).toContain('the banner is that of /proc/version');
      expect(notes).toMatch(/bytes of System RAM \([1-9][0-9.]* %\) are in it/);
      expect(notes).not.toMatch(/doubtful|not checked/);
      expect(notes).toContain("no kernel module was loaded; the kernel's taint flags were 0 before and 0 after");
      const facts = readKernelFacts(await evidence(exhibit.companions![0]!.key));
      expect(facts.version).toContain(`Linux version ${parts.kernelVersion}`);
      expect(facts.iomem).toMatch(/^ {2}[0-9a-f]+-[0-9a-f]+ : Kernel code$/m);
      const sizes = Object.fromEntries(facts.files.map((file) => [file.name, file.sizeBytes]));
      expect(sizes).toMatchObject({ cmdline: expect.any(Number), modules: expect.any(Number) });
      expect(sizes.btf).toBeGreaterThan(2 * MIB);
      expect(sizes.kallsyms).toBeGreaterThan(2 * MIB);
    },
    ACQUISITION_MS,
  );

  it(
    'whose image AVML breaks is acquired again by LiME, which leaves no module behind; the broken image is kept',
    async () => {
      const caseId = `${instanceId}-lime`;
      const exhibit = await acquire(caseId, await lab.putTool(await truncating(parts.avml.path), 'broken'), lime);
      expect(exhibit.attempts).toMatchObject([
        { number: 1, tool: 'broken', outcome: 'image-rejected', reason: expect.stringMatching(/cut short/) },
      ]);
      const { key } = exhibit.attempts![0]!.rejected!;
      expect(await evidence(key)).toHaveLength(TRUNCATED_BYTES);
      expect(exhibit).toMatchObject({
        tool: { name: 'lime' },
        location: { s3: { key: expect.stringMatching(/attempt-2/) } },
      });
      const notes = exhibit.notes.join('\n');
      expect(notes).toContain('the banner is that of /proc/version');
      // LiME leaves nothing out.
      expect(notes).toContain('System RAM (100 %)');
      expect(notes).not.toMatch(/doubtful|not checked/);
      // 12288: an out-of-tree module (4096) that is not signed (8192); docs.kernel.org, "Tainted kernels".
      expect(notes).toMatch(/loaded and removed again; .* were 0 before and 12288 after/);
      const facts = readKernelFacts(await evidence(exhibit.companions![0]!.key));
      expect(facts.files.map((file) => file.name)).toContain('kallsyms');
    },
    ACQUISITION_MS,
  );
}

const TRUNCATED_BYTES = 40 * MIB;

/** The real AVML inside of a script that lets only the first part of the image through. */
async function truncating(program: string): Promise<Buffer> {
  const script = (offset: number): string => `#!/bin/bash
tail -c +${offset} "$0" >"$0.real"
chmod 700 "$0.real"
mkfifo "$0.pipe"
"$0.real" "$1" "$0.pipe" >/dev/null 2>&1 &
head -c ${TRUNCATED_BYTES} <"$0.pipe" >"$2"
exit 0
`;
  const length = script(1000).length;
  return Buffer.concat([Buffer.from(script(length + 1).padEnd(length, '\n')), await readFile(program)]);
}

if (findProgram('qemu-system-x86_64') !== undefined || (process.env.QEMU_SYSTEM_X86_64 ?? '') !== '') {
  describe('the memory of a guest', describeAcquisition);
} else {
  describe('the memory of a guest, on this machine without QEMU', () => {
    it('cannot be had, which is told in one clear line', async () => {
      await expect(ensureGuestParts(CACHE)).rejects.toThrow('QEMU is missing');
    });
  });
}
