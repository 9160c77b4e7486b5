import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';

import { labConfig } from '../../lab/config';

/** The folder of the forensic image's tools on this machine. */
export function forensicTools(): string {
  const folder = process.env.FORENSIC_TOOLS ?? path.join(labConfig().cacheFolder, 'forensic-tools/bin');
  for (const tool of ['vol', 'log2timeline', 'psort', 'pinfo', 'forensic-symbols']) {
    if (!existsSync(path.join(folder, tool)))
      throw new Error(`${tool} is not in ${folder}: set up the lab first (npm run lab -- up), or set FORENSIC_TOOLS`);
  }
  return folder;
}

/** A packed fixture's bytes. */
export function unpackFixture(name: string): Buffer {
  const file = path.join(__dirname, '../fixtures', name);
  return execFileSync('xz', ['--decompress', '--stdout', file], { maxBuffer: 1 << 30 });
}

export const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

export const readJsonLines = (data: Buffer) =>
  data
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
