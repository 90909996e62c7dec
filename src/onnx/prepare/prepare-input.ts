import { AppError } from '../../core/errors.js';
import type { ModelInput } from '../../core/manifest.js';
import { fixInputDims } from './fix-input-dims.js';
import { reorderPlanes } from './frame-planes.js';
import { findFirstConvolutions, type FirstConvolution, type FirstConvolutions } from './first-convolutions.js';
import {
  consumersOf,
  constantOf,
  decodeModel,
  dimsOf,
  encodeModel,
  feedsOf,
  floatData,
  graphOf,
  intsOf,
  makeNode,
  makeTensor,
  makeValueInfo,
  renameTensor,
  textOf,
  type GraphProto,
  type NodeProto,
  type TensorProto,
} from '../model-proto.js';

/** Name of the prepared model's input. */
export const FRAME_INPUT = 'frame';

/** Part of the key of prepared files: a new number makes every store prepare its models anew. */
export const PREPARATION_VERSION = 2;

/** Planes of a frame in order, as ffmpeg's `gbrp` has them. */
const PLANES = ['g', 'b', 'r'] as const;
const CHANNELS = { rgb: ['r', 'g', 'b'], bgr: ['b', 'g', 'r'] } as const;
/** ONNX number of float32, for Cast. */
const FLOAT = 1;

/**
 * The variant of a model that runs on frames as they are: input `frame`, uint8 [1, 3, height, width], planes G, B, R. Outputs keep
 * their names and values (to float rounding), batch and picture size become constants.
 *
 * Channel order, scale and (without padding) mean move into the weights of the first convolutions where nothing else reads the
 * picture, and a Focus layer in front of one becomes a part of it; what is left to do a frame is then one Cast. Else the steps stand
 * in front of the model.
 *
 * @throws AppError ERR_MODEL_MANIFEST where the model's input is not what `input` says, ERR_MODEL_CORRUPT where `model` can't be read.
 */
export function prepareInput(model: Uint8Array, input: ModelInput): Uint8Array {
  const proto = decodeModel(model);
  const graph = graphOf(proto);
  fixInputDims(graph, input);
  freeFrameName(graph, input.name);
  const isNchw = input.layout === 'nchw' || removeTransposes(graph, pictureName(input));
  const first = isNchw && input.dtype === 'float32' ? findFirstConvolutions(graph, pictureName(input), input) : undefined;
  if (first) foldIntoConvolutions(graph, first, input);
  else if (isNchw && takesBytes(input) && reorderPlanes(graph, pictureName(input), channelOfPlane(input))) renameTensor(graph, pictureName(input), FRAME_INPUT);
  else prependSteps(graph, input, isNchw);
  replaceFeed(graph, input);
  return encodeModel(proto);
}

/** A quantized model takes a picture's bytes as they are; only their planes may stand in another order. */
function takesBytes({ dtype, scale, mean }: ModelInput): boolean {
  return dtype === 'uint8' && scale === 1 && mean.every((value) => value === 0);
}

/** The tensor that the model reads the picture from, once the name `frame` is free. */
function pictureName({ name }: ModelInput): string {
  return name === FRAME_INPUT ? `${FRAME_INPUT}_of_model` : name;
}

function freeFrameName(graph: GraphProto, inputName: string): void {
  const taken = (graph.node ?? []).some(({ input, output }) => input?.includes(FRAME_INPUT) === true || output?.includes(FRAME_INPUT) === true);
  if (!taken) return;
  if (inputName !== FRAME_INPUT && graph.output?.some(({ name }) => name === FRAME_INPUT)) {
    throw new AppError('ERR_MODEL_UNSUPPORTED_OP', `The model has an output named ${FRAME_INPUT}`, { fix: 'Export it with another output name.' });
  }
  renameTensor(graph, FRAME_INPUT, `${FRAME_INPUT}_of_model`);
}

