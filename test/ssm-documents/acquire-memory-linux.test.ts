import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { readKernelFacts } from '../../activities/kernel-facts';
import { readPartDigests } from '../../activities/memory-parts';
import { type Manifest, renderManifest } from '../../domain/manifest';
import { type ObjectServer, SIGNATURE, startObjectServer } from './object-server';
import { type DocumentRun, runDocument } from './run-document';

const CASE = 'i-0123456789abcdef0-20261122t073000z';
const PART_SIZE = 65_536;
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

/** Stands for the acquisition tool: the same command line, and it writes a pattern that the test knows. */
const tool = (image: string, ending = 'exit 0') =>
  `#!/bin/sh\n[ "$1" = acquire ] || exit 64\ncat '${image}' >"$2"\n${ending}\n`;

let server: ObjectServer;
let folder: string;
let image: Buffer;
let imageFile: string;

beforeEach(async () => {
  server = await startObjectServer();
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'acquire-memory-'));
  imageFile = path.join(folder, 'image');
  image = randomBytes(3 * PART_SIZE + 777);
  await fs.writeFile(imageFile, image);
});

afterEach(async () => {
  await server.stop();
  await fs.rm(folder, { recursive: true });
  expect(leftFolders()).toEqual([]);
});

/** Folders on the tmpfs of runs that have ended, by the process in their name; other suites may be running. */
const leftFolders = () =>
  readdirSync('/dev/shm').filter((name) => {
    const [prefix, process] = name.split('.');
    return prefix === 'forensics' && !existsSync(`/proc/${process}`);
  });

/** Looks every 50 ms, for ten seconds at most. */
async function until(what: string, seen: () => boolean): Promise<void> {
  for (let look = 0; look < 200; look += 1) {
    if (seen()) return;
    await sleep(50);
  }
  throw new Error(`${what}: not within ten seconds`);
}

function publish(name: string, manifest: Partial<Manifest>): string {
  server.objects.set(`/${name}`, Buffer.from(renderManifest({ caseId: CASE, partSize: PART_SIZE, ...manifest })));
  return server.url(`/${name}`);
}

function publishTool(script: string) {
  server.objects.set('/tool', Buffer.from(script));
  return {
    kind: 'program' as const,
    name: 'avml',
    version: '0.21.0',
    sha256: sha256(Buffer.from(script)),
    url: server.url('/tool'),
  };
}

const parts = (first: number, last: number, lifeSeconds?: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => ({
    number: first + index,
    url: server.url(`/part/${first + index}`, lifeSeconds),
  }));

const uploaded = () =>
  Buffer.concat(
    server.puts
      .filter((put) => put.path.startsWith('/part/'))
      .sort((a, b) => Number(a.path.slice('/part/'.length)) - Number(b.path.slice('/part/'.length)))
      .map((put) => put.body),
  );

async function acquire(manifestUrl: string, env: NodeJS.ProcessEnv = {}): Promise<DocumentRun> {
  const run = await runDocument('acquireMemoryLinux', { ManifestUrl: manifestUrl, CaseId: CASE }, env);
  expect(run.stdout + run.stderr).not.toContain(SIGNATURE);
  expect(run.stdout + run.stderr).not.toContain('://');
  return run;
}

test('the uploaded parts are the image, and the hash is that of the image', async () => {
  const run = await acquire(publish('manifest', { tools: [publishTool(tool(imageFile))], parts: parts(1, 8) }));
  expect(run).toMatchObject({ code: 0, failure: undefined });
  expect(run.result).toMatchObject({
    sha256: sha256(image),
    sizeBytes: image.length,
    parts: 4,
    kernel: os.release(),
    bootTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  });
  expect(Math.abs(run.result!.clockOffset as number)).toBeLessThanOrEqual(2);
  expect(uploaded().equals(image)).toBe(true);
  expect(server.puts.map((put) => put.contentLength)).toEqual([PART_SIZE, PART_SIZE, PART_SIZE, 777]);
  expect(run.stdout).toContain('FORENSICS-PROGRESS parts=4 bytes=197385');
});

test('an image that ends with a part makes no empty part', async () => {
  image = image.subarray(0, 2 * PART_SIZE);
  await fs.writeFile(imageFile, image);
  const run = await acquire(publish('manifest', { tools: [publishTool(tool(imageFile))], parts: parts(1, 2) }));
  expect(run.result).toMatchObject({ parts: 2, sizeBytes: image.length, sha256: sha256(image) });
  expect(server.puts).toHaveLength(2);
});

