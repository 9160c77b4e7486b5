import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { forensicTools, unpackFixture } from './forensic-tools';

const LIME_HEADER = 32;

interface Range {
  address: number;
  bytes: Buffer;
}

let folder: string;
let lime: Buffer;

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'symbols-'));
  lime = unpackFixture('memory-linux-6.1.lime.xz');
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

function limeHeader(address: number, length: number): Buffer {
  const header = Buffer.alloc(LIME_HEADER);
  header.writeUInt32LE(0x4c694d45, 0);
  header.writeUInt32LE(1, 4);
  header.writeBigUInt64LE(BigInt(address), 8);
  header.writeBigUInt64LE(BigInt(address + length - 1), 16);
  return header;
}

function ranges(): Range[] {
  const found: Range[] = [];
  for (let at = 0; at < lime.length;) {
    const address = Number(lime.readBigUInt64LE(at + 8));
    const length = Number(lime.readBigUInt64LE(at + 16)) - address + 1;
    found.push({ address, bytes: lime.subarray(at + LIME_HEADER, at + LIME_HEADER + length) });
    at += LIME_HEADER + length;
  }
  return found;
}

/** The same memory with a header every 64 KiB: tables and texts lie across headers, as they do in AVML's images. */
function inSmallRanges(): Buffer {
  const pieces = ranges().flatMap(({ address, bytes }) => {
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 65_536) {
      const part = bytes.subarray(at, at + 65_536);
      parts.push(limeHeader(address + at, part.length), part);
    }
    return parts;
  });
  return Buffer.concat(pieces);
}

/** As a hypervisor's dump: an ELF core with one program header for each range. */
function asElf(): Buffer {
  const all = ranges();
  const header = Buffer.alloc(64 + 56 * all.length);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(all.length, 56);
  let offset = header.length;
  all.forEach(({ address, bytes }, index) => {
    const entry = 64 + 56 * index;
    header.writeUInt32LE(1, entry);
    header.writeBigUInt64LE(BigInt(offset), entry + 8);
    header.writeBigUInt64LE(BigInt(address), entry + 24);
    header.writeBigUInt64LE(BigInt(bytes.length), entry + 32);
    offset += bytes.length;
  });
  return Buffer.concat([header, ...all.map(({ bytes }) => bytes)]);
}

function asRaw(): Buffer {
  const all = ranges();
  const raw = Buffer.alloc(Math.max(...all.map(({ address, bytes }) => address + bytes.length)));
  for (const { address, bytes } of all) bytes.copy(raw, address);
  return raw;
}

function resolve(image: Buffer) {
  const file = path.join(folder, 'image');
  fs.writeFileSync(file, image);
  const out = path.join(folder, 'out');
  fs.rmSync(out, { recursive: true, force: true });
  const run = spawnSync(path.join(forensicTools(), 'forensic-symbols'), [file, out], { encoding: 'utf8' });
  const written = fs.existsSync(path.join(out, 'linux')) ? fs.readdirSync(path.join(out, 'linux')) : [];
  return { ...run, written, facts: run.status === 0 ? (JSON.parse(run.stdout) as Record<string, unknown>) : undefined };
}

test.each<[string, () => Buffer]>([
  ['as AVML writes it', () => lime],
  ['with a header every 64 KiB', inSmallRanges],
  ['as an ELF core', asElf],
  ['raw', asRaw],
])('a real image, %s, gives the same symbols', (_form, image) => {
  const { status, stderr, facts, written } = resolve(image());
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(facts).toMatchObject({
    kernel: '6.1.0-56-cloud-amd64',
    banner: expect.stringMatching(/^Linux version 6\.1\.0-56-cloud-amd64 .*\(2026-11-16\)$/),
    fiveLevelPaging: false,
    symbols: 82125,
  });
  // What Volatility's sources name, out of some 8,000 types of the kernel.
  expect(facts!.types).toBeGreaterThan(600);
  expect(written).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.json\.xz$/)]);
});

/** The image with every occurrence of some bytes made unusable. */
function without(text: string): Buffer {
  const image = Buffer.from(lime);
  const needle = Buffer.from(text, 'latin1');
  for (let at = image.indexOf(needle); at >= 0; at = image.indexOf(needle, at + 1)) image[at] = 0x21;
  return image;
}

test.each<[string, () => Buffer, RegExp]>([
  ['no memory', () => Buffer.alloc(0), /holds no memory/],
  ['another file', () => Buffer.alloc(100_000, 'text '), /no Linux kernel banner/],
  ['a compressed image', () => Buffer.concat([Buffer.from('AVML'), Buffer.alloc(64)]), /convert it first/],
  ['an image that is cut off', () => lime.subarray(0, lime.length - 1), /is cut off/],
  ['an image with a broken chain of headers', () => Buffer.concat([lime, Buffer.alloc(64)]), /no LiME header/],
  ['a kernel without BTF', () => without('\x9f\xeb\x01\x00\x18\0\0\0\0\0\0\0'), /CONFIG_DEBUG_INFO_BTF/],
  ['a kernel without kallsyms', () => without('\x000\x001\x002\x003\x004\x005\x006'), /CONFIG_KALLSYMS_ALL/],
])('%s: one line says why there are no symbols', (_name, image, why) => {
  const { status, stderr, written } = resolve(image());
  expect(status).toBe(1);
  expect(stderr).toMatch(/^forensic-symbols: [^\n]*\n$/);
  expect(stderr).toMatch(why);
  expect(written).toEqual([]);
});
