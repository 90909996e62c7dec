import { createHash } from 'node:crypto';
import { checkManifest } from '../../../src/config/manifest-schema.js';
import type { ElasticRatio, ModelManifest } from '../../../src/core/manifest.js';
import { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { decodeModel, encodeModel, floatData, graphOf, makeNode, makeTensor, type ModelProto } from '../../../src/onnx/model-proto.js';
import { pseudoRandom } from '../support.js';

const EPSILON = 1e-5;

/** A tensor to be written: float32. */
export interface WrittenTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** The public layout of safetensors. */
export function writeSafetensors(metadata: Readonly<Record<string, string>>, tensors: ReadonlyMap<string, WrittenTensor>): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = { __metadata__: metadata };
  for (const [name, { dims, data }] of tensors) header[name] = { dtype: 'F32', shape: dims, data_offsets: [at, (at += data.byteLength)] };
  return rawSafetensors(JSON.stringify(header), Buffer.concat([...tensors.values()].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))));
}

export function rawSafetensors(header: string, data: Uint8Array): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return new Uint8Array(Buffer.concat([length, text, data]));
}

export interface ElasticOptions {
  /** Channels of the widest layers; a multiple of 4. */
  readonly width?: number;
  readonly seed?: number;
  readonly size?: number;
  /** Share of channels that each ratio keeps, dense first. */
  readonly kept?: readonly number[];
  /** Layers whose masks are random instead of being that of the layer they are added to: no elastic model. */
  readonly isTied?: boolean;
  /** Wider stages, to measure with: about 1.5 million parameters at a width of 48. */
  readonly stages?: number;
}

/** An elastic network with random weights, and its file in parts. */
export interface ElasticParts {
  readonly base: Uint8Array;
  readonly metadata: Record<string, string>;
  readonly tensors: Map<string, WrittenTensor>;
  readonly ratios: ElasticRatio[];
  readonly size: number;
  readonly heads: readonly { readonly output: string; readonly stride: number }[];
}

/** Boxes, objectness and two classes of two anchors. */
export const HEAD_CHANNELS = 14;

/**
 * A stem, CSP-like stages (two branches, one with a residual block, concatenated), pooling, the way back up, and a raw head for each of two scales: all that the
 * project's own detector is made of. Every convolution but the heads' is followed by a normalization and a Relu.
 */
export function elasticNetwork({ width = 8, seed = 1, size = 64, kept = [1, 0.75, 0.5, 0.25], isTied = true, stages = 1 }: ElasticOptions = {}): ElasticParts {
  const writer = new ElasticWriter(seed, kept, isTied);
  const { graph } = writer;
  const images = graph.input('images', 'float32', [1, 3, size, size]);
  let x = writer.layer('stem', images, 3, width, { stride: 2, pixels: (size / 2) ** 2 });
  x = writer.layer('down0', x, width, 2 * width, { stride: 2, pixels: (size / 4) ** 2 });
  x = writer.layer('down1', x, 2 * width, 2 * width, { stride: 2, pixels: (size / 8) ** 2 });
  for (let stage = 0; stage < stages; stage += 1) x = writer.csp(`csp${stage}`, x, 2 * width, (size / 8) ** 2);
  const fine = x;
  let coarse = writer.layer('down2', fine, 2 * width, 4 * width, { stride: 2, pixels: (size / 16) ** 2 });
  coarse = writer.csp('csp-coarse', coarse, 4 * width, (size / 16) ** 2);
  const pooled = writer.same(coarse, 'MaxPool', [coarse], { kernel_shape: { ints: [5, 5] }, pads: { ints: [2, 2, 2, 2] }, strides: { ints: [1, 1] } });
  const mixed = writer.layer('mix', writer.concat(coarse, pooled), 8 * width, 2 * width, { kernel: 1, pixels: (size / 16) ** 2 });
  const up = writer.same(mixed, 'Resize', [mixed, '', graph.floats('twice', [4], Float32Array.of(1, 1, 2, 2))], { mode: { s: 'nearest' } });
  const joined = writer.layer('join', writer.concat(up, fine), 4 * width, 2 * width, { kernel: 1, pixels: (size / 8) ** 2 });
  writer.head('head8', joined, 2 * width, size / 8);
  writer.head('head16', mixed, 2 * width, size / 16);
  const ratios = writer.ratios();
  return {
    base: graph.build(),
    metadata: { format: 'lynceus-elastic/1', ratios: JSON.stringify(ratios) },
    tensors: writer.tensors,
    ratios,
    size,
    heads: [
      { output: 'head8', stride: 8 },
      { output: 'head16', stride: 16 },
    ],
  };
}

/** Bytes of its file. */
export function elasticFile({ metadata, tensors }: ElasticParts): Uint8Array {
  return writeSafetensors(metadata, tensors);
}

