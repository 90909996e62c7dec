import { describe, expect, it } from 'vitest';
import { fractalPictures, noisePictures } from '../../../src/compression/calibration/index.js';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import { collectStatistics } from '../../../src/compression/pruning/collect-statistics.js';
import { readNetwork } from '../../../src/compression/pruning/conv-layer.js';
import { layerError, outputVariance } from '../../../src/compression/pruning/layer-statistics.js';
import { pruneFilters } from '../../../src/compression/pruning/prune-filters.js';
import { pruneModel } from '../../../src/compression/pruning/prune-model.js';
import { SPARSIFY_STEPS, sparsify } from '../../../src/compression/pruning/sparsify.js';
import type { CandidateModel } from '../../../src/compression/score-model.js';
import { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { graphCost } from '../../../src/onnx/graph-cost.js';
import { decodeModel, graphOf } from '../../../src/onnx/model-proto.js';

const SIDE_PX = 32;
const manifest: CandidateModel['manifest'] = {
  id: 'small',
  input: { name: 'x', layout: 'nchw', dtype: 'float32', width: SIDE_PX, height: SIDE_PX, color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit: 'stretch', padValue: 0 },
  head: { kind: 'yolov8' },
  labels: ['thing'],
  defaults: { confidenceThreshold: 0.25, iouThreshold: 0.45 },
};

/** Padded, strided, depthwise, dilated and with auto_pad: every way that a window can lie. */
function smallNetwork(): CandidateModel {
  const builder = new GraphBuilder('small');
  const random = new SeededRandom(3);
  let count = 0;
  const conv = (input: string, channels: number, filters: number, kernel: number, attributes: Parameters<GraphBuilder['node']>[2] = {}, group = 1): string => {
    count += 1;
    const size = (filters * channels * kernel * kernel) / group;
    const weights = builder.floats(`w${count}`, [filters, channels / group, kernel, kernel], Float32Array.from({ length: size }, () => random.normal() / Math.sqrt(size / filters)));
    return builder.node('Relu', [builder.node('Conv', [input, weights, builder.floats(`b${count}`, [filters], Float32Array.from({ length: filters }, () => 0.1 * random.normal()))], { ...attributes, group: { i: group } })]);
  };
  const pads = (size: number) => ({ pads: { ints: [size, size, size, size] } });
  let tensor = conv(builder.input('x', 'float32', [1, 3, SIDE_PX, SIDE_PX]), 3, 12, 3, { strides: { ints: [2, 2] }, ...pads(1) });
  tensor = conv(tensor, 12, 24, 1);
  tensor = conv(tensor, 24, 24, 3, { auto_pad: { s: 'SAME_UPPER' }, strides: { ints: [2, 2] } }, 24);
  tensor = builder.node('Add', [conv(tensor, 24, 24, 1), conv(tensor, 24, 24, 3, { dilations: { ints: [2, 2] }, ...pads(2) })]);
  builder.output(conv(tensor, 24, 8, 1), 'float32', [1, 8, 8, 8], 'y');
  return { manifest, onnx: builder.build() };
}

const model = smallNetwork();
const calibration = fractalPictures({ count: 12, seed: 2 });

describe('samples of a network', () => {
  it('know its layers: dense weights give the dense outputs, whatever the window', async () => {
    const { layers, weights } = readNetwork(model.onnx);
    const statistics = await collectStatistics(model, model, layers.map((layer) => ({ layer })), { pictures: calibration, samples: 600 });
    for (const [index, { output }] of layers.entries()) expect(layerError(statistics[index]!, weights.get(output)!) / outputVariance(statistics[index]!)).toBeLessThan(1e-4);
  });

  it('say where there is no picture', async () => {
    const { layers } = readNetwork(model.onnx);
    await expect(collectStatistics(model, model, [{ layer: layers[0]! }], { pictures: noisePictures({ count: 0 }) })).rejects.toMatchObject({ code: 'ERR_DATASET_EMPTY' });
  });
});

describe('sparsity', () => {
  it('is what was asked for, zeros stay zero, and half of the error or more is made up for', async () => {
    const { onnx, sparsity, layers } = await sparsify(model, { sparsity: 0.5, calibration });
    expect(sparsity).toBeCloseTo(0.5, 2);
    const masked = await sparsify(model, { sparsity: 0.5, calibration, upTo: 'magnitude' });
    const [mended, zeroed] = [onnx, masked.onnx].map((bytes) => readNetwork(bytes).weights);
    for (const [output, { weights }] of zeroed!) for (const [index, weight] of weights.entries()) expect(mended!.get(output)!.weights[index] === 0).toBe(weight === 0);
    const sum = (errors: readonly number[]): number => errors.reduce((total, error) => total + error, 0);
    expect(sum(layers.map(({ errorAfter }) => errorAfter))).toBeLessThan(0.5 * sum(layers.map(({ errorBefore }) => errorBefore)));
  });

  it('gives the same bytes for the same seed', async () => {
    const [first, second, other] = await Promise.all([1, 1, 2].map((seed) => sparsify(model, { sparsity: 0.4, calibration, seed, samples: 300 })));
    expect(Buffer.from(first!.onnx).equals(second!.onnx)).toBe(true);
    expect(Buffer.from(first!.onnx).equals(other!.onnx)).toBe(false);
  });

  it('is exact at every step where nothing is removed', async () => {
    for (const upTo of SPARSIFY_STEPS) {
      const { layers } = await sparsify(model, { sparsity: 0, calibration, upTo, samples: 300 });
      for (const { errorAfter } of layers) expect(errorAfter).toBeLessThan(1e-4);
    }
  });
});

describe('removing filters', () => {
  it('leaves fewer multiply-accumulates, widths in whole blocks, and less error than without fitting anew', async () => {
    const { onnx, macsBefore, macsAfter, layers } = await pruneFilters(model, { macsReduction: 0.3, calibration, multipleOf: 4, rounds: 4 });
    expect(graphCost(graphOf(decodeModel(onnx))).macs).toBe(macsAfter);
    expect(macsAfter).toBeLessThanOrEqual(0.7 * macsBefore);
    for (const { filtersBefore, filtersAfter } of layers) if (filtersAfter < filtersBefore) expect(filtersAfter % 4).toBe(0);
    const plain = await pruneFilters(model, { macsReduction: 0.3, calibration, multipleOf: 4, rounds: 4, reconstruct: false });
    const total = (outcomes: typeof layers): number => outcomes.reduce((sum, { error = 0 }) => sum + error, 0);
    expect(total(layers)).toBeLessThan(total(plain.layers));
  });

  it.each(['l1', 'l2', 'geometric-median'] as const)('works by %s, too', async (criterion) => {
    const { macsBefore, macsAfter } = await pruneFilters(model, { macsReduction: 0.2, calibration, criterion, samples: 300, rounds: 2 });
    expect(macsAfter).toBeLessThan(macsBefore);
  });
});

describe('pruning a model', () => {
  it('cuts channels first, then sets weights to zero, and says what it saved', async () => {
    const { onnx, sparse, narrow, size, latency, change } = await pruneModel({ model, sparsity: 0.5, filters: 0.2, calibration, latencyPairs: 3 });
    expect(narrow!.macsAfter).toBeLessThan(narrow!.macsBefore);
    expect(sparse!.sparsity).toBeCloseTo(0.5, 2);
    expect(size.after).toMatchObject({ file: onnx.length });
    expect(size.after.gzip).toBeLessThan(size.before.gzip);
    expect(latency.map(({ threads, n }) => [threads, n])).toEqual([[1, 3], [2, 3]]);
    expect(change).toBeUndefined();
  });

  it.each([
    ['nothing to prune', {}],
    ['a loss without labels', { sparsity: 0.5, maxLossPoints: 1 }],
  ])('refuses %s', async (_, options) => {
    await expect(pruneModel({ model, calibration, latencyPairs: 0, ...options })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });
});
