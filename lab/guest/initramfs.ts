import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CpioArchive } from './cpio-archive';
import { type GuestKernel } from './guest-kernel';
import { toolOutput } from './tool-output';

const INIT = path.join(__dirname, 'rootfs', 'init');

/**
 * Modules needed before the root volume is there, in the order of loading. The network card is VMware's, the one card that
 * segments TCP in QEMU and that the kernel for clouds knows. NVMe, ext4 and serial ports are built in.
 */
const NETWORK_MODULES = ['drivers/net/vmxnet3/vmxnet3'];
const XFS_MODULES = ['lib/libcrc32c', 'fs/xfs/xfs'];

async function readModule(kernel: GuestKernel, name: string, env: NodeJS.ProcessEnv): Promise<Buffer | undefined> {
  const file = path.join(kernel.modules, 'kernel', `${name}.ko`);
  if (existsSync(file)) return readFile(file);
  if (!existsSync(`${file}.xz`)) return undefined; // built into this kernel
  const work = await mkdtemp(path.join(path.dirname(kernel.modules), '.module-'));
  try {
    const copy = path.join(work, 'module.ko.xz');
    await writeFile(copy, await readFile(`${file}.xz`));
    await toolOutput('xz', ['-d', copy], { env });
    return await readFile(path.join(work, 'module.ko'));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A name for the archive that changes when anything that goes in changes. */
async function fingerprint(kernel: GuestKernel): Promise<string> {
  const hash = createHash('sha256').update(kernel.version);
  for (const file of [INIT, __filename]) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

/**
 * The guest's initial file system, as the archive that the kernel unpacks into memory: BusyBox, three modules, and the
 * script that mounts the root volume. What is of one instance follows in an archive of its own (instance-archive.ts).
 * Not compressed: QEMU hands it over at once, while unpacking on an emulated processor takes seconds.
 */
export async function buildInitramfs(
  folder: string,
  kernel: GuestKernel,
  report: (note: string, fraction: number) => void,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const finished = path.join(folder, `initramfs-${await fingerprint(kernel)}.cpio`);
  if (existsSync(finished)) return finished;

  report('collecting modules', 0);
  const archive = new CpioArchive();
  for (const name of ['bin', 'dev', 'proc', 'root', 'run', 'sys']) archive.folder(`/${name}`);
  archive.file('/init', await readFile(INIT), 0o755);
  archive.file('/bin/busybox', await readFile(kernel.busybox), 0o755);
  for (const [list, modules] of Object.entries({ network: NETWORK_MODULES, xfs: XFS_MODULES })) {
    const found: string[] = [];
    for (const name of modules) {
      const content = await readModule(kernel, name, env);
      if (content === undefined) continue;
      const file = `${path.basename(name)}.ko`;
      found.push(`${file}\n`);
      archive.file(`/modules/${file}`, content);
    }
    archive.file(`/modules/${list}`, found.join(''));
  }

  const unfinished = `${finished}.${process.pid}`;
  await writeFile(unfinished, archive.finish());
  await rename(unfinished, finished);
  report('initial file system', 1);
  return finished;
}
