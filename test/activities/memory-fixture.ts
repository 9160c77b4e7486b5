import { createHash } from 'node:crypto';

export const BANNER = 'Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) #1 SMP Debian 6.1.76-1';

/** One LiME range: header and bytes. */
export function limeRange(first: bigint, bytes: Buffer, version = 1): Buffer {
  const header = Buffer.alloc(32);
  header.writeUInt32LE(0x4c694d45, 0);
  header.writeUInt32LE(version, 4);
  header.writeBigUInt64LE(first, 8);
  header.writeBigUInt64LE(first + BigInt(bytes.length) - 1n, 16);
  return Buffer.concat([header, bytes]);
}

/** Bytes that no compression and no run of zeros makes smaller; the same for the same seed. */
export function noise(size: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let made = 0, counter = 0; made < size; made += 64, counter += 1) {
    blocks.push(createHash('sha512').update(`${seed}/${counter}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, size);
}

/** A LiME image of three ranges with a gap between them, as AVML leaves them out; the banner lies in the second one. */
export function memoryImage(bytesARange: number): Buffer {
  const [low, middle, high] = ['low', 'middle', 'high'].map((name) => noise(bytesARange, name));
  Buffer.from(`${BANNER}\n\0`).copy(middle!, 1234);
  return Buffer.concat([limeRange(0x1000n, low!), limeRange(0x1000000n, middle!), limeRange(0x100000000n, high!)]);
}

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
