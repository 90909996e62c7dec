import { AppError } from '../../core/errors.js';
import type { PictureSet } from '../../core/picture-set.js';
import { graphCost } from '../../onnx/graph-cost.js';
import { decodeModel, graphOf } from '../../onnx/model-proto.js';
import { channelGraph, type ChannelGraph, type PinningNode } from '../../onnx/prune/channel-graph.js';
import { removeChannels } from '../../onnx/prune/remove-channels.js';
import type { CandidateModel } from '../score-model.js';
import { collectStatistics } from './collect-statistics.js';
import { readNetwork, withWeights, type ConvNetwork, type LayerWeights } from './conv-layer.js';
import { groupSaliencies, type FilterCriterion, type LayerState } from './filter-saliency.js';
import { outputGains } from './output-gains.js';
import { layerError, outputVariance, restrictStatistics, type LayerStatistics } from './layer-statistics.js';
import { reconstructBySquares } from './least-squares.js';
import { nameOf, type OnProgress } from './sparsify.js';

export interface FilterOptions {
  /** Share of the convolutions' multiply-accumulates that goes, 0 to 1. */
  readonly macsReduction: number;
  readonly calibration: PictureSet;
  /** Default `reconstruction`. */
  readonly criterion?: FilterCriterion | undefined;
  /** Channels are kept in multiples of it where they are cut at all: kernels work on blocks. Default 4. */
  readonly multipleOf?: number | undefined;
  /** Channels are removed in so many rounds, the readers fitted anew after each. Default 8. */
  readonly rounds?: number | undefined;
  /** False leaves the readers' weights as they were. Default true. */
  readonly reconstruct?: boolean | undefined;
  /** By a layer's output: what its errors count; see `outputGains`. All alike where absent. */
  readonly gains?: ReadonlyMap<string, number> | undefined;
  readonly seed?: number | undefined;
  readonly samples?: number | undefined;
  readonly threads?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** What became of one convolution. */
export interface FilterOutcome {
  readonly name: string;
  readonly filtersBefore: number;
  readonly filtersAfter: number;
  /** Mean squared difference from the dense layer's output over its variance, on the dense model's inputs; undefined for depthwise layers. */
  readonly error: number | undefined;
}

export interface NarrowModel {
  readonly onnx: Uint8Array;
  readonly macsBefore: number;
  readonly macsAfter: number;
  readonly layers: readonly FilterOutcome[];
  /** Where channels had to stay that might have gone. */
  readonly pinnedBy: readonly PinningNode[];
}

/** No tensor gets narrower than this share of its channels. */
const LEAST_KEPT = 0.25;
const DEFAULT_ROUNDS = 8;
const DEFAULT_MULTIPLE = 4;

/**
 * Removes channels from a model, those first that cost least for the multiply-accumulates that they save, and fits the layers that
 * read them to what they gave before, without labels. Rounds stop early where nothing more can go.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP where the cost of a layer can't be counted or no channel can be removed, naming why.
 */
export async function pruneFilters(model: CandidateModel, options: FilterOptions): Promise<NarrowModel> {
  const network = readNetwork(model.onnx);
  const statistics = await readerStatistics(model, network, options);
  const gains = await outputGains(model, network, statistics, options.calibration, options.seed ?? 1);
  return pruneFiltersWith(model.onnx, statistics, { ...options, gains });
}

/** Samples of all dense layers in the dense model, by output: they do for every target and criterion. */
export async function readerStatistics(model: CandidateModel, network: ConvNetwork, { calibration, samples, seed, threads, onProgress }: Omit<FilterOptions, 'macsReduction'>): Promise<ReadonlyMap<string, LayerStatistics>> {
  const targets = network.layers.filter(({ groups }) => groups === 1).map((layer) => ({ layer }));
  const onPicture = (done: number): void => onProgress?.('calibrate', done, calibration.count);
  const statistics = await collectStatistics(model, model, targets, { pictures: calibration, onPicture, threads, ...(samples !== undefined && { samples }), ...(seed !== undefined && { seed }) });
  return new Map(statistics.map((sums) => [sums.layer.output, sums]));
}

/** Like `pruneFilters` where the samples are there already. */
export function pruneFiltersWith(onnx: Uint8Array, dense: ReadonlyMap<string, LayerStatistics>, options: Omit<FilterOptions, 'calibration'>): NarrowModel {
  const { macsReduction, rounds = DEFAULT_ROUNDS, onProgress } = options;
  const macsBefore = macsOf(onnx);
  const { pinnedBy, groups } = channelGraph(decodeModel(onnx));
  if (groups.length === 0) throw nothingToRemove(pinnedBy);
  let state = { onnx, statistics: dense };
  for (let round = 1; round <= rounds; round += 1) {
    state = pruneRound(state.onnx, state.statistics, macsBefore * (1 - (macsReduction * round) / rounds), onnx, options);
    onProgress?.('prune', round, rounds);
  }
  return { onnx: state.onnx, macsBefore, macsAfter: macsOf(state.onnx), layers: outcomes(onnx, state.onnx, state.statistics), pinnedBy };
}

interface RoundState {
  readonly onnx: Uint8Array;
  readonly statistics: ReadonlyMap<string, LayerStatistics>;
}

function pruneRound(onnx: Uint8Array, statistics: ReadonlyMap<string, LayerStatistics>, targetMacs: number, original: Uint8Array, options: Omit<FilterOptions, 'calibration'>): RoundState {
  const network = readNetwork(onnx);
  const channels = channelGraph(decodeModel(onnx));
  const removed = chooseGroups(onnx, network, channels, statistics, targetMacs, original, options);
  if (removed.size === 0) return { onnx, statistics };
  const narrow = removeChannels(onnx, removed);
  const restricted = new Map([...statistics].map(([output, sums]) => [output, restrict(sums, channels, removed)]));
  if (options.reconstruct === false) return { onnx: narrow, statistics: restricted };
  return { onnx: refitReaders(narrow, statistics, restricted), statistics: restricted };
}

/** The samples of a layer without the channels that were removed. */
function restrict(sums: LayerStatistics, channels: ChannelGraph, removed: ReadonlySet<number>): LayerStatistics {
  const { layer } = sums;
  const area = layer.window.kernel[0] * layer.window.kernel[1];
  const stays = (group: number): boolean => !removed.has(group);
  const inputGroups = channels.groupsOf(layer.input) ?? Array.from({ length: layer.fanIn / area }, () => -1);
  const outputGroups = channels.groupsOf(layer.output) ?? Array.from({ length: layer.filters }, () => -1);
  if (inputGroups.every(stays) && outputGroups.every(stays)) return sums;
  const inputs = inputGroups.flatMap((group, channel) => (stays(group) ? Array.from({ length: area }, (_, place) => channel * area + place) : []));
  return restrictStatistics(sums, inputs, outputGroups.flatMap((group, filter) => (stays(group) ? [filter] : [])));
}

/** Each layer that lost inputs comes as close as it can to what it gave in the dense model. */
function refitReaders(onnx: Uint8Array, before: ReadonlyMap<string, LayerStatistics>, statistics: ReadonlyMap<string, LayerStatistics>): Uint8Array {
  const fitted = new Map<string, LayerWeights>();
  const { layers, weights } = readNetwork(onnx);
  for (const { output } of layers) {
    const sums = statistics.get(output);
    const present = weights.get(output)!;
    const lostInputs = sums !== undefined && sums.layer.fanIn < before.get(output)!.layer.fanIn;
    if (lostInputs) fitted.set(output, reconstructBySquares(sums, present, new Uint8Array(present.weights.length).fill(1)));
  }
  return withWeights(onnx, fitted);
}

function chooseGroups(onnx: Uint8Array, network: ConvNetwork, channels: ChannelGraph, statistics: ReadonlyMap<string, LayerStatistics>, targetMacs: number, original: Uint8Array, options: Omit<FilterOptions, 'calibration'>): Set<number> {
  const { criterion = 'reconstruction', multipleOf = DEFAULT_MULTIPLE } = options;
  const layers = new Map(network.layers.map((layer): [string, LayerState] => [layer.output, { layer, weights: network.weights.get(layer.output)!, statistics: statistics.get(layer.output), gain: options.gains?.get(layer.output) }]));
  const saliencies = groupSaliencies(channels.groups, layers, criterion);
  const savings = groupSavings(onnx, channels, layers);
  const widths = new WidthLimits(channels, original);
  const removed = new Set<number>();
  let macs = macsOf(onnx);
  for (const unit of unitsOf(channels, saliencies, savings, multipleOf)) {
    if (macs <= targetMacs) break;
    if (!Number.isFinite(unit.price) || !widths.take(unit.groups)) continue;
    for (const group of unit.groups) removed.add(group);
    macs -= unit.saving;
  }
  return removed;
}

/** Groups that are removed at once. */
interface Unit {
  readonly groups: readonly number[];
  readonly saving: number;
  /** Saliency for each multiply-accumulate that is saved. */
  readonly price: number;
}

/**
 * Cuts families (channels of the same convolutions) into units that leave a multiple of `multipleOf`, each family's cheapest channels
 * first: a block that is only partly filled takes as long as a whole one.
 */
function unitsOf({ groups }: ChannelGraph, saliencies: Float64Array, savings: Float64Array, multipleOf: number): Unit[] {
  const families = new Map<string, number[]>();
  for (const [group, { filters, depthwise }] of groups.entries()) {
    const key = [...new Set([...filters, ...depthwise].map(({ conv }) => conv))].join();
    families.set(key, [...(families.get(key) ?? []), group]);
  }
  const units: Unit[] = [];
  for (const family of families.values()) {
    const byPrice = family.toSorted((a, b) => saliencies[a]! / savings[a]! - saliencies[b]! / savings[b]! || a - b);
    for (let from = 0, size = family.length % multipleOf || multipleOf; from < family.length; from += size, size = multipleOf) {
      const members = byPrice.slice(from, from + size);
      const saving = members.reduce((sum, group) => sum + savings[group]!, 0);
      units.push({ groups: members, saving, price: members.reduce((sum, group) => sum + saliencies[group]!, 0) / (saving || 1e-9) });
    }
  }
  return units.sort((a, b) => a.price - b.price || a.groups[0]! - b.groups[0]!);
}

/** Multiply-accumulates that go with each group while all others stay. */
function groupSavings(onnx: Uint8Array, { groups }: ChannelGraph, layers: ReadonlyMap<string, LayerState>): Float64Array {
  const { macsByOutput } = graphCost(graphOf(decodeModel(onnx)));
  const perFilter = (conv: string): number => (macsByOutput.get(conv) ?? 0) / layers.get(conv)!.layer.filters;
  const perInput = (conv: string): number => {
    const { fanIn, window } = layers.get(conv)!.layer;
    return ((macsByOutput.get(conv) ?? 0) * window.kernel[0] * window.kernel[1]) / fanIn;
  };
  return Float64Array.from(groups, ({ filters, depthwise, readers }) => {
    const computed = [...filters, ...depthwise].reduce((sum, { conv }) => sum + perFilter(conv), 0);
    return readers.reduce((sum, { conv }) => sum + perInput(conv), computed);
  });
}

/** Sees that no tensor gets too narrow. */
class WidthLimits {
  readonly #tensors: { left: number; readonly least: number }[] = [];
  /** By group: its tensors, once for each of its channels there. */
  readonly #tensorsOf = new Map<number, number[]>();

