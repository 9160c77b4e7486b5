import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { toolOutput } from '../guest/tool-output';

const FIXTURES = path.join(__dirname, '..', '..', 'test', 'fixtures');

/** What each one is, how it was made and what may be said of it: test/fixtures/README.md. */
export type FixtureName = 'disk-ext4.img' | 'disk-xfs.img' | 'memory-linux-6.1.lime';

/** The packed file of a fixture. */
export function packedFixture(name: FixtureName): string {
  return path.join(FIXTURES, `${name}.xz`);
}

/**
 * Unpacks a fixture to `outFile` as a sparse file (66 to 326 MB long, a few MB on the disk), in about 2 s.
 * Done with Python's standard library, since Node has no xz. An unfinished file is never left under the final name.
 *
 * @throws Error the fixture or Python 3 is missing, or the packed file is damaged
 */
export async function unpackFixture(name: FixtureName, outFile: string): Promise<void> {
  const packed = packedFixture(name);
  if (!existsSync(packed)) throw new Error(`the fixture ${packed} is missing: restore it from the repository`);
  await mkdir(path.dirname(outFile), { recursive: true });
  const unfinished = `${outFile}.${process.pid}.tmp`;
  try {
    await toolOutput('python3', [path.join(__dirname, 'unpack-xz.py'), packed, unfinished]);
    await rename(unfinished, outFile);
  } catch (error) {
    throw new Error(`cannot unpack the fixture ${name} to ${outFile} (needs python3 with lzma)`, { cause: error });
  } finally {
    await rm(unfinished, { force: true });
  }
}
