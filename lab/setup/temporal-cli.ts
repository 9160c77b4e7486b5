import fs from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createWriteStream } from 'node:fs';

import { withInstallLock } from './install-lock';
import { findOnPath, outputOf, runTool } from './run-tool';
import { MissingToolError, type SetupOptions } from './setup-options';
import { type SetupProgress, silentProgress } from './setup-progress';

const VERSION = 'v1.5.1';
const GO_PACKAGE = `github.com/temporalio/cli/cmd/temporal@${VERSION}`;
/** No answer of the download site within this time means: no such site from here. */
const DOWNLOAD_ANSWER_MILLISECONDS = 8_000;
const DOWNLOAD_MILLISECONDS = 300_000;
const BUILD_SECONDS = 1200;

/** Address of Temporal's own release archive for this machine, per docs.temporal.io/cli/setup-cli; undefined: none. */
function archiveUrl(): string | undefined {
  const system = { linux: 'linux', darwin: 'darwin' }[process.platform as string];
  const processor = { x64: 'amd64', arm64: 'arm64' }[process.arch as string];
  if (!system || !processor) return undefined;
  return `https://temporal.download/cli/archive/${VERSION}?platform=${system}&arch=${processor}`;
}

async function isTemporalCli(file: string): Promise<boolean> {
  return /temporal/i.test((await outputOf(file, ['--version'])) ?? '');
}

/** Fetches the official archive and unpacks it. Rejects when the site does not answer or answers something else. */
async function download(target: string, options: SetupOptions, progress: SetupProgress): Promise<void> {
  const url = archiveUrl();
  if (!url) throw new Error(`no archive for ${process.platform}/${process.arch}`);
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), DOWNLOAD_ANSWER_MILLISECONDS);
  const response = await fetch(url, {
    signal: AbortSignal.any([patience.signal, AbortSignal.timeout(DOWNLOAD_MILLISECONDS)]),
  }).finally(() => clearTimeout(timer));
  if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`);

  const expected = Number(response.headers.get('content-length') ?? 0) / 1e6;
  const step = progress.begin('Temporal CLI, official archive', expected > 0 ? Math.ceil(expected) : undefined);
  const unpacked = `${target}.unpacked`;
  try {
    await fs.mkdir(unpacked, { recursive: true });
    const archive = path.join(unpacked, 'archive.tar.gz');
    let bytes = 0;
    const body = Readable.fromWeb(response.body);
    body.on('data', (chunk: Buffer) => step.fetched((bytes += chunk.length) / 1e6));
    await pipeline(body, createWriteStream(archive));
    await runTool('tar', ['-xzf', archive, '-C', unpacked], {
      logFile: path.join(options.cacheFolder, 'logs/temporal-cli-unpack.log'),
      timeoutSeconds: 60,
    });
    if (!(await isTemporalCli(path.join(unpacked, 'temporal')))) throw new Error(`${url} holds no working temporal`);
    await fs.rename(path.join(unpacked, 'temporal'), target);
    step.done(VERSION);
  } catch (error) {
    step.failed();
    throw error;
  } finally {
    await fs.rm(unpacked, { recursive: true, force: true });
  }
}

/** Builds the CLI (with the server and its UI inside) from source through the Go module proxy. */
async function build(target: string, go: string, options: SetupOptions, progress: SetupProgress): Promise<void> {
  const step = progress.begin(`Temporal CLI ${VERSION}, built with Go (minutes, once)`);
  const folder = `${target}.build`;
  try {
    await runTool(go, ['install', GO_PACKAGE], {
      logFile: path.join(options.cacheFolder, 'logs/temporal-cli-go-install.log'),
      timeoutSeconds: BUILD_SECONDS,
      env: { GOBIN: folder, GOFLAGS: '' },
    });
    await fs.rename(path.join(folder, 'temporal'), target);
    step.done();
  } catch (error) {
    step.failed();
    throw error;
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

/**
 * Path of a Temporal CLI, which holds the development server with its UI.
 * Looked for in this order: TEMPORAL_CLI_PATH, `temporal` on PATH, the cache folder, Temporal's own download site,
 * `go install`. Throws MissingToolError when none works.
 */
export async function ensureTemporalCli(options: SetupOptions): Promise<string> {
  const given = process.env.TEMPORAL_CLI_PATH;
  if (given) {
    if (await isTemporalCli(given)) return given;
    throw new MissingToolError(`TEMPORAL_CLI_PATH="${given}" is no working Temporal CLI: correct it or unset it`);
  }
  const onPath = await findOnPath('temporal');
  if (onPath && (await isTemporalCli(onPath))) return onPath;
  const cached = path.join(options.cacheFolder, 'bin/temporal');
  if (await isTemporalCli(cached)) return cached;

  const progress = options.progress ?? silentProgress;
  return withInstallLock(`${cached}.lock`, async () => {
    if (await isTemporalCli(cached)) return cached;
    const refused = await download(cached, options, progress).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    );
    if (!refused) return cached;
    const go = await findOnPath('go');
    if (!go) {
      throw new MissingToolError(
        `The Temporal CLI is missing; it runs the lab's Temporal server. The download site did not help (${refused.message}) ` +
          'and there is no Go to build it. Install it (docs.temporal.io/cli/setup-cli) and put it on PATH or into ' +
          'TEMPORAL_CLI_PATH, or install Go 1.24 or newer',
      );
    }
    await build(cached, go, options, progress);
    return cached;
  });
}
