import { overCriticalPath, overhead, ownTime, ownWithoutCalls, shareOut } from '../../bench/overhead';

// A case of 100: a job from 20 to 60, and one beside it; calls before, within and after; two steps.
const shares = shareOut(
  { start: 0, end: 100 },
  [
    { start: 20, end: 60 },
    { start: 30, end: 70 },
  ],
  [
    { start: -5, end: 4 },
    { start: 10, end: 25 },
    { start: 12, end: 15 },
    { start: 40, end: 50 },
    { start: 90, end: 95 },
  ],
  [
    { name: 'triageInstance', start: 0, end: 18 },
    { name: 'writeReport', start: 75, end: 92 },
  ],
);

test('an API call counts only where no job runs, inside the case, and once', () => {
  expect(shares.jobs).toBe(50);
  // 0 to 4, 10 to 20, 90 to 95.
  expect(shares.answering).toBe(19);
});

test('own time and what of it was waiting for answers are shared out among the steps', () => {
  expect(shares.own).toEqual([
    { step: 'triageInstance', milliseconds: 18, answering: 12 },
    { step: 'writeReport', milliseconds: 17, answering: 2 },
    { step: 'no step running (Temporal, workflow code)', milliseconds: 15, answering: 5 },
  ]);
});

test('the figures, from the strictest to the one without calls', () => {
  const times = { wall: 100, jobs: shares.jobs, answering: shares.answering, criticalPath: 40 };
  expect(overCriticalPath(times)).toBeCloseTo(1.5);
  expect(ownTime(times)).toBe(50);
  expect(ownWithoutCalls(times)).toBe(31);
  expect(overhead(times)).toBeCloseTo(31 / 69);
});
