import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { findProgram, toolOutput, ToolError } from '../guest/tool-output';
import { unpackFixture } from './fixtures';

const MIB = 1024 * 1024;

export type DiskFileSystem = 'ext4' | 'xfs';

/** `intrusion`: with the traces of recorded-traces.yaml. `clean`: the same system before it. */
export type DiskScenario = 'intrusion' | 'clean';

/**
 * `partitions`: GPT, the root in its first partition. `whole-disk`: no partition table. `lvm-…`: logical volumes root, srv
 * (data) and swap on one physical volume, which is a partition or the whole disk.
 */
export type DiskLayout = 'partitions' | 'whole-disk' | 'lvm-partition' | 'lvm-whole-disk';

export interface DiskRequest {
  /** The raw image to write; sparse, 40 to 66 MiB (ext4) or 310 to 335 MiB (xfs) long. */
  file: string;
  fileSystem: DiskFileSystem;
  scenario: DiskScenario;
  /** Default: `partitions`. */
  layout?: DiskLayout;
  /** Copied to /usr/share/extra: many files, for measuring. */
  extraFolder?: string;
}

const TOOLS: Record<DiskFileSystem, readonly string[]> = {
  ext4: ['sfdisk', 'mke2fs', 'debugfs'],
  xfs: ['sfdisk', 'mkfs.xfs', 'xfs_db'],
};

/** Programs that are missing on this machine to make a disk of this kind. */
export function missingDiskTools(fileSystem: DiskFileSystem, env: NodeJS.ProcessEnv = process.env): string[] {
  return TOOLS[fileSystem].filter((tool) => findProgram(tool, env) === undefined);
}

async function runRecipe(script: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  try {
    await toolOutput('bash', [path.join(__dirname, script), ...args], { env });
  } catch (error) {
    const reason = error instanceof ToolError ? error.message : String(error);
    throw new Error(`no disk image was made at ${args[0] ?? ''}: ${reason}`, { cause: error });
  }
}

/**
 * Makes a root volume: a disk with a small Linux system in it (recipe: make-disk.sh, 0.5 to 1.5 s, no root rights).
 * Where its tools are missing, the ready image of test/fixtures is taken, which is what the recipe made.
 *
 * @throws Error tools are missing and no ready image fits what was asked
 */
export async function makeDisk(request: DiskRequest, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const { file, fileSystem, scenario, layout = 'partitions', extraFolder } = request;
  await mkdir(path.dirname(file), { recursive: true });
  const missing = missingDiskTools(fileSystem, env);
  if (missing.length === 0) {
    const extra = extraFolder === undefined ? [] : [extraFolder];
    await runRecipe('make-disk.sh', [file, fileSystem, scenario, layout, ...extra], env);
    return;
  }
  if (scenario !== 'intrusion' || layout !== 'partitions' || extraFolder !== undefined) {
    const asked = [fileSystem, scenario, ...(layout === 'partitions' ? [] : [layout])].join(', ');
    throw new Error(
      `a disk (${asked}) cannot be made without ${missing.join(', ')}: ` +
        `apt-get install fdisk ${fileSystem === 'xfs' ? 'xfsprogs' : 'e2fsprogs'}`,
    );
  }
  await unpackFixture(fileSystem === 'ext4' ? 'disk-ext4.img' : 'disk-xfs.img', file);
}

/** Makes an empty volume: zeros, all of it a hole in the file. */
export async function blankDisk({ file, sizeMiB }: { file: string; sizeMiB: number }): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const image = await open(file, 'w');
  try {
    await image.truncate(sizeMiB * MIB);
  } finally {
    await image.close();
  }
}

/**
 * Makes a data volume: ext4 on the whole disk, some ordinary files, and one planted file
 * (/exports/.staging/customers.tar.gz.part). `label` appears in its files, and its first 16 bytes name the file system.
 *
 * @throws Error e2fsprogs is missing
 */
export async function dataDisk(
  { file, sizeMiB, label }: { file: string; sizeMiB: number; label: string },
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (!Number.isInteger(sizeMiB) || sizeMiB < 8) throw new Error(`a data disk has at least 8 MiB, not ${sizeMiB}`);
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(label)) throw new Error(`"${label}" is no label: letters, digits, . _ - only`);
  await mkdir(path.dirname(file), { recursive: true });
  await runRecipe('make-data-disk.sh', [file, String(sizeMiB), label], env);
}
