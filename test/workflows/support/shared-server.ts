import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { labConfig } from '../../../lab/config';
import { searchAttributes } from '../../../workflows/contract/search-attributes';

/**
 * One Temporal server for all test files of a run of Jest. Jest's main process holds it, since that lives from the first
 * file to the last; test files, which may run in processes of their own, ask it for the address. The first that asks
 * starts the server, so a run without workflow tests starts none.
 */
export interface SharedServer {
  stop(): Promise<void>;
}

/** Where test files ask, and the folder that they share; set for them by `offerServer`. */
const ASK_AT = 'TEST_TEMPORAL_ASK_AT';
const FOLDER = 'TEST_TEMPORAL_FOLDER';

/**
 * Ends the server when its own standard input ends: that happens however Jest's main process goes, by itself, by Ctrl-C
 * or killed. The server keeps nothing that a gentle end would save; the run's folder goes with it.
 */
const GUARDIAN = `
folder=$1; shift
"$@" </dev/null & server=$!
trap : INT TERM HUP
cat >/dev/null
kill -KILL "$server"; wait "$server"
rm -rf "$folder"`;
const STARTS_WITHIN_MILLISECONDS = 60_000;

export async function offerServer(): Promise<SharedServer> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'temporal-for-tests-'));
  let started: Promise<{ address: string; guardian: ChildProcess }> | undefined;
  const desk = http.createServer((_, response) => {
    started ??= startServer(folder);
    started.then(
      ({ address }) => response.end(address),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => desk.listen(0, '127.0.0.1', resolve));
  desk.unref();
  process.env[ASK_AT] = `http://127.0.0.1:${(desk.address() as AddressInfo).port}/`;
  process.env[FOLDER] = folder;
  return {
    async stop() {
      desk.close();
      // Connections are kept alive by who asked, and would keep Jest.
      desk.closeAllConnections();
      const guardian = await started?.then(
        (server) => server.guardian,
        () => undefined,
      );
      if (guardian && guardian.exitCode === null) {
        // Jest’s results are written after this: it must not end for want of anything to wait for.
        guardian.ref();
        const ended = new Promise((resolve) => guardian.once('exit', resolve));
        guardian.stdin?.end();
        await ended;
      }
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** `host:port` of the server that the test files of this run share. */
export async function sharedServerAddress(): Promise<string> {
  const response = await fetch(environmentOfRun(ASK_AT));
  const answer = await response.text();
  if (!response.ok) throw new Error(`the Temporal server for tests did not start: ${answer}`);
  return answer;
}

/** A folder that lives as long as this run of Jest. */
export const sharedFolder = (): string => environmentOfRun(FOLDER);

function environmentOfRun(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run the tests through jest.config.cjs (globalSetup)`);
  return value;
}

/** The Temporal CLI: TEMPORAL_CLI_PATH, else the one that the lab's set-up keeps, else the first on PATH. */
export function temporalCli(): string {
  const fromPath = (process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, 'temporal'));
  const candidates = [
    process.env.TEMPORAL_CLI_PATH ?? '',
    path.join(labConfig().cacheFolder, 'bin', 'temporal'),
    ...fromPath,
  ];
  const found = candidates.find((candidate) => candidate !== '' && fs.existsSync(candidate));
  if (found === undefined) {
    throw new Error(
      'No Temporal CLI was found: run `npm test` once (it installs one), or name one in TEMPORAL_CLI_PATH, or put ' +
        '`temporal` on PATH.',
    );
  }
  return found;
}

async function startServer(folder: string): Promise<{ address: string; guardian: ChildProcess }> {
  const port = await freePort();
  const attributes = Object.values(searchAttributes).flatMap((key) => ['--search-attribute', `${key.name}=Keyword`]);
  const options = ['--headless', '--ip', '127.0.0.1', '--port', String(port), '--log-level', 'error', ...attributes];
  const log = fs.openSync(path.join(folder, 'server.log'), 'a');
  const guardian = spawn('sh', ['-c', GUARDIAN, 'sh', folder, temporalCli(), 'server', 'start-dev', ...options], {
    // A group of its own: Ctrl-C ends Jest first, and the end of Jest ends the server.
    detached: true,
    stdio: ['pipe', log, log],
  });
  fs.closeSync(log);
  // Neither may keep Jest from ending.
  guardian.unref();
  (guardian.stdin as Socket).unref();
  const deadline = Date.now() + STARTS_WITHIN_MILLISECONDS;
  while (!(await listens(port))) {
    if (Date.now() > deadline) {
      guardian.stdin?.end();
      throw new Error(fs.readFileSync(path.join(folder, 'server.log'), 'utf8').slice(-2000) || 'it never listened');
    }
    await pause(50);
  }
  return { address: `127.0.0.1:${port}`, guardian };
}

async function listens(port: number): Promise<boolean> {
  const socket = net.connect({ host: '127.0.0.1', port });
  try {
    // Rejects with the event `error`.
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export async function freePort(): Promise<number> {
  const probe = net.createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
