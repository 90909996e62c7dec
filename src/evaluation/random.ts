/**
 * Whole numbers from 0 to `below - 1`, the same for the same seed on every machine (xorshift32, Marsaglia 2003: plenty for resampling,
 * nothing for secrets).
 */
export function seededIntegers(seed: number): (below: number) => number {
  // Zero is the one state that never changes.
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}
