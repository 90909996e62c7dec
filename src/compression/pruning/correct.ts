import type { ConvLayer } from './conv-layer.js';
import type { LayerStatistics } from './layer-statistics.js';

const EPSILON = 1e-9;

/**
 * Weight correction (Lazarevich et al. 2021): for each filter, ratio rho = std(w) / (std(w_sparse) + 1e-9), and kept weights become
 * w rho + (mean(w) - mean(rho w_sparse)). Removed ones stay zero, and so does a filter of which nothing is left.
 */
export function correctWeights({ filters, fanIn }: Pick<ConvLayer, 'filters' | 'fanIn'>, dense: Float32Array, sparse: Float32Array): Float32Array {
  const corrected = new Float32Array(sparse.length);
  for (let filter = 0; filter < filters; filter += 1) {
    const from = filter * fanIn;
    const wanted = moments(dense, from, fanIn);
    const kept = moments(sparse, from, fanIn);
    const ratio = wanted.deviation / (kept.deviation + EPSILON);
    const shift = wanted.mean - ratio * kept.mean;
    // With one weight a filter there is no spread to restore, only that weight.
    if (kept.deviation === 0) corrected.set(sparse.subarray(from, from + fanIn), from);
    else for (let i = from; i < from + fanIn; i += 1) corrected[i] = sparse[i] === 0 ? 0 : sparse[i]! * ratio + shift;
  }
  return corrected;
}

/** Bias correction: the bias that gives each filter's output the mean that it should have over the samples. */
export function correctBias({ layer, rows, gram, cross }: LayerStatistics, weights: Float32Array): Float32Array {
  const { filters, groups, fanIn } = layer;
  const perGroup = filters / groups;
  const size = fanIn + 1;
  return Float32Array.from({ length: filters }, (_, filter) => {
    const group = Math.floor(filter / perGroup);
    // The last row of the sums belongs to the constant 1: it holds the sums themselves.
    let sum = cross[group]![fanIn * perGroup + (filter % perGroup)]!;
    for (let i = 0; i < fanIn; i += 1) sum -= gram[group]![fanIn * size + i]! * weights[filter * fanIn + i]!;
    return sum / rows;
  });
}

function moments(values: Float32Array, from: number, count: number): { readonly mean: number; readonly deviation: number } {
  let sum = 0;
  for (let i = from; i < from + count; i += 1) sum += values[i]!;
  const mean = sum / count;
  let squares = 0;
  for (let i = from; i < from + count; i += 1) squares += (values[i]! - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / count) };
}
