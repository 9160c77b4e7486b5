import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { readKernelFacts } from '../../activities/kernel-facts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'kernel-facts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** As the document packs them: GNU tar, or BusyBox's on small systems. */
function pack(files: Record<string, string>, ...options: string[]): Buffer {
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content);
  const { stdout, status } = spawnSync('tar', ['-C', folder, ...options, '-czf', '-', '.'], { maxBuffer: 2 ** 26 });
  expect(status).toBe(0);
  return stdout;
}

const FILES = {
  version: 'Linux version 6.1.0\n',
  iomem: 'a\n'.repeat(600),
  kallsyms: 'x'.repeat(100_000),
  modules: '',
};

test.each(['gnu', 'ustar', 'posix'])('members of a %s archive are found, texts are read', (format) => {
  const facts = readKernelFacts(pack(FILES, `--format=${format}`));
  expect(facts.files).toEqual([
    { name: 'iomem', sizeBytes: 1200 },
    { name: 'kallsyms', sizeBytes: 100_000 },
    { name: 'modules', sizeBytes: 0 },
    { name: 'version', sizeBytes: 20 },
  ]);
  expect(facts).toMatchObject({ version: FILES.version, iomem: FILES.iomem });
});

test('names that the document gives to nothing are passed over', () => {
  const facts = readKernelFacts(pack({ version: 'v', 'Evil name': 'x', '..secret': 'x' }));
  expect(facts.files).toEqual([{ name: 'version', sizeBytes: 1 }]);
});

test.each<[string, () => Buffer]>([
  ['no gzip', () => Buffer.from('something else')],
  ['cut short', () => gzipSync(gunzipSync(pack(FILES)).subarray(0, 2000))],
  ['no tar', () => gzipSync(Buffer.alloc(2048, 'x'))],
  ['larger than what is read', () => gzipSync(Buffer.alloc(300 * 2 ** 20))],
])('what is %s is refused', (_, archive) => {
  expect(() => readKernelFacts(archive())).toThrow();
});
