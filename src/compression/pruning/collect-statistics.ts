import type { FittedPicture, PictureSet } from '../../core/picture-set.js';
import { AppError } from '../../core/errors.js';
import { OfflineSession, type AnyTensor } from '../../inference/offline-session.js';
import { GraphEditor } from '../../onnx/graph-editor.js';
import { decodeModel, encodeModel, makeValueInfo } from '../../onnx/model-proto.js';
import { FRAME_INPUT, prepareInput } from '../../onnx/prepare/prepare-input.js';
import { SeededRandom } from '../../core/seeded-random.js';
import { frameFormatOf, type CandidateModel } from '../score-model.js';
import type { ConvLayer } from './conv-layer.js';
import { emptyStatistics, type LayerStatistics } from './layer-statistics.js';
import { MatrixProduct } from './matrix-product.js';
import { copyOutputs, copyPatch, type Activation } from './sample-patches.js';

export interface StatisticsOptions {
  readonly pictures: PictureSet;
  /** Places that are sampled at least, per layer over all pictures; layers of many inputs get more. Default 4096. */
  readonly samples?: number;
  /** Default 1. */
  readonly seed?: number;
  readonly threads?: number | undefined;
  /** Called after each picture with the number of those done. */
  readonly onPicture?: ((done: number) => void) | undefined;
}

/** Equations with fewer samples than this many times their unknowns learn the samples by heart. */
const SAMPLES_PER_INPUT = 5;
const DEFAULT_SAMPLES = 4096;
/** Samples collected before they are multiplied. */
const CHUNK_ROWS = 1024;
/** Below it loops are faster than a call of onnxruntime. */
const LARGEST_SMALL_FAN_IN = 32;

/** Depthwise filters have so few unknowns that fewer samples do. */
const LESS_FOR_SMALL = 4;

function isSmall({ fanIn, groups }: ConvLayer): boolean {
  return groups > 1 && fanIn <= LARGEST_SMALL_FAN_IN;
}

/** What a layer has to give at a place, and what it gets there: the channels of `wanted` that it still has. */
export interface LayerTarget {
  readonly layer: ConvLayer;
  /** For each filter of the layer, its channel in the reference's output; all in order where absent. */
  readonly filters?: readonly number[] | undefined;
}

/**
 * Samples of inputs and wanted outputs of some layers over calibration pictures: inputs as `model` computes them, outputs as
 * `reference` does. With the same model for both, every layer is seen alone, its inputs those of the dense model.
 *
 * @throws AppError ERR_DATASET_EMPTY where there is no picture, or what sessions and picture sets throw.
 */
export async function collectStatistics(model: CandidateModel, reference: CandidateModel, targets: readonly LayerTarget[], options: StatisticsOptions): Promise<LayerStatistics[]> {
  const { pictures, threads, onPicture = () => undefined } = options;
  const runner = await PairRunner.create(model, reference, targets, threads);
  const product = await MatrixProduct.create(threads);
  const samplers = targets.map((target, index) => new LayerSampler(target, product, new SeededRandom(options.seed ?? 1, index), samplesPerPicture(target.layer, options)));
  let done = 0;
  try {
    for await (const picture of pictures.read(frameFormatOf(model.manifest.input))) {
      const [inputs, outputs] = await runner.run(picture);
      for (const sampler of samplers) await sampler.add(inputs, outputs);
      onPicture((done += 1));
    }
    if (done === 0) throw new AppError('ERR_DATASET_EMPTY', `There is no picture to calibrate with in ${pictures.description}`);
    return await Promise.all(samplers.map((sampler) => sampler.finish()));
  } finally {
    await Promise.all([runner.release(), product.release()]);
  }
}

function samplesPerPicture(layer: ConvLayer, { pictures, samples = DEFAULT_SAMPLES }: StatisticsOptions): number {
  const wanted = isSmall(layer) ? samples / LESS_FOR_SMALL : Math.max(samples, layer.fanIn * SAMPLES_PER_INPUT);
  // Recordings may not know how many frames they have.
  return Math.max(1, Math.ceil(wanted / Math.max(1, Math.min(pictures.count, wanted))));
}

type Tensors = Readonly<Record<string, AnyTensor>>;

/** Runs two models on a picture; where both are one, once. */
class PairRunner {
  readonly #model: OfflineSession;
  readonly #reference: OfflineSession;
  readonly #dims: readonly number[];

  private constructor(model: OfflineSession, reference: OfflineSession, dims: readonly number[]) {
    this.#model = model;
    this.#reference = reference;
    this.#dims = dims;
  }

  static async create(model: CandidateModel, reference: CandidateModel, targets: readonly LayerTarget[], threads: number | undefined): Promise<PairRunner> {
    const inputs = targets.map(({ layer }) => layer.input);
    const outputs = targets.map(({ layer }) => layer.output);
    const { input } = model.manifest;
    const open = (candidate: CandidateModel, tensors: readonly string[]): Promise<OfflineSession> => OfflineSession.create(prepareInput(withOutputs(candidate.onnx, tensors), input), threads === undefined ? {} : { threads });
    const dims = [1, 3, input.height, input.width];
    if (model.onnx === reference.onnx) {
      const both = await open(model, [...inputs, ...outputs]);
      return new PairRunner(both, both, dims);
    }
    return new PairRunner(await open(model, inputs), await open(reference, outputs), dims);
  }

