import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CpioArchive } from './cpio-archive';
import { type GuestKernel } from './guest-kernel';
import { findProgram, toolOutput } from './tool-output';

const ROOTFS = path.join(__dirname, 'rootfs');
const INTRUSION = path.join(__dirname, '..', 'intrusion');
const INIT = path.join(ROOTFS, 'init');
const GUEST_RUNNER = path.join(ROOTFS, 'guest-runner.c');
const PLANTED_PROCESS = path.join(INTRUSION, 'planted-process.c');
const PLANTED_COMMANDS = path.join(INTRUSION, 'planted-commands.txt');

/** The driver of the network card: VMware's, the one card that segments TCP in QEMU and that the kernel knows. */
const MODULES = ['drivers/net/vmxnet3/vmxnet3'];

/**
 * Programs that documents find on every distribution. They are this machine's own, with their libraries, so that the
 * guest behaves as a distribution and not as BusyBox; BusyBox gives the rest.
 */
const PROGRAMS = [
  ...['bash', 'dash', 'curl', 'grep', 'sed', 'gzip', 'xz', 'find', 'xargs', 'setsid', 'lsblk'],
  ...['basename', 'base64', 'cat', 'chmod', 'cksum', 'cp', 'cut', 'date', 'dd', 'df', 'dirname', 'env', 'head', 'id'],
  ...['ln', 'ls', 'md5sum', 'mkdir', 'mkfifo', 'mktemp', 'mv', 'nproc', 'od', 'printf', 'readlink', 'rm', 'rmdir'],
  ...['seq', 'sha256sum', 'sleep', 'sort', 'split', 'stat', 'sync', 'tail', 'tee', 'test', 'timeout', 'touch', 'tr'],
  ...['truncate', 'uname', 'uniq', 'wc'],
];

interface FoundProgram {
  name: string;
  file: string;
}

async function findPrograms(env: NodeJS.ProcessEnv): Promise<FoundProgram[]> {
  const found: FoundProgram[] = [];
  for (const name of PROGRAMS) {
    const file = findProgram(name, env);
    if (file !== undefined) found.push({ name, file: await realpath(file) });
  }
  return found;
}

/** The shared libraries of programs, and the loader, as absolute paths. */
async function librariesOf(programs: readonly FoundProgram[], env: NodeJS.ProcessEnv): Promise<string[]> {
  const libraries = new Set<string>();
  for (const { file } of programs) {
    const text = await toolOutput('ldd', [file], { env }).catch(() => ''); // a statically linked one has none
    for (const match of text.matchAll(/(?:=>\s*|^\s*)(\/\S+)\s+\(0x/gm)) if (match[1]) libraries.add(match[1]);
  }
  return [...libraries].sort();
}

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

/** A statically linked program from one C file. */
async function compile(source: string, folder: string, env: NodeJS.ProcessEnv): Promise<Buffer> {
  const work = await mkdtemp(path.join(folder, '.compile-'));
  const program = path.join(work, 'program');
  try {
    await toolOutput('cc', ['-O1', '-static', '-s', '-o', program, source], { env });
    return await readFile(program);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A name for the archive that changes when anything that goes in changes. */
async function fingerprint(kernel: GuestKernel, programs: readonly FoundProgram[]): Promise<string> {
  const hash = createHash('sha256').update(kernel.version);
  for (const { name, file } of programs) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${name} ${file} ${size} ${mtimeMs}\n`);
  }
  const ours = [INIT, GUEST_RUNNER, PLANTED_PROCESS, PLANTED_COMMANDS, __filename];
  for (const file of ours) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

/**
 * The guest's root file system, as the archive that the kernel unpacks into memory: BusyBox, this machine's everyday
 * tools with their libraries, the planted intrusion, and the runner of scripts. Not compressed: QEMU hands it over at
 * once, while unpacking gzip on an emulated processor takes seconds.
 */
export async function buildInitramfs(
  folder: string,
  kernel: GuestKernel,
  report: (note: string, fraction: number) => void,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const programs = await findPrograms(env);
  const finished = path.join(folder, `initramfs-${await fingerprint(kernel, programs)}.cpio`);
  if (existsSync(finished)) return finished;

  report('compiling the planted process and the runner of scripts', 0);
  const archive = new CpioArchive();
  for (const name of ['proc', 'sys', 'dev', 'tmp', 'run', 'mnt', 'root', 'etc/cron.d', 'usr', 'var/log', 'var/tmp']) {
    archive.folder(`/${name}`);
  }
  for (const name of ['/sbin', '/usr/bin', '/usr/sbin']) archive.link(name, '/bin');
  archive.file('/init', await readFile(INIT), 0o755);
  archive.file('/bin/guest-runner', await compile(GUEST_RUNNER, folder, env), 0o755);
  archive.file('/lib/planted/process', await compile(PLANTED_PROCESS, folder, env), 0o755);
  archive.file('/lib/planted/commands', await readFile(PLANTED_COMMANDS));

  report('collecting programs', 0.5);
  const busybox = await readFile(kernel.busybox);
  archive.file('/bin/busybox', busybox, 0o755);
  const applets = (await toolOutput(kernel.busybox, ['--list'], { env })).split('\n').filter((name) => name !== '');
  const taken = new Set(['busybox', ...programs.map(({ name }) => name)]);
  if (taken.has('dash')) {
    taken.add('sh');
    archive.link('/bin/sh', 'dash');
  }
  for (const applet of applets) if (!taken.has(applet)) archive.link(`/bin/${applet}`, 'busybox');
  for (const { name, file } of programs) archive.file(`/bin/${name}`, await readFile(file), 0o755);
  for (const file of await librariesOf(programs, env)) archive.file(file, await readFile(file), 0o755);

  const loaded: string[] = [];
  for (const name of MODULES) {
    const content = await readModule(kernel, name, env);
    if (content === undefined) continue;
    loaded.push(path.basename(name));
    archive.file(`/lib/modules/${path.basename(name)}.ko`, content);
  }
  archive.file('/lib/modules/load-order', `${loaded.join('\n')}\n`);
  archive.file('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\n');
  archive.file('/etc/group', 'root:x:0:\n');
  archive.file('/etc/os-release', await readFile('/etc/os-release'));

  const unfinished = `${finished}.${process.pid}`;
  await writeFile(unfinished, archive.finish());
  await rename(unfinished, finished);
  report('initial file system', 1);
  return finished;
}
