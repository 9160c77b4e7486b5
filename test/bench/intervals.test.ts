import { attribute, clip, gaps, length, union } from '../../bench/intervals';

test('overlapping and touching intervals become one, empty ones vanish', () => {
  expect(
    union([
      { start: 5, end: 7 },
      { start: 1, end: 3 },
      { start: 2, end: 5 },
      { start: 9, end: 9 },
    ]),
  ).toEqual([{ start: 1, end: 7 }]);
});

test('an interval inside another one adds nothing', () => {
  expect(
    length([
      { start: 0, end: 10 },
      { start: 2, end: 3 },
    ]),
  ).toBe(10);
});

test('only what lies inside the window counts', () => {
  expect(
    clip(
      [
        { start: -5, end: 2 },
        { start: 8, end: 20 },
        { start: 30, end: 40 },
      ],
      { start: 0, end: 10 },
    ),
  ).toEqual([
    { start: 0, end: 2 },
    { start: 8, end: 10 },
  ]);
});

test('gaps and intervals together fill the window', () => {
  const window = { start: 0, end: 10 };
  const busy = [
    { start: 2, end: 4 },
    { start: 3, end: 6 },
  ];
  expect(gaps(busy, window)).toEqual([
    { start: 0, end: 2 },
    { start: 6, end: 10 },
  ]);
  expect(length(gaps(busy, window)) + length(busy)).toBe(10);
  expect(gaps([], window)).toEqual([window]);
  expect(gaps([{ start: -1, end: 11 }], window)).toEqual([]);
});

test('time is shared out among what ran in it, and adds up', () => {
  const shares = attribute(
    [{ start: 0, end: 10 }],
    [
      { name: 'copy', start: 0, end: 4 },
      { name: 'lock', start: 2, end: 6 },
      { name: 'lock', start: 3, end: 6 },
    ],
    'nothing',
  );
  expect(Object.fromEntries(shares)).toEqual({ copy: 3, lock: 3, nothing: 4 });
});
