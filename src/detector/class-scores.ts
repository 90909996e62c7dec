/**
 * Index of the greatest of `count` numbers that lie `step` apart from `from` on; the first of equals, NaN never.
 * -1 where there is none.
 */
export function indexOfBest(data: Float32Array, from: number, step: number, count: number): number {
  let best = -1;
  let bestScore = -Infinity;
  for (let index = 0, at = from; index < count; index += 1, at += step) {
    const score = data[at]!;
    if (score > bestScore) {
      bestScore = score;
      best = index;
    }
  }
  return best;
}
