import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { findingsFromMemory } from '../../domain/findings-from-memory';
import { MEMORY_PLUGINS } from '../../domain/findings-memory-plugins';
import { type Manifest, renderManifest } from '../../domain/manifest';
import { forensicTools, readJsonLines, sha256, unpackFixture } from './forensic-tools';
import { type ObjectServer, SIGNATURE, startObjectServer } from './object-server';
import { runDocument } from './run-document';

const CASE = 'i-0123456789abcdef0-20261122t073000z';
/** Volatility takes seconds a plugin, more when the machine is busy. */
const PATIENCE = 600_000;

interface Summary {
  outcome: string;
  reason?: string;
  kernel?: string;
  tools: { tool: string; outcome: string; records: number; note?: string; output?: string; sha256?: string }[];
}

let server: ObjectServer;
let folder: string;
let image: Buffer;

beforeAll(() => {
  image = unpackFixture('memory-linux-6.1.lime.xz');
});
beforeEach(async () => {
  server = await startObjectServer();
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'examine-memory-'));
});
afterEach(async () => {
  await server.stop();
  expect(await fs.readdir(folder)).toEqual([]);
  await fs.rm(folder, { recursive: true });
});

async function examine(input: Buffer, plugins: readonly string[], stated = sha256(input), tools = forensicTools()) {
  server.objects.set('/input', input);
  const outputs = [...plugins.map((plugin) => `${plugin}.jsonl`), 'summary.json'];
  const manifest = renderManifest({
    caseId: CASE,
    inputs: [{ name: 'memory.lime', sha256: stated, sizeBytes: input.length, url: server.url('/input') }],
    outputs: outputs.map((name) => ({ name, url: server.url(`/output/${name}`) })),
  });
  server.objects.set('/manifest', Buffer.from(manifest));
  const run = await runDocument(
    'examineMemory',
    { ManifestUrl: server.url('/manifest'), CaseId: CASE, ExhibitId: 'memory', Plugins: plugins.join(',') },
    { FORENSIC_TOOLS: tools, TMPDIR: folder },
  );
  expect(run.stdout + run.stderr).not.toContain(SIGNATURE);
  const summary = server.put('/output/summary.json');
  return { run, summary: summary && (JSON.parse(summary.toString()) as Summary) };
}

test(
  'the planted intrusion is found in a real image, with symbols made from the image itself',
  async () => {
    const { run, summary } = await examine(image, MEMORY_PLUGINS);
    expect(run).toMatchObject({ code: 0, failure: undefined });
    expect(summary).toMatchObject({ outcome: 'succeeded', kernel: '6.1.0-56-cloud-amd64' });
    expect(summary!.tools.map(({ tool }) => tool)).toEqual(['forensic-symbols', ...MEMORY_PLUGINS]);
    for (const { output, sha256: stated } of summary!.tools.filter((tool) => tool.output !== undefined))
      expect(sha256(server.put(`/output/${output!}`)!)).toBe(stated);

    const outputs = Object.fromEntries(
      MEMORY_PLUGINS.map((plugin) => [plugin, readJsonLines(server.put(`/output/${plugin}.jsonl`)!)]),
    );
    const findings = findingsFromMemory('memory', outputs);
    const found = new Map(findings.map(({ id, severity }) => [id, severity]));
    expect(Object.fromEntries(found)).toMatchObject({
      'memory-process-deleted-executable-1': 'critical',
      'memory-connection-listener-1': 'high',
      'memory-connection-session-1': 'high',
      'memory-process-writable-code-1': 'high',
      'memory-process-control-variables-1': 'high',
      'memory-shell-download-1': 'high',
      'memory-shell-persistence-1': 'high',
    });
    // Nothing but what was planted: each finding names its process, its shell or its file.
    for (const { title, detail } of findings)
      expect(`${title} ${detail}`).toMatch(/kworker-evil|\.X11-cache|sysupd|stage2/);
  },
  PATIENCE,
);

test(
  'a plugin that fails costs its own result only',
  async () => {
    const { run, summary } = await examine(image, ['linux.pslist', 'linux.malware.hidden_modules', 'linux.no_such']);
    expect(run.code).toBe(0);
    expect(summary!.outcome).toBe('partial');
    expect(summary!.tools.map(({ tool, outcome }) => `${tool} ${outcome}`)).toEqual([
      'forensic-symbols succeeded',
      'linux.pslist succeeded',
      'linux.malware.hidden_modules failed',
      'linux.no_such failed',
    ]);
    expect(summary!.tools[3]!.note).toMatch(/status [1-9]/);
  },
  PATIENCE,
);

test('an image of 5-level page tables is refused before Volatility says nothing about it', async () => {
  const marker = Buffer.from('NUMBER(pgtable_l5_enabled)=0');
  const five = Buffer.from(image);
  for (let at = five.indexOf(marker); at >= 0; at = five.indexOf(marker, at + 1)) five[at + marker.length - 1] = 0x31;
  const { run, summary } = await examine(five, ['linux.pslist']);
  expect(run).toMatchObject({ code: 1, failure: expect.stringMatching(/^five-level-paging /) });
  expect(summary).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(/5-level/) });
}, 120_000);

