import type { ConvNetwork, LayerWeights } from './conv-layer.js';

/** Which weights stay, by layer: 1 kept, 0 removed. */
export type Masks = ReadonlyMap<string, Uint8Array>;

/**
 * Removes the weights that are smallest beside their layer's norm: |w| / ||W||2 over all layers, one threshold at the quantile
 * `sparsity`. Equal magnitudes at the threshold are removed in the order of the file until the count is exact.
 *
 * @param sparsity 0 to 1, share of all weights that become zero; zeros that are there already are the first to count.
 */
export function magnitudeMasks({ layers, weights }: ConvNetwork, sparsity: number): Masks {
  const normalised = new Map(layers.map(({ output }) => [output, normalisedMagnitudes(weights.get(output)!)]));
  const all = concatenated([...normalised.values()]);
  const removed = Math.round(sparsity * all.length);
  if (removed === 0) return new Map([...normalised].map(([output, magnitudes]) => [output, new Uint8Array(magnitudes.length).fill(1)]));
  const sorted = all.sort();
  const threshold = sorted[removed - 1]!;
  let ties = removed - lowerBound(sorted, threshold);
  return new Map(
    [...normalised].map(([output, magnitudes]) => [
      output,
      Uint8Array.from(magnitudes, (magnitude) => {
        if (magnitude !== threshold) return magnitude > threshold ? 1 : 0;
        ties -= 1;
        return ties < 0 ? 1 : 0;
      }),
    ]),
  );
}

export function applyMask({ weights, bias }: LayerWeights, mask: Uint8Array): LayerWeights {
  return { weights: weights.map((weight, index) => (mask[index] === 0 ? 0 : weight)), bias };
}

/** Share of weights that are zero, 0 to 1. */
export function sparsityOf(layers: Iterable<LayerWeights>): number {
  let zeros = 0;
  let count = 0;
  for (const { weights } of layers) {
    for (const weight of weights) zeros += weight === 0 ? 1 : 0;
    count += weights.length;
  }
  return count === 0 ? 0 : zeros / count;
}

function normalisedMagnitudes({ weights }: LayerWeights): Float64Array {
  const norm = Math.sqrt(weights.reduce((sum, weight) => sum + weight * weight, 0)) || 1;
  return Float64Array.from(weights, (weight) => Math.abs(weight) / norm);
}

function concatenated(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** How many values are below `value`. */
function lowerBound(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
