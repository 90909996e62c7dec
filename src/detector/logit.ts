/** 1 / (1 + exp(-x)). */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/**
 * The logit whose sigmoid is `probability`: comparing raw outputs with it saves an `exp` for every cell that isn't an object.
 * -Infinity at 0 and below, Infinity at 1 and above.
 */
export function logit(probability: number): number {
  if (probability <= 0) return -Infinity;
  if (probability >= 1) return Infinity;
  return Math.log(probability / (1 - probability));
}
