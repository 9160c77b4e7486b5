import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { blankDisk, dataDisk, type DiskLayout, makeDisk, missingDiskTools } from '../../../lab/disks/disk-images';
import { type FixtureName, unpackFixture } from '../../../lab/disks/fixtures';
import { encryptedDisk, swapDisk } from '../../../lab/disks/unreadable-disks';
import { findProgram, toolOutput } from '../../../lab/guest/tool-output';
import { recordedTraces } from '../../../lab/disks/recorded-traces';
import { canMakeLoopDevices } from '../../ssm-documents/loop-device';

const MIB = 1024 * 1024;
const ROOT_PARTITION_BYTES = 10 * MIB;
/** SHA-256 of the unpacked fixtures, as test/fixtures/README.md gives them. */
const FIXTURES: Record<FixtureName, string> = {
  'disk-ext4.img': '3243f49e192049b87a91cda4aeff780db2d431975a83946348e2502d8c071431',
  'disk-xfs.img': 'e9262d9d08cf5e1364f64d3b70b155e37810ba85df4443a07461d93bde811298',
  'memory-linux-6.1.lime': 'eb7b55d2fa57a66a4a35253eaf27b9a431c7f5e86455a03cf39b154535eebe53',
};
const NO_TOOLS = { PATH: '/nonexistent' };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lab-disks-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function program(name: string): string {
  const found = findProgram(name);
  if (found === undefined) throw new Error(`${name} is missing: apt-get install e2fsprogs fdisk xfsprogs`);
  return found;
}

