import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';

export interface DiskTrace {
  id: string;
  /** Absolute path on the root volume. */
  path: string;
  /** A piece of the file's text. */
  contains: string;
  /** UTC, ISO 8601. */
  modifiedAt: string;
  tells: string;
}

export interface MemoryTrace {
  id: string;
  /** A piece of text that must appear in the output of each of the plugins. */
  finds: string;
  /** Volatility 3 plugins that show it. */
  plugins: string[];
  tells: string;
}

export interface PlantedIntrusion {
  summary: string;
  attacker: string;
  disk: DiskTrace[];
  memory: MemoryTrace[];
}

/** What is planted in the lab's disks and guests, and so what an examination has to find: intrusion.yaml. */
export async function plantedIntrusion(): Promise<PlantedIntrusion> {
  return parse(await readFile(path.join(__dirname, 'intrusion.yaml'), 'utf8')) as PlantedIntrusion;
}
