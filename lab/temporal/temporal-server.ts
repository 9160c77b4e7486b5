import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Connection } from '@temporalio/client';

/** Types of search attributes as the CLI spells them. */
export type SearchAttributeTypeName = 'Text' | 'Keyword' | 'Int' | 'Double' | 'Bool' | 'Datetime' | 'KeywordList';

export interface TemporalServerOptions {
  /** Path of the Temporal CLI; see ensureTemporalCli. */
  cli: string;
  /** Of the gRPC frontend. */
  port: number;
  uiPort: number;
  stateFolder: string;
  /** true: histories live in <stateFolder>/temporal.db and outlast a restart. false: in memory. */
  keepState: boolean;
  searchAttributes: readonly { name: string; type: SearchAttributeTypeName }[];
  logFile: string;
}

export interface TemporalServer {
  /** host:port of the gRPC frontend. */
  address: string;
  uiUrl: string;
  pid: number;
  stop(): Promise<void>;
}

/**
 * Temporal fires no timer, and so no retry either, earlier than `history.timerProcessorMaxTimeShift` after it was made:
 * 1 s unless set, so that a wait of 0.5 s takes 1 s (measured: 0.3 s late at the median for 0.5 to 0.9 s, now 0.02 s).
 */
const DYNAMIC_CONFIGURATION = ['history.timerProcessorMaxTimeShift="50ms"'];
const READY_SECONDS = 30;
const STOP_SECONDS = 5;

/**
 * Starts Temporal's development server (one process: server, UI, namespace `default`) on the loopback interface.
 * Resolves when it answers for the namespace; rejects with the end of its log.
 */
export async function startTemporal(options: TemporalServerOptions): Promise<TemporalServer> {
  await fs.mkdir(path.dirname(options.logFile), { recursive: true });
  const log = await fs.open(options.logFile, 'a');
  const server = spawn(options.cli, serverArguments(options), { detached: true, stdio: ['ignore', log.fd, log.fd] });
  let end: string | undefined;
  const ended = new Promise<void>((resolve) => {
    server.once('error', (error) => resolve(void (end = error.message)));
    server.once('exit', (code) => resolve(void (end = `exit code ${code ?? 'none'}`)));
  });
  await log.close();
  const pid = server.pid;
  const stop = async (): Promise<void> => {
    if (pid === undefined) return;
    // With nothing to keep there is nothing to close in order.
    signalGroup(pid, options.keepState ? 'SIGTERM' : 'SIGKILL');
    const forced = setTimeout(() => signalGroup(pid, 'SIGKILL'), STOP_SECONDS * 1000);
    await ended;
    clearTimeout(forced);
  };
  const address = `127.0.0.1:${options.port}`;
  const deadline = Date.now() + READY_SECONDS * 1000;
  while (pid === undefined || !(await isReady(address, options.port))) {
    const why =
      pid === undefined ? 'cannot be started' : (end ?? (Date.now() > deadline ? 'does not answer' : undefined));
    if (why !== undefined) {
      await stop();
      throw new Error(
        `Temporal server (${options.cli}) on port ${options.port}: ${why}.\n${await lastLines(options.logFile)}`,
      );
    }
    await sleep(50);
  }
  return { address, uiUrl: `http://127.0.0.1:${options.uiPort}`, pid, stop };
}

function serverArguments(options: TemporalServerOptions): string[] {
  const listen = ['--ip', '127.0.0.1', '--port', String(options.port), '--ui-port', String(options.uiPort)];
  const database = options.keepState ? ['--db-filename', path.join(options.stateFolder, 'temporal.db')] : [];
  const attributes = options.searchAttributes.flatMap(({ name, type }) => ['--search-attribute', `${name}=${type}`]);
  const dynamic = DYNAMIC_CONFIGURATION.flatMap((value) => ['--dynamic-config-value', value]);
  return ['server', 'start-dev', ...listen, ...database, ...attributes, ...dynamic, '--log-level', 'warn'];
}

/** The frontend answers before its namespace exists, so the namespace is what is asked for. */
async function isReady(address: string, port: number): Promise<boolean> {
  // A gRPC client that finds nobody at home waits a second before it knocks again; TCP tells at once.
  if (!(await listens(port))) return false;
  try {
    const connection = await Connection.connect({ address, connectTimeout: 1000 });
    try {
      await connection.withDeadline(Date.now() + 1000, () =>
        connection.workflowService.describeNamespace({ namespace: 'default' }),
      );
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const answer = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}

function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone.
  }
}

async function lastLines(file: string): Promise<string> {
  const text = await fs.readFile(file, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-8).join('\n');
}