/** A model that was converted from NHWC turns its input at once: it can have the planes as they come. True where that was all. */
function removeTransposes(graph: GraphProto, picture: string): boolean {
  const readers = consumersOf(graph, picture);
  const outputs = new Set(graph.output?.map(({ name }) => name));
  const isTurn = (node: NodeProto): boolean => node.opType === 'Transpose' && intsOf(node, 'perm')?.join() === '0,3,1,2' && !outputs.has(node.output?.[0]);
  if (readers.length === 0 || !readers.every(isTurn)) return false;
  graph.node = (graph.node ?? []).filter((node) => !readers.includes(node));
  for (const reader of readers) renameTensor(graph, reader.output![0]!, picture);
  return true;
}

/** For each plane of a frame, which channel of the model it is. */
function channelOfPlane({ color }: ModelInput): number[] {
  return PLANES.map((plane) => CHANNELS[color].indexOf(plane));
}

function foldIntoConvolutions(graph: GraphProto, { convolutions, between }: FirstConvolutions, input: ModelInput): void {
  const hasMean = input.mean.some((value) => value !== 0);
  // Zero padding stays the mean's colour: with padding, subtracting has to come before the convolution.
  const meanIntoBias = hasMean && convolutions.every(({ node }) => isUnpadded(node));
  for (const convolution of convolutions) {
    if (meanIntoBias) foldMean(graph, convolution.node, input);
    foldWeights(graph, convolution, input);
  }
  const steps = [makeStep('Cast', [], { to: { i: FLOAT } })];
  if (hasMean && !meanIntoBias) steps.push(makeStep('Sub', [meanOfPlanes(graph, input)]));
  graph.node = [...chain(steps, pictureName(input)), ...graph.node!.filter((node) => !between.includes(node))];
  for (const { node } of convolutions) node.input![0] = pictureName(input);
}

function isUnpadded(convolution: NodeProto): boolean {
  return !textOf(convolution, 'auto_pad').startsWith('SAME') && (intsOf(convolution, 'pads') ?? []).every((pad) => pad === 0);
}

/** A mean that every weight meets is a constant a filter: conv((x - mean) * scale) = conv(x * scale) - sum(weight * mean) * scale. */
function foldMean(graph: GraphProto, convolution: NodeProto, input: ModelInput): void {
  const tensor = constantOf(graph, convolution.input![1]!)!;
  const weights = floatData(tensor);
  const [filters = 0, channels = 0, height = 1, width = 1] = dimsOf(tensor);
  const oldBias = convolution.input![2] ? constantOf(graph, convolution.input![2]) : undefined;
  const bias = oldBias ? floatData(oldBias) : new Float32Array(filters);
  const kernel = height * width;
  for (let filter = 0; filter < filters; filter++) {
    let sum = 0;
    for (let i = 0; i < channels * kernel; i++) sum += weights[filter * channels * kernel + i]! * input.mean[Math.floor(i / kernel) % 3]!;
    bias[filter] = bias[filter]! - sum * input.scale;
  }
  replaceConstant(graph, convolution, 2, makeTensor(`${convolution.output![0]!}_bias_of_frame`, 'float32', [filters], bias));
}

/**
 * Weights for a frame's planes and values. Where the convolution read n * n small pictures, it reads the whole one with a kernel,
 * stride and padding n times as large: the same sums, and nothing is copied before.
 */
function foldWeights(graph: GraphProto, { node, step, phases }: FirstConvolution, input: ModelInput): void {
  const tensor = constantOf(graph, node.input![1]!)!;
  const weights = floatData(tensor);
  const [filters = 0, , height = 1, width = 1] = dimsOf(tensor);
  const order = channelOfPlane(input);
  const folded = new Float32Array(filters * 3 * height * width * step * step);
  for (let filter = 0; filter < filters; filter++) {
    for (const [block, [row, column]] of phases.entries()) {
      for (let plane = 0; plane < 3; plane++) {
        const from = (filter * phases.length + block) * 3 + order[plane]!;
        const to = filter * 3 + plane;
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            folded[(to * height * step + y * step + row) * width * step + x * step + column] = weights[(from * height + y) * width + x]! * input.scale;
          }
        }
      }
    }
  }
  replaceConstant(graph, node, 1, makeTensor(`${node.output![0]!}_weight_of_frame`, 'float32', [filters, 3, height * step, width * step], folded));
  if (step > 1) enlargeWindow(node, step);
}

