import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const TOOL = path.join(__dirname, '../../../lab/guest/fixture-memory-tool.sh');

let folder: string;
let image: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fixture-memory-'));
  image = path.join(folder, 'ready.lime');
  writeFileSync(image, 'EMiL and the rest');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(args: string[], memory: string): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync('sh', [TOOL, ...args], { env: { LAB_FIXTURE_MEMORY: memory } });
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
}

describe('the stand-in for AVML on fixture instances', () => {
  it('hands out the ready image to stdout and to a file, and says that it is one', () => {
    const { status, stdout, stderr } = run(['acquire', '-'], image);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'EMiL and the rest' });
    expect(stderr).toContain('ready image');
    const copy = path.join(folder, 'copy.lime');
    expect(run(['acquire', copy], image).status).toBe(0);
    expect(readFileSync(copy, 'utf8')).toBe('EMiL and the rest');
  });

  it('writes into a FIFO', () => {
    const script = 'mkfifo "$1/pipe"; sh "$2" acquire "$1/pipe" & cat "$1/pipe"; wait $!';
    const { status, stdout } = spawnSync('sh', ['-c', script, 'sh', folder, TOOL], {
      env: { LAB_FIXTURE_MEMORY: image, PATH: process.env.PATH },
    });
    expect({ status, text: stdout.toString() }).toEqual({ status: 0, text: 'EMiL and the rest' });
  });

  it('fails with the reason when there is no image, or an option of AVML that it has not', () => {
    const missing = run(['acquire', '-'], '/nonexistent/x.lime');
    expect(missing.status).toBe(1);
    expect(missing.stderr).toContain('LAB_FIXTURE_MEMORY="/nonexistent/x.lime" is no readable file');
    expect(run(['acquire', '--compress', '-'], image).status).toBe(2);
  });
});
