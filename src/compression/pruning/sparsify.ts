import type { PictureSet } from '../../core/picture-set.js';
import type { CandidateModel } from '../score-model.js';
import { collectStatistics } from './collect-statistics.js';
import { readNetwork, withWeights, type ConvLayer, type ConvNetwork, type LayerWeights } from './conv-layer.js';
import { correctBias, correctWeights } from './correct.js';
import { layerError, outputVariance, type LayerStatistics } from './layer-statistics.js';
import { reconstructBySquares } from './least-squares.js';
import { applyMask, magnitudeMasks, sparsityOf, type Masks } from './magnitude.js';

/** Each does what those before it do, and more: the order of the published method. */
export const SPARSIFY_STEPS = ['magnitude', 'weights', 'bias', 'reconstruct'] as const;
export type SparsifyStep = (typeof SPARSIFY_STEPS)[number];

export interface SparsifyOptions {
  /** Share of convolution weights that become zero, 0 to 1. */
  readonly sparsity: number;
  /** Unlabelled; not needed by the steps `magnitude` and `weights`. */
  readonly calibration: PictureSet;
  /** How far to go, default `reconstruct`. */
  readonly upTo?: SparsifyStep | undefined;
  readonly seed?: number | undefined;
  readonly samples?: number | undefined;
  readonly ridge?: number | undefined;
  readonly threads?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** @param done of `total`, pictures or layers */
export type OnProgress = (what: string, done: number, total: number) => void;

/** What became of one layer. Errors are mean squared differences from the dense layer's output, over its variance. */
export interface LayerOutcome {
  readonly name: string;
  readonly weights: number;
  readonly sparsity: number;
  /** With the weights removed and nothing else done. */
  readonly errorBefore: number;
  readonly errorAfter: number;
}

export interface SparseModel {
  readonly onnx: Uint8Array;
  /** Of all convolution weights, 0 to 1. */
  readonly sparsity: number;
  readonly layers: readonly LayerOutcome[];
}

/**
 * Sets the smallest weights of a model to zero and makes up for them layer by layer, without labels (Lazarevich, Kozlov, Malinin
 * 2021; the last step by least squares in place of gradient descent).
 *
 * @throws AppError as `readNetwork` and `collectStatistics` do.
 */
export async function sparsify(model: CandidateModel, options: SparsifyOptions): Promise<SparseModel> {
  const network = readNetwork(model.onnx);
  const statistics = await denseStatistics(model, network, options);
  return sparsifyWith(model.onnx, network, statistics, options);
}

/** Samples of all layers in the dense model: they do for every sparsity and every step. */
export async function denseStatistics(model: CandidateModel, network: ConvNetwork, { calibration, samples, seed, threads, onProgress }: Omit<SparsifyOptions, 'sparsity'>): Promise<readonly LayerStatistics[]> {
  const targets = network.layers.map((layer) => ({ layer }));
  const onPicture = (done: number): void => onProgress?.('calibrate', done, calibration.count);
  return collectStatistics(model, model, targets, { pictures: calibration, onPicture, threads, ...(samples !== undefined && { samples }), ...(seed !== undefined && { seed }) });
}

/** Like `sparsify` where the samples are there already. */
export function sparsifyWith(onnx: Uint8Array, network: ConvNetwork, statistics: readonly LayerStatistics[], { sparsity, upTo = 'reconstruct', ridge, onProgress }: Omit<SparsifyOptions, 'calibration'>): SparseModel {
  const masks = magnitudeMasks(network, sparsity);
  const steps = SPARSIFY_STEPS.indexOf(upTo);
  const result = new Map<string, LayerWeights>();
  const layers = network.layers.map((layer, index): LayerOutcome => {
    const sums = statistics[index]!;
    const dense = network.weights.get(layer.output)!;
    const masked = applyMask(dense, masks.get(layer.output)!);
    const mended = mend(sums, dense, masked, masks.get(layer.output)!, steps, ridge);
    result.set(layer.output, mended);
    onProgress?.('reconstruct', index + 1, network.layers.length);
    const variance = outputVariance(sums) || 1;
    return { name: nameOf(layer), weights: dense.weights.length, sparsity: sparsityOf([mended]), errorBefore: layerError(sums, masked) / variance, errorAfter: layerError(sums, mended) / variance };
  });
  return { onnx: withWeights(onnx, result), sparsity: sparsityOf(result.values()), layers };
}

function mend(statistics: LayerStatistics, dense: LayerWeights, masked: LayerWeights, mask: Uint8Array, steps: number, ridge: number | undefined): LayerWeights {
  if (steps < 1) return masked;
  const corrected = { weights: correctWeights(statistics.layer, dense.weights, masked.weights), bias: dense.bias };
  if (steps < 2) return corrected;
  const centred = { weights: corrected.weights, bias: correctBias(statistics, corrected.weights) };
  return steps < 3 ? centred : reconstructBySquares(statistics, centred, mask, ridge);
}

export function nameOf({ name, output }: ConvLayer): string {
  return name || output;
}

export type { Masks };
