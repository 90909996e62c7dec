import { AppError } from '../../core/errors.js';
import type { ModelInput } from '../../core/manifest.js';
import { GraphBuilder } from '../graph-builder.js';
import { headsMetadata } from '../recognise/head-metadata.js';
import type { ImportedModel } from './imported-model.js';
import { denseWeights, depthwiseWeights, samePadding } from './tf-filters.js';
import { readTfjsWeights, type ReadShard, type TfConstant } from './tfjs-weights.js';

/** Width and height that the published weights are used at by default. */
const SIZE_PX = 416;
const STRIDE_PX = 32;

/** In cells, as published with the weights. */
const ANCHORS_CELLS = [
  [1.603231, 2.094468],
  [6.041143, 7.080126],
  [2.882459, 3.518061],
  [4.266906, 5.178857],
  [9.041765, 10.66308],
] as const;

const OUTPUT = 'grid';

/** Black below and to the right of the picture, as the network was trained. */
const INPUT: ModelInput = {
  name: 'images',
  layout: 'nchw',
  dtype: 'float32',
  width: SIZE_PX,
  height: SIZE_PX,
  color: 'rgb',
  scale: 1 / 255,
  mean: [117.001, 114.697, 97.404],
  fit: 'letterbox-top-left',
  padValue: 0,
};

/**
 * The Tiny-YOLOv2 face detector of face-api: its package ships weights only, the graph is written here. A plain convolution, five
 * depthwise-separable ones with a pooling before each, and a 1x1 head with five anchors of x, y, w, h and objectness.
 *
 * @param manifest text of the weights manifest; @param readShard gives the bytes of a weight file that it names.
 * @throws AppError ERR_MODEL_IMPORT where the weights are others.
 */
export function importTinyFace(manifest: string, readShard: ReadShard): ImportedModel {
  const weights = readTfjsWeights(JSON.parse(manifest), readShard);
  const builder = new GraphBuilder('tiny-face');
  const network: Network = { builder, weights, used: new Set() };
  let feature: Feature = { tensor: builder.input(INPUT.name, 'float32', [1, 3, SIZE_PX, SIZE_PX]), size: SIZE_PX };
  feature = leaky(network, convolve(network, feature, 'conv0'));
  for (let block = 1; block <= 5; block++) feature = separable(network, pool(network, feature, 2), `conv${block}`);
  feature = convolve(network, pool(network, feature, 1), 'conv8');
  const unused = [...weights.keys()].filter((name) => !network.used.has(name));
  if (unused.length > 0) throw misfit(`nothing reads ${unused.join(', ')}`);
  builder.output(feature.tensor, 'float32', [1, ANCHORS_CELLS.length * 5, feature.size, feature.size], OUTPUT);
  const anchors = ANCHORS_CELLS.map(([width, height]) => [width * STRIDE_PX, height * STRIDE_PX] as const);
  const head = { kind: 'tiny-yolov2', scales: [{ output: OUTPUT, stride: STRIDE_PX, anchors }], classes: false } as const;
  return { onnx: builder.build(headsMetadata(head, 0)), input: INPUT, head, classCount: 1 };
}

interface Network {
  readonly builder: GraphBuilder;
  readonly weights: ReadonlyMap<string, TfConstant>;
  readonly used: Set<string>;
}

/** Square, [1, channels, size, size]. */
interface Feature {
  readonly tensor: string;
  readonly size: number;
}

/** Without padding: 416 gives 414. */
function convolve(network: Network, { tensor, size }: Feature, name: string): Feature {
  const { shape, data } = weight(network, `${name}/filters`, 4);
  const [kernel = 1, , channels = 1, filters = 1] = shape;
  const dims = [filters, channels, kernel, kernel];
  const inputs = [tensor, network.builder.floats(`${name}_weight`, dims, denseWeights(data, dims)), bias(network, name)];
  return { tensor: network.builder.node('Conv', inputs, { kernel_shape: { ints: [kernel, kernel] } }), size: size - kernel + 1 };
}

function separable(network: Network, { tensor, size }: Feature, name: string): Feature {
  const { builder } = network;
  const depthwise = weight(network, `${name}/depthwise_filter`, 4);
  const pointwise = weight(network, `${name}/pointwise_filter`, 4);
  const [kernel = 3, , channels = 1] = depthwise.shape;
  const filters = pointwise.shape[3]!;
  const spatial = [channels, 1, kernel, kernel];
  const inputs = [tensor, builder.floats(`${name}_depthwise`, spatial, depthwiseWeights(depthwise.data, spatial))];
  const filtered = builder.node('Conv', inputs, { kernel_shape: { ints: [kernel, kernel] }, pads: { ints: [1, 1, 1, 1] }, group: { i: channels } });
  const mixing = [filters, channels, 1, 1];
  const mixed = builder.node('Conv', [filtered, builder.floats(`${name}_pointwise`, mixing, denseWeights(pointwise.data, mixing)), bias(network, name)], { kernel_shape: { ints: [1, 1] } });
  return leaky(network, { tensor: mixed, size });
}

function pool({ builder }: Network, { tensor, size }: Feature, stride: number): Feature {
  const { output, before, after } = samePadding(size, 2, stride);
  const attributes = { kernel_shape: { ints: [2, 2] }, strides: { ints: [stride, stride] }, pads: { ints: [before, before, after, after] } };
  return { tensor: builder.node('MaxPool', [tensor], attributes), size: output };
}

function leaky({ builder }: Network, { tensor, size }: Feature): Feature {
  return { tensor: builder.node('LeakyRelu', [tensor], { alpha: { f: 0.1 } }), size };
}

function bias(network: Network, name: string): string {
  const { shape, data } = weight(network, `${name}/bias`, 1);
  return network.builder.floats(`${name}_bias`, shape, Float32Array.from(data));
}

function weight({ weights, used }: Network, name: string, rank: number): TfConstant {
  const found = weights.get(name);
  if (found?.shape.length !== rank) throw misfit(`there is no ${name} of ${rank} dimensions`);
  used.add(name);
  return found;
}

function misfit(detail: string): AppError {
  return new AppError('ERR_MODEL_IMPORT', `These are no weights of the tiny face detector: ${detail}`, { fix: 'Reinstall @vladmandic/face-api: npm ci.' });
}
