import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { requireVisible } from '../../../lab/instances/program-visibility';

describe('programs that a sandbox is to run', () => {
  let folder: string;
  beforeAll(async () => {
    // Wherever temporary files lie: a sandbox has its own /tmp and its own homes.
    folder = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'visibility-')));
    await fs.mkdir(path.join(folder, 'bin'));
    await fs.writeFile(path.join(folder, 'bin', 'python3'), '');
  });
  afterAll(() => fs.rm(folder, { recursive: true }));

  it('are taken where the sandbox sees them', async () => {
    await expect(requireVisible(['/bin/sh', '/usr/local/bin/whatever'], [])).resolves.toBeUndefined();
    await expect(requireVisible(['/tmp/tools/node'], ['/tmp/tools'])).resolves.toBeUndefined();
  });

  it('are refused by name in a folder that a sandbox has for itself', async () => {
    await expect(requireVisible(['/tmp/tools/node'], [])).rejects.toThrow(
      /^\/tmp\/tools\/node cannot be seen inside a sandbox, .*install it elsewhere/,
    );
  });

  it('are refused where a link on the way to them leads into such a folder', async () => {
    const link = path.join(folder, 'link');
    const program = path.join('/tmp', `visibility-${path.basename(folder)}`, 'python3');
    await fs.symlink(program, link);
    const visible = [folder];
    await expect(requireVisible([link], visible)).rejects.toThrow(`${link} (a link to ${program}) cannot be seen`);
    await fs.rm(link);
    await fs.symlink(path.join(folder, 'bin', 'python3'), link);
    await expect(requireVisible([link], visible)).resolves.toBeUndefined();
  });
});