describe('a stand-in for Volatility', () => {
  async function toolsWith(vol: string): Promise<string> {
    const tools = await fs.mkdtemp(path.join(os.tmpdir(), 'tools-'));
    await fs.writeFile(path.join(tools, 'vol'), vol, { mode: 0o755 });
    await fs.symlink(path.join(forensicTools(), 'forensic-symbols'), path.join(tools, 'forensic-symbols'));
    return tools;
  }

  test('success without process 1 is a failed analysis', async () => {
    const tools = await toolsWith('#!/bin/sh\necho "Volatility 3 Framework 2.28.2" >&2\n');
    const { run, summary } = await examine(image, ['linux.pslist', 'linux.bash'], undefined, tools);
    expect(run).toMatchObject({ code: 1, failure: expect.stringMatching(/^unreadable-image /) });
    expect(summary!.outcome).toBe('failed');
    expect(server.put('/output/linux.bash.jsonl')).toBeUndefined();
    await fs.rm(tools, { recursive: true });
  }, 120_000);

  test('breaks on one process of a smeared image: the others are read without it, and the note names it', async () => {
    // Rows of five processes; whoever reads process 111 ends as Volatility does on a structure that changed under it.
    const tools = await toolsWith(`#!/bin/bash
echo "Volatility 3 Framework 2.28.2" >&2
all="1 2 57 111 160"
if [[ $* != *linux.malware.malfind* ]]; then
  printf '{"PID": %s, "COMM": "x"}\\n' $all
  exit 0
fi
arguments="$*"
wanted=\${arguments#*--pid }
if [[ $* != *--pid* ]]; then wanted=$all; fi
if [[ " $wanted " == *" 111 "* ]]; then
  echo "AttributeError: 'NoneType' object has no attribute 'i_size'" >&2
  exit 1
fi
printf '{"PID": %s, "Protection": "rwx"}\\n' $wanted
`);
    const { run, summary } = await examine(image, ['linux.pslist', 'linux.malware.malfind'], undefined, tools);
    expect(run).toMatchObject({ code: 0, failure: undefined });
    expect(summary!.outcome).toBe('succeeded');
    expect(summary!.tools.find(({ tool }) => tool === 'linux.malware.malfind')).toMatchObject({
      outcome: 'succeeded',
      records: 4,
      note: expect.stringMatching(/^Could not read process 111, .*i_size/) as string,
    });
    const rows = server.put('/output/linux.malware.malfind.jsonl')!.toString().trim().split('\n');
    expect(rows.map((row) => (JSON.parse(row) as { PID: number }).PID)).toEqual([1, 2, 57, 160]);
    await fs.rm(tools, { recursive: true });
  }, 120_000);

  test('lasts longer than the URLs live: results go to the youngest ones', async () => {
    const tools = await toolsWith(
      '#!/bin/sh\necho "Volatility 3 Framework 2.28.2" >&2\nsleep 4\necho \'{"PID": 1, "COMM": "systemd"}\'\n',
    );
    server.objects.set('/input', image);
    const manifest = (inputs: Manifest['inputs'] = []) =>
      Buffer.from(
        renderManifest({
          caseId: CASE,
          inputs,
          outputs: ['linux.pslist.jsonl', 'summary.json'].map((name) => ({
            name,
            url: server.url(`/output/${name}`, 3),
          })),
          next: server.url('/renewed', 3),
        }),
      );
    const input = { name: 'memory.lime', sha256: sha256(image), sizeBytes: image.length, url: server.url('/input') };
    server.objects.set('/manifest', manifest([input]));
    server.objects.set('/renewed', () => manifest());
    // Not there yet at the first looks.
    server.failures.set('/renewed', [403, 404]);
    const parameters = { CaseId: CASE, ExhibitId: 'memory', Plugins: 'linux.pslist' };
    const run = await runDocument(
      'examineMemory',
      { ...parameters, ManifestUrl: server.url('/manifest') },
      { FORENSIC_TOOLS: tools, TMPDIR: folder, FORENSICS_MANIFEST_INTERVAL: '0.5' },
    );
    expect(run).toMatchObject({ code: 0, failure: undefined });
    expect(JSON.parse(server.put('/output/summary.json')!.toString())).toMatchObject({ outcome: 'succeeded' });
    expect(server.put('/output/linux.pslist.jsonl')!.toString()).toContain('systemd');
    await fs.rm(tools, { recursive: true });
  }, 120_000);

  test.each<[NodeJS.Signals, boolean]>([
    ['SIGTERM', false],
    ['SIGKILL', true],
  ])(
    'does not outlive a document that %s ends',
    async (signal, group) => {
      const pids = path.join(folder, 'pids');
      // A child that ignores SIGTERM, as plaso's workers do.
      const tools = await toolsWith(
        `#!/bin/bash\n(trap '' TERM; sleep 4712 & echo $! >>'${pids}'; wait) &\necho $$ $! >>'${pids}'\nwait\n`,
      );
      server.objects.set('/input', image);
      const manifest = renderManifest({
        caseId: CASE,
        inputs: [{ name: 'memory.lime', sha256: sha256(image), sizeBytes: image.length, url: server.url('/input') }],
      });
      server.objects.set('/manifest', Buffer.from(manifest));
      const parameters = { CaseId: CASE, ExhibitId: 'memory', Plugins: 'linux.pslist' };
      const started = () => (existsSync(pids) ? readFileSync(pids, 'utf8').trim().split(/\s+/) : []);
      const run = await runDocument(
        'examineMemory',
        { ...parameters, ManifestUrl: server.url('/manifest') },
        { FORENSIC_TOOLS: tools, TMPDIR: folder },
        async (child) => {
          while (started().length < 3) await sleep(50);
          process.kill(group ? -child.pid! : child.pid!, signal);
        },
      );
      expect(run.result).toBeUndefined();
      const running = () => started().filter((pid) => existsSync(`/proc/${pid}`));
      for (let look = 0; look < 100 && running().length > 0; look += 1) await sleep(50);
      expect(started()).toHaveLength(3);
      expect(running()).toEqual([]);

      await fs.rm(pids);
      const left = await fs.readdir(folder);
      if (signal === 'SIGTERM') expect(left).toEqual([]);
      else {
        // What SIGKILL left no time for is swept by the next one, whatever that comes to.
        expect(left).toEqual([expect.stringMatching(/^forensics\.\d+\./)]);
        await examine(Buffer.alloc(1 << 20, 'no memory '), ['linux.pslist']);
      }
      await fs.rm(tools, { recursive: true });
    },
    120_000,
  );

  test('its own process group is gone when the document ends', async () => {
    const tools = await toolsWith('#!/bin/sh\nsleep 4711 &\nwait\n');
    server.objects.set('/input', image);
    const manifest = renderManifest({
      caseId: CASE,
      inputs: [{ name: 'memory.lime', sha256: sha256(image), sizeBytes: image.length, url: server.url('/input') }],
      outputs: [{ name: 'summary.json', url: server.url('/output/summary.json') }],
    });
    server.objects.set('/manifest', Buffer.from(manifest));
    const parameters = {
      ManifestUrl: server.url('/manifest'),
      CaseId: CASE,
      ExhibitId: 'memory',
      Plugins: 'linux.pslist',
    };
    const run = await runDocument(
      'examineMemory',
      { ...parameters, ExecutionTimeout: '40' },
      { FORENSIC_TOOLS: tools, TMPDIR: folder },
    );
    expect(run.failure).toMatch(/^unreadable-image /);
    const { stdout } = await promisify(execFile)('ps', ['-eo', 'args']);
    expect(stdout).not.toContain('sleep 4711');
    await fs.rm(tools, { recursive: true });
  }, 120_000);
});

