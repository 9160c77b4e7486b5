import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { BuiltMemoryTool } from '../guest/avml';
import { findProgram, toolOutput } from '../guest/tool-output';
import { withInstallLock } from '../setup/install-lock';

/** The module cannot be built on this machine. The message is one line: what is missing and how to get it. */
export class LimeError extends Error {
  override name = 'LimeError';
}

/** Debian 12's; the source of the module comes from this package, the kernel's headers from its own. */
const SOURCE = { package: 'lime-forensics-dkms', version: '1.9.1-5' };
const REQUIREMENTS: readonly [program: string, hint: string][] = [
  ['apt-get', 'LiME is built from Debian packages: use Debian 12 or later'],
  ['apt-cache', 'LiME is built from Debian packages: use Debian 12 or later'],
  ['dpkg-deb', 'LiME is built from Debian packages: use Debian 12 or later'],
  ['make', 'apt-get install make'],
  ['gcc', 'apt-get install gcc'],
  ['strip', 'apt-get install binutils'],
];

/**
 * LiME (Linux Memory Extractor) as a kernel module for one kernel release, e.g. 6.1.0-56-cloud-amd64, built without root
 * from Debian's packages (15 MB download, about 10 s). Kept in `<cacheFolder>/memory-tools` under its version and release.
 *
 * @throws LimeError one line that names what is missing and how to get it
 */
export async function ensureLime(
  cacheFolder: string,
  kernelRelease: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<BuiltMemoryTool> {
  const folder = path.join(cacheFolder, 'memory-tools');
  const finished = path.join(folder, `lime-${SOURCE.version}-${kernelRelease}.ko`);
  if (!existsSync(finished)) {
    if (process.arch !== 'x64') throw new LimeError(`LiME is built for x86-64 on x86-64; this is ${process.arch}`);
    for (const [program, hint] of REQUIREMENTS) {
      if (findProgram(program, env) === undefined) throw new LimeError(`${program} is missing: ${hint}`);
    }
    await mkdir(folder, { recursive: true });
    await withInstallLock(path.join(folder, 'install.lock'), async () => {
      if (!existsSync(finished)) await build(folder, kernelRelease, finished, env);
    });
  }
  const sha256 = createHash('sha256')
    .update(await readFile(finished))
    .digest('hex');
  return { path: finished, sha256, version: SOURCE.version };
}

async function build(folder: string, release: string, finished: string, env: NodeJS.ProcessEnv): Promise<void> {
  const work = await mkdtemp(path.join(folder, '.lime-'));
  try {
    const root = await unpackPackages(work, release, env);
    const headers = path.join(root, 'usr/src', `linux-headers-${release}`);
    // It names the part of the headers that all flavours share by its place on an installed system.
    const makefile = path.join(headers, 'Makefile');
    const installed = await readFile(makefile, 'utf8');
    await writeFile(makefile, installed.replaceAll('/usr/src/', `${path.join(root, 'usr/src')}/`));
    const source = path.join(root, 'usr/src', `lime-forensics-${SOURCE.version}`);
    await toolOutput('make', ['-C', headers, `M=${source}`, 'modules'], { env });
    const module = path.join(source, 'lime.ko');
    await toolOutput('strip', ['--strip-debug', module], { env });
    await copyFile(module, `${finished}.${process.pid}`);
    await rename(`${finished}.${process.pid}`, finished);
  } catch (error) {
    throw new LimeError(
      `LiME could not be built for kernel ${release}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Downloads (any user may) and unpacks the packages; returns the folder that stands for the root of a system. */
async function unpackPackages(work: string, release: string, env: NodeJS.ProcessEnv): Promise<string> {
  const headers = `linux-headers-${release}`;
  const depends = await toolOutput('apt-cache', ['depends', headers], { env }).catch(() => '');
  const others = [...depends.matchAll(/Depends: (linux-(?:headers|kbuild)-\S+)/g)].map((match) => match[1] ?? '');
  if (others.length === 0) {
    throw new Error(
      `apt has no ${headers}: run apt-get update; where the mirror dropped that kernel, delete the cached one`,
    );
  }
  const root = path.join(work, 'root');
  const packages = [headers, ...others, `${SOURCE.package}=${SOURCE.version}`];
  await toolOutput('apt-get', ['download', '-q', ...packages], { cwd: work, env });
  for (const file of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
    await toolOutput('dpkg-deb', ['-x', path.join(work, file), root], { env });
  }
  return root;
}