function enlargeWindow(node: NodeProto, step: number): void {
  const enlarged = (name: string, otherwise: readonly number[]): number[] => (intsOf(node, name) ?? otherwise).map((value) => value * step);
  const window = { strides: { ints: enlarged('strides', [1, 1]) }, pads: { ints: enlarged('pads', [0, 0, 0, 0]) } };
  // kernel_shape follows from the weights.
  const rest = node.attribute!.filter(({ name }) => !['strides', 'pads', 'kernel_shape'].includes(name ?? ''));
  node.attribute = [...rest, ...makeNode('Conv', '', [], [], window).attribute!];
}

/** Puts a constant of a node's own in place of one that others may read, too; one that nobody reads any more goes. */
function replaceConstant(graph: GraphProto, node: NodeProto, index: number, tensor: TensorProto): void {
  const old = node.input![index];
  addInitializer(graph, tensor);
  node.input![index] = tensor.name!;
  if (!old || consumersOf(graph, old).length > 0) return;
  graph.initializer = graph.initializer!.filter(({ name }) => name !== old);
  graph.input = (graph.input ?? []).filter(({ name }) => name !== old);
}

/** Every step on its own, in the order that moves the fewest bytes. */
function prependSteps(graph: GraphProto, input: ModelInput, isNchw: boolean): void {
  addInitializer(graph, makeTensor('frame_order', 'int64', [3], BigInt64Array.from(CHANNELS[input.color], (channel) => BigInt(PLANES.indexOf(channel)))));
  const steps = [makeStep('Gather', ['frame_order'], { axis: { i: 1 } })];
  if (!isNchw) steps.push(makeStep('Transpose', [], { perm: { ints: [0, 2, 3, 1] } }));
  if (input.dtype === 'float32') steps.push(makeStep('Cast', [], { to: { i: FLOAT } }));
  if (input.mean.some((value) => value !== 0)) steps.push(makeStep('Sub', [meanTensor(graph, input.mean, isNchw ? [1, 3, 1, 1] : [1, 1, 1, 3])]));
  if (input.scale !== 1) steps.push(makeStep('Mul', [scalar(graph, 'frame_scale', input.scale)]));
  graph.node = [...chain(steps, pictureName(input)), ...(graph.node ?? [])];
}

/** One step after the other, from the frame to `last`. */
function chain(steps: readonly Step[], last: string): NodeProto[] {
  return steps.map((step, i) => step(i === 0 ? FRAME_INPUT : `frame_${i}`, i === steps.length - 1 ? last : `frame_${i + 1}`));
}

type Step = (from: string, to: string) => NodeProto;

function makeStep(opType: string, constants: readonly string[], attributes: Parameters<typeof makeNode>[4] = {}): Step {
  return (from, to) => makeNode(opType, `make_${to}`, [from, ...constants], [to], attributes);
}

function meanOfPlanes(graph: GraphProto, input: ModelInput): string {
  return meanTensor(graph, channelOfPlane(input).map((channel) => input.mean[channel]!), [1, 3, 1, 1]);
}

function meanTensor(graph: GraphProto, mean: readonly number[], dims: readonly number[]): string {
  addInitializer(graph, makeTensor('frame_mean_value', 'float32', dims, Float32Array.from(mean)));
  return 'frame_mean_value';
}

function scalar(graph: GraphProto, name: string, value: number): string {
  addInitializer(graph, makeTensor(name, 'float32', [], Float32Array.of(value)));
  return name;
}

function addInitializer(graph: GraphProto, tensor: TensorProto): void {
  graph.initializer = [...(graph.initializer ?? []), tensor];
}

function replaceFeed(graph: GraphProto, input: ModelInput): void {
  const feed = feedsOf(graph)[0]!;
  const frame = makeValueInfo(FRAME_INPUT, 'uint8', [1, 3, input.height, input.width]);
  graph.input = (graph.input ?? []).map((value) => (value === feed ? frame : value));
}
