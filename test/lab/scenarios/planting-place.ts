import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { findProgram } from '../../../lab/guest/tool-output';
import type { RunScript } from '../../../lab/scenarios/plant';

/** Why a scenario cannot be planted here for real; undefined: it can. */
export function missingForPlanting(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'that takes Linux and the superuser';
  const missing = ['unshare', 'mount', 'chroot', 'ip', 'cc', 'mke2fs'].filter(
    (name) => findProgram(name) === undefined,
  );
  return missing.length > 0 ? `${missing.join(', ')} is missing` : undefined;
}

export interface PlantingPlace {
  runScript: RunScript;
  /** Holds what scripts put into /planting. */
  folder: string;
  /** Ends every process in it, and removes all of it. */
  close(): Promise<void>;
}

/** Namespaces over a view of this machine (planting-place.sh). */
export async function openPlantingPlace({ isLabInstance = true } = {}): Promise<PlantingPlace> {
  const folder = await mkdtemp(path.join(tmpdir(), 'planting-place-'));
  const flags = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child'];
  const command = ['bash', path.join(__dirname, 'planting-place.sh'), folder, isLabInstance ? 'yes' : 'no'];
  const child = spawn('unshare', [...flags, '--', ...command], { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const next = await lines.next();
    if (next.done === true) throw new Error(`the planting place ended: ${errors}`);
    return next.value;
  };
  expect(await answer()).toBe('ready');
  let count = 0;
  return {
    folder,
    runScript: async (script) => {
      const name = `script-${++count}`;
      const file = path.join(folder, name);
      await writeFile(file, script);
      child.stdin.write(`${name}\n`);
      const exitCode = Number(await answer());
      return {
        exitCode,
        stdout: await readFile(`${file}.stdout`, 'utf8'),
        stderr: await readFile(`${file}.stderr`, 'utf8'),
      };
    },
    close: async () => {
      child.stdin.end();
      await ended;
      expect(existsSync(path.join(folder, 'root/new'))).toBe(false);
      await rm(folder, { recursive: true });
    },
  };
}
