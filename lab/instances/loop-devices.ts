import fs from 'node:fs/promises';
import path from 'node:path';

import { outputOf } from '../setup/run-tool';

/** Makes a block device of an image file. Undefined where loop devices cannot be had (a plain container). */
export async function attachLoopDevice(imageFile: string, readOnly: boolean): Promise<string | undefined> {
  const device = await outputOf('losetup', ['--find', '--show', ...(readOnly ? ['--read-only'] : []), imageFile]);
  return device?.startsWith('/dev/loop') ? device : undefined;
}

/** Detaches at once when nobody has the device open, otherwise when the last one closes it (the kernel's own rule). */
export async function detachLoopDevice(device: string): Promise<void> {
  await outputOf('losetup', ['--detach', device]);
}

/** Major and minor number of a device node, for a node of the same device elsewhere. */
export async function deviceNumbers(device: string): Promise<{ major: number; minor: number }> {
  const { rdev } = await fs.stat(device);
  // Linux's encoding of a device number (sys/sysmacros.h).
  return { major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) };
}

/** Loop devices whose image file lies in a folder. */
export async function loopDevicesOf(folder: string): Promise<string[]> {
  const listing = await outputOf('losetup', ['--list', '--json', '--output', 'NAME,BACK-FILE']);
  if (!listing) return [];
  const { loopdevices } = JSON.parse(listing) as { loopdevices: { name: string; 'back-file': string | null }[] };
  const prefix = path.join(await fs.realpath(folder).catch(() => folder), '/');
  return loopdevices.filter((device) => device['back-file']?.startsWith(prefix)).map((device) => device.name);
}
