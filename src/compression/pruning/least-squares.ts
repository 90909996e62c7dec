import type { LayerWeights } from './conv-layer.js';
import type { LayerStatistics } from './layer-statistics.js';
import { inverseDiagonal, solvePositiveDefinite } from './linear-algebra.js';

/** Weight of the starting values beside the samples, as a share of each input's energy: keeps directions still that no sample shows. */
export const DEFAULT_RIDGE = 1e-3;

/**
 * The kept weights and the bias of each filter that come closest to its wanted outputs over the samples: the normal equations of the
 * kept inputs, drawn towards `start` by a ridge. Zeros of `start` stay zero.
 */
export function reconstructBySquares(statistics: LayerStatistics, start: LayerWeights, mask: Uint8Array, ridge = DEFAULT_RIDGE): LayerWeights {
  const { filters, fanIn } = statistics.layer;
  const weights = Float32Array.from(start.weights);
  const bias = Float32Array.from(start.bias);
  for (let filter = 0; filter < filters; filter += 1) {
    const kept = keptInputs(mask, filter * fanIn, fanIn);
    const solution = solveFilter(statistics, filter, kept, start, ridge);
    if (!solution) continue;
    for (const [place, input] of kept.entries()) {
      if (input < fanIn) weights[filter * fanIn + input] = solution[place]!;
      else bias[filter] = solution[place]!;
    }
  }
  return { weights, bias };
}

/** Places of the kept weights and, last, of the bias. */
function keptInputs(mask: Uint8Array, from: number, fanIn: number): Int32Array {
  const kept: number[] = [];
  for (let i = 0; i < fanIn; i += 1) if (mask[from + i] === 1) kept.push(i);
  kept.push(fanIn);
  return Int32Array.from(kept);
}

/**
 * What it costs to remove each kept weight when all others of its filter may move to make up for it: the growth of the mean squared
 * error, w^2 / (H^-1)_jj / rows (optimal brain surgeon, Hassibi and Stork 1993). Removed weights cost 0.
 */
export function removalCosts(statistics: LayerStatistics, { weights }: LayerWeights, mask: Uint8Array, ridge = DEFAULT_RIDGE): Float64Array {
  const { filters, fanIn } = statistics.layer;
  const costs = new Float64Array(weights.length);
  const shared = new Map<number, Float64Array | undefined>();
  for (let filter = 0; filter < filters; filter += 1) {
    const kept = keptInputs(mask, filter * fanIn, fanIn);
    const diagonal = kept.length === fanIn + 1 ? sharedDiagonal(statistics, filter, kept, ridge, shared) : inverseOf(statistics, filter, kept, ridge);
    if (!diagonal) continue;
    for (const [place, input] of kept.entries()) {
      if (input < fanIn) costs[filter * fanIn + input] = weights[filter * fanIn + input]! ** 2 / diagonal[place]! / statistics.rows;
    }
  }
  return costs;
}

/** Filters of a group that have lost nothing yet have the same equations. */
function sharedDiagonal(statistics: LayerStatistics, filter: number, kept: Int32Array, ridge: number, shared: Map<number, Float64Array | undefined>): Float64Array | undefined {
  const group = groupOf(statistics, filter);
  if (!shared.has(group)) shared.set(group, inverseOf(statistics, filter, kept, ridge));
  return shared.get(group);
}

function inverseOf(statistics: LayerStatistics, filter: number, kept: Int32Array, ridge: number): Float64Array | undefined {
  return inverseDiagonal(keptMatrix(statistics, groupOf(statistics, filter), kept, ridge), kept.length);
}

function groupOf({ layer: { filters, groups } }: LayerStatistics, filter: number): number {
  return Math.floor(filter / (filters / groups));
}

function solveFilter(statistics: LayerStatistics, filter: number, kept: Int32Array, start: LayerWeights, ridge: number): Float64Array | undefined {
  const { fanIn, filters, groups } = statistics.layer;
  const perGroup = filters / groups;
  const group = groupOf(statistics, filter);
  const wanted = statistics.cross[group]!;
  const matrix = keptMatrix(statistics, group, kept, ridge);
  const vector = Float64Array.from(kept, (input) => {
    const startValue = input < fanIn ? start.weights[filter * fanIn + input]! : start.bias[filter]!;
    return wanted[input * perGroup + (filter % perGroup)]! + pullOf(statistics, group, input, ridge) * startValue;
  });
  return solvePositiveDefinite(matrix, vector, kept.length) ? vector : undefined;
}

/** The sums of the kept inputs, with the ridge; its lower triangle. */
export function keptMatrix(statistics: LayerStatistics, group: number, kept: Int32Array, ridge: number): Float64Array {
  const size = statistics.layer.fanIn + 1;
  const sums = statistics.gram[group]!;
  const count = kept.length;
  const matrix = new Float64Array(count * count);
  for (let row = 0; row < count; row += 1) {
    const from = kept[row]! * size;
    for (let column = 0; column <= row; column += 1) matrix[row * count + column] = sums[from + kept[column]!]!;
    matrix[row * count + row]! += pullOf(statistics, group, kept[row]!, ridge);
  }
  return matrix;
}

/** An input that is always zero tells nothing: a trace of a sample of 1 keeps the equations solvable. */
function pullOf({ layer, gram, rows }: LayerStatistics, group: number, input: number, ridge: number): number {
  return ridge * gram[group]![input * (layer.fanIn + 1) + input]! + rows * 1e-9;
}
