import { GraphEditor } from '../../onnx/graph-editor.js';
import { decodeModel, encodeModel } from '../../onnx/model-proto.js';
import { findByteNodes } from '../../onnx/quantize/byte-nodes.js';
import { correctBiases } from '../../onnx/quantize/correct-bias.js';
import { equalize } from '../../onnx/quantize/equalize.js';
import { insertQdq, type QuantizedGraph } from '../../onnx/quantize/insert-qdq.js';
import type { Range } from '../../onnx/quantize/integer-params.js';
import { chooseRange, type RangeMethod } from './choose-range.js';
import type { ConvolutionFacts, FloatNetwork } from './network.js';
import { observe, type Frames, type TensorStatistics } from './observe.js';
import { ValueHistogram } from './value-histogram.js';

/** A convolution alone among floats pays for turning to bytes and back: worth it from this share of all multiply-accumulates on. */
const ISLAND_SHARE = 0.04;

/** A float network with what was seen in it. */
export interface ObservedNetwork {
  readonly network: FloatNetwork;
  readonly onnx: Uint8Array;
  readonly statistics: ReadonlyMap<string, TensorStatistics>;
  readonly equalizedLinks: number;
}

/** How ranges are chosen, and whether biases make up for rounded weights. */
export interface VariantOptions {
  readonly method: RangeMethod;
  readonly biasCorrection: boolean;
}

export interface Variant extends QuantizedGraph {
  readonly onnx: Uint8Array;
}

export async function observeNetwork(network: FloatNetwork, frames: Frames, onRun?: () => void): Promise<ObservedNetwork> {
  return { network, onnx: network.onnx, statistics: await observe(network.onnx, network.tensors, frames, onRun), equalizedLinks: 0 };
}

/** The same network with its channels equalized, observed anew; undefined where there is nothing to equalize. */
export async function equalizeNetwork({ network, statistics }: ObservedNetwork, frames: Frames, onRun?: () => void): Promise<ObservedNetwork | undefined> {
  const model = decodeModel(network.onnx);
  const editor = new GraphEditor(model);
  const equalizedLinks = equalize(editor, (tensor) => statistics.get(tensor)?.channelPeaks);
  if (equalizedLinks === 0) return undefined;
  editor.removeUnused();
  const onnx = encodeModel(model);
  return { network, onnx, statistics: await observe(onnx, network.tensors, frames, onRun), equalizedLinks };
}

/** The network with these convolutions, and what lies between them, on bytes. */
export function buildVariant({ network, onnx, statistics }: ObservedNetwork, convolutions: ReadonlySet<string>, { method, biasCorrection }: VariantOptions): Variant {
  const model = decodeModel(onnx);
  if (biasCorrection) correctBiases(new GraphEditor(model), convolutions, (tensor) => statistics.get(tensor)?.channelMeans);
  const graph = insertQdq(model, { convolutions, rangeOf: (tensors) => rangeOf(network, statistics, tensors, method) });
  return { ...graph, onnx: encodeModel(model) };
}

const RANGES = new WeakMap<ReadonlyMap<string, TensorStatistics>, Map<string, Range>>();

function rangeOf(network: FloatNetwork, statistics: ReadonlyMap<string, TensorStatistics>, tensors: readonly string[], method: RangeMethod): Range {
  const known = RANGES.get(statistics) ?? new Map<string, Range>();
  RANGES.set(statistics, known);
  const key = `${method} ${tensors.join(' ')}`;
  const range = known.get(key) ?? newRange(network, statistics, tensors, method);
  known.set(key, range);
  return range;
}

function newRange(network: FloatNetwork, statistics: ReadonlyMap<string, TensorStatistics>, tensors: readonly string[], method: RangeMethod): Range {
  const histograms = tensors.map((tensor) => statistics.get(tensor)?.histogram).filter((one) => one !== undefined);
  const histogram = histograms.length === 1 ? histograms[0]! : ValueHistogram.merged(histograms);
  // A head's rare values are its detections: nothing of them may be cut off.
  const isHead = tensors.some((tensor) => network.heads.includes(tensor));
  return chooseRange(histogram, isHead ? 'minmax' : method, tensors.length === 1 ? network.followingOf(tensors[0]!) : undefined);
}

/** A plan without small convolutions that stand alone among floats. */
export function withoutIslands(network: FloatNetwork, convolutions: ReadonlySet<string>): ReadonlySet<string> {
  const editor = new GraphEditor(decodeModel(network.onnx));
  const total = network.convolutions.reduce((sum, { macs }) => sum + macs, 0);
  const kept = new Set(convolutions);
  for (;;) {
    const { roles, resultOf } = findByteNodes(editor, kept);
    const isIsland = ({ name, macs }: ConvolutionFacts): boolean => {
      const node = editor.producerOf(name)!;
      if (!kept.has(name) || macs > total * ISLAND_SHARE) return false;
      const before = editor.producerOf(node.input![0]!);
      return !(before && (roles.has(before) || before.opType === 'Cast')) && !editor.consumersOf(resultOf(node)).some((reader) => roles.has(reader));
    };
    const islands = network.convolutions.filter(isIsland);
    if (islands.length === 0) return kept;
    for (const { name } of islands) kept.delete(name);
  }
}
