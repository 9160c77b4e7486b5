/** A stretch of time, milliseconds since the epoch; `end` is not before `start`. */
export interface Interval {
  start: number;
  end: number;
}

/** The same time as disjoint intervals in order; touching ones become one. */
export function union(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  const disjoint: Interval[] = [];
  for (const { start, end } of sorted) {
    const last = disjoint.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else disjoint.push({ start, end });
  }
  return disjoint;
}

/** What lies inside the window of each interval. */
export function clip(intervals: readonly Interval[], window: Interval): Interval[] {
  return intervals
    .map(({ start, end }) => ({ start: Math.max(start, window.start), end: Math.min(end, window.end) }))
    .filter(({ start, end }) => end > start);
}

/** The parts of the window that no interval covers. */
export function gaps(intervals: readonly Interval[], window: Interval): Interval[] {
  const free: Interval[] = [];
  let from = window.start;
  for (const { start, end } of union(clip(intervals, window))) {
    if (start > from) free.push({ start: from, end: start });
    from = end;
  }
  if (window.end > from) free.push({ start: from, end: window.end });
  return free;
}

/** Milliseconds in all; overlapping time counts once. */
export function length(intervals: readonly Interval[]): number {
  return union(intervals).reduce((sum, { start, end }) => sum + end - start, 0);
}

/**
 * Shares the time of `free` out among what was running in it: where several ran at once each gets an equal part, and time
 * in which nothing ran goes to `nothing`. Milliseconds by name; they add up to the length of `free`.
 */
export function attribute(
  free: readonly Interval[],
  running: readonly (Interval & { name: string })[],
  nothing: string,
): Map<string, number> {
  const shares = new Map<string, number>();
  const add = (name: string, milliseconds: number): void =>
    void shares.set(name, (shares.get(name) ?? 0) + milliseconds);
  for (const gap of union(free)) {
    const inside = running.filter((one) => one.start < gap.end && one.end > gap.start);
    const edges = [gap.start, gap.end, ...inside.flatMap((one) => [one.start, one.end])]
      .filter((time) => time >= gap.start && time <= gap.end)
      .sort((a, b) => a - b);
    for (const [index, start] of edges.slice(0, -1).entries()) {
      const end = edges[index + 1] ?? start;
      if (end === start) continue;
      const names = new Set(inside.filter((one) => one.start <= start && one.end >= end).map((one) => one.name));
      if (names.size === 0) add(nothing, end - start);
      for (const name of names) add(name, (end - start) / names.size);
    }
  }
  return shares;
}
