import type { MemoryAttempt } from '../../domain/evidence';
import { type MemoryTool, nextTools } from '../../domain/memory-tools';

const published = { version: '1', key: 'k', sha256: 'a'.repeat(64) };
const avml: MemoryTool = { kind: 'program', name: 'avml', ...published };
const lime = (kernelRelease: string): MemoryTool => ({
  kind: 'kernel-module',
  name: 'lime',
  ...published,
  kernelRelease,
});
const LADDER = [avml, lime('6.1.0-1'), lime('6.12.0-1')];

const attempt = (tool: string, outcome: MemoryAttempt['outcome'], number = 1): MemoryAttempt => ({
  number,
  tool,
  outcome,
  reason: 'told',
});
const next = (...attempts: MemoryAttempt[]): string[] => nextTools(LADDER, attempts).map((tool) => tool.name);

test.each<[string, MemoryAttempt[], string[]]>([
  ['begins with the first tool', [], ['avml']],
  ['goes on with all modules of the second', [attempt('avml', 'tool-refused')], ['lime', 'lime']],
  [
    'tries the tool that gave a broken image once more when all were tried',
    [attempt('avml', 'image-rejected'), attempt('lime', 'tool-refused', 2)],
    ['avml'],
  ],
  ['tries no tool again that was refused', [attempt('avml', 'tool-refused'), attempt('lime', 'tool-refused', 2)], []],
  [
    'tries again only once, whatever comes of it',
    [attempt('avml', 'image-rejected'), attempt('lime', 'image-rejected', 2), attempt('avml', 'image-rejected', 3)],
    [],
  ],
  ['goes on behind an image that could not be examined', [attempt('avml', 'image-unreadable')], ['lime', 'lime']],
])('the ladder %s', (_, attempts, expected) => {
  expect(next(...attempts)).toEqual(expected);
});

test('a ladder of one tool takes a second image when the first is broken', () => {
  expect(nextTools([avml], [attempt('avml', 'image-rejected')])).toEqual([avml]);
  expect(nextTools([avml], [attempt('avml', 'tool-refused')])).toEqual([]);
});
