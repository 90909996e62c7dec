import { AppError } from '../core/errors.js';
import type { ModelInput } from '../core/manifest.js';
import { fixInputDims } from './fix-input-dims.js';
import { findFirstConvolutions, type FirstConvolutions } from './first-convolutions.js';
import {
  attributeOf,
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
  type GraphProto,
  type NodeProto,
  type TensorProto,
} from './model-proto.js';

/** Name of the prepared model's input. */
export const FRAME_INPUT = 'frame';

/** Part of the key of prepared files: a new number makes every store prepare its models anew. */
export const PREPARATION_VERSION = 1;

/** Planes of a frame in order, as ffmpeg's `gbrp` has them. */
const PLANES = ['g', 'b', 'r'] as const;
const CHANNELS = { rgb: ['r', 'g', 'b'], bgr: ['b', 'g', 'r'] } as const;
/** ONNX number of float32, for Cast. */
const FLOAT = 1;

/**
 * The variant of a model that runs on frames as they are: input `frame`, uint8 [1, 3, height, width], planes G, B, R. Outputs keep
 * their names and values (to float rounding), batch and picture size become constants.
 *
 * Channel order and scale move into the weights of the first convolutions where nothing else reads the picture; what is left to do a
 * frame is then one Cast (and a subtraction where there is a mean). Else the steps stand in front of the model.
 *
 * @throws AppError ERR_MODEL_MANIFEST where the model's input is not what `input` says, ERR_MODEL_CORRUPT where `model` can't be read.
 */
export function prepareInput(model: Uint8Array, input: ModelInput): Uint8Array {
  const proto = decodeModel(model);
  const graph = graphOf(proto);
  fixInputDims(graph, input);
  freeFrameName(graph, input.name);
  const isNchw = input.layout === 'nchw' || removeTransposes(graph, pictureName(input));
  const first = isNchw && input.dtype === 'float32' ? findFirstConvolutions(graph, pictureName(input)) : undefined;
  if (first) foldIntoConvolutions(graph, first, input);
  else prependSteps(graph, input, isNchw);
  replaceFeed(graph, input);
  return encodeModel(proto);
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

function foldIntoConvolutions(graph: GraphProto, first: FirstConvolutions, input: ModelInput): void {
  const hasMean = input.mean.some((value) => value !== 0);
  // Zero padding stays the mean's colour: with padding, subtracting has to come before the convolution.
  const meanIntoBias = hasMean && first.convolutions.every(isUnpadded);
  for (const convolution of first.convolutions) {
    if (meanIntoBias) foldMean(graph, convolution, input);
    foldWeights(graph, convolution, input);
  }
  if (hasMean && !meanIntoBias) {
    const cast = makeNode('Cast', 'frame_cast', [FRAME_INPUT], ['frame_float'], { to: { i: FLOAT } });
    const sub = makeNode('Sub', 'frame_mean', ['frame_float', meanOfPlanes(graph, input)], [pictureName(input)]);
    graph.node = [cast, sub, ...(graph.node ?? [])];
    return;
  }
  castBeforeConvolutions(graph, first, pictureName(input));
}

function isUnpadded(convolution: NodeProto): boolean {
  const autoPad = new TextDecoder().decode(attributeOf(convolution, 'auto_pad')?.s ?? undefined);
  return !autoPad.startsWith('SAME') && (intsOf(convolution, 'pads') ?? []).every((pad) => pad === 0);
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

/** Between the frame and the convolutions (slices of a Focus layer, say) bytes move four times as fast as floats. */
function castBeforeConvolutions(graph: GraphProto, first: FirstConvolutions, picture: string): void {
  const between = new Set(first.between);
  graph.valueInfo = (graph.valueInfo ?? []).filter(({ name }) => !between.has(name ?? ''));
  const cast = new Set<string>();
  graph.node = (graph.node ?? []).flatMap((node) => {
    if (!first.convolutions.includes(node)) return [node];
    const source = node.input![0]!;
    const target = `${source}_float`;
    node.input![0] = target;
    if (cast.has(source)) return [node];
    cast.add(source);
    return [makeNode('Cast', `${source}_cast`, [source], [target], { to: { i: FLOAT } }), node];
  });
  renameTensor(graph, picture, FRAME_INPUT);
}

/** Reorders and scales the weights' input channels, which come in blocks of three where the picture was sliced and stacked. */
function foldWeights(graph: GraphProto, convolution: NodeProto, input: ModelInput): void {
  const tensor = constantOf(graph, convolution.input![1]!)!;
  const [filters = 0, channels = 0, height = 1, width = 1] = dimsOf(tensor);
  const weights = floatData(tensor);
  const folded = new Float32Array(weights.length);
  const order = channelOfPlane(input);
  const kernel = height * width;
  for (let filter = 0; filter < filters; filter++) {
    for (let channel = 0; channel < channels; channel++) {
      const from = (filter * channels + channel - (channel % 3) + order[channel % 3]!) * kernel;
      const to = (filter * channels + channel) * kernel;
      for (let i = 0; i < kernel; i++) folded[to + i] = weights[from + i]! * input.scale;
    }
  }
  replaceConstant(graph, convolution, 1, makeTensor(`${convolution.output![0]!}_weight_of_frame`, 'float32', dimsOf(tensor), folded));
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
  const order = makeTensor('frame_order', 'int64', [3], BigInt64Array.from(CHANNELS[input.color], (channel) => BigInt(PLANES.indexOf(channel))));
  addInitializer(graph, order);
  const steps = [makeStep('Gather', ['frame_order'], { axis: { i: 1 } })];
  if (input.dtype === 'float32') steps.push(makeStep('Cast', [], { to: { i: FLOAT } }));
  if (input.mean.some((value) => value !== 0)) steps.push(makeStep('Sub', [meanTensor(graph, input.mean, isNchw ? [1, 3, 1, 1] : [1, 1, 1, 3])]));
  if (input.scale !== 1) steps.push(makeStep('Mul', [scalar(graph, 'frame_scale', input.scale)]));
  if (!isNchw) steps.splice(1, 0, makeStep('Transpose', [], { perm: { ints: [0, 2, 3, 1] } }));
  const nodes = steps.map((step, i) => step(i === 0 ? FRAME_INPUT : `frame_${i}`, i === steps.length - 1 ? pictureName(input) : `frame_${i + 1}`));
  graph.node = [...nodes, ...(graph.node ?? [])];
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