test('an image that arrived altered is not examined', async () => {
  const { run, summary } = await examine(image.subarray(0, 1 << 20), ['linux.pslist'], 'b'.repeat(64));
  expect(run).toMatchObject({ code: 1, failure: expect.stringMatching(/^image-altered /) });
  expect(summary!.outcome).toBe('failed');
});

test('what is no memory image is refused with the reason', async () => {
  const { run } = await examine(Buffer.alloc(1 << 20, 'no memory '), ['linux.pslist']);
  expect(run.failure).toMatch(/^no-symbols .*no Linux kernel banner/);
});

test('a compressed image is not read as it is when there is nothing to convert it', async () => {
  const { run } = await examine(Buffer.concat([Buffer.from('AVML'), Buffer.alloc(4096)]), ['linux.pslist']);
  expect(run.failure).toMatch(/^(compressed-image|conversion-failed) /);
});

test(
  'an image that AVML compressed is laid out and read',
  async () => {
    const avml = path.join(forensicTools(), 'avml');
    if (!existsSync(avml)) {
      process.stderr.write('examine-memory: compressed images are not checked; avml is not among the tools\n');
      return;
    }
    const work = await fs.mkdtemp(path.join(os.tmpdir(), 'compressed-'));
    const [plain, packed] = [path.join(work, 'image.lime'), path.join(work, 'image.avml')];
    await fs.writeFile(plain, image);
    const formats = ['--source-format', 'lime', '--format', 'lime_compressed'];
    await promisify(execFile)(avml, ['convert', ...formats, plain, packed]);
    const compressed = await fs.readFile(packed);
    await fs.rm(work, { recursive: true });
    expect(compressed.subarray(0, 4).toString()).toBe('AVML');
    expect(compressed.length).toBeLessThan(image.length);
    const { run, summary } = await examine(compressed, ['linux.pslist']);
    expect(run).toMatchObject({ code: 0, failure: undefined });
    expect(summary).toMatchObject({ outcome: 'succeeded', converted: true, kernel: '6.1.0-56-cloud-amd64' });
  },
  PATIENCE,
);
