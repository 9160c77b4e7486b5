import fs from 'node:fs/promises';
import path from 'node:path';

/** Folders of which a sandbox has its own, empty ones (sandbox.sh). */
const OWN_FOLDERS = ['/tmp', '/run', '/dev', '/proc', '/root', '/home'];

const isUnder = (file: string, folder: string): boolean => file === folder || file.startsWith(`${folder}/`);

/** Every link on the way to a program, and the program itself. */
async function wayTo(program: string): Promise<string[]> {
  const way = [path.resolve(program)];
  // Linux follows 40 links at most.
  for (let links = 0; links < 40; links += 1) {
    const last = way.at(-1) ?? '';
    const target = await fs.readlink(last).catch(() => undefined);
    if (target === undefined) break;
    way.push(path.resolve(path.dirname(last), target));
  }
  return way;
}

/**
 * Checks that a sandbox can run programs of this machine.
 * @param visible folders that the sandbox is given at the same path
 * @throws Error naming the program and what to do, when it or a link to it lies in a folder that a sandbox has for itself
 */
export async function requireVisible(programs: string[], visible: string[]): Promise<void> {
  for (const program of programs) {
    const hidden = (await wayTo(program)).find(
      (step) => OWN_FOLDERS.some((folder) => isUnder(step, folder)) && !visible.some((folder) => isUnder(step, folder)),
    );
    if (hidden === undefined) continue;
    const of = hidden === program ? program : `${program} (a link to ${hidden})`;
    throw new Error(
      `${of} cannot be seen inside a sandbox, which has its own ${OWN_FOLDERS.join(', ')}: install it elsewhere, such as under /usr/local or /opt`,
    );
  }
}
