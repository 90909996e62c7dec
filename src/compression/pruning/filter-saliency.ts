import type { ChannelGroup } from '../../onnx/prune/channel-graph.js';
import type { ConvLayer, LayerWeights } from './conv-layer.js';
import { outputVariance, type LayerStatistics } from './layer-statistics.js';
import { DEFAULT_RIDGE, keptMatrix } from './least-squares.js';
import { inverse } from './linear-algebra.js';

/**
 * What makes a channel worth keeping. `reconstruction`: how much the layers that read it err without it, after their other weights
 * have made up for it as far as they can. The others look at its filters alone: their norm over the average of their layer, or their
 * distance from the other filters.
 */
export const FILTER_CRITERIA = ['reconstruction', 'l1', 'l2', 'geometric-median'] as const;
export type FilterCriterion = (typeof FILTER_CRITERIA)[number];

/** A layer as it stands, by its output. */
export interface LayerState {
  readonly layer: ConvLayer;
  readonly weights: LayerWeights;
  /** Of dense layers with samples. */
  readonly statistics: LayerStatistics | undefined;
  /** What an error of the layer counts beside those of others, default 1; see `outputGains`. */
  readonly gain?: number | undefined;
}

/** For each group of channels what is lost with it; larger is worse, 0 is nothing. */
export function groupSaliencies(groups: readonly ChannelGroup[], layers: ReadonlyMap<string, LayerState>, criterion: FilterCriterion): Float64Array {
  return criterion === 'reconstruction' ? reconstructionLosses(groups, layers) : filterNorms(groups, layers, criterion);
}

/** Relative to the variance of what each reader gives, summed over the readers by their gains. */
function reconstructionLosses(groups: readonly ChannelGroup[], layers: ReadonlyMap<string, LayerState>): Float64Array {
  const losses = new Float64Array(groups.length);
  for (const [output, channelsOf] of readChannels(groups)) {
    const { layer, weights, statistics, gain = 1 } = layers.get(output)!;
    if (!statistics) continue;
    const size = layer.fanIn + 1;
    const inverted = inverse(keptMatrix(statistics, 0, Int32Array.from({ length: size }, (_, index) => index), DEFAULT_RIDGE), size);
    const scale = gain / (statistics.rows * layer.filters * (outputVariance(statistics) || 1));
    for (const [group, channels] of channelsOf) losses[group]! += inverted ? scale * removalLoss(layer, weights, inverted, channels) : Infinity;
  }
  return losses;
}

/** For each layer that reads groups, which of its input channels belong to which. */
function readChannels(groups: readonly ChannelGroup[]): ReadonlyMap<string, ReadonlyMap<number, readonly number[]>> {
  const byLayer = new Map<string, Map<number, number[]>>();
  for (const [group, { readers }] of groups.entries()) {
    for (const { conv, channel } of readers) {
      const byGroup = byLayer.get(conv) ?? new Map<number, number[]>();
      byLayer.set(conv, byGroup);
      byGroup.set(group, [...(byGroup.get(group) ?? []), channel]);
    }
  }
  return byLayer;
}

/** Growth of the squared error, summed over samples and filters: w_B^T ((H^-1)_BB)^-1 w_B for the block B of the channels' weights. */
function removalLoss({ filters, fanIn, window }: ConvLayer, { weights }: LayerWeights, inverted: Float64Array, channels: readonly number[]): number {
  const area = window.kernel[0] * window.kernel[1];
  const block = channels.flatMap((channel) => Array.from({ length: area }, (_, place) => channel * area + place));
  const size = block.length;
  const inner = inverse(Float64Array.from({ length: size * size }, (_, at) => inverted[block[Math.floor(at / size)]! * (fanIn + 1) + block[at % size]!]!), size);
  if (!inner) return Infinity;
  let loss = 0;
  for (let filter = 0; filter < filters; filter += 1) {
    for (let row = 0; row < size; row += 1) {
      let sum = 0;
      for (let column = 0; column < size; column += 1) sum += inner[row * size + column]! * weights[filter * fanIn + block[column]!]!;
      loss += sum * weights[filter * fanIn + block[row]!]!;
    }
  }
  return loss;
}

function filterNorms(groups: readonly ChannelGroup[], layers: ReadonlyMap<string, LayerState>, criterion: Exclude<FilterCriterion, 'reconstruction'>): Float64Array {
  const byLayer = new Map([...layers].map(([output, state]) => [output, relativeNorms(state, criterion)]));
  return Float64Array.from(groups, ({ filters }) => {
    const norms = filters.map(({ conv, channel }) => byLayer.get(conv)?.[channel] ?? Infinity);
    return norms.reduce((sum, norm) => sum + norm, 0) / norms.length;
  });
}

/** Over the average of the layer, so that layers can be compared. */
function relativeNorms({ layer: { filters, fanIn }, weights: { weights } }: LayerState, criterion: 'l1' | 'l2' | 'geometric-median'): Float64Array {
  const norms = Float64Array.from({ length: filters }, (_, filter) => {
    if (criterion === 'geometric-median') return totalDistance(weights, filter, filters, fanIn);
    let sum = 0;
    for (let i = filter * fanIn; i < (filter + 1) * fanIn; i += 1) sum += criterion === 'l1' ? Math.abs(weights[i]!) : weights[i]! ** 2;
    return criterion === 'l1' ? sum : Math.sqrt(sum);
  });
  const mean = norms.reduce((sum, norm) => sum + norm, 0) / filters || 1;
  return norms.map((norm) => norm / mean);
}

/** Sum of the distances to all other filters: the smallest is the one that the others can stand in for (He et al. 2019). */
function totalDistance(weights: Float32Array, filter: number, filters: number, fanIn: number): number {
  let total = 0;
  for (let other = 0; other < filters; other += 1) {
    let sum = 0;
    for (let i = 0; i < fanIn; i += 1) sum += (weights[filter * fanIn + i]! - weights[other * fanIn + i]!) ** 2;
    total += Math.sqrt(sum);
  }
  return total;
}
