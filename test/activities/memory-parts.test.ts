import { differingParts, PartHasher, readPartDigests, renderPartDigests } from '../../activities/memory-parts';
import { noise, sha256 } from './memory-fixture';

const partsOf = (bytes: Buffer, partSize: number, chunk: number) => {
  const hasher = new PartHasher(partSize);
  for (let at = 0; at < bytes.length; at += chunk) hasher.update(bytes.subarray(at, at + chunk));
  return hasher.finish();
};

describe('digests of parts', () => {
  const bytes = noise(10_000, 'parts');

  it.each([1, 7, 999, 1_000, 1_001, 10_000])('are the same however the bytes come: %d at a time', (chunk) => {
    expect(partsOf(bytes, 1_000, chunk)).toEqual(
      Array.from({ length: 10 }, (_, part) => ({
        sha256: sha256(bytes.subarray(part * 1_000, part * 1_000 + 1_000)),
        sizeBytes: 1_000,
      })),
    );
  });

  it('end with a shorter part, and with none where there is nothing', () => {
    expect(partsOf(bytes, 6_000, 512).map(({ sizeBytes }) => sizeBytes)).toEqual([6_000, 4_000]);
    expect(new PartHasher(100).finish()).toEqual([]);
  });

  it('are written and read back', () => {
    const parts = partsOf(bytes, 3_000, 100);
    expect(readPartDigests(renderPartDigests(parts))).toEqual(parts);
    expect(readPartDigests('')).toEqual([]);
  });

  it.each([
    ['a gap', `1 ${sha256('a')} 1\n3 ${sha256('b')} 1\n`],
    ['no end', `1 ${sha256('a')} 1`],
    ['no digest', '1 zz 1\n'],
    ['something else', 'hello\n'],
    ['an empty line', `1 ${sha256('a')} 1\n\n`],
  ])('with %s are refused', (_name, text) => {
    expect(() => readPartDigests(text)).toThrow();
  });

  it('that differ are named: one that was changed, one that is missing, and a count of many', () => {
    const parts = partsOf(bytes, 1_000, 1_000);
    const changed = parts.map((part, index) => (index === 3 ? { ...part, sha256: sha256('x') } : part));
    expect(differingParts(parts, parts, 1_000)).toEqual([]);
    expect(differingParts(changed, parts, 1_000)).toEqual([expect.stringMatching(/^part 4 \(from byte 3000\): /)]);
    expect(differingParts(parts.slice(0, 9), parts, 1_000)).toEqual([
      expect.stringMatching(/^part 10 \(from byte 9000\): nothing here, SHA-256 /),
    ]);
    expect(differingParts([], parts, 1_000)).toHaveLength(6);
    expect(differingParts([], parts, 1_000).at(-1)).toBe('5 more parts differ');
  });
});
