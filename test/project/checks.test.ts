/** What must hold for the whole tree: types, lint, format, the direction of dependencies, shell. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.join(__dirname, '../..');
jest.setTimeout(900_000);

function run(command: string, ...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (error) throw error;
  return { status, output: `${stdout}${stderr}`.trim() };
}
const tool = (name: string): string => path.join(root, 'node_modules', '.bin', name);

describe('the whole tree', () => {
  test.each([
    ['type-checks', 'tsc', ['--noEmit']],
    ['passes the linter without a warning', 'eslint', ['.', '--max-warnings', '0']],
    ['is formatted', 'prettier', ['--check', '.', '--log-level', 'warn']],
    [
      'keeps the direction of dependencies',
      'depcruise',
      [
        '--config',
        '.dependency-cruiser.cjs',
        'domain',
        'workflows',
        'activities',
        'workers',
        'starters',
        'ssm-documents',
        'infra',
        'lab',
        'bench',
        'test',
      ],
    ],
  ])('%s', (_what, name, args) => {
    const { status, output } = run(tool(name), ...args);
    expect(status === 0 ? '' : output.slice(-4000)).toBe('');
  });
});