async function sha256(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

/** One command of debugfs on the ext4 file system at an offset of a disk image. */
async function debugfs(image: string, offset: number, command: string): Promise<string> {
  return toolOutput(program('debugfs'), ['-R', command, `${image}?offset=${offset}`], { env: { TZ: 'UTC' } });
}

/** Seconds since 1970, from the hexadecimal number in debugfs's `mtime: 0x6993cf10:00000000`. */
function timeIn(stat: string, name: 'mtime' | 'crtime'): number {
  return parseInt(new RegExp(`^\\s*${name}: 0x([0-9a-f]+)`, 'm').exec(stat)?.[1] ?? '', 16);
}

async function expectPlantedOnExt4(image: string): Promise<void> {
  const disk = await recordedTraces();
  expect(disk.length).toBeGreaterThan(5);
  for (const trace of disk) {
    const content = await debugfs(image, ROOT_PARTITION_BYTES, `cat ${trace.path}`);
    expect({ id: trace.id, found: content.includes(trace.contains) }).toEqual({ id: trace.id, found: true });
    const stat = await debugfs(image, ROOT_PARTITION_BYTES, `stat ${trace.path}`);
    const modifiedAt = new Date(timeIn(stat, 'mtime') * 1000).toISOString();
    expect(`${trace.id} ${modifiedAt}`).toBe(`${trace.id} ${new Date(trace.modifiedAt).toISOString()}`);
    expect(timeIn(stat, 'crtime')).toBe(timeIn(stat, 'mtime'));
  }
}

async function gptSignature(image: string): Promise<string> {
  const file = await open(image);
  try {
    return (await file.read(Buffer.alloc(8), 0, 8, 512)).buffer.toString();
  } finally {
    await file.close();
  }
}

describe('a root volume', () => {
  it('has, as ext4, every planted trace with its time, owners of its own, and no fault', async () => {
    const image = path.join(folder, 'root-ext4.img');
    await makeDisk({ file: image, fileSystem: 'ext4', scenario: 'intrusion' });
    expect(await gptSignature(image)).toBe('EFI PART');
    await expectPlantedOnExt4(image);
    expect(await debugfs(image, ROOT_PARTITION_BYTES, 'stat /home/ec2-user/.bash_history')).toMatch(/User:\s+1000/);
    expect(await debugfs(image, ROOT_PARTITION_BYTES, 'stat /etc/shadow')).toMatch(/User:\s+0 /);
    await toolOutput(program('e2fsck'), ['-fn', `${image}?offset=${ROOT_PARTITION_BYTES}`]);
    expect(statSync(image).blocks * 512).toBeLessThan(statSync(image).size / 2);
  });

  // There is no ready image of a clean system: without its tools it is refused, and which tools says the message.
  if (missingDiskTools('ext4').length > 0) {
    it('is refused as a clean system where its tools are missing', async () => {
      const request = { file: path.join(folder, 'clean.img'), fileSystem: 'ext4', scenario: 'clean' } as const;
      await expect(makeDisk(request)).rejects.toThrow(/cannot be made without .*: apt-get install/);
    });
  } else {
    it('is the same on every run, the journal left aside', async () => {
      const hashOf = async (name: string): Promise<string> => {
        const image = path.join(folder, name);
        await makeDisk({ file: image, fileSystem: 'ext4', scenario: 'clean' });
        return sha256(image);
      };
      expect(await hashOf('clean-1.img')).toBe(await hashOf('clean-2.img'));
    });

    it('has no trace of the intrusion when it is clean', async () => {
      const image = path.join(folder, 'clean.img');
      await makeDisk({ file: image, fileSystem: 'ext4', scenario: 'clean' });
      const bytes = await readFile(image);
      expect(bytes.includes('ec2-user')).toBe(true);
      for (const word of ['203.0.113.66', 'PLANTED', 'svc-backup', 'sysupd']) expect(bytes.includes(word)).toBe(false);
    });
  }

  it('has, as XFS, every planted trace with its time (from the ready image where xfsprogs is missing)', async () => {
    const image = path.join(folder, 'root-xfs.img');
    await makeDisk({ file: image, fileSystem: 'xfs', scenario: 'intrusion' });
    const bytes = await readFile(image);
    const disk = await recordedTraces();
    for (const trace of disk) expect(`${trace.id} ${bytes.includes(trace.contains)}`).toBe(`${trace.id} true`);
    expect(bytes.subarray(ROOT_PARTITION_BYTES, ROOT_PARTITION_BYTES + 4).toString()).toBe('XFSB');
    if (missingDiskTools('xfs').length > 0) return;
    const partition = path.join(folder, 'xfs.partition');
    await toolOutput('dd', [`if=${image}`, `of=${partition}`, 'bs=1M', 'skip=10', 'count=310', 'conv=sparse']);
    await toolOutput(program('xfs_repair'), ['-n', partition]);
    for (const trace of disk) {
      const commands = ['-c', `path ${trace.path}`, '-c', 'print core.mtime.sec'];
      const printed = await toolOutput(program('xfs_db'), ['-r', ...commands, partition], { env: { TZ: 'UTC' } });
      const modifiedAt = new Date(`${printed.split(' = ')[1]?.trim() ?? ''} UTC`).getTime();
      expect(`${trace.id} ${modifiedAt}`).toBe(`${trace.id} ${Date.parse(trace.modifiedAt)}`);
    }
  });

  it('comes from the ready images where the tools are missing', async () => {
    expect(missingDiskTools('xfs', NO_TOOLS)).toEqual(['sfdisk', 'mkfs.xfs', 'xfs_db']);
    const image = path.join(folder, 'fallback.img');
    await makeDisk({ file: image, fileSystem: 'ext4', scenario: 'intrusion' }, NO_TOOLS);
    expect(await sha256(image)).toBe(FIXTURES['disk-ext4.img']);
    await expectPlantedOnExt4(image);
  });

  it('is refused with one clear line when neither tools nor a ready image fit', async () => {
    const request = { file: path.join(folder, 'no.img'), fileSystem: 'xfs', scenario: 'clean' } as const;
    await expect(makeDisk(request, NO_TOOLS)).rejects.toThrow(
      'a disk (xfs, clean) cannot be made without sfdisk, mkfs.xfs, xfs_db: apt-get install fdisk xfsprogs',
    );
  });
});

describe('a root volume in another layout', () => {
  it('has the file system on the whole disk, without a partition table', async () => {
    const image = path.join(folder, 'whole-disk.img');
    await makeDisk({ file: image, fileSystem: 'ext4', scenario: 'intrusion', layout: 'whole-disk' });
    expect(await debugfs(image, 0, 'cat /usr/local/sbin/.sysupd')).toContain('PLANTED_MALWARE_MARKER');
  });

  it.each<[DiskLayout, number]>([
    ['lvm-whole-disk', 0],
    ['lvm-partition', MIB],
  ])('has logical volumes with file systems in them, as %s', async (layout, start) => {
    const image = path.join(folder, `${layout}.img`);
    await makeDisk({ file: image, fileSystem: 'ext4', scenario: 'intrusion', layout });
    const root = start + MIB;
    const srv = root + 40 * MIB;
    expect(await debugfs(image, root, 'cat /usr/local/sbin/.sysupd')).toContain('PLANTED_MALWARE_MARKER');
    expect(await debugfs(image, srv, 'cat /exports/.staging/customers.tar.gz.part')).toContain(
      'PLANTED_MALWARE_MARKER',
    );
    const listed = await logicalVolumesByLvm2(image, start);
    if (listed !== undefined) expect(listed).toEqual(['root vg0 40.00m', 'srv vg0 16.00m', 'swap vg0 4.00m']);
  });

  it('is refused where its tools are missing, since there is no ready image of it', async () => {
    const request = { file: path.join(folder, 'no.img'), fileSystem: 'ext4', scenario: 'intrusion' } as const;
    await expect(makeDisk({ ...request, layout: 'whole-disk' }, NO_TOOLS)).rejects.toThrow(
      'a disk (ext4, intrusion, whole-disk) cannot be made without sfdisk, mke2fs, debugfs',
    );
  });
});

/** What lvm2 itself makes of it; undefined where it cannot be asked: that takes lvm2, the superuser and a loop device. */
async function logicalVolumesByLvm2(image: string, start: number): Promise<string[] | undefined> {
  const lvm = findProgram('lvm');
  if (lvm === undefined || !canMakeLoopDevices()) {
    process.stderr.write('logical volumes: not compared with lvm2; that takes lvm2, the superuser and a loop device\n');
    return undefined;
  }
  const device = (
    await toolOutput(program('losetup'), ['--read-only', '--find', '--show', '--offset', String(start), image])
  ).trim();
  try {
    await toolOutput(lvm, ['pvck', device]);
    const options = ['--noheadings', '--options', 'lv_name,vg_name,lv_size', '--devices', device];
    const table = await toolOutput(lvm, ['lvs', ...options], { env: { ...process.env, LC_ALL: 'C' } });
    return table
      .trim()
      .split('\n')
      .map((row) => row.trim().replace(/\s+/g, ' '));
  } finally {
    await toolOutput(program('losetup'), ['--detach', device]);
  }
}

describe('other volumes', () => {
  it('are blank: zeros that take no room', async () => {
    const image = path.join(folder, 'blank.img');
    await blankDisk({ file: image, sizeMiB: 64 });
    expect(statSync(image).size).toBe(64 * MIB);
    expect(statSync(image).blocks).toBe(0);
  });

  it('hold data: ordinary files and one planted file', async () => {
    const image = path.join(folder, 'data.img');
    await dataDisk({ file: image, sizeMiB: 32, label: 'customers-1' });
    expect(statSync(image).size).toBe(32 * MIB);
    expect(await debugfs(image, 0, 'cat /app/config/app.yaml')).toContain('volume: customers-1');
    expect(await debugfs(image, 0, 'cat /exports/.staging/customers.tar.gz.part')).toContain('PLANTED_MALWARE_MARKER');
    const stat = await debugfs(image, 0, 'stat /exports/.staging/customers.tar.gz.part');
    expect(timeIn(stat, 'mtime')).toBe(Date.parse('2026-02-17T02:30:00Z') / 1000);
  });

  it('look encrypted: a header of LUKS and bytes without a pattern', async () => {
    const image = path.join(folder, 'encrypted.img');
    await encryptedDisk({ file: image, sizeMiB: 4 });
    const bytes = await readFile(image);
    expect(bytes.length).toBe(4 * MIB);
    expect(bytes.toString('latin1', 0, 6)).toBe('LUKS\xba\xbe');
    expect(gzipSync(bytes.subarray(2 * MIB)).length).toBeGreaterThan(2 * MIB);
  });

  it('hold swap space', async () => {
    const image = path.join(folder, 'swap.img');
    await swapDisk({ file: image, sizeMiB: 4 });
    expect((await readFile(image)).toString('latin1', 4086, 4096)).toBe('SWAPSPACE2');
  });

  it('refuse a label that could be taken for something else', async () => {
    const request = { file: path.join(folder, 'bad.img'), sizeMiB: 32, label: '$(touch x)' };
    await expect(dataDisk(request)).rejects.toThrow('is no label');
  });
});

describe('a fixture', () => {
  it.each(Object.entries(FIXTURES) as [FixtureName, string][])('%s unpacks to its known bytes', async (name, hash) => {
    const file = path.join(folder, `unpacked-${name}`);
    await unpackFixture(name, file);
    expect(await sha256(file)).toBe(hash);
    expect(statSync(file).blocks * 512).toBeLessThan(statSync(file).size / 2); // sparse
  });
});
