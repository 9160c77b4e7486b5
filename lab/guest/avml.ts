import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { findProgram, toolOutput } from './tool-output';

export interface BuiltMemoryTool {
  path: string;
  /** Hex. */
  sha256: string;
  version: string;
}

const VERSION = '0.21.0';
const TARGET = 'x86_64-unknown-linux-musl';
/** Crates that a build compiles with the version and features pinned below: the end of the progress bar. */
const CRATES = 18;
/** `avml` 0.21.0 declares this as its oldest compiler. */
const OLDEST_RUST = { major: 1, minor: 89 };

async function checkCompiler(env: NodeJS.ProcessEnv): Promise<void> {
  const text = await toolOutput('cargo', ['--version'], { env });
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(text) ?? []).slice(1).map(Number);
  if (major < OLDEST_RUST.major || (major === OLDEST_RUST.major && minor < OLDEST_RUST.minor)) {
    throw new Error(`AVML ${VERSION} needs Rust 1.89 or later, found ${text.trim()}: run rustup update stable`);
  }
  const library = (await toolOutput('rustc', ['--print', 'target-libdir', '--target', TARGET], { env })).trim();
  if (existsSync(library)) return;
  if (findProgram('rustup', env) === undefined) {
    throw new Error(`Rust's target ${TARGET} is missing, AVML is built for it: rustup target add ${TARGET}`);
  }
  await toolOutput('rustup', ['target', 'add', TARGET], { env });
}

async function describe(file: string): Promise<BuiltMemoryTool> {
  const sha256 = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  return { path: file, sha256, version: VERSION };
}

/**
 * AVML (Microsoft's memory acquisition tool for Linux), statically linked, built from its Rust package at a pinned version
 * with the author's own lock file. Its upload features are left out: the lab's documents do the upload.
 */
export async function buildAvml(
  folder: string,
  report: (note: string, fraction: number) => void,
  env: NodeJS.ProcessEnv,
): Promise<BuiltMemoryTool> {
  const finished = path.join(folder, `avml-${VERSION}`);
  if (existsSync(finished)) return describe(finished);

  report(`building AVML ${VERSION}`, 0);
  await checkCompiler(env);
  const work = await mkdtemp(path.join(folder, '.avml-'));
  try {
    let compiled = 0;
    const onErrorLine = (line: string): void => {
      const crate = /^\s*Compiling (\S+)/.exec(line)?.[1];
      if (crate !== undefined) report(`compiling ${crate}`, Math.min(0.99, ++compiled / CRATES));
    };
    const source = ['install', 'avml', '--version', VERSION, '--locked', '--target', TARGET];
    const features = ['--no-default-features', '--features', 'convert', '--bin', 'avml'];
    const places = ['--root', work, '--target-dir', path.join(work, 'target')];
    await toolOutput('cargo', [...source, ...features, ...places], { env, onErrorLine });
    await rename(path.join(work, 'bin', 'avml'), finished);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  report(`AVML ${VERSION}`, 1);
  return describe(finished);
}