test('URLs come in batches, and a batch that is not there yet is waited for', async () => {
  const next = publish('second', { parts: parts(3, 4) });
  server.failures.set('/second', [403, 404]);
  const run = await acquire(publish('manifest', { tools: [publishTool(tool(imageFile))], parts: parts(1, 2), next }));
  expect(run.result).toMatchObject({ parts: 4, sha256: sha256(image) });
  expect(uploaded().equals(image)).toBe(true);
});

describe('URLs that do not live as long as the acquisition', () => {
  /** The worker's side: whoever reads /renewed gets URLs of that moment. */
  const renewed = (lifeSeconds: number) =>
    Buffer.from(
      renderManifest({
        caseId: CASE,
        partSize: PART_SIZE,
        parts: parts(1, 4, lifeSeconds),
        next: server.url('/renewed', lifeSeconds),
      }),
    );
  /** Halts after the first part for longer than URLs live. */
  const slowTool = (seconds: number) =>
    publishTool(`#!/bin/sh\n{ head -c ${PART_SIZE}; sleep ${seconds}; cat; } <'${imageFile}' >"$2"\n`);

  test('are renewed while it runs', async () => {
    let reads = 0;
    server.objects.set('/renewed', () => {
      reads += 1;
      return renewed(2);
    });
    const manifest = publish('manifest', {
      tools: [slowTool(5)],
      parts: parts(1, 4, 2),
      next: server.url('/renewed', 2),
    });
    const run = await acquire(manifest, { FORENSICS_MANIFEST_INTERVAL: '1' });
    expect(run.result).toMatchObject({ parts: 4, sha256: sha256(image) });
    expect(uploaded().equals(image)).toBe(true);
    expect(reads).toBeGreaterThanOrEqual(3);
  });

  test('are fetched anew when one is refused, and the part that it was for is sent again', async () => {
    server.objects.set('/renewed', () => renewed(60));
    server.failures.set('/renewed', [404]);
    const manifest = publish('manifest', { tools: [slowTool(2)], parts: parts(1, 4, 1), next: server.url('/renewed') });
    const run = await acquire(manifest);
    expect(run.result).toMatchObject({ parts: 4, sha256: sha256(image) });
    expect(uploaded().equals(image)).toBe(true);
  });

  test('and that nobody renews end the acquisition after a while', async () => {
    const manifest = publish('manifest', { tools: [slowTool(2)], parts: parts(1, 4, 1), next: server.url('/renewed') });
    const run = await acquire(manifest, { FORENSICS_MANIFEST_PATIENCE: '3' });
    expect(run).toMatchObject({ code: 1, result: undefined, failure: expect.stringMatching(/^upload-failed Part 2 /) });
  });

  test('are not taken from what is not the manifest of this case', async () => {
    server.objects.set('/renewed', Buffer.from(renewed(60).toString().replace(CASE, 'i-other')));
    const manifest = publish('manifest', { tools: [slowTool(2)], parts: parts(1, 4, 1), next: server.url('/renewed') });
    const run = await acquire(manifest, { FORENSICS_MANIFEST_PATIENCE: '3' });
    expect(run.failure).toMatch(/^upload-failed Part 2 /);
    expect(server.puts.map((put) => put.path)).toEqual(['/part/1']);
  });
});

