import { BLOCK_BYTES } from '../domain/custody/block-digests';

/**
 * Memory for the blocks that are under way, used over and over and shared with threads: a disk has up to millions of blocks, and
 * new memory for each costs more than its digest.
 */
export class BlockMemory {
  private readonly free: Uint8Array[] = [];
  private readonly waiting: ((block: Uint8Array) => void)[] = [];

  /** @param left blocks that are not made yet; memory is taken when it is first needed */
  constructor(private left: number) {}

  /** A block with whatever was in it; waits until there is one. Turns come in the order of the calls. */
  async take(): Promise<Uint8Array> {
    const block = this.free.pop();
    if (block !== undefined) return block;
    if (this.left > 0) {
      this.left -= 1;
      return new Uint8Array(new SharedArrayBuffer(BLOCK_BYTES));
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Gives a block back that nobody reads any more. */
  giveBack(block: Uint8Array): void {
    const next = this.waiting.shift();
    if (next) next(block);
    else this.free.push(block);
  }
}
