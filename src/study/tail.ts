import { percentile } from './describe.js';

/** A frame's total and what it is made of, by name; the entries sum to the total. */
export interface TailFrame {
  readonly totalMs: number;
  readonly parts: Readonly<Record<string, number>>;
}

export interface TailGap {
  readonly n: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How much longer the frames of the tail took than ordinary ones, on average. */
  readonly gapMs: number;
  /** The same by part; sums to `gapMs`. */
  readonly byPart: Readonly<Record<string, number>>;
}

/** The slowest hundredth is the tail; frames around the median are ordinary. */
const TAIL_FROM = 0.99;
const ORDINARY = [0.4, 0.6] as const;
/** A hundredth of fewer frames is no tail. */
const FEWEST = 100;

/**
 * What the slow frames spent their time on that ordinary ones didn't: the mean of each part over the tail, less its mean over the frames
 * between the 40th and the 60th percentile. Undefined below 100 frames.
 */
export function explainTail(frames: readonly TailFrame[]): TailGap | undefined {
  if (frames.length < FEWEST) return undefined;
  const sorted = [...frames].sort((a, b) => a.totalMs - b.totalMs);
  const n = sorted.length;
  const tail = sorted.slice(Math.ceil(TAIL_FROM * n) - 1);
  const ordinary = sorted.slice(Math.floor(ORDINARY[0] * n), Math.ceil(ORDINARY[1] * n));
  const names = [...new Set(frames.flatMap(({ parts }) => Object.keys(parts)))];
  const mean = (of: readonly TailFrame[], value: (frame: TailFrame) => number) => of.reduce((sum, frame) => sum + value(frame), 0) / of.length;
  const difference = (value: (frame: TailFrame) => number) => mean(tail, value) - mean(ordinary, value);
  const totals = sorted.map(({ totalMs }) => totalMs);
  return {
    n,
    p50Ms: percentile(totals, 0.5),
    p99Ms: percentile(totals, TAIL_FROM),
    gapMs: difference(({ totalMs }) => totalMs),
    byPart: Object.fromEntries(names.map((name) => [name, difference(({ parts }) => parts[name] ?? 0)])),
  };
}
