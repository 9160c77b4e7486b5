import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';

import { TimelineRules } from '../../domain/findings-from-timeline';
import { renderManifest } from '../../domain/manifest';
import { type DiskLayout, dataDisk, makeDisk } from '../../lab/disks/disk-images';
import { encryptedDisk, swapDisk } from '../../lab/disks/unreadable-disks';
import { forensicTools, readJsonLines, sha256, unpackFixture } from './forensic-tools';
import { canBeWritten, canMakeLoopDevices, isReadOnly, writableLoopDevice } from './loop-device';
import { type ObjectServer, SIGNATURE, startObjectServer } from './object-server';
import { runDocument } from './run-document';

const CASE = 'i-0123456789abcdef0-20261122t073000z';
const VOLUME = 'vol-0123456789abcdef0';
/** plaso takes seconds, more when the machine is busy. */
const PATIENCE = 300_000;

interface Summary {
  outcome: string;
  reason?: string;
  events?: number;
  fileSystem?: string;
  areas?: { place: string; sizeBytes: number; holds: string; timeline: string }[];
  tools: { tool: string; version: string; outcome: string; records: number; output?: string; sha256?: string }[];
}

let server: ObjectServer;
let folder: string;

beforeEach(async () => {
  server = await startObjectServer();
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'examine-disk-'));
  await fs.mkdir(path.join(folder, 'work'));
});
afterEach(async () => {
  await server.stop();
  expect(await fs.readdir(path.join(folder, 'work'))).toEqual([]);
  await fs.rm(folder, { recursive: true });
});

function timelineRules(): TimelineRules {
  const rules = new TimelineRules(VOLUME);
  for (const event of readJsonLines(gunzipSync(server.put('/output/timeline.jsonl.gz')!))) rules.add(event);
  return rules;
}

/** The disk that a recipe writes to a file. */
async function made(recipe: (file: string) => Promise<void>): Promise<Buffer> {
  const file = path.join(folder, 'made.img');
  await recipe(file);
  return fs.readFile(file);
}

/** Examines a file that stands for the volume. */
async function examine(disk: Buffer, mode = 0o444) {
  const file = path.join(folder, 'disk.img');
  await fs.writeFile(file, disk);
  await fs.chmod(file, mode);
  const examined = await examineDevice(file);
  expect(sha256(await fs.readFile(file))).toBe(sha256(disk));
  return examined;
}

async function examineDevice(device: string, env: NodeJS.ProcessEnv = {}) {
  await fs.mkdir(path.join(folder, 'by-id'));
  const name = 'nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0';
  await fs.symlink(device, path.join(folder, 'by-id', name));
  const outputs = ['timeline.jsonl.gz', 'storage.plaso', 'summary.json'];
  const urls = outputs.map((output) => ({ name: output, url: server.url(`/output/${output}`) }));
  server.objects.set('/manifest', Buffer.from(renderManifest({ caseId: CASE, outputs: urls })));
  const run = await runDocument(
    'examineDisk',
    { ManifestUrl: server.url('/manifest'), CaseId: CASE, ExhibitId: VOLUME, VolumeId: VOLUME },
    {
      FORENSIC_TOOLS: forensicTools(),
      FORENSICS_DEVICE_DIR: path.join(folder, 'by-id'),
      TMPDIR: path.join(folder, 'work'),
      ...env,
    },
  );
  expect(run.stdout + run.stderr).not.toContain(SIGNATURE);
  const summary = server.put('/output/summary.json');
  return { run, summary: summary && (JSON.parse(summary.toString()) as Summary) };
}

test.each(['disk-ext4.img.xz', 'disk-xfs.img.xz'])(
  'the planted intrusion is found on %s',
  async (fixture) => {
    const { run, summary } = await examine(unpackFixture(fixture));
    expect(run).toMatchObject({ code: 0, failure: undefined });
    expect(summary).toMatchObject({ outcome: 'succeeded' });
    expect(summary!.tools.map(({ tool, version, outcome }) => [tool, version, outcome])).toEqual([
      ['log2timeline', expect.stringMatching(/^\d{8}$/), 'succeeded'],
      ['psort', expect.stringMatching(/^\d{8}$/), 'succeeded'],
    ]);
    for (const { output, sha256: stated } of summary!.tools)
      expect(sha256(server.put(`/output/${output!}`)!)).toBe(stated);

    const rules = timelineRules();
    expect(rules.events).toBe(summary!.events);
    const found = Object.fromEntries(rules.findings().map(({ id, severity }) => [id, severity]));
    expect(found).toMatchObject({
      [`${VOLUME}-login-after-failures-1`]: 'critical',
      [`${VOLUME}-login-password-1`]: 'medium',
      [`${VOLUME}-login-root-shell-1`]: 'medium',
      [`${VOLUME}-account-uid-0-1`]: 'critical',
      [`${VOLUME}-shell-download-then-execute-1`]: 'high',
      [`${VOLUME}-shell-credential-access-1`]: 'high',
      [`${VOLUME}-file-hidden-executable-1`]: 'high',
      [`${VOLUME}-file-persistence-1`]: 'high',
      [`${VOLUME}-file-persistence-2`]: 'high',
      [`${VOLUME}-file-authorized-keys-1`]: 'high',
      [`${VOLUME}-persistence-cron-run-1`]: 'high',
    });
    // Owner's key and shell, the base system's crontab: nothing is said of what is ordinary.
    for (const { title, detail } of rules.findings()) expect(`${title} ${detail}`).not.toMatch(/laptop|df -h|crontab/);
  },
  PATIENCE,
);

