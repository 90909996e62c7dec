import type { Size } from '../../core/size.js';
import { GraphEditor } from '../graph-editor.js';
import { inferTensors } from '../infer-shapes.js';
import type { ModelProto, NodeProto } from '../model-proto.js';
import type { TensorFacts } from '../tensor-facts.js';

/** A tensor of the graph that shows fine features: [1, channels, height, width]. */
export interface ShallowFeatures {
  readonly tensor: string;
  /** Pixels of the model input for each cell, the same along both axes. */
  readonly stride: number;
  readonly channels: number;
  readonly width: number;
  readonly height: number;
  /** Convolutions on the longest way from the picture. */
  readonly convolutions: number;
  /** Of bytes: names of the scale and the zero point (empty where there is none) that make them numbers. */
  readonly quantized?: { readonly scale: string; readonly zeroPoint: string };
}

/** Cells of one pixel are no features yet, and those of more than 8 can't place a patch. */
const STRIDES = { finest: 2, coarsest: 8 } as const;
/** Fewer are masks and gates, which say where to look and not what is there. */
const FEWEST_CHANNELS = 8;
/** Where byte operators keep scale and zero point of what they give. */
const OUTPUT_SCALES: Readonly<Record<string, number>> = { QuantizeLinear: 1, QLinearConv: 6, QLinearAdd: 6, QLinearMul: 6 };

/** What is known of the way from the picture to a tensor. */
interface Way {
  /** Undefined for what is no plane. */
  readonly stride: number | undefined;
  /** Largest stride on the way, this tensor's included: what has been coarser carries context of large surroundings. */
  readonly coarsestStride: number;
  readonly convolutions: number;
}

type Ways = ReadonlyMap<string, Way>;

/**
 * The features to search patches in. Those count that were never coarser on their way (not those of a decoder that were scaled up again)
 * and that the coarser ones are computed from (not those of a side branch). Of the stride nearest to the wanted one (on a logarithmic
 * scale; the finer of two) those of the fewest channels are taken, which are bottlenecks and sums of residuals, and of those the deepest.
 *
 * @param input pixels of the model input.
 * @returns undefined where there are none of stride 2 to 8.
 */
export function findShallowFeatures(model: ModelProto, frame: string, input: Size, wantedStride: number): ShallowFeatures | undefined {
  const all = allFeatures(new GraphEditor(model), frame, input);
  const [nearest] = all.map(({ stride }) => stride).sort((a, b) => distance(a, wantedStride) - distance(b, wantedStride) || a - b);
  const atStride = preferred(all.filter(({ stride }) => stride === nearest), ({ isTrunk }) => isTrunk);
  const rich = atStride.filter(({ channels }) => channels >= FEWEST_CHANNELS);
  const wanted = rich.length > 0 ? Math.min(...rich.map(channelsOf)) : Math.max(...atStride.map(channelsOf));
  const chosen = atStride.filter(({ channels }) => channels === wanted);
  const deepest = Math.max(...chosen.map(({ convolutions }) => convolutions));
  return chosen.findLast(({ convolutions }) => convolutions === deepest);
}

function preferred<T>(items: readonly T[], isPreferred: (item: T) => boolean): readonly T[] {
  const best = items.filter(isPreferred);
  return best.length > 0 ? best : items;
}

function channelsOf({ channels }: ShallowFeatures): number {
  return channels;
}

function distance(stride: number, wanted: number): number {
  return Math.abs(Math.log2(stride / wanted));
}

interface FoundFeatures extends ShallowFeatures {
  readonly isTrunk: boolean;
}

/** In the order of execution. */
function allFeatures(editor: GraphEditor, frame: string, input: Size): FoundFeatures[] {
  const tensors = inferTensors(editor.graph);
  const ways = waysFrom(frame, editor, tensors, input);
  const trunk = trunkOf(editor, ways);
  return editor.nodes.flatMap((node) =>
    node.output!.flatMap((tensor) => {
      const way = ways.get(tensor);
      if (!way || !isShallow(way)) return [];
      const features = featuresOf(editor, node, { tensor, stride: way.stride!, convolutions: way.convolutions }, tensors.get(tensor)!);
      return features ? [{ ...features, isTrunk: trunk.has(tensor) }] : [];
    }),
  );
}

