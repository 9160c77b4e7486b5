import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { toolOutput } from './tool-output';

export interface GuestKernel {
  /** For example 6.1.0-56-cloud-amd64. */
  version: string;
  /** The bootable image. */
  image: string;
  /** Folder of its modules. */
  modules: string;
  /** A statically linked BusyBox. */
  busybox: string;
  /** Folder with the unpacked kernel package. */
  package: string;
}

/** Debian's kernel for clouds. NVMe and ext4 are built in, so the guest sees volumes as a Nitro instance does. */
const KERNEL_PACKAGE = 'linux-image-cloud-amd64';

async function newestKernel(env: NodeJS.ProcessEnv): Promise<string> {
  const depends = await toolOutput('apt-cache', ['depends', KERNEL_PACKAGE], { env }).catch(() => '');
  const version = /Depends: linux-image-(\S+)/.exec(depends)?.[1];
  if (version === undefined) {
    throw new Error(`apt knows no package ${KERNEL_PACKAGE}: run apt-get update (Debian 12 or later has it)`);
  }
  return version;
}

async function newestCached(root: string): Promise<string | undefined> {
  const versions = await readdir(root).catch(() => []);
  const order = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });
  return versions
    .filter((name) => !name.startsWith('.'))
    .sort(order)
    .at(-1);
}

async function describeKernel(root: string, version: string): Promise<GuestKernel> {
  const folder = path.join(root, version);
  const modules = ['lib', 'usr/lib'].map((lib) => path.join(folder, lib, 'modules', version)).find(existsSync);
  const busybox = ['bin', 'usr/bin'].map((bin) => path.join(folder, bin, 'busybox')).find(existsSync);
  const image = path.join(folder, 'boot', `vmlinuz-${version}`);
  if (modules === undefined || busybox === undefined || !existsSync(image)) {
    const found = (await readdir(folder)).join(', ');
    throw new Error(`the kernel package ${version} holds not what was expected (${found}): delete ${folder} and retry`);
  }
  return { version, image, modules, busybox, package: folder };
}

/**
 * Version of the kernel that guests of this cache boot, for example 6.1.0-56-cloud-amd64; its headers, for who builds a
 * module, are in Debian's package `linux-headers-<version>`. undefined as long as no guest was made.
 */
export function guestKernelVersion(cacheFolder: string): Promise<string | undefined> {
  return newestCached(path.join(cacheFolder, 'guest', 'kernel'));
}

/**
 * The kernel and BusyBox, from the cache or as Debian packages through apt (any user may download).
 * A cached kernel stays in use until it is deleted: a lab does not change by itself, and works without a network.
 */
export async function fetchKernel(
  folder: string,
  report: (note: string, fraction: number) => void,
  env: NodeJS.ProcessEnv,
): Promise<GuestKernel> {
  const root = path.join(folder, 'kernel');
  await mkdir(root, { recursive: true });
  const cached = await newestCached(root);
  if (cached !== undefined) return describeKernel(root, cached);

  report('looking for the newest Debian cloud kernel', 0);
  const version = await newestKernel(env);
  const work = await mkdtemp(path.join(root, '.download-'));
  try {
    const packages = [`linux-image-${version}`, 'busybox-static'];
    for (const [index, name] of packages.entries()) {
      report(`downloading ${name}`, 0.1 + 0.4 * index);
      // The sandbox user of apt may not write here; that is only a warning, and it goes to standard error.
      await toolOutput('apt-get', ['download', '-q', name], { cwd: work, env });
    }
    report('unpacking', 0.8);
    const content = path.join(work, 'content');
    for (const file of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
      await toolOutput('dpkg-deb', ['-x', path.join(work, file), content], { env });
    }
    await rename(content, path.join(root, version));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  report(`kernel ${version}`, 1);
  return describeKernel(root, version);
}