describe('an acquisition that is ended from outside', () => {
  /** A tool that goes on for ever, in the middle of its image, with a child of its own. */
  const endlessTool = () =>
    publishTool(`#!/bin/sh\nsleep 4711 &\necho $$ $! >'${folder}/tool'\nhead -c 100000 '${imageFile}' >"$2"\nwait\n`);
  const isRunning = (process: string) => existsSync(`/proc/${process}`);

  /** Starts it, ends it once its first part is there, and gives the processes that the tool consisted of. */
  async function endedBy(signal: NodeJS.Signals, group: boolean): Promise<{ run: DocumentRun; tool: string[] }> {
    const manifest = publish('manifest', { tools: [endlessTool()], parts: parts(1, 8) });
    const parameters = { ManifestUrl: manifest, CaseId: CASE };
    const run = await runDocument('acquireMemoryLinux', parameters, {}, async (child) => {
      await until('the first part', () => server.puts.length === 1);
      process.kill(group ? -child.pid! : child.pid!, signal);
    });
    const tool = readFileSync(path.join(folder, 'tool'), 'utf8').trim().split(' ');
    expect(tool).toHaveLength(2);
    return { run, tool };
  }

  test.each<[NodeJS.Signals, boolean]>([
    ['SIGTERM', false],
    ['SIGTERM', true],
    ['SIGHUP', false],
  ])('by %s (to its group: %s) leaves no process and no folder', async (signal, group) => {
    const { run, tool } = await endedBy(signal, group);
    expect(run).toMatchObject({ code: 143, result: undefined });
    await until('the end of the tool', () => !tool.some(isRunning));
    expect(leftFolders()).toEqual([]);
  });

  test('by SIGKILL, as the agent cancels, leaves no process; the next one sweeps its folder', async () => {
    const { run, tool: killed } = await endedBy('SIGKILL', true);
    expect(run).toMatchObject({ code: null, result: undefined });
    await until('the end of the tool', () => !killed.some(isRunning));
    expect(leftFolders()).toHaveLength(1);

    const living = `/dev/shm/forensics.${process.pid}.abcdef`;
    const link = `/dev/shm/forensics.${killed[0]}.abcdef`;
    await fs.mkdir(living);
    await fs.symlink(folder, link);
    try {
      server.puts.length = 0;
      const again = await acquire(publish('manifest', { tools: [publishTool(tool(imageFile))], parts: parts(1, 8) }));
      expect(again.result).toMatchObject({ sha256: sha256(image) });
      // Of a run that goes on, or what an attacker laid there: not touched.
      expect(existsSync(living)).toBe(true);
      expect(existsSync(imageFile)).toBe(true);
    } finally {
      await fs.rm(link);
      await fs.rmdir(living);
    }
  });
});

test('a part that S3 turns away for a moment is sent again', async () => {
  server.failures.set('/part/2', [503, 500]);
  const run = await acquire(publish('manifest', { tools: [publishTool(tool(imageFile))], parts: parts(1, 8) }));
  expect(run.result).toMatchObject({ sha256: sha256(image) });
  expect(uploaded().equals(image)).toBe(true);
});

test('a tool with another hash is not run', async () => {
  const ran = path.join(folder, 'ran');
  const wrong = { ...publishTool(`#!/bin/sh\ntouch '${ran}'\n`), sha256: 'a'.repeat(64) };
  const run = await acquire(publish('manifest', { tools: [wrong], parts: parts(1, 8) }));
  expect(run).toMatchObject({ code: 1, result: undefined, failure: expect.stringMatching(/^wrong-tool /) });
  expect(existsSync(ran)).toBe(false);
});

describe('what goes wrong is said, and there is no result', () => {
  const cases: [string, () => string, RegExp][] = [
    [
      'the tool fails after its last byte',
      () =>
        publish('manifest', {
          tools: [publishTool(tool(imageFile, 'echo "kernel lockdown, see https://a.b/?x=1" >&2; exit 7'))],
          parts: parts(1, 8),
        }),
      /^tool-failed avml 0\.21\.0 ended with status 7: kernel lockdown, see \[URL\]$/,
    ],
    [
      'the tool fails before it opens the stream',
      () => publish('manifest', { tools: [publishTool('#!/bin/sh\nexit 3\n')], parts: parts(1, 8) }),
      /^tool-failed .* status 3/,
    ],
    [
      'the tool writes nothing',
      () => publish('manifest', { tools: [publishTool('#!/bin/sh\n: >"$2"\n')], parts: parts(1, 8) }),
      /^empty-image /,
    ],
    [
      'there are too few URLs',
      () => publish('manifest', { tools: [publishTool(tool(imageFile))], parts: parts(1, 2) }),
      /^no-upload-url /,
    ],
    [
      'a part is refused for good',
      () => {
        server.failures.set('/part/1', Array<number>(20).fill(403));
        return publish('manifest', { tools: [publishTool(tool(imageFile))], parts: parts(1, 8) });
      },
      /^upload-failed Part 1 /,
    ],
    ['there is no manifest', () => server.url('/nowhere'), /^manifest-unreachable /],
    [
      'the manifest is of another case',
      () => publish('manifest', { caseId: 'another', tools: [publishTool(tool(imageFile))], parts: parts(1, 8) }),
      /^wrong-case /,
    ],
    [
      'a part is larger than the room there is',
      () =>
        publish('manifest', { partSize: 2 ** 33 * 1000, tools: [publishTool(tool(imageFile))], parts: parts(1, 1) }),
      /^(no-space|bad-manifest) /,
    ],
  ];
  // curl takes its time between attempts.
  test.each(cases)('%s', async (_name, prepare, failure) => {
    const run = await acquire(prepare(), { CURL_HOME: folder, FORENSICS_MANIFEST_PATIENCE: '2' });
    expect(run.result).toBeUndefined();
    expect(run.code).toBe(1);
    expect(run.failure).toMatch(failure);
  });

  test('there is no curl', async () => {
    const bin = path.join(folder, 'bin');
    await fs.mkdir(bin);
    for (const name of [
      'bash',
      'dd',
      'sha256sum',
      'mktemp',
      'mkfifo',
      'tee',
      'wc',
      'date',
      'df',
      'tail',
      'stat',
      'uname',
      'mv',
    ])
      await fs.symlink(`/usr/bin/${name}`, path.join(bin, name));
    const run = await acquire(server.url('/manifest'), { PATH: bin });
    expect(run).toMatchObject({ code: 1, result: undefined });
    expect(run.failure).toMatch(/^missing-program curl /);
  });
});