function waysFrom(frame: string, { nodes }: GraphEditor, tensors: ReadonlyMap<string, TensorFacts>, input: Size): Ways {
  const ways = new Map<string, Way>([[frame, { stride: 1, coarsestStride: 1, convolutions: 0 }]]);
  for (const node of nodes) {
    const sources = node.input!.map((name) => ways.get(name)).filter((way) => way !== undefined);
    if (sources.length === 0) continue;
    const isConvolution = /^(QLinear)?Conv(Integer)?$/.test(node.opType ?? '');
    const convolutions = Math.max(...sources.map((way) => way.convolutions)) + (isConvolution ? 1 : 0);
    const coarsest = Math.max(...sources.map(({ coarsestStride }) => coarsestStride));
    for (const tensor of node.output!) {
      const stride = strideOf(tensors.get(tensor), input);
      ways.set(tensor, { stride, coarsestStride: Math.max(coarsest, stride ?? 0), convolutions });
    }
  }
  return ways;
}

/** Tensors that coarser ones are computed from, by a way that never gets finer. */
function trunkOf({ nodes }: GraphEditor, ways: Ways): ReadonlySet<string> {
  const trunk = new Set<string>();
  for (const node of nodes.toReversed()) {
    const onward = node.output!.map((tensor) => ({ tensor, way: ways.get(tensor) })).filter(({ way }) => way && isNeverFiner(way));
    for (const name of node.input!) {
      const stride = ways.get(name)?.stride ?? Number.POSITIVE_INFINITY;
      if (onward.some(({ tensor, way }) => trunk.has(tensor) || (way!.stride ?? 0) > stride)) trunk.add(name);
    }
  }
  return trunk;
}

function isNeverFiner({ stride, coarsestStride }: Way): boolean {
  return stride === undefined || stride === coarsestStride;
}

/** Undefined for what is no plane, or is one number a channel: gates and weights have no place in the picture. */
function strideOf(facts: TensorFacts | undefined, { width, height }: Size): number | undefined {
  const dims = facts?.dims;
  if (dims?.length !== 4 || dims[0] !== 1 || (dims[2] === 1 && dims[3] === 1)) return undefined;
  const stride = Math.round(width / dims[3]!);
  const isWhole = (pixels: number, cells: number): boolean => cells === Math.ceil(pixels / stride) || cells === Math.floor(pixels / stride);
  return isWhole(width, dims[3]!) && isWhole(height, dims[2]!) ? stride : undefined;
}

function isShallow(way: Way): boolean {
  const { stride, convolutions } = way;
  return stride !== undefined && stride >= STRIDES.finest && stride <= STRIDES.coarsest && isNeverFiner(way) && convolutions > 0;
}

function featuresOf(editor: GraphEditor, node: NodeProto, at: Pick<ShallowFeatures, 'tensor' | 'stride' | 'convolutions'>, { dims, dataType }: TensorFacts): ShallowFeatures | undefined {
  const [, channels, height, width] = dims!;
  const features = { ...at, channels: channels!, width: width!, height: height! };
  if (dataType === 'float32') return isQuantizedAround(editor, node, at.tensor) ? undefined : features;
  const quantized = scaleOf(node);
  return quantized && (dataType === 'uint8' || dataType === 'int8') ? { ...features, quantized } : undefined;
}

/**
 * Floats between a DequantizeLinear and a QuantizeLinear exist on paper only: the runtime computes in bytes, and would have to stop that
 * where somebody wants to see them. The bytes are taken instead.
 */
function isQuantizedAround(editor: GraphEditor, node: NodeProto, tensor: string): boolean {
  if (editor.consumersOf(tensor).some(({ opType }) => opType === 'QuantizeLinear')) return true;
  const bytes = node.opType === 'DequantizeLinear' ? editor.producerOf(node.input![0]!) : undefined;
  return bytes !== undefined && scaleOf(bytes) !== undefined;
}

function scaleOf({ opType, input }: NodeProto): ShallowFeatures['quantized'] {
  const index = OUTPUT_SCALES[opType ?? ''];
  return index === undefined ? undefined : { scale: input![index]!, zeroPoint: input![index + 1] ?? '' };
}
