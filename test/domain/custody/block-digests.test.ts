import { createHash } from 'node:crypto';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils';
import fc from 'fast-check';
import {
  BLOCK_BYTES,
  blockOfLine,
  BlockTree,
  lineOfBlock,
  rootOfBlockLines,
  ZERO_BLOCK_SHA256,
} from '../../../domain/custody/block-digests';
import { MerkleAccumulator, merkleRoot } from '../../../domain/custody/merkle-tree';

const sha256 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytesToHex(bytes));
/** A device's digests, block by block; most of them holes. */
const device = fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(ZERO_BLOCK_SHA256) }, sha256), {
  minLength: 1,
  maxLength: 300,
});
const linesOf = (digests: string[]): string[] =>
  digests.flatMap((digest, index) =>
    digest === ZERO_BLOCK_SHA256 ? [] : [lineOfBlock({ index, sha256: digest }).trimEnd()],
  );

test('the digest of a hole is that of 512 KiB of zeros', () => {
  expect(createHash('sha256').update(Buffer.alloc(BLOCK_BYTES)).digest('hex')).toBe(ZERO_BLOCK_SHA256);
});

test('the written blocks alone lead to the root over all blocks of the device', () => {
  fc.assert(
    fc.property(device, (digests) => {
      const root = bytesToHex(merkleRoot(digests.map(hexToBytes)));
      expect(rootOfBlockLines(linesOf(digests), digests.length)).toBe(root);
    }),
  );
});

test('the root up to a range may be asked for, and changes nothing of the later one', () => {
  fc.assert(
    fc.property(device, fc.nat(300), (digests, at) => {
      const position = Math.min(at, digests.length);
      const tree = new BlockTree();
      for (const [index, digest] of digests.entries()) {
        if (index === position)
          expect(tree.root(position)).toBe(rootOfBlockLines(linesOf(digests.slice(0, position)), position));
        if (digest !== ZERO_BLOCK_SHA256) tree.add({ index, sha256: digest });
      }
      expect(tree.root(digests.length)).toBe(rootOfBlockLines(linesOf(digests), digests.length));
    }),
  );
});

test('one digest altered, one line less or moved: another root', () => {
  const digests = Array.from({ length: 40 }, (_, index) =>
    index % 3 === 0 ? createHash('sha256').update(`${index}`).digest('hex') : ZERO_BLOCK_SHA256,
  );
  const lines = linesOf(digests);
  const root = rootOfBlockLines(lines, 40);
  const altered = lines.map((line, index) =>
    index === 5 ? line.replace(/.$/, (last) => (last === '0' ? '1' : '0')) : line,
  );
  const moved = lines.map((line, index) => (index === 5 ? line.replace(/^\d+/, '16') : line));
  for (const other of [altered, moved, lines.slice(1), lines.slice(0, -1)])
    expect(rootOfBlockLines(other, 40)).not.toBe(root);
  expect(rootOfBlockLines(lines, 41)).not.toBe(root);
});

test('a run of leaves is what the same leaves one by one are, wherever it stands', () => {
  const runs = fc.array(fc.tuple(fc.uint8Array({ maxLength: 3 }), fc.nat(40)), { maxLength: 8 });
  fc.assert(
    fc.property(runs, (all) => {
      const [byRuns, byLeaves] = [new MerkleAccumulator(), new MerkleAccumulator()];
      for (const [leaf, times] of all) {
        byRuns.addRun(leaf, times);
        for (let one = 0; one < times; one += 1) byLeaves.add(leaf);
      }
      expect(byRuns.count).toBe(byLeaves.count);
      expect(byRuns.root()).toEqual(byLeaves.root());
    }),
  );
});

test('a hole of 64 TiB is no work', () => {
  const blocks = 2 ** 27;
  const tree = new BlockTree();
  tree.add({ index: blocks - 1, sha256: 'ab'.repeat(32) });
  // 27 doublings of the zero leaf; by single leaves this would take minutes and the test's time would be over.
  expect(tree.root(blocks)).toMatch(/^[0-9a-f]{64}$/);
  expect(tree.count).toBe(blocks);
});

test.each([
  '',
  '1',
  '1 ab',
  `01 ${'a'.repeat(64)}`,
  `1 ${'A'.repeat(64)}`,
  `1 ${'a'.repeat(64)} `,
  `-1 ${'a'.repeat(64)}`,
])('no line of a list: "%s"', (line) => {
  expect(() => blockOfLine(line)).toThrow(SyntaxError);
});

test('blocks out of order or beyond the end are refused', () => {
  const line = (index: number): string => `${index} ${'a'.repeat(64)}`;
  expect(() => rootOfBlockLines([line(3), line(3)], 8)).toThrow(RangeError);
  expect(() => rootOfBlockLines([line(3), line(2)], 8)).toThrow(RangeError);
  expect(() => rootOfBlockLines([line(8)], 8)).toThrow(RangeError);
});