  constructor(channels: ChannelGraph, original: Uint8Array) {
    const widthBefore = channelGraph(decodeModel(original));
    const seen = new Set<string>();
    for (const tensor of channels.tensors) {
      const groups = channels.groupsOf(tensor)!;
      // Most tensors have the channels of another one.
      const key = groups.join();
      if (seen.has(key)) continue;
      seen.add(key);
      const index = this.#tensors.push({ left: groups.length, least: Math.max(1, Math.ceil(LEAST_KEPT * (widthBefore.groupsOf(tensor)?.length ?? groups.length))) }) - 1;
      for (const group of groups) if (group >= 0) this.#tensorsOf.set(group, [...(this.#tensorsOf.get(group) ?? []), index]);
    }
  }

  /** Takes groups out of all their tensors; false, and nothing is taken, where one would get too narrow. */
  take(groups: readonly number[]): boolean {
    const tensors = groups.flatMap((group) => this.#tensorsOf.get(group) ?? []);
    for (const index of tensors) this.#tensors[index]!.left -= 1;
    if (tensors.every((index) => this.#tensors[index]!.left >= this.#tensors[index]!.least)) return true;
    for (const index of tensors) this.#tensors[index]!.left += 1;
    return false;
  }
}

function outcomes(before: Uint8Array, after: Uint8Array, statistics: ReadonlyMap<string, LayerStatistics>): FilterOutcome[] {
  const narrow = readNetwork(after);
  const widths = new Map(narrow.layers.map(({ output, filters }) => [output, filters]));
  return readNetwork(before).layers.map((layer) => {
    const sums = statistics.get(layer.output);
    const error = sums && layerError(sums, narrow.weights.get(layer.output)!) / (outputVariance(sums) || 1);
    return { name: nameOf(layer), filtersBefore: layer.filters, filtersAfter: widths.get(layer.output)!, error };
  });
}

function macsOf(onnx: Uint8Array): number {
  const { macs } = graphCost(graphOf(decodeModel(onnx)));
  if (macs === undefined) throw new AppError('ERR_MODEL_UNSUPPORTED_OP', 'The size of a convolution of the model could not be followed from its input', { fix: 'Export the model for one picture of a fixed size.' });
  return macs;
}

function nothingToRemove(pinnedBy: readonly PinningNode[]): AppError {
  const [first] = pinnedBy;
  const why = first ? `node ${first.node}: ${first.why}` : 'every channel is an output or the picture';
  return new AppError('ERR_MODEL_UNSUPPORTED_OP', `No channel of the model can be removed: ${why}`, { fix: 'Use --sparsity, which needs no channels to go.' });
}
