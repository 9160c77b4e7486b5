import fs from 'node:fs/promises';
import path from 'node:path';

import { PROJECT_ROOT } from '../config';
import { ensurePython } from './python-environments';
import type { SetupOptions } from './setup-options';
import { shellQuoted } from './shell-quote';

const PYTHON_TOOLS = ['vol', 'log2timeline', 'psort', 'pinfo'];
/** The product's own tools of the forensic image; the image that runs on AWS holds them in the same place. */
const OWN_TOOLS = path.join(PROJECT_ROOT, 'ssm-documents/tools');

async function writeTool(file: string, content: string): Promise<void> {
  // Renamed into place: a running examination never sees half a file.
  await fs.writeFile(`${file}.new`, content, { mode: 0o755 });
  await fs.chmod(`${file}.new`, 0o755);
  await fs.rename(`${file}.new`, file);
}

/**
 * An own tool (a file that begins with #!) becomes a command without its extension; a Python one runs with the tools' own
 * interpreter, beside the modules that it imports.
 */
async function installOwnTool(source: string, folder: string, python: string): Promise<void> {
  const { name, base, ext } = path.parse(source);
  const text = await fs.readFile(source, 'utf8');
  const isCommand = text.startsWith('#!');
  const command = path.join(folder, 'bin', name);
  if (ext !== '.py') {
    if (isCommand) await writeTool(command, text);
    return;
  }
  await fs.mkdir(path.join(folder, 'lib'), { recursive: true });
  await fs.writeFile(path.join(folder, 'lib', base), text);
  // A module is no command; an earlier set-up may have made it one.
  if (!isCommand) return fs.rm(command, { force: true });
  // Found from where the command lies: the folder is mounted elsewhere inside an instance.
  const library = `"$(dirname "$(readlink -f "$0")")"/../lib/${shellQuoted(base)}`;
  await writeTool(command, `#!/bin/sh\nexec ${shellQuoted(python)} -B ${library} "$@"\n`);
}

/** AVML's own converter reads the images that it compressed. It is there once the lab has built AVML for its guests. */
async function installMemoryConverter(cacheFolder: string, bin: string): Promise<void> {
  const built = path.join(cacheFolder, 'guest');
  const versions = (await fs.readdir(built).catch(() => [])).filter((name) => /^avml-[0-9.]+$/.test(name));
  const newest = versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  if (newest === undefined) return;
  const command = path.join(bin, 'avml');
  await fs.copyFile(path.join(built, newest), `${command}.new`);
  await fs.chmod(`${command}.new`, 0o755);
  await fs.rename(`${command}.new`, command);
}

/**
 * The forensic image's tool folder, <cache>/forensic-tools, with bin/vol, log2timeline, psort, pinfo, the product's own
 * tools, and avml where it was built. Its commands use the 'forensics' Python environment by its full path. Returns the folder (without /bin).
 */
export async function ensureForensicTools(options: SetupOptions): Promise<string> {
  const environment = await ensurePython('forensics', options);
  const folder = path.join(options.cacheFolder, 'forensic-tools');
  const bin = path.join(folder, 'bin');
  await fs.mkdir(bin, { recursive: true });
  for (const tool of PYTHON_TOOLS) {
    const script = `#!/bin/sh\nexec ${shellQuoted(path.join(environment.bin, tool))} "$@"\n`;
    await writeTool(path.join(bin, tool), script);
  }
  const own = await fs.readdir(OWN_TOOLS, { withFileTypes: true }).catch(() => []);
  for (const entry of own) {
    if (entry.isFile()) await installOwnTool(path.join(OWN_TOOLS, entry.name), folder, environment.python);
  }
  await installMemoryConverter(options.cacheFolder, bin);
  return folder;
}
