import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const TOOL = path.join(__dirname, '../../ssm-documents/tools/volume-layout.py');
const RECIPE = path.join(__dirname, '../../lab/disks/logical-volumes.py');
const SECTOR = 512;
const MIB = 1 << 20;
const EXTENDED = 0x05;
const LINUX = 0x83;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'volume-layout-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Rows of what it prints: holds, size, place, read. */
function layout(disk: Buffer, timeline?: object[]): string[][] {
  const file = path.join(folder, 'disk.img');
  writeFileSync(file, disk);
  const events = path.join(folder, 'timeline.jsonl');
  writeFileSync(events, (timeline ?? []).map((event) => `${JSON.stringify(event)}\n`).join(''));
  const args = ['-B', TOOL, file, ...(timeline === undefined ? [] : [events])];
  const lines = execFileSync('python3', args, { encoding: 'utf8' }).trimEnd().split('\n');
  return lines.map((line) => line.split('\t'));
}

/** A boot record with entries [type, first sector, sectors]. */
function bootRecord(...entries: [number, number, number][]): Buffer {
  const record = Buffer.alloc(SECTOR);
  entries.forEach(([type, first, count], index) => {
    const at = 446 + index * 16;
    record[at + 4] = type;
    record.writeUInt32LE(first, at + 8);
    record.writeUInt32LE(count, at + 12);
  });
  record.writeUInt16LE(0xaa55, 510);
  return record;
}

const magic = (offset: number, text: string): [number, Buffer] => [offset, Buffer.from(text, 'latin1')];
const ext = magic(1080, '\x53\xef');

function disk(sizeBytes: number, ...pieces: [number, Buffer][]): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (const [offset, piece] of pieces) piece.copy(bytes, offset);
  return bytes;
}

/** A physical volume with two logical ones: `first`, `second`. */
function logicalVolumes(first: Buffer, second: Buffer): Buffer {
  const file = path.join(folder, 'physical.img');
  writeFileSync(file, Buffer.alloc(8 * MIB));
  writeFileSync(path.join(folder, 'first'), first);
  writeFileSync(path.join(folder, 'second'), second);
  const volumes = [`a=${path.join(folder, 'first')}`, `b=${path.join(folder, 'second')}`];
  execFileSync('python3', ['-B', RECIPE, file, '0', String(8 * MIB), 'vg', ...volumes]);
  return readFileSync(file);
}

test.each([
  ['ext', ext],
  ['xfs', magic(0, 'XFSB')],
  ['btrfs', magic(0x10040, '_BHRfS_M')],
  ['ntfs', magic(3, 'NTFS    ')],
  ['fat', magic(82, 'FAT32   ')],
  ['swap', magic(4086, 'SWAPSPACE2')],
  ['luks', magic(0, 'LUKS\xba\xbe')],
  ['bitlocker', magic(3, '-FVE-FS-')],
  ['raid', magic(4096, '\xfc\x4e\x2b\xa9')],
  ['unknown', magic(7, 'something')],
])('%s on the whole disk is known by its first bytes', (holds, piece) => {
  expect(layout(disk(MIB, piece))).toEqual([[holds, String(MIB), 'the whole disk', '-']]);
});

test('zeros are blank; a byte at the end is not', () => {
  expect(layout(disk(4 * MIB))).toEqual([['blank', String(4 * MIB), 'the whole disk', '-']]);
  expect(layout(disk(4 * MIB, magic(4 * MIB - 1, 'x')))[0]![0]).toBe('unknown');
});

test('partitions of a boot record, the logical ones too, are numbered as they lie', () => {
  const image = disk(
    8 * MIB,
    [0, bootRecord([LINUX, 2048, 2048], [EXTENDED, 4096, 8192])],
    [MIB + ext[0], ext[1]],
    [4096 * SECTOR, bootRecord([LINUX, 64, 1000], [EXTENDED, 2048, 2048])],
    [(4096 + 64) * SECTOR, Buffer.from('XFSB')],
    [(4096 + 2048) * SECTOR, bootRecord([LINUX, 64, 1000])],
  );
  expect(layout(image).map(([holds, , place]) => [holds, place])).toEqual([
    ['ext', 'partition 1'],
    ['xfs', 'partition 2'],
    ['blank', 'partition 3'],
  ]);
});

test('logical volumes are found, and the timeline tells which of them was read', () => {
  const image = logicalVolumes(disk(MIB, ext), disk(MIB, magic(0, 'LUKS\xba\xbe')));
  const raw = { type_indicator: 'RAW', parent: { type_indicator: 'OS', location: '/dev/nvme1n1' } };
  const of = (spec: object) => ({ pathspec: { type_indicator: 'EXT', location: '/lvm2', parent: spec } });
  // A file may bear any name; only what plaso says of the volume counts.
  const events = [
    of({ type_indicator: 'LVM', location: '/lvm1', parent: raw }),
    { pathspec: { ...raw, location: '/lvm2' } },
  ];
  expect(layout(image, events)).toEqual([
    ['ext', String(MIB), 'logical volume 1', 'read'],
    ['luks', String(MIB), 'logical volume 2', 'unread'],
  ]);
});

describe('what was tampered with does no harm', () => {
  const image = logicalVolumes.bind(undefined, disk(MIB, ext), disk(MIB, magic(0, 'XFSB')));
  const change = (from: string, to: string): Buffer => {
    expect(to).toHaveLength(from.length);
    const bytes = image();
    for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) bytes.write(to, at, 'latin1');
    return bytes;
  };

  test('a volume that lies on another disk is said to', () => {
    expect(layout(change('type = "striped"', 'type = "xxxxxxx"')).map(([holds]) => holds)).toEqual([
      'elsewhere',
      'elsewhere',
    ]);
  });

  test.each([
    ['metadata that nests without an end', 'segment_count = 1', 'x{x{x{x{x{x{x{x{x'],
    ['numbers that are none', 'extent_count = 1', 'extent_count = x'],
    ['a list without an end', 'flags = []', 'flags = [ '],
    ['a physical volume that is not there', '"pv0", 0', '"pv9", 0'],
  ])('%s: the physical volume stays one area', (_what, from, to) => {
    expect(layout(change(from, to))).toEqual([['lvm', String(8 * MIB), 'the whole disk', '-']]);
  });

  test('names from the disk are not printed', () => {
    const said = layout(change('\t\ta {', '\t\t\x1b {')).flat().join(' ');
    expect(said).not.toMatch(/\p{Cc}/u);
  });

  test('a chain of boot records that leads to itself ends', () => {
    const loop = bootRecord([LINUX, 64, 10], [EXTENDED, 1, 10]);
    const bytes = disk(MIB, [0, bootRecord([EXTENDED, 1, 100])], [SECTOR, loop], [2 * SECTOR, loop]);
    expect(layout(bytes).length).toBeGreaterThan(0);
  });

  test('a partition table that promises more than there is', () => {
    const header = Buffer.alloc(92);
    header.write('EFI PART');
    header.writeBigUInt64LE(2n, 72);
    header.writeUInt32LE(0xffffffff, 80);
    header.writeUInt32LE(128, 84);
    const entry = Buffer.alloc(128, 1);
    expect(layout(disk(MIB, [SECTOR, header], [2 * SECTOR, entry]))).toHaveLength(1);
  });
});
