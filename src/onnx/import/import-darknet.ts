import { AppError } from '../../core/errors.js';
import type { Anchors, HeadScale, ModelInput } from '../../core/manifest.js';
import { DarknetWeights } from './darknet-weights.js';
import { parseCfg, type CfgSection } from './darknet-cfg.js';
import { GraphBuilder } from '../graph-builder.js';
import { headsMetadata } from '../recognise/head-metadata.js';
import type { ImportedModel } from './imported-model.js';

export interface DarknetOptions {
  /** Input size instead of the one in `[net]`; a multiple of the coarsest stride. */
  readonly size?: { readonly width: number; readonly height: number };
}

/** Output of a layer: always [1, channels, height, width]. */
interface Feature {
  readonly tensor: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

interface DetectionHead {
  readonly kind: 'darknet' | 'tiny-yolov2';
  readonly feature: Feature;
  readonly anchors: Anchors;
  readonly classCount: number;
  readonly scaleXy: number;
}

interface Network {
  readonly builder: GraphBuilder;
  readonly weights: DarknetWeights;
  readonly net: { readonly width: number; readonly height: number };
  /** By layer number, as `[route]` and `[shortcut]` count; undefined for heads, whose decoded output no layer may read. */
  readonly layers: (Feature | undefined)[];
  readonly heads: DetectionHead[];
}

type LayerImporter = (section: CfgSection, input: Feature, network: Network) => Feature | undefined;

/**
 * Turns a Darknet network into ONNX with its raw heads as outputs, `[1, A * (5 + C), H, W]` a scale.
 * Batch norm is folded into the convolutions. Every weight of the file is used.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP for a section or option that is not known, ERR_MODEL_IMPORT where files don't fit each other.
 */
export function importDarknet(cfg: string, weights: Uint8Array, options: DarknetOptions = {}): ImportedModel {
  const [net, ...sections] = parseCfg(cfg);
  const size = options.size ?? { width: net!.positiveInt('width'), height: net!.positiveInt('height') };
  if (net!.int('channels', 3) !== 3) throw unsupported(net!, `${net!.int('channels', 3)} channels; pictures have 3`);
  const network: Network = { builder: new GraphBuilder('darknet'), weights: new DarknetWeights(weights), net: size, layers: [], heads: [] };
  let feature: Feature = { tensor: network.builder.input('images', 'float32', [1, 3, size.height, size.width]), channels: 3, ...size };
  for (const section of sections) {
    const importLayer = LAYERS[section.kind];
    if (!importLayer) throw unsupported(section, 'no importer for this layer');
    const output = importLayer(section, feature, network);
    network.layers.push(output);
    feature = output ?? feature;
  }
  network.weights.assertConsumed();
  return finish(network, darknetInput(net!, size));
}

const LAYERS: Readonly<Record<string, LayerImporter>> = {
  convolutional,
  conv: convolutional,
  maxpool,
  max: maxpool,
  upsample,
  route,
  shortcut,
  avgpool: (_, input, { builder }) => ({ tensor: builder.node('GlobalAveragePool', [input.tensor]), channels: input.channels, height: 1, width: 1 }),
  scale_channels: scaleChannels,
  // Dropout does something in training only.
  dropout: (_, input) => input,
  yolo,
  region,
};

/** Options that would change the arithmetic of a convolution; all but `groups` and `dilation` are rare. */
const REFUSED_CONVOLUTION_KEYS = ['binary', 'xnor', 'flipped', 'antialiasing', 'share_index', 'assisted_excitation', 'deform', 'rotate', 'stretch', 'sway', 'coordconv'];

function convolutional(section: CfgSection, input: Feature, { builder, weights, layers }: Network): Feature {
  refuse(section, REFUSED_CONVOLUTION_KEYS);
  const filters = section.positiveInt('filters', 1);
  const size = section.positiveInt('size', 1);
  const groups = section.positiveInt('groups', 1);
  const dilation = section.positiveInt('dilation', 1);
  const stride = section.positiveInt('stride', 1);
  const strides = [section.positiveInt('stride_y', stride), section.positiveInt('stride_x', stride)] as const;
  const padding = (section.int('pad', 0) === 0 ? section.int('padding', 0) : Math.floor(size / 2)) * dilation;
  if (input.channels % groups !== 0 || filters % groups !== 0) throw mismatch(section, `${groups} groups don't divide ${input.channels} channels and ${filters} filters`);
  const folded = weights.convolution(filters, (input.channels / groups) * size * size, section.int('batch_normalize', 0) !== 0);
  const layer = layers.length;
  const conv = builder.node(
    'Conv',
    [
      input.tensor,
      builder.floats(`conv${layer}_weight`, [filters, input.channels / groups, size, size], folded.weight),
      builder.floats(`conv${layer}_bias`, [filters], folded.bias),
    ],
    {
      kernel_shape: { ints: [size, size] },
      strides: { ints: strides },
      pads: { ints: [padding, padding, padding, padding] },
      dilations: { ints: [dilation, dilation] },
      group: { i: groups },
    },
  );
  const extent = dilation * (size - 1) + 1;
  return {
    tensor: activate(section, conv, builder, 'logistic'),
    channels: filters,
    height: outputSize(input.height, 2 * padding, extent, strides[0]),
    width: outputSize(input.width, 2 * padding, extent, strides[1]),
  };
}

function maxpool(section: CfgSection, input: Feature, { builder }: Network): Feature {
  refuse(section, ['maxpool_depth', 'antialiasing']);
  const stride = section.positiveInt('stride', 1);
  const strides = [section.positiveInt('stride_y', stride), section.positiveInt('stride_x', stride)] as const;
  const size = section.positiveInt('size', stride);
  const padding = section.int('padding', size - 1);
  // Darknet starts at -padding/2 (towards zero) and lets the window hang over at the far side.
  const before = Math.floor(padding / 2);
  const after = padding - before;
  return {
    tensor: builder.node('MaxPool', [input.tensor], { kernel_shape: { ints: [size, size] }, strides: { ints: strides }, pads: { ints: [before, before, after, after] } }),
    channels: input.channels,
    height: outputSize(input.height, padding, size, strides[0]),
    width: outputSize(input.width, padding, size, strides[1]),
  };
}

function upsample(section: CfgSection, input: Feature, { builder }: Network): Feature {
  const stride = section.positiveInt('stride', 2);
  if (section.number('scale', 1) !== 1) throw unsupported(section, 'scale');
  const scales = builder.floats(`upsample_by_${stride}`, [4], Float32Array.of(1, 1, stride, stride));
  const tensor = builder.node('Resize', [input.tensor, '', scales], {
    mode: { s: 'nearest' },
    coordinate_transformation_mode: { s: 'asymmetric' },
    nearest_mode: { s: 'floor' },
  });
  return { tensor, channels: input.channels, height: input.height * stride, width: input.width * stride };
}

function route(section: CfgSection, _: Feature, network: Network): Feature {
  const groups = section.positiveInt('groups', 1);
  const parts = section.numbers('layers').map((layer) => channelGroup(section, layerAt(section, layer, network), groups, network.builder));
  const [first] = parts;
  if (!first) throw mismatch(section, 'layers is empty');
  if (parts.some(({ height, width }) => height !== first.height || width !== first.width)) throw mismatch(section, 'the layers differ in size');
  if (parts.length === 1) return first;
  const tensor = network.builder.node('Concat', parts.map((part) => part.tensor), { axis: { i: 1 } });
  return { ...first, tensor, channels: parts.reduce((sum, { channels }) => sum + channels, 0) };
}

/** The `group_id`-th of `groups` equal slices of the channels. */
function channelGroup(section: CfgSection, feature: Feature, groups: number, builder: GraphBuilder): Feature {
  if (groups === 1) return feature;
  const channels = feature.channels / groups;
  const group = section.int('group_id', 0);
  if (!Number.isInteger(channels) || group < 0 || group >= groups) throw mismatch(section, `no group ${group} of ${groups} in ${feature.channels} channels`);
  const range = [builder.ints([group * channels]), builder.ints([(group + 1) * channels]), builder.ints([1])];
  return { ...feature, tensor: builder.node('Slice', [feature.tensor, ...range]), channels };
}

function shortcut(section: CfgSection, input: Feature, network: Network): Feature {
  if (section.text('weights_type', 'none') !== 'none') throw unsupported(section, 'weights_type');
  let tensor = input.tensor;
  for (const index of section.numbers('from')) {
    const other = layerAt(section, index, network);
    if (other.channels !== input.channels || other.height !== input.height || other.width !== input.width) throw unsupported(section, 'layers of different shapes');
    tensor = network.builder.node('Add', [tensor, other.tensor]);
  }
  return { ...input, tensor: activate(section, tensor, network.builder, 'linear') };
}

/** Squeeze-and-excitation: the layer named by `from`, each channel scaled by the input's. */
function scaleChannels(section: CfgSection, input: Feature, network: Network): Feature {
  const other = layerAt(section, section.int('from', 0), network);
  if (section.int('scale_wh', 0) !== 0 || other.channels !== input.channels) throw unsupported(section, 'scale_wh or differing channels');
  return { ...other, tensor: activate(section, network.builder.node('Mul', [other.tensor, input.tensor]), network.builder, 'linear') };
}

function yolo(section: CfgSection, feature: Feature, network: Network): undefined {
  refuse(section, ['new_coords']);
  const all = anchorPairs(section);
  const mask = section.has('mask') ? section.numbers('mask') : [...all.keys()];
  const anchors = mask.map((index) => all[index]).filter((pair) => pair !== undefined);
  if (anchors.length === 0 || anchors.length < mask.length) throw mismatch(section, `mask names anchors that are not among the ${all.length}`);
  addHead(section, network, { kind: 'darknet', feature, anchors, classCount: section.positiveInt('classes', 20), scaleXy: section.number('scale_x_y', 1) });
}

/** YOLOv2: one scale, anchors in cells, classes by softmax. */
function region(section: CfgSection, feature: Feature, network: Network): undefined {
  if (section.int('softmax', 0) === 0 || section.has('tree')) throw unsupported(section, 'class scores other than a plain softmax');
  const stridePx = network.net.width / feature.width;
  const anchors = anchorPairs(section).map(([width, height]) => [width * stridePx, height * stridePx] as const);
  addHead(section, network, { kind: 'tiny-yolov2', feature, anchors, classCount: section.positiveInt('classes', 20), scaleXy: 1 });
}

function addHead(section: CfgSection, network: Network, head: DetectionHead): void {
  const expected = head.anchors.length * (5 + head.classCount);
  if (head.feature.channels !== expected) {
    throw mismatch(section, `${head.anchors.length} anchors of 5 + ${head.classCount} values need ${expected} filters before it, found ${head.feature.channels}`);
  }
  network.heads.push(head);
}

function anchorPairs(section: CfgSection): [number, number][] {
  const values = section.numbers('anchors');
  if (values.length === 0 || values.length % 2 !== 0) throw mismatch(section, `${values.length} numbers in anchors are no pairs`);
  return Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i]!, values[2 * i + 1]!]);
}

