import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { type GuestKernel } from './guest-kernel';
import { toolOutput } from './tool-output';

export type RootFileSystem = 'ext4' | 'xfs';

const RECIPE = path.join(__dirname, 'root-disk');
const SCRIPTS = ['make-root-disk.sh', 'configure-system.sh', 'make-file-system.sh'];
/** What mmdebstrap says as it goes on, and how much is done by then. */
const STAGES: [RegExp, string, number][] = [
  [/^I: downloading packages/, 'downloading packages', 0.05],
  [/^I: extracting archives/, 'extracting packages', 0.15],
  [/^I: installing essential packages/, 'installing the base system', 0.3],
  [/^I: installing remaining packages/, 'installing further packages', 0.5],
  [/^I: running --customize-hook.*configure/, 'configuring the system', 0.85],
  [/^I: running --customize-hook.*file-system/, 'writing the file system', 0.9],
];

/** Programs that the recipe needs, and the package that holds each. */
export function rootDiskTools(fileSystem: RootFileSystem): { program: string; hint: string }[] {
  const tools = [
    { program: 'mmdebstrap', hint: 'apt-get install --no-install-recommends mmdebstrap' },
    { program: 'sfdisk', hint: 'apt-get install fdisk' },
    { program: 'mke2fs', hint: 'apt-get install e2fsprogs' },
  ];
  return fileSystem === 'ext4' ? tools : [...tools, { program: 'mkfs.xfs', hint: 'apt-get install xfsprogs' }];
}

/** A name for the disk that changes when anything of its recipe changes, or the kernel whose modules it holds. */
async function fingerprint(kernel: GuestKernel): Promise<string> {
  const hash = createHash('sha256').update(kernel.version);
  for (const script of SCRIPTS) hash.update(await readFile(path.join(RECIPE, script)));
  return hash.digest('hex').slice(0, 16);
}

/**
 * The guest's root disk: a Debian system on a GPT disk image of 1 GiB (sparse, about 220 MB), made once (45 s on a machine at
 * rest) and then kept. A copy of it is the root volume of a guest, as a copy of an AMI's snapshot is on EC2.
 * @returns path of the image; it is nobody's to write to
 */
export async function buildRootDisk(
  folder: string,
  kernel: GuestKernel,
  fileSystem: RootFileSystem,
  report: (note: string, fraction: number) => void,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const finished = path.join(folder, `root-${fileSystem}-${await fingerprint(kernel)}.img`);
  if (existsSync(finished)) return finished;

  report('making the root disk', 0);
  const work = await mkdtemp(path.join(folder, '.root-disk-'));
  try {
    const image = path.join(work, 'root.img');
    let reason = '';
    const onErrorLine = (line: string): void => {
      if (!/^I: |^E: (setup|mmdebstrap) failed/.test(line) && line.trim() !== '') reason = line.trim();
      for (const [pattern, note, fraction] of STAGES) if (pattern.test(line)) report(note, fraction);
    };
    const recipe = [path.join(RECIPE, 'make-root-disk.sh'), image, fileSystem, kernel.version, kernel.package];
    await toolOutput('bash', recipe, { env, onErrorLine }).catch((error: unknown) => {
      throw new Error(`the root disk was not made (mmdebstrap): ${reason}`, { cause: error });
    });
    await rename(image, finished);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  report('root disk', 1);
  return finished;
}
