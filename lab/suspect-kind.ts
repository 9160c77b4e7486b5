import path from 'node:path';
import { unpackFixture } from './disks/fixtures';
import { dataDisk, makeDisk, missingDiskTools } from './disks/disk-images';
import { ensureGuestParts, GuestPartsError } from './guest/guest-parts';
import { guestMemoryTools } from './memory-tools/guest-memory-tools';
import type { MemoryTool } from './seed/deployment';
import type { LaunchVolume } from './seed/launch';
import type { SetupProgress } from './setup/setup-progress';

/** What the suspect of this lab is: a machine with memory of its own, or recorded evidence of such a machine. */
export interface SuspectParts {
  kind: 'guest' | 'fixture';
  /** Why it is not a guest. */
  note?: string;
  memoryTools: MemoryTool[];
  /** Memory image that a `fixture` suspect gives away. */
  fixtureMemory?: string;
  /** The disk that a `guest` boots. */
  rootDisk?: string;
}

/**
 * A QEMU guest where it can be made, else the recorded fixture; LAB_SUSPECT=guest or fixture decides it by hand.
 * @throws GuestPartsError when LAB_SUSPECT=guest and something is missing
 */
export async function suspectParts(cacheFolder: string, progress: SetupProgress): Promise<SuspectParts> {
  const asked = process.env.LAB_SUSPECT ?? '';
  if (!['', 'guest', 'fixture'].includes(asked)) throw new Error(`LAB_SUSPECT="${asked}": give guest or fixture`);
  if (asked !== 'fixture') {
    const step = progress.begin('Guest: kernel, root disk, AVML', 150);
    try {
      const parts = await ensureGuestParts(cacheFolder, undefined);
      step.done();
      const { tools, note } = await guestMemoryTools(cacheFolder, parts);
      return { kind: 'guest', rootDisk: parts.rootDisk, memoryTools: tools, ...(note !== undefined && { note }) };
    } catch (error) {
      if (asked === 'guest' || !(error instanceof GuestPartsError)) {
        step.failed();
        throw error;
      }
      step.done(`not on this machine: ${error.message}`);
      return fixtureParts(cacheFolder, error.message);
    }
  }
  return fixtureParts(cacheFolder, 'LAB_SUSPECT=fixture');
}

async function fixtureParts(cacheFolder: string, note: string): Promise<SuspectParts> {
  const fixtureMemory = path.join(cacheFolder, 'fixtures', 'memory-linux-6.1.lime');
  await unpackFixture('memory-linux-6.1.lime', fixtureMemory);
  return {
    kind: 'fixture',
    note,
    fixtureMemory,
    memoryTools: [
      { name: 'fixture-memory', version: '1', file: path.join(__dirname, 'guest', 'fixture-memory-tool.sh') },
    ],
  };
}

/**
 * The demo's disks: a root volume, and two data volumes under other keys. A guest boots its root volume, and the intrusion is
 * planted on it when it runs; otherwise it is a disk with the intrusion on it.
 */
export async function suspectVolumes(cacheFolder: string, rootDisk?: string): Promise<LaunchVolume[]> {
  const folder = path.join(cacheFolder, 'disks');
  const root = rootDisk ?? path.join(folder, 'root.img');
  if (rootDisk === undefined) await makeDisk({ file: root, fileSystem: 'ext4', scenario: 'intrusion' });
  const data: string[] = [];
  for (const label of ['data', 'exports']) {
    const file = path.join(folder, `${label}.img`);
    if (missingDiskTools('ext4').length === 0) await dataDisk({ file, sizeMiB: 64, label });
    else await unpackFixture('disk-ext4.img', file);
    data.push(file);
  }
  const [first = root, second = root] = data;
  return [
    { image: root, encryption: 'none' },
    { image: first, encryption: 'customer-key' },
    { image: second, encryption: 'default-key' },
  ];
}