function layerAt(section: CfgSection, index: number, { layers }: Network): Feature {
  const feature = layers[index < 0 ? layers.length + index : index];
  if (!feature) throw mismatch(section, `layer ${index} is a head or doesn't exist`);
  return feature;
}

type Activation = (tensor: string, builder: GraphBuilder) => string;

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  linear: (x) => x,
  leaky: (x, builder) => builder.node('LeakyRelu', [x], { alpha: { f: 0.1 } }),
  relu: (x, builder) => builder.node('Relu', [x]),
  relu6: (x, builder) => builder.node('Clip', [x, builder.scalar(0), builder.scalar(6)]),
  logistic: (x, builder) => builder.node('Sigmoid', [x]),
  tanh: (x, builder) => builder.node('Tanh', [x]),
  swish: (x, builder) => builder.node('Mul', [x, builder.node('Sigmoid', [x])]),
  mish: (x, builder) => builder.node('Mul', [x, builder.node('Tanh', [builder.node('Softplus', [x])])]),
};

function activate(section: CfgSection, tensor: string, builder: GraphBuilder, otherwise: string): string {
  const name = section.text('activation', otherwise);
  const activation = ACTIVATIONS[name];
  if (!activation) throw unsupported(section, `activation ${name}`);
  return activation(tensor, builder);
}

