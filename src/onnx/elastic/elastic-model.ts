import { AppError } from '../../core/errors.js';
import type { ElasticRatio } from '../../core/manifest.js';
import { GraphEditor } from '../graph-editor.js';
import { graphCost } from '../graph-cost.js';
import { attributeOf, decodeModel, encodeModel, feedsOf, graphOf, intOf, type ModelProto, type NodeProto } from '../model-proto.js';
import { cutChannels } from '../prune/remove-channels.js';
import { replaceFloats } from '../prune/replace-floats.js';
import { elastic, readElasticFile, type ElasticFile } from './elastic-file.js';
import { placeLayers, type PlacedLayer, type PlacedLayers } from './elastic-layers.js';

/** Of the file's figure: who counts operations has twice as many, who forgets the heads some percent less. */
const MACS_TOLERANCE = 0.1;
/** Dense statistics of file and network, relative: both are float32, but may be folded in another order. */
const STATISTICS_TOLERANCE = 1e-3;
/** Of a normalization. */
const SHIFT_INPUT = 2;
/** ONNX's default. */
const EPSILON = 1e-5;

/** Where the parts come from, for messages. */
export interface ElasticSource {
  /** Size of the network's input, for counting: files may leave it open. */
  readonly input: { readonly width: number; readonly height: number };
  readonly fileName: string;
}

/**
 * One set of weights that holds networks of several widths. Each channel has a soft importance, each layer a threshold for each ratio; what is below is off, and
 * what is left has batch-norm statistics of its own (All-in-One, arXiv 2212.05122; private statistics as in slimmable networks, arXiv 1812.08928). A channel
 * that is off is zero after its Relu, so a network without it computes the same.
 */
export class ElasticModel {
  readonly ratios: readonly ElasticRatio[];
  readonly #base: Uint8Array;
  readonly #placed: PlacedLayers;

  private constructor(base: Uint8Array, ratios: readonly ElasticRatio[], placed: PlacedLayers) {
    this.#base = base;
    this.ratios = ratios;
    this.#placed = placed;
  }

  /**
   * @param base float32, with its normalizations as they were trained; kept, not copied.
   * @throws AppError ERR_MODEL_CORRUPT; ERR_MODEL_ELASTIC where the two don't belong together
   */
  static open(base: Uint8Array, elasticBytes: Uint8Array, source: ElasticSource): ElasticModel {
    const file = readElasticFile(elasticBytes, source.fileName);
    const model = decodeModel(base);
    const placed = placeLayers(model, file, source.fileName);
    checkDense(model, placed.layers, source.fileName);
    checkMacs(model, placed, file, source);
    return new ElasticModel(base, file.ratios, placed);
  }

