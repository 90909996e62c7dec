import type { PairFinding } from './check-pair.js';
import type { Thumbnail } from './thumbnail.js';

/** Pairs that are remembered: at 15 a second some two seconds. */
const WINDOW = 32;
/** Pairs in a row in which one side stays the same to the last bit, and how much the other one changes, grey levels a pixel. */
const FROZEN_PAIRS = 8;
const LIVELY_CHANGE = 1;
/** Pairs that one side may lag behind the other. */
const MAX_LAG = 3;
/** Changes that are alike all the time fit each lag: standard deviation by mean. */
const MIN_VARIATION = 0.25;
/** Correlation at the lag, and by how much it is to beat that of no lag. */
const MIN_CORRELATION = 0.8;
const MIN_LEAD = 0.3;

/**
 * Sees what only time shows: a camera that repeats one picture, and cameras whose pictures are of different moments. Both are told by how
 * much each side changes from pair to pair; it takes movement that isn't even, so a rig at rest is never blamed.
 */
export class PairWatch {
  readonly #changes = { left: [] as number[], right: [] as number[] };
  #before: { readonly left: Thumbnail; readonly right: Thumbnail } | undefined;

  /** @param left and `right`, of one size and of every pair in turn. */
  see(left: Thumbnail, right: Thumbnail): PairFinding | undefined {
    const before = this.#before;
    this.#before = { left, right };
    if (before?.left.pixels.length !== left.pixels.length || before.right.pixels.length !== right.pixels.length) {
      this.#changes.left.length = 0;
      this.#changes.right.length = 0;
      return undefined;
    }
    remember(this.#changes.left, changeOf(before.left, left));
    remember(this.#changes.right, changeOf(before.right, right));
    return findFrozen(this.#changes.left, this.#changes.right) ?? findLag(this.#changes.left, this.#changes.right);
  }
}

function remember(changes: number[], change: number): void {
  changes.push(change);
  if (changes.length > WINDOW) changes.shift();
}

/** Mean difference of the pixels, grey levels. */
function changeOf(before: Thumbnail, now: Thumbnail): number {
  let sum = 0;
  for (let i = 0; i < now.pixels.length; i += 1) sum += Math.abs(now.pixels[i]! - before.pixels[i]!);
  return sum / now.pixels.length;
}

function findFrozen(left: readonly number[], right: readonly number[]): PairFinding | undefined {
  if (left.length < FROZEN_PAIRS) return undefined;
  const [l, r] = [left.slice(-FROZEN_PAIRS), right.slice(-FROZEN_PAIRS)];
  const isStill = (changes: readonly number[]) => changes.every((change) => change === 0);
  const isLively = (changes: readonly number[]) => changes.every((change) => change >= LIVELY_CHANGE);
  const side = isStill(l) && isLively(r) ? 'left' : isStill(r) && isLively(l) ? 'right' : undefined;
  return side && { code: 'ERR_STEREO_CAMERA_DEAD', confidence: 0.9, message: `the ${side} camera repeats one picture while the other one sees movement` };
}

function findLag(left: readonly number[], right: readonly number[]): PairFinding | undefined {
  if (left.length < WINDOW || variationOf(left) < MIN_VARIATION || variationOf(right) < MIN_VARIATION) return undefined;
  const lags = Array.from({ length: 2 * MAX_LAG + 1 }, (_, i) => i - MAX_LAG);
  const scores = lags.map((lag) => correlationOf(left, right, lag));
  const best = scores.indexOf(Math.max(...scores));
  const lag = lags[best]!;
  const lead = scores[best]! - scores[MAX_LAG]!;
  if (lag === 0 || scores[best]! < MIN_CORRELATION || lead < MIN_LEAD) return undefined;
  return { code: 'ERR_STEREO_UNSYNCHRONISED', confidence: Math.min(1, lead), message: `the ${lag > 0 ? 'right' : 'left'} camera lags ${Math.abs(lag)} pairs behind` };
}

/** Pearson's, of the left side's changes with those that the right side has `lag` pairs later. */
function correlationOf(left: readonly number[], right: readonly number[], lag: number): number {
  const a = left.slice(Math.max(0, -lag), left.length - Math.max(0, lag));
  const b = right.slice(Math.max(0, lag), right.length - Math.max(0, -lag));
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  const product = (x: readonly number[], xMean: number, y: readonly number[], yMean: number) => x.reduce((sum, value, i) => sum + (value - xMean) * (y[i]! - yMean), 0);
  const scale = Math.sqrt(product(a, meanA, a, meanA) * product(b, meanB, b, meanB));
  return scale === 0 ? 0 : product(a, meanA, b, meanB) / scale;
}

function variationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return mean === 0 ? 0 : Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2))) / mean;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