function finish({ builder, heads, net }: Network, input: ModelInput): ImportedModel {
  const [first] = heads;
  if (!first) throw new AppError('ERR_MODEL_IMPORT', 'The .cfg has no [yolo] and no [region] section: no detections come out', { fix: 'Name the .cfg of a detector.' });
  const isMixed = heads.some(({ kind, classCount }) => kind !== first.kind || classCount !== first.classCount);
  if (isMixed || (first.kind === 'tiny-yolov2' && heads.length > 1)) throw new AppError('ERR_MODEL_UNSUPPORTED_OP', 'The heads of the .cfg differ in kind or classes');
  const scales = heads.map((head, i): HeadScale => {
    const output = `${head.kind === 'darknet' ? 'yolo' : 'region'}_${i}`;
    const { tensor, channels, height, width } = head.feature;
    builder.output(tensor, 'float32', [1, channels, height, width], output);
    return { output, stride: strideOf(head.feature, net), anchors: head.anchors, ...(head.scaleXy === 1 ? {} : { scaleXy: head.scaleXy }) };
  });
  const head = { kind: first.kind, scales };
  return { onnx: builder.build(headsMetadata(head, first.classCount)), input, head, classCount: first.classCount };
}

function strideOf(feature: Feature, net: { width: number; height: number }): number {
  const stride = net.width / feature.width;
  if (!Number.isInteger(stride) || net.height / feature.height !== stride) {
    throw new AppError('ERR_MODEL_IMPORT', `An input of ${net.width}x${net.height} gives a head of ${feature.width}x${feature.height}: no whole stride`, {
      fix: 'Choose a --size that is a multiple of 32.',
    });
  }
  return stride;
}

/** Darknet's own loader: RGB from 0 to 1; stretched, but where `letter_box` was set in training. */
function darknetInput(net: CfgSection, size: { width: number; height: number }): ModelInput {
  const fit = net.int('letter_box', 0) === 0 ? 'stretch' : 'letterbox';
  return { name: 'images', layout: 'nchw', dtype: 'float32', ...size, color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit, padValue: 127 };
}

function outputSize(size: number, padding: number, extent: number, stride: number): number {
  return Math.floor((size + padding - extent) / stride) + 1;
}

function refuse(section: CfgSection, keys: readonly string[]): void {
  const found = keys.find((key) => section.has(key) && section.int(key, 0) !== 0);
  if (found) throw unsupported(section, found);
}

function unsupported(section: CfgSection, detail: string): AppError {
  return new AppError('ERR_MODEL_UNSUPPORTED_OP', `Cannot import ${section.place}: ${detail}`, { fix: 'docs/models.md lists the layers that the Darknet importer knows; an ONNX export may work.' });
}

function mismatch(section: CfgSection, detail: string): AppError {
  return new AppError('ERR_MODEL_IMPORT', `In ${section.place}: ${detail}`, { fix: 'Check the .cfg file.' });
}