describe('what the kernel says of itself', () => {
  /** A machine as the document sees it: /proc and /sys below a folder. */
  async function machine(changes: Record<string, string> = {}): Promise<NodeJS.ProcessEnv> {
    const files: Record<string, string> = {
      'proc/version': 'Linux version 6.1.0-1-cloud-amd64 (builder) #1 SMP\n',
      'proc/iomem': '00001000-0009fbff : System RAM\n',
      'proc/modules': '',
      'proc/cmdline': 'quiet\n',
      'proc/kallsyms': 'ffffffff81000000 T _text\n',
      'proc/sys/kernel/tainted': '0\n',
      'sys/kernel/btf/vmlinux': 'types',
      ...changes,
    };
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(folder, 'machine', name);
      await fs.mkdir(path.dirname(file), { recursive: true });
      await fs.writeFile(file, content);
    }
    return { FORENSICS_SYSTEM_ROOT: path.join(folder, 'machine') };
  }
  const outputs = () => [{ name: 'kernel-facts.tar.gz', url: server.url('/facts') }];

  test('is uploaded beside the image, with its digest, and changes no byte of it', async () => {
    const manifest = publish('manifest', {
      tools: [publishTool(tool(imageFile))],
      parts: parts(1, 8),
      outputs: outputs(),
    });
    const run = await acquire(manifest, await machine());
    const archive = server.put('/facts')!;
    expect(run.result).toMatchObject({
      sha256: sha256(image),
      kernelFacts: { sha256: sha256(archive), sizeBytes: archive.length },
      tool: { name: 'avml', version: '0.21.0' },
      module: 'none',
      taintBefore: 0,
      taintAfter: 0,
    });
    const facts = readKernelFacts(archive);
    expect(facts.files.map((file) => file.name)).toEqual(['btf', 'cmdline', 'iomem', 'kallsyms', 'modules', 'version']);
    expect(facts).toMatchObject({
      version: 'Linux version 6.1.0-1-cloud-amd64 (builder) #1 SMP\n',
      iomem: '00001000-0009fbff : System RAM\n',
    });
  });

  test('and the digests of its parts, each as it was sent, and what is known of its clock', async () => {
    const env = await machine({
      'sys/devices/system/clocksource/clocksource0/current_clocksource': 'tsc\n',
      'run/systemd/timesync/synchronized': '',
    });
    const manifest = publish('manifest', {
      tools: [publishTool(tool(imageFile))],
      parts: parts(1, 8),
      outputs: [{ name: 'part-digests.txt', url: server.url('/digests') }],
    });
    const run = await acquire(manifest, env);
    const list = server.put('/digests')!;
    expect(run.result).toMatchObject({
      partDigests: { sha256: sha256(list), sizeBytes: list.length },
      timeSource: 'clock source tsc; systemd-timesyncd has synchronized the clock',
    });
    const sent = [0, 1, 2, 3].map((index) => image.subarray(index * PART_SIZE, (index + 1) * PART_SIZE));
    expect(readPartDigests(list.toString())).toEqual(
      sent.map((part) => ({ sha256: sha256(part), sizeBytes: part.length })),
    );
  });

  test('that cannot be had costs no image', async () => {
    server.failures.set('/facts', Array<number>(20).fill(411));
    const manifest = publish('manifest', {
      tools: [publishTool(tool(imageFile))],
      parts: parts(1, 8),
      outputs: outputs(),
    });
    const run = await acquire(manifest, await machine());
    expect(run.result).toMatchObject({
      sha256: sha256(image),
      kernelFacts: { reason: 'They could not be uploaded.' },
    });
  });

  describe('and a tool that is a kernel module', () => {
    const module = (content = 'module') => {
      server.objects.set('/module', Buffer.from(content));
      return {
        kind: 'kernel-module' as const,
        name: 'lime',
        version: '1.9.1',
        sha256: sha256(Buffer.from(content)),
        url: server.url('/module'),
        kernelRelease: os.release(),
      };
    };

    /** Stand where kmod's programs stand; the "kernel" is the list of modules in the folder of the machine. */
    async function kmod(insmod: string): Promise<NodeJS.ProcessEnv> {
      const bin = path.join(folder, 'sbin');
      const modules = path.join(folder, 'machine/proc/modules');
      const programs = {
        insmod: `#!/bin/bash\necho "$@" >'${folder}/parameters'\n${insmod}\n`,
        rmmod: `#!/bin/bash\n[ "$1" = lime ] && : >'${modules}'\n`,
      };
      await fs.mkdir(bin);
      for (const [name, text] of Object.entries(programs))
        await fs.writeFile(path.join(bin, name), text, { mode: 0o755 });
      return { ...(await machine()), PATH: `${bin}:${process.env.PATH}` };
    }
    const loads = () => `
      for parameter in "$@"; do case $parameter in path=*) cat '${imageFile}' >"\${parameter#path=}" ;; esac; done
      echo 'lime 16384 0 - Live 0x0 (OE)' >'${folder}/machine/proc/modules'
      echo 12288 >'${folder}/machine/proc/sys/kernel/tainted'`;

    test('is loaded for this kernel, gives the image away, and is removed again; the taint that stays is told', async () => {
      const other = { ...module(), kernelRelease: '2.6.32', url: server.url('/nowhere') };
      const manifest = publish('manifest', { tools: [other, module()], parts: parts(1, 8), outputs: outputs() });
      const run = await acquire(manifest, await kmod(loads()));
      expect(run.result).toMatchObject({
        sha256: sha256(image),
        tool: { name: 'lime', version: '1.9.1', sha256: module().sha256 },
        module: 'unloaded',
        taintBefore: 0,
        taintAfter: 12288,
      });
      expect(uploaded().equals(image)).toBe(true);
      const parameters = readFileSync(path.join(folder, 'parameters'), 'utf8');
      expect(parameters).toMatch(/^\S+\/tool path=\/(dev\/shm|run)\/\S+\/stream format=lime timeout=0\n$/);
      expect(readFileSync(path.join(folder, 'machine/proc/modules'), 'utf8')).toBe('');
    });

    test('that a killed run left behind is removed first', async () => {
      const env = await kmod(loads());
      await fs.writeFile(path.join(folder, 'machine/proc/modules'), 'lime 16384 0 - Live 0x0 (OE)\n');
      const run = await acquire(publish('manifest', { tools: [module()], parts: parts(1, 8) }), env);
      expect(run.result).toMatchObject({ sha256: sha256(image), module: 'unloaded' });
    });

    test('is refused by a locked-down kernel in the kernel’s words', async () => {
      const env = await kmod("echo 'insmod: ERROR: could not insert module: Operation not permitted' >&2; exit 1");
      const lockdown = path.join(folder, 'machine/sys/kernel/security/lockdown');
      await fs.mkdir(path.dirname(lockdown), { recursive: true });
      await fs.writeFile(lockdown, 'none [integrity] confidentiality\n');
      const run = await acquire(publish('manifest', { tools: [module()], parts: parts(1, 8) }), env);
      expect(run.result).toBeUndefined();
      expect(run.failure).toMatch(/^module-refused lime 1\.9\.1 .*Operation not permitted.*none \[integrity\]/);
    });

    test('that is built for other kernels only is not loaded', async () => {
      const other = { ...module(), kernelRelease: '2.6.32' };
      const run = await acquire(publish('manifest', { tools: [other], parts: parts(1, 8) }), await kmod(loads()));
      expect(run.failure).toBe(`no-tool-for-kernel There is no lime for kernel ${os.release()}.`);
      expect(existsSync(path.join(folder, 'parameters'))).toBe(false);
    });
  });
});
