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