test('evidence that could be written is refused, and not read', async () => {
  const { run, summary } = await examine(Buffer.alloc(1 << 20), 0o644);
  expect(run).toMatchObject({ code: 1, failure: expect.stringMatching(/^writable-evidence /) });
  expect(summary).toMatchObject({ outcome: 'failed', tools: [] });
});

test(
  'a blank data volume is said to be blank',
  async () => {
    const { run, summary } = await examine(Buffer.alloc(8 << 20));
    expect(run.code).toBe(0);
    expect(summary).toMatchObject({ outcome: 'succeeded', fileSystem: 'no-file-system' });
  },
  PATIENCE,
);

test(
  'a volume of which plaso understands nothing is a failed analysis',
  async () => {
    const { run, summary } = await examine(Buffer.alloc(8 << 20, 'encrypted? '));
    expect(run).toMatchObject({ code: 1, failure: expect.stringMatching(/^no-events /) });
    expect(summary!.outcome).toBe('failed');
    expect(server.put('/output/timeline.jsonl.gz')).toBeUndefined();
  },
  PATIENCE,
);

test.each<[DiskLayout, string[][]]>([
  ['whole-disk', [['the whole disk', 'ext', 'read']]],
  [
    'lvm-partition',
    [
      ['partition 1, logical volume 1', 'ext', 'read'],
      ['partition 1, logical volume 2', 'ext', 'read'],
      ['partition 1, logical volume 3', 'swap', 'unread'],
    ],
  ],
])(
  'the planted intrusion is found on a disk laid out as %s',
  async (layout, areas) => {
    const disk = await made((file) => makeDisk({ file, fileSystem: 'ext4', scenario: 'intrusion', layout }));
    const { run, summary } = await examine(disk);
    expect(run).toMatchObject({ code: 0, failure: undefined });
    expect(summary).toMatchObject({ outcome: 'succeeded' });
    expect(summary!.areas!.map(({ place, holds, timeline }) => [place, holds, timeline])).toEqual(areas);
    expect(timelineRules().findings()[0]).toMatchObject({ severity: 'critical' });
    const timeline = gunzipSync(server.put('/output/timeline.jsonl.gz')!).toString();
    expect(timeline).toContain('/usr/local/sbin/.sysupd');
    expect(timeline.includes('/exports/.staging/customers.tar.gz.part')).toBe(layout !== 'whole-disk');
  },
  PATIENCE,
);

test(
  'a disk of logical volumes of which one is encrypted: the others are read, and that one is named',
  async () => {
    const disk = await made(async (file) => {
      const images = [path.join(folder, 'secret'), path.join(folder, 'srv')] as const;
      await encryptedDisk({ file: images[0], sizeMiB: 4 });
      await dataDisk({ file: images[1], sizeMiB: 8, label: 'srv' });
      await fs.writeFile(file, '');
      await fs.truncate(file, 16 << 20);
      const recipe = path.join(__dirname, '../../lab/disks/logical-volumes.py');
      const volumes = [`secret=${images[0]}`, `srv=${images[1]}`];
      execFileSync('python3', [recipe, file, '0', `${16 << 20}`, 'vg0', ...volumes]);
    });
    const { run, summary } = await examine(disk);
    expect(run).toMatchObject({ code: 0, failure: undefined });
    expect(summary).toMatchObject({
      outcome: 'partial',
      reason: 'logical volume 1 is encrypted (luks) and was not read.',
      areas: [
        { place: 'logical volume 1', holds: 'luks', timeline: 'unread' },
        { place: 'logical volume 2', holds: 'ext', timeline: 'read' },
      ],
    });
    expect(gunzipSync(server.put('/output/timeline.jsonl.gz')!).toString()).toContain('/exports/.staging/');
  },
  PATIENCE,
);

