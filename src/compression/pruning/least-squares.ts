import type { LayerWeights } from './conv-layer.js';
import type { LayerStatistics } from './layer-statistics.js';
import { factorise, substitute } from './linear-algebra.js';

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
  // Filters of a group that keep all of their inputs have the same equations.
  const whole = new Map<number, Factor>();
  for (let filter = 0; filter < filters; filter += 1) {
    const kept = keptInputs(mask, filter * fanIn, fanIn);
    const group = groupOf(statistics, filter);
    const isWhole = kept.length === fanIn + 1;
    const factor = isWhole && whole.has(group) ? whole.get(group) : factorOf(statistics, group, kept, ridge);
    if (isWhole) whole.set(group, factor);
    if (!factor) continue;
    const solution = solveFilter(statistics, filter, kept, factor, start, ridge);
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

function groupOf({ layer: { filters, groups } }: LayerStatistics, filter: number): number {
  return Math.floor(filter / (filters / groups));
}

/** Cholesky's factor of the equations of the kept inputs; undefined where they can't be solved. */
type Factor = Float64Array | undefined;

function factorOf(statistics: LayerStatistics, group: number, kept: Int32Array, ridge: number): Factor {
  const matrix = keptMatrix(statistics, group, kept, ridge);
  return factorise(matrix, kept.length) ? matrix : undefined;
}

function solveFilter(statistics: LayerStatistics, filter: number, kept: Int32Array, factor: Float64Array, start: LayerWeights, ridge: number): Float64Array {
  const { fanIn, filters, groups } = statistics.layer;
  const perGroup = filters / groups;
  const group = groupOf(statistics, filter);
  const wanted = statistics.cross[group]!;
  const vector = Float64Array.from(kept, (input) => {
    const startValue = input < fanIn ? start.weights[filter * fanIn + input]! : start.bias[filter]!;
    return wanted[input * perGroup + (filter % perGroup)]! + pullOf(statistics, group, input, ridge) * startValue;
  });
  substitute(factor, vector, kept.length);
  return vector;
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
