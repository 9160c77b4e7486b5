import { sha256 } from '@noble/hashes/sha2';
import { concatBytes } from '@noble/hashes/utils';

/**
 * Merkle trees as Certificate Transparency defines them (RFC 6962 §2.1): a leaf is hashed with 0x00 in front, an inner node
 * with 0x01, so that no inner node can pass for a leaf. All hashes are SHA-256, 32 bytes.
 */
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (leaf: Uint8Array): Uint8Array => sha256(concatBytes(LEAF, leaf));
const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(concatBytes(NODE, left, right));

/** Takes leaves one by one and keeps a hash a level: the tree of a 16 TiB volume needs less than 1 KiB. */
export class MerkleAccumulator {
  /** Complete subtrees from the largest to the smallest; `height` 0 is a leaf. */
  private readonly peaks: { height: number; hash: Uint8Array }[] = [];
  private leaves = 0;

  get count(): number {
    return this.leaves;
  }

  add(leaf: Uint8Array): void {
    this.append({ height: 0, hash: leafHash(leaf) });
  }

  /** The same leaf so many times over, by whole subtrees: a hole of 16 TiB costs some 50 hashes and not 33 million. */
  addRun(leaf: Uint8Array, times: number): void {
    /** Roots of the perfect trees of 1, 2, 4 … such leaves. */
    const trees: Uint8Array[] = [];
    for (let left = times; left > 0;) {
      // The largest perfect tree that fits into the rest and stands where such a tree stands in the whole.
      let height = 0;
      while (2 ** (height + 1) <= left && this.leaves % 2 ** (height + 1) === 0) height += 1;
      while (trees.length <= height) {
        const half = trees.at(-1);
        trees.push(half === undefined ? leafHash(leaf) : nodeHash(half, half));
      }
      this.append({ height, hash: trees[height] ?? leafHash(leaf) });
      left -= 2 ** height;
    }
  }

  private append(tree: { height: number; hash: Uint8Array }): void {
    this.leaves += 2 ** tree.height;
    let peak = tree;
    for (let last = this.peaks.at(-1); last?.height === peak.height; last = this.peaks.at(-1)) {
      this.peaks.pop();
      peak = { height: peak.height + 1, hash: nodeHash(last.hash, peak.hash) };
    }
    this.peaks.push(peak);
  }

  /** Root of what was added so far; of an empty tree SHA-256 of nothing (RFC 6962). */
  root(): Uint8Array {
    const [last, ...others] = [...this.peaks].reverse();
    return others.reduce((right, left) => nodeHash(left.hash, right), last?.hash ?? sha256(new Uint8Array()));
  }
}

export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const tree = new MerkleAccumulator();
  for (const leaf of leaves) tree.add(leaf);
  return tree.root();
}

/**
 * The hashes by which somebody who has one leaf computes the root (RFC 6962 §2.1.1), lowest level first.
 * @throws RangeError when there is no such leaf
 */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length)
    throw new RangeError(`leaf ${index} of a tree with ${leaves.length}`);
  if (leaves.length === 1) return [];
  const half = largestPowerOfTwoBelow(leaves.length);
  return index < half
    ? [...inclusionProof(leaves.slice(0, half), index), merkleRoot(leaves.slice(half))]
    : [...inclusionProof(leaves.slice(half), index - half), merkleRoot(leaves.slice(0, half))];
}

/** The root that a proof leads to (RFC 9162 §2.1.3.2); undefined when the proof does not fit a tree of this size. */
export function rootByProof(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
): Uint8Array | undefined {
  if (!Number.isInteger(index) || index < 0 || index >= size) return undefined;
  let [node, last, hash] = [index, size - 1, leafHash(leaf)];
  for (const sibling of proof) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 ? hash : undefined;
}

function largestPowerOfTwoBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}
