import { judgeMemoryImage, type MemoryImageFacts, readIomem } from '../../domain/memory-image';

const MIB = 1024n ** 2n;
const VERSION = 'Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12) #1 SMP Debian 6.1.76-1';
/** As a small cloud instance prints it: RAM below 640 KiB, between 1 MiB and 256 MiB, and above 4 GiB. */
const IOMEM = [
  '00000000-00000fff : Reserved',
  '00001000-0009fbff : System RAM',
  '00100000-0fffffff : System RAM',
  '  02000000-02ffffff : Kernel code',
  '  03000000-035fffff : Kernel rodata',
  '  03600000-038fffff : Kernel data',
  '  03c00000-03ffffff : Kernel bss',
  'fec00000-fec003ff : IOAPIC 0',
  '100000000-13fffffff : System RAM',
  '',
].join('\n');

const image = (covered: MemoryImageFacts['covered'], changes: Partial<MemoryImageFacts> = {}): MemoryImageFacts => ({
  ranges: covered.length,
  memoryBytes: covered.reduce((sum, { first, last }) => sum + last - first + 1n, 0n),
  covered,
  banner: VERSION,
  ...changes,
});
const WHOLE = [
  { first: 0x1000n, last: 0x9fbffn },
  { first: 0x100000n, last: 0xfffffffn },
  { first: 0x100000000n, last: 0x13fffffffn },
];
const KERNEL = { version: `${VERSION}\n`, iomem: IOMEM };

describe('/proc/iomem', () => {
  test('gives System RAM of the top level, and the parts of the kernel', () => {
    const memory = readIomem(IOMEM)!;
    expect(memory.ram).toEqual(WHOLE);
    expect(memory.kernel.map((part) => part.name)).toEqual(['Kernel code', 'Kernel rodata', 'Kernel data']);
  });

  test.each([
    ['hides its addresses', IOMEM.replace(/^( *)[0-9a-f]+-[0-9a-f]+/gm, '$100000000-00000000')],
    ['is empty', ''],
    ['is something else', 'cat: /proc/iomem: Permission denied\n'],
  ])('that %s is none', (_, text) => {
    expect(readIomem(text)).toBeUndefined();
  });
});

describe('an image held against the kernel that it was taken from', () => {
  test('is sound when it is whole', () => {
    const { problem, notes } = judgeMemoryImage(image(WHOLE), KERNEL);
    expect(problem).toBeUndefined();
    expect(notes.join('\n')).toMatch(/\(100 %\)/);
    expect(notes.join('\n')).toMatch(/banner is that of \/proc\/version/);
    expect(notes.join('\n')).not.toMatch(/doubtful|not checked/);
  });

  test('is sound with holes in RAM, where AVML leaves blocks of zeros out, and says how much is there', () => {
    const [low, middle] = WHOLE as [(typeof WHOLE)[0], (typeof WHOLE)[0]];
    const holed = [low, { ...middle, last: 0x7ffffffn }, { first: 0x100000000n, last: 0x100ffffffn }];
    const { problem, notes } = judgeMemoryImage(image(holed), KERNEL);
    expect(problem).toBeUndefined();
    expect(notes.join('\n')).toMatch(/\(11\.2 %\)/);
    expect(notes.join('\n')).not.toContain('doubtful');
  });

  test('is marked doubtful when some of it lies outside of RAM, by how many bytes', () => {
    const more = [...WHOLE, { first: 0x200000000n, last: 0x200000000n + MIB - 1n }];
    const { problem, notes } = judgeMemoryImage(image(more), KERNEL);
    expect(problem).toBeUndefined();
    expect(notes.join('\n')).toContain('doubtful: 1048576 bytes of it lie outside of System RAM');
  });

  test.each<[string, MemoryImageFacts, RegExp]>([
    ['its headers are broken', image(WHOLE, { problem: 'it ends in the middle of range 2' }), /middle of range 2/],
    [
      'it holds another kernel’s banner only',
      image(WHOLE, { banner: VERSION.replace('-18-', '-17-') }),
      /running kernel’s banner .* it holds Linux version 6\.1\.0-17/,
    ],
    ['a part of the kernel is cut', image([{ first: 0x100000n, last: 0x34fffffn }]), /Kernel rodata, Kernel data/],
    ['none of it is RAM', image([{ first: 0x4000000000n, last: 0x4000ffffffn }]), /nothing of it lies in/],
  ])('is of no use when %s', (_, broken, problem) => {
    expect(judgeMemoryImage(broken, KERNEL).problem).toMatch(problem);
  });

  test('is taken as it is, and that is said, when the kernel told nothing', () => {
    const { problem, notes } = judgeMemoryImage(image(WHOLE), {});
    expect(problem).toBeUndefined();
    expect(notes.filter((note) => note.startsWith('not checked'))).toHaveLength(2);
  });
});
