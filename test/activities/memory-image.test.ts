import { MemoryImageReader } from '../../activities/memory-image';
import type { MemoryImageFacts } from '../../domain/memory-image';
import { BANNER, limeRange, memoryImage, noise } from './memory-fixture';

function read(image: Buffer, chunkBytes = image.length, expectedBanner?: string): MemoryImageFacts {
  const reader = new MemoryImageReader(expectedBanner);
  for (let at = 0; at < image.length; at += chunkBytes) reader.update(image.subarray(at, at + chunkBytes));
  return reader.finish();
}

describe('a LiME image', () => {
  const image = memoryImage(5_000);

  it.each([1, 7, 31, 32, 33, 1000, 4096, 1 << 20])('is sound when it is read in chunks of %i bytes', (chunkBytes) => {
    expect(read(image, chunkBytes)).toEqual({
      ranges: 3,
      memoryBytes: 15_000n,
      covered: [0x1000n, 0x1000000n, 0x100000000n].map((first) => ({ first, last: first + 4_999n })),
      banner: BANNER,
    });
  });

  it('that is cut short is not sound', () => {
    expect(read(image.subarray(0, -1)).problem).toMatch(/cut short/);
    expect(read(image.subarray(0, 5_032 + 10)).problem).toMatch(/cut short/);
    expect(read(Buffer.alloc(0)).problem).toMatch(/shorter than one range header/);
  });

  it('with bytes after its last range is not sound', () => {
    expect(read(Buffer.concat([image, Buffer.alloc(32, 1)])).problem).toMatch(/no LiME range header/);
  });

  it('whose ranges overlap or go back is not sound', () => {
    const [one, two] = [limeRange(0x5000n, noise(64, 'a')), limeRange(0x5010n, noise(64, 'b'))];
    expect(read(Buffer.concat([one, two])).problem).toMatch(/must ascend/);
  });

  it('that AVML compressed is named as such', () => {
    expect(read(limeRange(0n, noise(64, 'a'), 2)).problem).toMatch(/version 2/);
  });

  it('is told from other files', () => {
    expect(read(noise(1_000, 'x')).problem).toMatch(/at byte 0 there is no LiME range header/);
  });
});

describe('the kernel banner', () => {
  it('is required', () => {
    expect(read(limeRange(0n, noise(5_000, 'a'))).problem).toMatch(/no kernel banner/);
  });

  it('is not the format string that every kernel holds', () => {
    const bytes = noise(5_000, 'a');
    bytes.write('Linux version %s (%s)\0', 100);
    expect(read(limeRange(0n, bytes)).problem).toMatch(/no kernel banner/);
    bytes.write(`${BANNER}\0`, 3_000);
    expect(read(limeRange(0n, bytes), 100).banner).toBe(BANNER);
  });

  it('is found at the very end of a range, and never read across a header', () => {
    const bytes = noise(1_000, 'a');
    bytes.write(BANNER, bytes.length - BANNER.length);
    expect(read(Buffer.concat([limeRange(0n, bytes), limeRange(0x10000n, noise(600, 'b'))]), 50).banner).toBe(BANNER);
    const [head, tail] = [noise(600, 'a'), noise(600, 'b')];
    head.write('Linux ver', 591);
    tail.write('sion 6.1.0 ', 0);
    expect(read(Buffer.concat([limeRange(0n, head), limeRange(0x10000n, tail)])).problem).toMatch(/no kernel banner/);
  });

  it('is read across the header between two ranges that touch, where AVML begins a new one every 16 MiB', () => {
    const [head, tail] = [noise(600, 'a'), noise(600, 'b')];
    head.write(BANNER.slice(0, 40), 560);
    tail.write(`${BANNER.slice(40)}\n`, 0);
    const facts = read(Buffer.concat([limeRange(0n, head), limeRange(600n, tail)]), 100);
    expect(facts).toMatchObject({ ranges: 2, banner: BANNER, covered: [{ first: 0n, last: 1199n }] });
  });

  it('is the running kernel’s, where that is known, whatever other kernels’ lie before it', () => {
    const other = BANNER.replace('6.1.0-18', '6.1.0-17');
    const bytes = noise(5_000, 'a');
    bytes.write(`${other}\n`, 100);
    bytes.write(`${BANNER}\n`, 3_000);
    expect(read(limeRange(0n, bytes), 64, BANNER).banner).toBe(BANNER);
    expect(read(limeRange(0n, bytes), 64).banner).toBe(other);
    expect(read(limeRange(0n, bytes.subarray(0, 2_000)), 64, BANNER).banner).toBe(other);
  });
});