/** As it is installed. */
export function elasticManifest(parts: ElasticParts): ModelManifest {
  const anchors: [number, number][] = [
    [10, 14],
    [23, 27],
  ];
  return checkManifest(
    {
      id: 'elastic',
      task: 'detection',
      title: 'Elastic detector of tests',
      file: 'model.onnx',
      sha256: sha256(parts.base),
      elastic: { file: 'elastic.safetensors', sha256: sha256(elasticFile(parts)) },
      licence: 'MIT',
      input: { name: 'images', layout: 'nchw', dtype: 'float32', width: parts.size, height: parts.size, color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit: 'letterbox', padValue: 114 },
      head: { kind: 'yolov5-raw', scales: parts.heads.map(({ output, stride }) => ({ output, stride, anchors })) },
      labels: ['cat', 'dog'],
      defaults: { confidenceThreshold: 0.25, iouThreshold: 0.45 },
      lineage: { parent: null, origin: 'made by a test', operations: [] },
      baseline: null,
    },
    'elastic/manifest.json',
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What training computes at a ratio: the whole base with that ratio's statistics, and after each Relu the channels that are off multiplied by 0. */
export function maskedNetwork({ base, tensors, ratios }: ElasticParts, ratioName: string): Uint8Array {
  const model = decodeModel(base);
  const r = ratios.findIndex(({ name }) => name === ratioName);
  for (const name of tensors.keys()) if (name.startsWith('mask/')) maskLayer(model, name.slice('mask/'.length), tensors, r);
  return encodeModel(model);
}

function maskLayer(model: ModelProto, layer: string, tensors: ReadonlyMap<string, WrittenTensor>, r: number): void {
  const graph = graphOf(model);
  const mask = tensors.get(`mask/${layer}`)!.data;
  const threshold = tensors.get(`threshold/${layer}`)!.data[r]!;
  const row = (part: string): Float32Array => tensors.get(`${part}/${layer}`)!.data.slice(r * mask.length, (r + 1) * mask.length);
  const set = (name: string, data: Float32Array): void => {
    graph.initializer = graph.initializer!.map((tensor) => (tensor.name === name ? makeTensor(name, 'float32', [data.length], data) : tensor));
  };
  set(`${layer}.weight`, row('scale'));
  set(`${layer}.bias`, row('shift'));
  set(`${layer}.running_mean`, new Float32Array(mask.length));
  set(`${layer}.running_var`, new Float32Array(mask.length).fill(1 - EPSILON));
  const norm = graph.node!.find(({ opType, input }) => opType === 'BatchNormalization' && input![1] === `${layer}.weight`)!;
  const relu = graph.node!.find(({ input }) => input!.includes(norm.output![0]!))!;
  const masked = relu.output![0]!;
  relu.output = [`${masked}_unmasked`];
  graph.initializer!.push(makeTensor(`${layer}.binary`, 'float32', [1, mask.length, 1, 1], mask.map((value) => Number(value >= threshold))));
  graph.node!.splice(graph.node!.indexOf(relu) + 1, 0, makeNode('Mul', `${layer}_mask`, [`${masked}_unmasked`, `${layer}.binary`], [masked]));
}

/** Weights of a tensor of the base. */
export function weightsOf(onnx: Uint8Array, name: string): Float32Array {
  return floatData(graphOf(decodeModel(onnx)).initializer!.find((tensor) => tensor.name === name)!);
}

interface LayerShape {
  readonly kernel?: number;
  readonly stride?: number;
  /** Of the output. */
  readonly pixels: number;
  /** Layer that this one is added to: it has the same mask. */
  readonly tiedTo?: string;
}

interface CountedConv {
  readonly products: number;
  readonly inputs: readonly string[];
  readonly output: string | undefined;
}

class ElasticWriter {
  readonly graph = new GraphBuilder('elastic');
  readonly tensors = new Map<string, WrittenTensor>();
  readonly #kept: readonly number[];
  readonly #isTied: boolean;
  #seed: number;
  /** Layers whose channels a tensor consists of, to count what a ratio does. */
  readonly #layersOf = new Map<string, string[]>();
  readonly #counted: CountedConv[] = [];

  constructor(seed: number, kept: readonly number[], isTied: boolean) {
    this.#seed = seed * 7919 + 1;
    this.#kept = kept;
    this.#isTied = isTied;
  }

  layer(name: string, x: string, channels: number, filters: number, { kernel = 3, stride = 1, pixels, tiedTo }: LayerShape): string {
    const { graph } = this;
    const weight = graph.floats(`${name}.conv`, [filters, channels, kernel, kernel], this.#centred(filters * channels * kernel ** 2, 2 / Math.sqrt(channels * kernel ** 2)));
    const pad = kernel >> 1;
    const conv = graph.node('Conv', [x, weight], { kernel_shape: { ints: [kernel, kernel] }, pads: { ints: [pad, pad, pad, pad] }, strides: { ints: [stride, stride] } });
    const statistics = { weight: this.#random(filters, 0.5), bias: this.#centred(filters, 0.5), running_mean: this.#centred(filters, 0.2), running_var: this.#random(filters, 0.5) };
    const norm = graph.node('BatchNormalization', [conv, ...Object.entries(statistics).map(([key, data]) => graph.floats(`${name}.${key}`, [filters], data))], { epsilon: { f: EPSILON } });
    this.#writeLayer(name, filters, statistics, tiedTo);
    const output = graph.node('Relu', [norm]);
    this.#counted.push({ products: channels * filters * kernel ** 2 * pixels, inputs: this.#layersOf.get(x) ?? [], output: name });
    this.#layersOf.set(output, [name]);
    return output;
  }

  /** A node whose channels are those of `x`. */
  same(x: string, ...node: Parameters<GraphBuilder['node']>): string {
    const output = this.graph.node(...node);
    this.#layersOf.set(output, this.#layersOf.get(x)!);
    return output;
  }

  /** Of equally wide tensors. */
  concat(...parts: string[]): string {
    const output = this.graph.node('Concat', parts, { axis: { i: 1 } });
    this.#layersOf.set(output, parts.flatMap((part) => this.#layersOf.get(part)!));
    return output;
  }

  csp(name: string, x: string, width: number, pixels: number): string {
    const half = width / 2;
    const left = this.layer(`${name}.left`, x, width, half, { kernel: 1, pixels });
    const inner = this.layer(`${name}.inner`, left, half, half, { kernel: 1, pixels });
    const residual = this.layer(`${name}.residual`, inner, half, half, { pixels, tiedTo: `${name}.left` });
    const sum = this.same(left, 'Add', [left, residual]);
    const right = this.layer(`${name}.right`, x, width, half, { kernel: 1, pixels });
    return this.layer(`${name}.out`, this.concat(sum, right), width, width, { kernel: 1, pixels });
  }

  head(name: string, x: string, channels: number, cells: number): void {
    const weight = this.graph.floats(`${name}.weight`, [HEAD_CHANNELS, channels, 1, 1], this.#centred(HEAD_CHANNELS * channels, 0.5));
    const bias = this.graph.floats(`${name}.bias`, [HEAD_CHANNELS], this.#centred(HEAD_CHANNELS, 0.5));
    this.graph.output(this.graph.node('Conv', [x, weight, bias], { kernel_shape: { ints: [1, 1] } }), 'float32', [1, HEAD_CHANNELS, cells, cells], name);
    this.#counted.push({ products: channels * HEAD_CHANNELS * cells ** 2, inputs: this.#layersOf.get(x) ?? [], output: undefined });
  }

  ratios(): ElasticRatio[] {
    return this.#kept.map((share, r) => ({ name: String(Math.round(share * 100)), macs: Math.round(this.#counted.reduce((sum, { products, inputs, output }) => sum + products * this.#share(inputs, r) * this.#share(output === undefined ? [] : [output], r), 0)), ap50: Number((0.4 - 0.05 * r).toFixed(2)) }));
  }

  /** Of the channels of the equally wide layers that make up a tensor; the picture's stay. */
  #share(layers: readonly string[], r: number): number {
    if (layers.length === 0) return 1;
    const shares = layers.map((layer) => {
      const mask = this.tensors.get(`mask/${layer}`)!.data;
      const threshold = this.tensors.get(`threshold/${layer}`)!.data[r]!;
      return mask.reduce((sum, value) => sum + Number(value >= threshold), 0) / mask.length;
    });
    return shares.reduce((sum, share) => sum + share, 0) / shares.length;
  }

  #writeLayer(name: string, channels: number, { weight, bias, running_mean: mean, running_var: variance }: Record<'weight' | 'bias' | 'running_mean' | 'running_var', Float32Array>, tiedTo: string | undefined): void {
    const tied = this.#isTied && tiedTo !== undefined ? tiedTo : undefined;
    const mask = tied === undefined ? this.#random(channels, 0) : this.tensors.get(`mask/${tied}`)!.data;
    const sorted = mask.toSorted();
    const threshold = Float32Array.from(this.#kept, (share) => sorted[channels - Math.max(1, Math.round(share * channels))]!);
    const scale = new Float32Array(channels * this.#kept.length);
    const shift = new Float32Array(channels * this.#kept.length);
    for (let r = 0; r < this.#kept.length; r += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        const factor = weight[channel]! / Math.sqrt(variance[channel]! + EPSILON);
        scale[r * channels + channel] = factor * (1 + 0.3 * r);
        shift[r * channels + channel] = bias[channel]! - mean[channel]! * factor + 0.1 * r;
      }
    }
    this.tensors.set(`mask/${name}`, { dims: [channels], data: mask });
    this.tensors.set(`threshold/${name}`, { dims: [threshold.length], data: threshold });
    this.tensors.set(`scale/${name}`, { dims: [threshold.length, channels], data: scale });
    this.tensors.set(`shift/${name}`, { dims: [threshold.length, channels], data: shift });
  }

  #random(count: number, from: number): Float32Array {
    return pseudoRandom(count, (this.#seed += 104_729)).map((value) => from + value);
  }

  #centred(count: number, spread: number): Float32Array {
    return pseudoRandom(count, (this.#seed += 104_729)).map((value) => (value - 0.5) * spread);
  }
}
