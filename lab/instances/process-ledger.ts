import fs from 'node:fs/promises';
import path from 'node:path';

import { outputOf } from '../setup/run-tool';

/**
 * Every process group that a lab starts is written down in its state folder, with what tells it from a later process of
 * the same number. So a lab that was killed (kill -9, power) leaves nothing: the next `up` or `down` ends what is written here.
 */
interface LedgerEntry {
  pid: number;
  /** Identity of the process: boot and start time. */
  identity: string;
  what: string;
}

function ledgerFolder(stateFolder: string): string {
  return path.join(stateFolder, 'processes');
}

/** Boot and start time of a process; undefined when there is no such process. */
export async function processIdentity(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return outputOf('ps', ['-o', 'lstart=', '-p', String(pid)]);
  try {
    const boot = await fs.readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8');
    // The command in parentheses may hold anything; state is the first field behind it, start time the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined;
    return `${boot.trim()} ${fields[19] ?? ''}`;
  } catch {
    return undefined;
  }
}

/** Writes down a process group (its leader's pid) that belongs to this lab. */
export async function recordProcess(stateFolder: string, pid: number, what: string): Promise<void> {
  const identity = await processIdentity(pid);
  if (identity === undefined) return;
  const entry: LedgerEntry = { pid, identity, what };
  await fs.mkdir(ledgerFolder(stateFolder), { recursive: true });
  await fs.writeFile(path.join(ledgerFolder(stateFolder), `${pid}.json`), JSON.stringify(entry));
}

export async function forgetProcess(stateFolder: string, pid: number): Promise<void> {
  await fs.rm(path.join(ledgerFolder(stateFolder), `${pid}.json`), { force: true });
}

/** SIGKILL to a process group; a group that is gone is fine. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // EPERM: the number belongs to somebody else's group by now.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Ends every recorded process group that still lives. Returns what they were. */
export async function sweepProcesses(stateFolder: string): Promise<string[]> {
  const ended: string[] = [];
  const bootNow = (await processIdentity(process.pid))?.split(' ')[0];
  const files: string[] = await fs.readdir(ledgerFolder(stateFolder)).catch(() => []);
  for (const name of files) {
    const file = path.join(ledgerFolder(stateFolder), name);
    const entry = JSON.parse(await fs.readFile(file, 'utf8')) as LedgerEntry;
    const now = await processIdentity(entry.pid);
    if (now === entry.identity) {
      ended.push(`${entry.what} (process ${entry.pid})`);
      killGroup(entry.pid);
    } else if (now === undefined && entry.identity.split(' ')[0] === bootNow) {
      // Without its leader a group may still live, and its number is given to nobody else as long as it does.
      killGroup(entry.pid);
    }
    await fs.rm(file, { force: true });
  }
  return ended;
}

/**
 * Pids of processes whose environment holds `NAME=value`. Documents that an agent started in groups of their own are found
 * this way. Linux only; elsewhere the answer is empty.
 */
export async function processesWithEnvironment(name: string, value: string): Promise<number[]> {
  const entries: string[] = await fs.readdir('/proc').catch(() => []);
  const found: number[] = [];
  for (const entry of entries) {
    if (!/^\d+$/.test(entry)) continue;
    const environment = await fs.readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(`${name}=${value}`)) found.push(Number(entry));
  }
  return found;
}
