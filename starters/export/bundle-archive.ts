import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { extract, pack } from 'tar-stream';
import { BUNDLE_FILES } from '../../domain/custody/bundle';
import { BundleReader, UnreadableBundle } from '../verify/bundle-reader';

/** How an archive's name says that it is compressed. */
const FORMATS = ['.tar.zst', '.tar.gz'] as const;
type Format = (typeof FORMATS)[number];

/** undefined for what is no name of an archive of ours. */
export const archiveFormat = (file: string): Format | undefined => FORMATS.find((format) => file.endsWith(format));

/** Node.js has zstd from 22.15 on. */
const zstd = zlib as { createZstdCompress?: () => Duplex; createZstdDecompress?: () => Duplex };

/** @throws Error when this machine knows no zstd */
function codec(format: Format, direction: 'compress' | 'decompress'): Duplex {
  if (format === '.tar.gz') return direction === 'compress' ? zlib.createGzip() : zlib.createGunzip();
  const own = direction === 'compress' ? zstd.createZstdCompress : zstd.createZstdDecompress;
  return own?.() ?? zstdProgram(direction);
}

function zstdProgram(direction: 'compress' | 'decompress'): Duplex {
  const child = spawn('zstd', ['--quiet', '--stdout', ...(direction === 'compress' ? ['-T0'] : ['--decompress'])], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const both = Duplex.from({ writable: child.stdin, readable: child.stdout });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.on('error', () =>
    both.destroy(
      new Error('.tar.zst needs Node.js 22.15 or later, or the program zstd: install one of them, or take .tar.gz'),
    ),
  );
  child.on('close', (code) => {
    if (code !== 0) both.destroy(new Error(`zstd ended with code ${code ?? 'none'}: ${said.trim()}`));
  });
  return both;
}

/**
 * Packs a folder under one folder of the given name. The same files give the same bytes but for the compression: names sorted, no
 * times, no owners.
 */
export async function packBundle(folder: string, name: string, file: string): Promise<void> {
  const format = archiveFormat(file);
  if (!format) throw new RangeError(`${file}: an archive is called ${FORMATS.map((one) => `*${one}`).join(' or ')}`);
  const tar = pack();
  const written = pipeline(tar, codec(format, 'compress'), createWriteStream(file, { flags: 'wx' }));
  const filled = async (): Promise<void> => {
    for (const one of await new BundleReader(folder).files()) {
      const place = path.join(folder, one);
      const { size } = await stat(place);
      const entry = tar.entry({ name: `${name}/${one}`, size, mode: 0o644, mtime: new Date(0) });
      await pipeline(createReadStream(place), entry);
    }
    tar.finalize();
  };
  await Promise.all([
    written,
    filled().catch((error: unknown) => {
      tar.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }),
  ]);
}

/**
 * Unpacks an archive that nobody vouches for: regular files only, none outside of the folder, none twice.
 * @returns the folder in which the bundle lies
 * @throws UnreadableBundle
 */
export async function unpackBundle(file: string, folder: string): Promise<string> {
  const format = archiveFormat(file);
  if (!format) throw new UnreadableBundle(`${file} is neither a folder nor *${FORMATS.join(' nor *')}`);
  const reader = new BundleReader(folder);
  const tar = extract();
  const unpacked = async (): Promise<void> => {
    for await (const entry of tar) {
      const { name, type } = entry.header;
      if (type !== 'file' && type !== 'directory')
        throw new UnreadableBundle(`${file} holds ${name}, which is a ${String(type)}: a bundle holds files only`);
      const place = reader.place(name);
      await mkdir(type === 'file' ? path.dirname(place) : place, { recursive: true });
      if (type === 'file') await pipeline(entry, createWriteStream(place, { flags: 'wx' }));
      else entry.resume();
    }
  };
  try {
    await Promise.all([pipeline(createReadStream(file), codec(format, 'decompress'), tar), unpacked()]);
  } catch (error) {
    if (error instanceof UnreadableBundle) throw error;
    throw new UnreadableBundle(`${file} cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`);
  }
  const inside = await readdir(folder);
  const [only] = inside;
  return inside.length === 1 && only !== undefined && only !== BUNDLE_FILES.seal ? path.join(folder, only) : folder;
}
