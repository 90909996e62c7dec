import type { ConvLayer, LayerWeights } from './conv-layer.js';

/**
 * All that least squares needs to know of a layer's calibration samples: sums of products of its inputs with each other and with what
 * it should give. An input sample is the `fanIn` values that a filter sees at one place, and a 1 for the bias.
 *
 * Filters of one group see the same inputs: sums are kept by group.
 */
export interface LayerStatistics {
  readonly layer: ConvLayer;
  /** Samples. */
  rows: number;
  /** By group: inputs with inputs, `(fanIn + 1)^2`, row-major, symmetric. */
  readonly gram: readonly Float64Array[];
  /** By group: inputs with wanted outputs, `(fanIn + 1) * filters of the group`, row-major. */
  readonly cross: readonly Float64Array[];
  /** By filter: wanted outputs with themselves. */
  readonly energy: Float64Array;
}

export function emptyStatistics(layer: ConvLayer): LayerStatistics {
  const size = layer.fanIn + 1;
  const filters = layer.filters / layer.groups;
  const byGroup = (length: number): Float64Array[] => Array.from({ length: layer.groups }, () => new Float64Array(length));
  return { layer, rows: 0, gram: byGroup(size * size), cross: byGroup(size * filters), energy: new Float64Array(layer.filters) };
}

/** Of one filter's output: mean squared difference from what it should be. */
export function filterError(statistics: LayerStatistics, filter: number, { weights, bias }: LayerWeights): number {
  const { fanIn, filters, groups } = statistics.layer;
  const size = fanIn + 1;
  const perGroup = filters / groups;
  const group = Math.floor(filter / perGroup);
  const gram = statistics.gram[group]!;
  const cross = statistics.cross[group]!;
  const valueOf = (index: number): number => (index < fanIn ? weights[filter * fanIn + index]! : bias[filter]!);
  let error = statistics.energy[filter]!;
  for (let row = 0; row < size; row += 1) {
    const value = valueOf(row);
    if (value === 0) continue;
    let sum = -2 * cross[row * perGroup + (filter % perGroup)]!;
    for (let column = 0; column < size; column += 1) sum += gram[row * size + column]! * valueOf(column);
    error += value * sum;
  }
  return Math.max(0, error) / statistics.rows;
}

/** Mean squared error of a layer, over its filters. */
export function layerError(statistics: LayerStatistics, weights: LayerWeights): number {
  let sum = 0;
  for (let filter = 0; filter < statistics.layer.filters; filter += 1) sum += filterError(statistics, filter, weights);
  return sum / statistics.layer.filters;
}

/** Mean variance of the wanted outputs over the samples: what an error is to be compared with. */
export function outputVariance({ layer, rows, cross, energy }: LayerStatistics): number {
  const perGroup = layer.filters / layer.groups;
  let sum = 0;
  for (let filter = 0; filter < layer.filters; filter += 1) {
    const mean = cross[Math.floor(filter / perGroup)]![layer.fanIn * perGroup + (filter % perGroup)]! / rows;
    sum += energy[filter]! / rows - mean * mean;
  }
  return sum / layer.filters;
}

/**
 * The samples of a layer that lost inputs and filters: the sums of those that stay, as if it had been sampled without the others.
 *
 * @param inputs places of the kept inputs, 0 to `fanIn - 1`. @param filters of the kept filters. Dense layers (one group) only.
 */
export function restrictStatistics(statistics: LayerStatistics, inputs: readonly number[], filters: readonly number[]): LayerStatistics {
  const { layer, rows, gram, cross, energy } = statistics;
  const oldSize = layer.fanIn + 1;
  // The constant 1 is the last input and always stays.
  const kept = [...inputs, layer.fanIn];
  const size = kept.length;
  const sums = new Float64Array(size * size);
  const wanted = new Float64Array(size * filters.length);
  for (const [row, from] of kept.entries()) {
    for (const [column, source] of kept.entries()) sums[row * size + column] = gram[0]![from * oldSize + source]!;
    for (const [place, filter] of filters.entries()) wanted[row * filters.length + place] = cross[0]![from * layer.filters + filter]!;
  }
  return { layer: { ...layer, fanIn: inputs.length, filters: filters.length }, rows, gram: [sums], cross: [wanted], energy: Float64Array.from(filters, (filter) => energy[filter]!) };
}
