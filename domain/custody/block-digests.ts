import { bytesToHex, hexToBytes } from '@noble/hashes/utils';
import { MerkleAccumulator } from './merkle-tree';

/** Bytes; the only block size that the EBS direct APIs use (EBS User Guide, "EBS direct APIs"). */
export const BLOCK_BYTES = 512 * 1024;

/** SHA-256 of a block of zeros, hexadecimal: what every hole of a disk holds. */
export const ZERO_BLOCK_SHA256 = '07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541';
const ZERO_BLOCK = hexToBytes(ZERO_BLOCK_SHA256);

export interface BlockDigest {
  /** Position on the device, in blocks. */
  index: number;
  /** Lowercase hexadecimal. */
  sha256: string;
}

/**
 * Merkle tree over all blocks of a device, made from those that are written. It keeps a hash a level; a hole costs next to
 * nothing, however long it is.
 */
export class BlockTree {
  private readonly tree = new MerkleAccumulator();

  /** Blocks that are in the tree so far, holes among them. */
  get count(): number {
    return this.tree.count;
  }

  /** A later block of the device; what lies between it and the one before it are holes. @throws RangeError out of order */
  add({ index, sha256 }: BlockDigest): void {
    if (index < this.count) throw new RangeError(`block ${index} after block ${this.count - 1}`);
    this.tree.addRun(ZERO_BLOCK, index - this.count);
    this.tree.add(hexToBytes(sha256));
  }

  /**
   * Root, hexadecimal, with holes up to `count` blocks; nothing can be added before them afterwards.
   * @throws RangeError when there are more blocks than that
   */
  root(count: number): string {
    if (count < this.count) throw new RangeError(`${this.count} blocks in a device of ${count}`);
    this.tree.addRun(ZERO_BLOCK, count - this.count);
    return bytesToHex(this.tree.root());
  }
}

/** The block as a line of the list: index, a space, SHA-256, a line feed. */
export const lineOfBlock = ({ index, sha256 }: BlockDigest): string => `${index} ${sha256}\n`;

const LINE = /^(0|[1-9]\d{0,9}) ([0-9a-f]{64})$/;

/** @param line without its line feed. @throws SyntaxError for what is no line of a list of blocks */
export function blockOfLine(line: string): BlockDigest {
  const [, index, sha256] = LINE.exec(line) ?? [];
  if (index === undefined || sha256 === undefined) throw new SyntaxError(`not a line of a list of blocks: ${line}`);
  return { index: Number(index), sha256 };
}

/**
 * Root, hexadecimal, that the lines of a list lead to in a device of so many blocks.
 * @throws SyntaxError, RangeError for a list that is none: a broken line, blocks out of order or beyond the end
 */
export function rootOfBlockLines(lines: Iterable<string>, count: number): string {
  const tree = new BlockTree();
  for (const line of lines) tree.add(blockOfLine(line));
  return tree.root(count);
}