  /**
   * The network of a ratio: the channels that are off cut out, the private statistics folded into the convolutions. Dense is the base as it is.
   *
   * @throws AppError ERR_MODEL_NOT_FOUND where there is no such ratio
   */
  slice(ratioName: string): Uint8Array {
    const r = this.ratios.findIndex(({ name }) => name === ratioName);
    if (r < 0) throw unknownRatio(ratioName, this.ratios);
    if (r === 0) return this.#base;
    const model = decodeModel(this.#base);
    const editor = new GraphEditor(model);
    foldStatistics(editor, this.#placed.layers, r);
    cutChannels(model, this.#placed.channels, this.#placed.idleGroups[r]!);
    return encodeModel(model);
  }
}

/** @returns ERR_MODEL_NOT_FOUND that lists the known ones */
export function unknownRatio(name: string, ratios: readonly ElasticRatio[]): AppError {
  return new AppError('ERR_MODEL_NOT_FOUND', `There is no ratio ${name}`, { fix: `Ratios of the model: ${ratios.map((ratio) => ratio.name).join(', ')}.` });
}

/** `relu(conv(x) * scale + shift)` with convolutions that have both inside. All constants change in place and all nodes at once: indexes are made once. */
function foldStatistics(editor: GraphEditor, layers: readonly PlacedLayer[], ratioIndex: number): void {
  const norms = layers.map(({ output }) => editor.producerOf(output)!);
  const convolutions = norms.map((norm) => editor.producerOf(norm.input![0]!)!);
  for (const [i, layer] of layers.entries()) foldInto(editor, convolutions[i]!, norms[i]!, layer, ratioIndex);
  // They take the names that channels are known by.
  for (const [i, { output }] of layers.entries()) convolutions[i]!.output = [output];
  editor.remove(...norms);
}

function foldInto(editor: GraphEditor, convolution: NodeProto, norm: NodeProto, { channels, scale, shift }: PlacedLayer, ratioIndex: number): void {
  const weight = editor.floats(convolution, 1);
  const oldBias = convolution.input![2] ? editor.floats(convolution, 2).data : undefined;
  const perFilter = weight.data.length / channels;
  const bias = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const factor = scale[ratioIndex * channels + channel]!;
    bias[channel] = shift[ratioIndex * channels + channel]! + factor * (oldBias?.[channel] ?? 0);
    for (let i = channel * perFilter; i < (channel + 1) * perFilter; i += 1) weight.data[i]! *= factor;
  }
  replaceFloats(editor, convolution, 1, weight.dims, weight.data);
  replaceFloats(editor, norm, SHIFT_INPUT, [channels], bias);
  convolution.input = [convolution.input![0]!, convolution.input![1]!, norm.input![SHIFT_INPUT]!];
}

/** The network's own statistics are those of its dense ratio: else a file of another network would pass where the names are the same. */
function checkDense(model: ModelProto, layers: readonly PlacedLayer[], fileName: string): void {
  const editor = new GraphEditor(model);
  for (const { name, output, channels, scale, shift } of layers) {
    const norm = editor.producerOf(output)!;
    const [gain, offset, mean, variance] = [1, 2, 3, 4].map((input) => editor.floats(norm, input).data) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const epsilon = attributeOf(norm, 'epsilon')?.f ?? EPSILON;
    for (let channel = 0; channel < channels; channel += 1) {
      const factor = gain[channel]! / Math.sqrt(variance[channel]! + epsilon);
      const isSame = isClose(scale[channel]!, factor) && isClose(shift[channel]!, offset[channel]! - mean[channel]! * factor);
      if (!isSame) throw elastic(fileName, `the statistics of channel ${channel} of ${name} at the dense ratio are not those of the network: they are of two trainings`);
    }
  }
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= STATISTICS_TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b));
}

/** What is left of a tensor's channels at a ratio, 0 to 1. */
type KeptShare = (tensor: string) => number;

/** Counted without slicing: a convolution does its share of outputs times its share of inputs. */
function checkMacs(model: ModelProto, { channels, idleGroups }: PlacedLayers, { ratios }: ElasticFile, { input, fileName }: ElasticSource): void {
  const graph = graphOf(model);
  const [feed] = feedsOf(graph);
  const { macs, macsByOutput } = graphCost(graph, { inputs: new Map([[feed?.name ?? '', [1, 3, input.height, input.width]]]) });
  if (macs === undefined) throw elastic(fileName, 'what the network costs could not be followed');
  const editor = new GraphEditor(model);
  ratios.forEach((ratio, r) => {
    const keptShare: KeptShare = (tensor) => {
      const groups = channels.groupsOf(tensor);
      return groups ? groups.filter((group) => !idleGroups[r]!.has(group)).length / groups.length : 1;
    };
    const counted = [...macsByOutput].reduce((sum, [output, count]) => sum + count * keptWork(editor.producerOf(output)!, keptShare), 0);
    if (Math.abs(counted - ratio.macs) <= MACS_TOLERANCE * counted) return;
    throw elastic(fileName, `ratio ${ratio.name} is said to do ${ratio.macs} multiply-accumulates, and does ${Math.round(counted)}`);
  });
}

function keptWork(node: NodeProto, keptShare: KeptShare): number {
  if (node.opType !== 'Conv') return 1;
  const isDense = intOf(node, 'group', 1) === 1;
  return keptShare(node.output![0]!) * (isDense ? keptShare(node.input![0]!) : 1);
}
