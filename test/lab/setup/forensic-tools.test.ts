import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { labConfig } from '../../../lab/config';
import { ensureForensicTools } from '../../../lab/setup/forensic-tools';

let cacheFolder: string;

beforeEach(async () => {
  const python = path.join(labConfig().cacheFolder, 'python');
  if (!existsSync(path.join(python, 'forensics/bin/python')))
    throw new Error(`no forensic tools in ${python}: set up the lab first (npm run lab -- up)`);
  cacheFolder = await fs.mkdtemp(path.join(os.tmpdir(), 'forensic-tools-'));
  // The environment is found, not made anew.
  await fs.symlink(python, path.join(cacheFolder, 'python'));
});
afterEach(() => fs.rm(cacheFolder, { recursive: true }));

const COMMANDS = ['forensic-symbols', 'log2timeline', 'pinfo', 'psort', 'vol', 'volume-layout'];

test('tools are commands, and the modules that they import are not, whatever an earlier set-up left', async () => {
  const bin = path.join(cacheFolder, 'forensic-tools/bin');
  await fs.mkdir(bin, { recursive: true });
  await fs.writeFile(path.join(bin, 'btf_types'), '#!/bin/sh\n', { mode: 0o755 });
  const folder = await ensureForensicTools({ cacheFolder });
  expect((await fs.readdir(bin)).sort()).toEqual(COMMANDS);
  expect(await fs.readdir(path.join(folder, 'lib'))).toContain('btf_types.py');
  // It finds its modules, also when the folder lies elsewhere, as it does inside an instance.
  const elsewhere = path.join(cacheFolder, 'elsewhere');
  await fs.rename(folder, elsewhere);
  const said = execFileSync(path.join(elsewhere, 'bin/forensic-symbols'), ['--help'], { encoding: 'utf8' });
  expect(said).toMatch(/usage: forensic-symbols/);
});

test('AVML is among them once it was built for a guest, in its newest version', async () => {
  const built = path.join(cacheFolder, 'guest');
  await fs.mkdir(built);
  for (const version of ['0.9.0', '0.21.0']) {
    await fs.writeFile(path.join(built, `avml-${version}`), `#!/bin/sh\necho ${version}\n`, { mode: 0o644 });
  }
  const folder = await ensureForensicTools({ cacheFolder });
  expect((await fs.readdir(path.join(folder, 'bin'))).sort()).toEqual(['avml', ...COMMANDS].sort());
  expect(execFileSync(path.join(folder, 'bin/avml'), { encoding: 'utf8' })).toBe('0.21.0\n');
});