  async run({ pixels }: FittedPicture): Promise<readonly [inputs: Tensors, outputs: Tensors]> {
    const feeds = { [FRAME_INPUT]: { type: 'uint8', dims: this.#dims, data: pixels } };
    const inputs = await this.#model.run(feeds);
    return [inputs, this.#reference === this.#model ? inputs : await this.#reference.run(feeds)];
  }

  async release(): Promise<void> {
    await this.#model.release();
    if (this.#reference !== this.#model) await this.#reference.release();
  }
}

/** The model with tensors of its inside as further outputs. */
function withOutputs(onnx: Uint8Array, tensors: readonly string[]): Uint8Array {
  const model = decodeModel(onnx);
  const { graph } = new GraphEditor(model);
  const present = new Set((graph.output ?? []).map(({ name }) => name));
  // Rank is all that is known of them, and all that onnxruntime needs: pictures are four-dimensional.
  const added = [...new Set(tensors)].filter((name) => !present.has(name)).map((name) => makeValueInfo(name, 'float32', ['', '', '', '']));
  graph.output = [...(graph.output ?? []), ...added];
  return encodeModel(model);
}

/** Fills the statistics of one layer. */
class LayerSampler {
  readonly #statistics: LayerStatistics;
  readonly #wanted: readonly number[] | undefined;
  readonly #product: MatrixProduct;
  readonly #random: SeededRandom;
  readonly #perPicture: number;
  readonly #columns: number;
  readonly #isSmall: boolean;
  /** By group: rows of inputs, 1, wanted outputs. */
  readonly #chunks: readonly Float32Array[];
  #rows = 0;

  constructor({ layer, filters }: LayerTarget, product: MatrixProduct, random: SeededRandom, perPicture: number) {
    this.#statistics = emptyStatistics(layer);
    this.#wanted = filters;
    this.#product = product;
    this.#random = random;
    this.#perPicture = perPicture;
    this.#columns = layer.fanIn + 1 + layer.filters / layer.groups;
    this.#isSmall = isSmall(layer);
    const rows = this.#isSmall ? perPicture : CHUNK_ROWS + perPicture;
    this.#chunks = Array.from({ length: layer.groups }, () => new Float32Array(rows * this.#columns));
  }

  async add(inputs: Tensors, outputs: Tensors): Promise<void> {
    const { layer } = this.#statistics;
    const input = inputs[layer.input] as unknown as Activation;
    const output = this.#chosen(outputs[layer.output] as unknown as Activation);
    const places = output.dims[2]! * output.dims[3]!;
    const count = Math.min(places, this.#perPicture);
    for (let i = 0; i < count; i += 1) this.#addRow(input, output, this.#random.integer(places));
    if (this.#isSmall || this.#rows >= CHUNK_ROWS) await this.#flush();
  }

  async finish(): Promise<LayerStatistics> {
    if (this.#rows > 0) await this.#flush();
    return this.#statistics;
  }

  /** The reference's output without the channels that the layer has no more. */
  #chosen(output: Activation): Activation {
    if (!this.#wanted) return output;
    const [, , height = 0, width = 0] = output.dims;
    const plane = height * width;
    const data = new Float32Array(this.#wanted.length * plane);
    for (const [place, channel] of this.#wanted.entries()) data.set(output.data.subarray(channel * plane, (channel + 1) * plane), place * plane);
    return { data, dims: [1, this.#wanted.length, height, width] };
  }

  #addRow(input: Activation, output: Activation, place: number): void {
    const { layer } = this.#statistics;
    const perGroup = layer.filters / layer.groups;
    const start = this.#rows * this.#columns;
    for (const [group, chunk] of this.#chunks.entries()) {
      copyPatch(layer, group, input, output, place, chunk, start);
      chunk[start + layer.fanIn] = 1;
      copyOutputs(group * perGroup, perGroup, output, place, chunk, start + layer.fanIn + 1);
    }
    this.#rows += 1;
  }

  async #flush(): Promise<void> {
    for (const [group, chunk] of this.#chunks.entries()) {
      this.#addEnergy(group, chunk);
      if (this.#isSmall) this.#addSmall(group, chunk);
      else await this.#addLarge(group, chunk);
    }
    this.#statistics.rows += this.#rows;
    this.#rows = 0;
  }

  #addEnergy(group: number, chunk: Float32Array): void {
    const { layer, energy } = this.#statistics;
    const perGroup = layer.filters / layer.groups;
    for (let row = 0; row < this.#rows; row += 1) {
      const start = row * this.#columns + layer.fanIn + 1;
      for (let filter = 0; filter < perGroup; filter += 1) energy[group * perGroup + filter]! += chunk[start + filter]! ** 2;
    }
  }

  #addSmall(group: number, chunk: Float32Array): void {
    const { layer, gram, cross } = this.#statistics;
    const size = layer.fanIn + 1;
    const perGroup = layer.filters / layer.groups;
    const [sums, wanted] = [gram[group]!, cross[group]!];
    for (let row = 0; row < this.#rows; row += 1) {
      const start = row * this.#columns;
      for (let i = 0; i < size; i += 1) {
        const value = chunk[start + i]!;
        for (let j = 0; j < size; j += 1) sums[i * size + j]! += value * chunk[start + j]!;
        for (let j = 0; j < perGroup; j += 1) wanted[i * perGroup + j]! += value * chunk[start + size + j]!;
      }
    }
  }

  async #addLarge(group: number, chunk: Float32Array): Promise<void> {
    const { layer, gram, cross } = this.#statistics;
    const size = layer.fanIn + 1;
    const perGroup = layer.filters / layer.groups;
    const rows = chunk.subarray(0, this.#rows * this.#columns);
    const products = await this.#product.transposedTimes(rows, this.#columns, rows, this.#columns, this.#rows);
    const [sums, wanted] = [gram[group]!, cross[group]!];
    for (let i = 0; i < size; i += 1) {
      const start = i * this.#columns;
      for (let j = 0; j < size; j += 1) sums[i * size + j]! += products[start + j]!;
      for (let j = 0; j < perGroup; j += 1) wanted[i * perGroup + j]! += products[start + size + j]!;
    }
  }
}
