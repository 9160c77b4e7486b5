import fs from 'node:fs/promises';
import path from 'node:path';

import { sweepLeftovers } from '../instances/leftovers';
import { processIdentity } from '../instances/process-ledger';

/** A lab's folder holds this mark, so that nothing else is ever removed by mistake. */
const FOLDER_MARK = '.lab-state';

function statusFile(stateFolder: string): string {
  return path.join(stateFolder, 'lab.json');
}

function holderFile(stateFolder: string): string {
  return path.join(stateFolder, 'holder.json');
}

/** Writes the lab's status (an object for JSON) where readStatus finds it; whole or not at all. */
export async function writeStatus(stateFolder: string, status: object): Promise<void> {
  const file = statusFile(stateFolder);
  await fs.writeFile(`${file}.new`, `${JSON.stringify(status, undefined, 2)}\n`);
  await fs.rename(`${file}.new`, file);
}

/** Writes down that this process holds the lab of the state folder. */
export async function claimState(stateFolder: string): Promise<void> {
  const identity = await processIdentity(process.pid);
  await fs.writeFile(holderFile(stateFolder), JSON.stringify({ pid: process.pid, identity }));
}

export async function releaseState(stateFolder: string): Promise<void> {
  await fs.rm(statusFile(stateFolder), { force: true });
  await fs.rm(holderFile(stateFolder), { force: true });
}

/** Pid of the living process that holds the lab of a state folder. */
export async function holder(stateFolder: string): Promise<number | undefined> {
  const text = await fs.readFile(holderFile(stateFolder), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { pid, identity } = JSON.parse(text) as { pid: number; identity: string };
  return (await processIdentity(pid)) === identity ? pid : undefined;
}

/** Status text as last written; undefined when there is none. */
export async function readStatus(stateFolder: string): Promise<string | undefined> {
  return fs.readFile(statusFile(stateFolder), 'utf8').catch(() => undefined);
}

/** Makes the state folder ready for a start: ends leftovers, empties it unless kept. Throws while a lab runs in it. */
export async function prepareState(stateFolder: string, keepState: boolean): Promise<void> {
  const pid = await holder(stateFolder);
  if (pid !== undefined) throw new Error(`A lab runs already with state folder ${stateFolder} (process ${pid})`);
  await sweepLeftovers(stateFolder);
  if (!keepState) await dropState(stateFolder);
  // Even where volumes are kept: no emulated instance outlives its emulator, so nobody would ask for these disks again.
  await fs.rm(path.join(stateFolder, 'instances'), { recursive: true, force: true });
  await fs.mkdir(path.join(stateFolder, 'logs'), { recursive: true });
  await fs.mkdir(path.join(stateFolder, 'ebs/volumes'), { recursive: true });
  await fs.mkdir(path.join(stateFolder, 'ebs/snapshots'), { recursive: true });
  await fs.writeFile(path.join(stateFolder, FOLDER_MARK), 'State of a lab; removed by "lab reset".\n');
}

/** Removes the state folder; refuses when it is not a lab's. */
export async function dropState(stateFolder: string): Promise<void> {
  const entries: string[] = await fs.readdir(stateFolder).catch(() => []);
  if (entries.length === 0) return;
  if (!entries.includes(FOLDER_MARK)) {
    throw new Error(`${stateFolder} holds files that are not a lab's: set LAB_STATE to an empty or a new folder`);
  }
  await fs.rm(stateFolder, { recursive: true, force: true });
}
