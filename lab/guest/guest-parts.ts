import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { withInstallLock } from '../setup/install-lock';
import { buildAvml, type BuiltMemoryTool } from './avml';
import { fetchKernel } from './guest-kernel';
import { buildInitramfs } from './initramfs';
import { buildRootDisk, type RootFileSystem, rootDiskTools } from './root-disk';
import { findProgram } from './tool-output';

export interface GuestPartsProgress {
  part: 'kernel' | 'memory tool' | 'initial file system' | 'root disk';
  /** What is being done, for a person. */
  note: string;
  /** 0 to 1. */
  fraction: number;
}

export interface GuestParts {
  /** QEMU's program for x86-64. */
  qemu: string;
  kernel: string;
  kernelVersion: string;
  initramfs: string;
  /** Image of a root disk; a guest gets a copy of it as its root volume. */
  rootDisk: string;
  /** The memory acquisition tool, for the tools bucket: a guest gets it from there as a real suspect does. */
  avml: BuiltMemoryTool;
}

/** The guest cannot be made on this machine. The message is one line: what is missing and how to get it. */
export class GuestPartsError extends Error {
  constructor(message: string) {
    super(message.replace(/\s+/g, ' ').trim());
    this.name = 'GuestPartsError';
  }
}

interface Requirement {
  program: string;
  hint: string;
}

const REQUIREMENTS: readonly Requirement[] = [
  { program: 'apt-get', hint: 'the guest is made of Debian packages: use Debian 12 or later' },
  { program: 'apt-cache', hint: 'the guest is made of Debian packages: use Debian 12 or later' },
  { program: 'dpkg-deb', hint: 'the guest is made of Debian packages: use Debian 12 or later' },
  { program: 'cc', hint: 'apt-get install gcc libc6-dev' },
  { program: 'cargo', hint: 'install Rust 1.89 or later with rustup (rustup.rs)' },
  { program: 'bash', hint: 'apt-get install bash' },
  { program: 'python3', hint: 'apt-get install python3' },
];

function findQemu(env: NodeJS.ProcessEnv): string {
  const chosen = env.QEMU_SYSTEM_X86_64;
  if (chosen !== undefined && chosen !== '') {
    const found = findProgram(path.basename(chosen), { PATH: path.dirname(path.resolve(chosen)) });
    if (found === path.resolve(chosen)) return found;
    throw new GuestPartsError(`QEMU_SYSTEM_X86_64="${chosen}" is not a program: point it to qemu-system-x86_64`);
  }
  const found = findProgram('qemu-system-x86_64', env);
  if (found !== undefined) return found;
  throw new GuestPartsError(
    `QEMU is missing, a guest instance needs it: apt-get install --no-install-recommends qemu-system-x86,
     or set QEMU_SYSTEM_X86_64; without it use instances of kind "fixture"`,
  );
}

/**
 * Finds or makes what a guest instance needs: QEMU (found), a Debian cloud kernel (27 MB download), AVML (built from
 * its Rust package, about 15 s), an initial file system, and a root disk (about 45 s, 70 MB download; for it a user who is
 * not root needs user namespaces). Everything is kept in `<cacheFolder>/guest`, under names that tell version or content, so
 * that a later call returns at once.
 *
 * @throws GuestPartsError one line that names what is missing and how to get it
 */
export async function ensureGuestParts(
  cacheFolder: string,
  onProgress: (progress: GuestPartsProgress) => void = () => undefined,
  env: NodeJS.ProcessEnv = process.env,
  rootFileSystem: RootFileSystem = 'ext4',
): Promise<GuestParts> {
  const qemu = findQemu(env);
  if (process.arch !== 'x64') {
    throw new GuestPartsError(`a guest is an x86-64 machine and is built on one; this is ${process.arch}`);
  }
  for (const { program, hint } of [...REQUIREMENTS, ...rootDiskTools(rootFileSystem)]) {
    if (findProgram(program, env) === undefined) {
      throw new GuestPartsError(`${program} is missing, the guest is built with it: ${hint}`);
    }
  }
  const folder = path.join(cacheFolder, 'guest');
  await mkdir(folder, { recursive: true });
  const report =
    (part: GuestPartsProgress['part']) =>
    (note: string, fraction: number): void =>
      onProgress({ part, note, fraction });
  const make = async (): Promise<GuestParts> => {
    const kernel = await fetchKernel(folder, report('kernel'), env);
    const avml = await buildAvml(folder, report('memory tool'), env);
    const initramfs = await buildInitramfs(folder, kernel, report('initial file system'), env);
    const rootDisk = await buildRootDisk(folder, kernel, rootFileSystem, report('root disk'), env);
    return { qemu, kernel: kernel.image, kernelVersion: kernel.version, initramfs, rootDisk, avml };
  };
  try {
    return await withInstallLock(path.join(folder, 'install.lock'), make);
  } catch (error) {
    if (error instanceof GuestPartsError) throw error;
    throw new GuestPartsError(error instanceof Error ? error.message : String(error));
  }
}
