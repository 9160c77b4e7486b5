import { open } from 'node:fs/promises';
import { randomFillSync } from 'node:crypto';
import { BLOCK_BYTES } from '../domain/custody/block-digests';

/** A sparse file with some blocks written. */
export interface DiskImage {
  file: string;
  sizeGiB: number;
  /** Positions of written blocks, ascending. */
  written: number[];
}

/** Makes one with `blocks` written blocks of random bytes, spread evenly over the device. */
export async function makeDiskImage(file: string, sizeGiB: number, blocks: number): Promise<DiskImage> {
  const all = (sizeGiB * 2 ** 30) / BLOCK_BYTES;
  const written = Array.from({ length: blocks }, (_, number) => Math.floor((number * all) / blocks));
  const image = await open(file, 'w');
  try {
    await image.truncate(sizeGiB * 2 ** 30);
    const data = Buffer.alloc(BLOCK_BYTES);
    for (const index of written) await image.write(randomFillSync(data), 0, BLOCK_BYTES, index * BLOCK_BYTES);
  } finally {
    await image.close();
  }
  return { file, sizeGiB, written };
}
