import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MILLISECONDS = 250;
const WAIT_SECONDS = 1200;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Runs `work` while no other process (nor another call of this one) holds the same lock file.
 * The file holds the owner's process id; a lock whose owner is gone is taken over.
 */
export async function withInstallLock<T>(lockFile: string, work: () => Promise<T>): Promise<T> {
  await fs.mkdir(path.dirname(lockFile), { recursive: true });
  const mark = `${process.pid} ${randomUUID()}`;
  const ownFile = `${lockFile}.${randomUUID()}`;
  await fs.writeFile(ownFile, mark);
  try {
    await acquire(lockFile, ownFile);
  } finally {
    await fs.rm(ownFile, { force: true });
  }
  try {
    return await work();
  } finally {
    await fs.rm(lockFile, { force: true });
  }
}

/** A hard link appears at once with its content, so nobody ever reads a lock without an owner. */
async function acquire(lockFile: string, ownFile: string): Promise<void> {
  const deadline = Date.now() + WAIT_SECONDS * 1000;
  for (;;) {
    try {
      await fs.link(ownFile, lockFile);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const held = await fs.readFile(lockFile, 'utf8').catch(() => undefined);
    const owner = Number(held?.split(' ')[0]);
    if (held !== undefined && !isAlive(owner)) {
      await takeOver(lockFile, held);
      continue;
    }
    if (Date.now() > deadline) {
      throw new Error(
        `Another installation (process ${owner}) has held ${lockFile} for ${WAIT_SECONDS} s: ` +
          'wait for it, or end it and remove that file',
      );
    }
    await sleep(POLL_MILLISECONDS);
  }
}

/** Moves a dead owner's lock away; puts it back if another process was quicker and the moved lock is a live one. */
async function takeOver(lockFile: string, deadMark: string): Promise<void> {
  const aside = `${lockFile}.${randomUUID()}`;
  try {
    await fs.rename(lockFile, aside);
  } catch {
    return;
  }
  if ((await fs.readFile(aside, 'utf8')) !== deadMark) await fs.link(aside, lockFile).catch(() => undefined);
  await fs.rm(aside, { force: true });
}
