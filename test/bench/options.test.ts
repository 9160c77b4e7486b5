import { readOptions } from '../../bench/main';
import { minimumCalls } from '../../bench/minimum-calls';
import { limeImage } from '../../bench/stand-ins';
import { encryptionsOf } from '../../bench/suspects';
import { MemoryImageReader } from '../../activities/memory-image';

test('options have defaults and are checked', () => {
  expect(readOptions([])).toEqual({
    labFootprint: false,
    blockReader: false,
    volumes: [1, 4],
    runs: 1,
    modes: ['zero', 'realistic'],
  });
  expect(readOptions(['--volumes', '2', '--runs', '3', '--durations', 'zero', '--json', 'a.json'])).toEqual({
    labFootprint: false,
    blockReader: false,
    volumes: [2],
    runs: 3,
    modes: ['zero'],
    json: 'a.json',
  });
  expect(readOptions(['--help'])).toBeUndefined();
  for (const args of [['--volumes', '0'], ['--volumes', '1,x'], ['--runs', '1.5'], ['--durations', 'fast'], ['--nope']])
    expect(() => readOptions(args)).toThrow();
});

test('the synthetic memory image is one that the product accepts', () => {
  const reader = new MemoryImageReader();
  reader.update(limeImage(64 * 1024));
  const facts = reader.finish();
  expect(facts.problem).toBeUndefined();
  expect(facts.banner).toMatch(/^Linux version 6\.1\.0-benchmark/);
});

test('four volumes hold each kind of key once', () => {
  expect(new Set(encryptionsOf(4)).size).toBe(4);
});

test('the counted minimum has each API once, grows with volumes, and counts nothing for what a case lacks', () => {
  const shape = { volumes: 1, reencrypted: 0, keys: 0, networkInterfaces: 4, blocks: 8, memoryParts: 1 };
  const one = minimumCalls(shape);
  const four = minimumCalls({ ...shape, volumes: 4, reencrypted: 2, keys: 3 });
  const countOf = (calls: typeof one, api: string): number =>
    calls.filter(({ maker, action }) => maker === 'worker' && action === api).reduce((sum, { calls: n }) => sum + n, 0);
  expect(['CreateSnapshots', 'CopySnapshot', 'DescribeKey', 'RunInstances'].map((api) => countOf(one, api))).toEqual([
    1, 1, 0, 2,
  ]);
  expect(['CreateSnapshots', 'CopySnapshot', 'DescribeKey', 'RunInstances'].map((api) => countOf(four, api))).toEqual([
    1, 6, 6, 5,
  ]);
  expect(new Set(four.map(({ maker, service, action }) => `${maker} ${service} ${action}`)).size).toBe(four.length);
});
