import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MemoryImageReader } from '../../activities/memory-image';

/**
 * Files of /proc that go with a recorded memory image: what the machine that it was taken from said of itself. An instance
 * of kind `fixture` gives both away, so that the product's checks of one against the other run as on a real instance.
 * The folder lies beside the image and is made once; give it to documents as FORENSICS_SYSTEM_ROOT.
 */
export async function fixtureSystem(memoryImage: string): Promise<string> {
  const folder = `${memoryImage}.system`;
  if (existsSync(folder)) return folder;
  const reader = new MemoryImageReader();
  for await (const chunk of createReadStream(memoryImage)) reader.update(chunk as Buffer);
  const { banner = '', covered } = reader.finish();
  const hex = (address: bigint): string => address.toString(16).padStart(8, '0');
  const files = {
    version: `${banner}\n`,
    iomem: covered.map(({ first, last }) => `${hex(first)}-${hex(last)} : System RAM\n`).join(''),
    modules: '',
  };
  const work = await mkdtemp(`${memoryImage}.`);
  try {
    await mkdir(path.join(work, 'proc'));
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(work, 'proc', name), text);
    await rename(work, folder);
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    // Another instance of the same lab was faster.
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
