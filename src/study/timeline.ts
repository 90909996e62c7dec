/** A piece of time, milliseconds. */
export type Interval = readonly [startMs: number, endMs: number];

/** The same time, sorted and without overlaps. Empty and backward intervals are left out. */
export function union(intervals: readonly Interval[]): Interval[] {
  const merged: [number, number][] = [];
  for (const [start, end] of intervals.filter(([from, to]) => to > from).sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

/** What of `within` lies in `marks`, and what doesn't. All are sorted and without overlaps (`union`). */
export function split(within: readonly Interval[], marks: readonly Interval[]): { readonly inside: Interval[]; readonly outside: Interval[] } {
  const inside: Interval[] = [];
  const outside: Interval[] = [];
  for (const [start, end] of within) {
    let at = start;
    for (let i = firstEndingAfter(marks, start); i < marks.length && marks[i]![0] < end; i += 1) {
      const from = Math.max(marks[i]![0], start);
      const to = Math.min(marks[i]![1], end);
      if (from > at) outside.push([at, from]);
      inside.push([from, to]);
      at = to;
    }
    if (end > at) outside.push([at, end]);
  }
  return { inside, outside };
}

export function lengthMs(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, [start, end]) => sum + (end - start), 0);
}

/** Index of the first mark that ends after `atMs`; marks are sorted and don't overlap, so their ends are sorted too. */
export function firstEndingAfter(marks: readonly Interval[], atMs: number): number {
  let low = 0;
  let high = marks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (marks[middle]![1] > atMs) high = middle;
    else low = middle + 1;
  }
  return low;
}