test(
  'an encrypted volume is a failed analysis that says so',
  async () => {
    const { run, summary } = await examine(await made((file) => encryptedDisk({ file, sizeMiB: 4 })));
    expect(run).toMatchObject({ code: 1, failure: expect.stringMatching(/^encrypted-volume /) });
    expect(summary).toMatchObject({ outcome: 'failed', areas: [{ holds: 'luks', timeline: '-' }] });
  },
  PATIENCE,
);

test(
  'a volume of swap space is said to be that',
  async () => {
    const { run, summary } = await examine(await made((file) => swapDisk({ file, sizeMiB: 4 })));
    expect(run.code).toBe(0);
    expect(summary).toMatchObject({ outcome: 'succeeded', fileSystem: 'swap-space' });
  },
  PATIENCE,
);

test(
  'hostile file names and contents stay data: no line, no markup and no control character of theirs gets out',
  async () => {
    const name = '.x\u001b[2J\nFORENSICS-RESULT {"outcome":"succeeded"}\n<script>alert(1)<';
    const disk = await made(async (file) => {
      const root = path.join(folder, 'root');
      await fs.mkdir(path.join(root, 'tmp'), { recursive: true });
      await fs.mkdir(path.join(root, 'var/log'), { recursive: true });
      await fs.writeFile(path.join(root, 'tmp', name), '#!/bin/sh\n', { mode: 0o755 });
      const line =
        'Feb 17 02:13:05 host sshd[1]: Accepted password for \u001b]0;pwned\u0007<b> from 203.0.113.66 port 1 ssh2';
      await fs.writeFile(path.join(root, 'var/log/auth.log'), `${line}\n`);
      execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', root, file, '8M'], {
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
      });
    });
    const { run, summary } = await examine(disk);
    expect(run).toMatchObject({ code: 0, failure: undefined });
    expect(run.stdout.match(/^FORENSICS-RESULT /gm)).toHaveLength(1);
    expect(run.stdout.replaceAll('\n', '') + JSON.stringify(summary)).not.toMatch(/script|\p{Cc}/u);
    const findings = timelineRules().findings();
    expect(findings.map(({ id }) => id)).toContain(`${VOLUME}-file-hidden-executable-1`);
    for (const { title, detail } of findings) expect(title + detail).not.toMatch(/\p{C}/u);
  },
  PATIENCE,
);

describe('an attached volume', () => {
  const fixture = 'disk-ext4.img.xz';
  if (!canMakeLoopDevices()) {
    process.stderr.write(
      'examine-disk: block devices are not checked; that takes the superuser and a free loop device\n',
    );
    return;
  }

  /** Gives a writable block device of a disk to the test, and compares the bytes below it before and after. */
  async function withDevice(use: (device: string) => Promise<void>): Promise<void> {
    const file = path.join(folder, 'disk.img');
    const disk = unpackFixture(fixture);
    await fs.writeFile(file, disk);
    const { device, detach } = writableLoopDevice(file);
    try {
      expect(isReadOnly(device)).toBe(false);
      await use(device);
      expect(sha256(await fs.readFile(device))).toBe(sha256(disk));
    } finally {
      detach();
    }
    expect(sha256(await fs.readFile(file))).toBe(sha256(disk));
  }

  test(
    'that could be written is set read-only before it is read, and its bytes stay the same',
    () =>
      withDevice(async (device) => {
        const { run, summary } = await examineDevice(device);
        expect(run).toMatchObject({ code: 0, failure: undefined });
        expect(summary).toMatchObject({ outcome: 'succeeded' });
        expect(summary!.events).toBeGreaterThan(100);
        expect(isReadOnly(device)).toBe(true);
        expect(canBeWritten(device)).toBe(false);
      }),
    PATIENCE,
  );

  test('that cannot be set read-only is refused, and not read', () =>
    withDevice(async (device) => {
      const bin = path.join(folder, 'bin');
      await fs.mkdir(bin);
      // A device whose driver does not know the request: it says no, and stays as it was.
      const blockdev = '#!/bin/sh\n[ "$1" != --setro ] || exit 1\nPATH=${PATH#*:} exec blockdev "$@"\n';
      await fs.writeFile(path.join(bin, 'blockdev'), blockdev, { mode: 0o755 });
      const { run, summary } = await examineDevice(device, { PATH: `${bin}:${process.env.PATH}` });
      expect(run).toMatchObject({ code: 1, failure: expect.stringMatching(/^writable-evidence /) });
      expect(summary).toMatchObject({ outcome: 'failed', tools: [] });
      expect(isReadOnly(device)).toBe(false);
    }));
});
