import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { toolOutput } from '../guest/tool-output';
import { blankDisk } from './disk-images';

const MIB = 1024 * 1024;
const KEY_BYTES = 64;
const STRIPES = 4000;
const KEY_SLOTS = 8;
const FIRST_SLOT_SECTOR = 8;
const SLOT_SECTORS = Math.ceil((KEY_BYTES * STRIPES) / 4096) * 8;
const PAYLOAD_SECTOR = 4096;
const SLOT_IN_USE = 0x00ac71f3;
const SLOT_FREE = 0x0000dead;

/** Bytes without a pattern, the same ones on every run. */
function noise(seed: string, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let number = 0; number * 32 < length; number++) {
    blocks.push(createHash('sha256').update(`${seed} ${number}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/** Header of LUKS1 (cryptsetup: "LUKS1 On-Disk Format Specification", version 1.2.3), big-endian. */
function luksHeader(): Buffer {
  const header = Buffer.alloc(592);
  header.write('LUKS\xba\xbe', 0, 'latin1');
  header.writeUInt16BE(1, 6);
  header.write('aes', 8);
  header.write('xts-plain64', 40);
  header.write('sha256', 72);
  header.writeUInt32BE(PAYLOAD_SECTOR, 104);
  header.writeUInt32BE(KEY_BYTES, 108);
  noise('digest', 20).copy(header, 112);
  noise('salt', 32).copy(header, 132);
  header.writeUInt32BE(100_000, 164);
  header.write('44444444-2222-4333-8444-555555555555', 168);
  for (let slot = 0; slot < KEY_SLOTS; slot++) {
    const at = 208 + slot * 48;
    const used = slot === 0;
    header.writeUInt32BE(used ? SLOT_IN_USE : SLOT_FREE, at);
    header.writeUInt32BE(used ? 200_000 : 0, at + 4);
    if (used) noise('slot', 32).copy(header, at + 8);
    header.writeUInt32BE(FIRST_SLOT_SECTOR + slot * SLOT_SECTORS, at + 40);
    header.writeUInt32BE(STRIPES, at + 44);
  }
  return header;
}

/**
 * A volume as LUKS leaves it: a header, and behind it bytes that no key opens (they were never encrypted: nothing is lost).
 * For what an examination has to say of a volume that it cannot read. At least 4 MiB.
 */
export async function encryptedDisk({ file, sizeMiB }: { file: string; sizeMiB: number }): Promise<void> {
  if (!Number.isInteger(sizeMiB) || sizeMiB < 4)
    throw new Error(`an encrypted disk has at least 4 MiB, not ${sizeMiB}`);
  await mkdir(path.dirname(file), { recursive: true });
  const image = await open(file, 'w');
  try {
    await image.write(luksHeader(), 0, 592, 0);
    const payload = noise('payload', sizeMiB * MIB - PAYLOAD_SECTOR * 512);
    await image.write(payload, 0, payload.length, PAYLOAD_SECTOR * 512);
  } finally {
    await image.close();
  }
}

/** A volume of swap space that was never used. Needs util-linux. */
export async function swapDisk({ file, sizeMiB }: { file: string; sizeMiB: number }): Promise<void> {
  await blankDisk({ file, sizeMiB });
  await toolOutput('mkswap', ['-q', file]);
}
