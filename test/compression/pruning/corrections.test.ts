import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConvLayer, ConvNetwork } from '../../../src/compression/pruning/conv-layer.js';
import { correctBias, correctWeights } from '../../../src/compression/pruning/correct.js';
import { emptyStatistics, layerError, outputVariance, restrictStatistics, type LayerStatistics } from '../../../src/compression/pruning/layer-statistics.js';
import { reconstructBySquares } from '../../../src/compression/pruning/least-squares.js';
import { factorise, inverse, substitute } from '../../../src/compression/pruning/linear-algebra.js';
import { applyMask, magnitudeMasks, sparsityOf } from '../../../src/compression/pruning/magnitude.js';
import { largestWithin } from '../../../src/compression/pruning/score-change.js';
import { copyPatch } from '../../../src/compression/pruning/sample-patches.js';
import { SeededRandom } from '../../../src/core/seeded-random.js';

const WINDOW = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0], isLower: false } as const;

function layerOf(filters: number, fanIn: number, groups = 1): ConvLayer {
  return { name: '', input: 'x', output: `y${filters}x${fanIn}`, filters, groups, fanIn, window: WINDOW };
}

const floats = (random: SeededRandom, count: number): Float32Array => Float32Array.from({ length: count }, () => random.normal());

/** Statistics of correlated random inputs and the outputs of `weights` on them. */
function sampled(layer: ConvLayer, weights: Float32Array, bias: Float32Array, rows: number, seed: number): LayerStatistics {
  const statistics = emptyStatistics(layer);
  const random = new SeededRandom(seed);
  const size = layer.fanIn + 1;
  for (let row = 0; row < rows; row += 1) {
    const common = random.normal();
    const input = [...Array.from({ length: layer.fanIn }, () => common + random.normal() + 0.5), 1];
    for (let i = 0; i < size; i += 1) {
      for (let j = 0; j < size; j += 1) statistics.gram[0]![i * size + j]! += input[i]! * input[j]!;
      for (let filter = 0; filter < layer.filters; filter += 1) statistics.cross[0]![i * layer.filters + filter]! += input[i]! * output(weights, bias, layer, filter, input);
    }
    for (let filter = 0; filter < layer.filters; filter += 1) statistics.energy[filter]! += output(weights, bias, layer, filter, input) ** 2;
  }
  statistics.rows = rows;
  return statistics;
}

function output(weights: Float32Array, bias: Float32Array, { fanIn }: ConvLayer, filter: number, input: readonly number[]): number {
  let sum = bias[filter]!;
  for (let i = 0; i < fanIn; i += 1) sum += weights[filter * fanIn + i]! * input[i]!;
  return sum;
}

describe('magnitude masks', () => {
  const networkOf = (...layers: readonly (readonly number[])[]): ConvNetwork => {
    const named = layers.map((weights, index): ConvLayer => ({ ...layerOf(1, weights.length), output: `y${index}` }));
    return { layers: named, weights: new Map(named.map(({ output: name }, index) => [name, { weights: Float32Array.from(layers[index]!), bias: new Float32Array(1) }])) };
  };

  it.each([
    // Norms 5 and 500: beside them 30 and 40 are small, 3 and 4 are not.
    [0.5, [[3, 4], [30, -499]], [[1, 1], [0, 1]], 0.25],
    [0.5, [[3, 4], [300, -400]], [[0, 1], [0, 1]], 0.5],
    [0, [[0, 4]], [[1, 1]], 0],
    [1, [[1, 4]], [[0, 0]], 1],
    // Equal magnitudes: in the order of the file.
    [0.5, [[2, -2, 2, 2]], [[0, 0, 1, 1]], 0.5],
  ])('removes %f of %j: kept %j', (sparsity, weights, kept, share) => {
    const network = networkOf(...weights);
    // The first row asks for a quarter.
    const masks = magnitudeMasks(network, share === 0.25 ? 0.25 : sparsity);
    expect([...masks.values()].map((mask) => [...mask])).toEqual(kept);
  });

  it('reaches the sparsity that is asked for, to one weight', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.integer(), (first, second, sparsity, seed) => {
        const random = new SeededRandom(seed);
        const network = networkOf([...floats(random, first)], [...floats(random, second)]);
        const masks = magnitudeMasks(network, sparsity);
        const pruned = [...network.weights].map(([name, weights]) => applyMask(weights, masks.get(name)!));
        expect(Math.abs(sparsityOf(pruned) * (first + second) - sparsity * (first + second))).toBeLessThanOrEqual(0.5 + 1e-9);
      }),
    );
  });
});

describe('weight correction', () => {
  it('follows its formula', () => {
    // Dense: mean 2.5, std sqrt(1.25). Sparse 0 0 3 4: mean 1.75, std sqrt((2 * 1.75^2 + 1.25^2 + 2.25^2) / 4).
    const corrected = correctWeights({ filters: 1, fanIn: 4 }, Float32Array.of(1, 2, 3, 4), Float32Array.of(0, 0, 3, 4));
    const ratio = Math.sqrt(1.25) / Math.sqrt((2 * 1.75 ** 2 + 1.25 ** 2 + 2.25 ** 2) / 4);
    const shift = 2.5 - ratio * 1.75;
    expect([...corrected]).toEqual([0, 0, 3 * ratio + shift, 4 * ratio + shift].map((value) => expect.closeTo(value, 5) as number));
  });

  it('leaves a filter alone of which nothing is left', () => {
    expect([...correctWeights({ filters: 2, fanIn: 2 }, Float32Array.of(1, 2, 3, 4), Float32Array.of(0, 0, 3, 4))].slice(0, 2)).toEqual([0, 0]);
  });
});

const problems = fc.record({ filters: fc.integer({ min: 1, max: 4 }), fanIn: fc.integer({ min: 2, max: 12 }), share: fc.double({ min: 0, max: 0.8, noNaN: true }), seed: fc.integer() });

describe('making up for what is removed', () => {
  it('keeps zeros, never errs more step by step, and is exact where nothing is removed', () => {
    fc.assert(
      fc.property(problems, ({ filters, fanIn, share, seed }) => {
        const layer = layerOf(filters, fanIn);
        const random = new SeededRandom(seed);
        const dense = { weights: floats(random, filters * fanIn), bias: floats(random, filters) };
        const mask = Uint8Array.from(dense.weights, () => (random.chance(share) ? 0 : 1));
        const statistics = sampled(layer, dense.weights, dense.bias, 60, seed);
        const masked = applyMask(dense, mask);
        const centred = { weights: masked.weights, bias: correctBias(statistics, masked.weights) };
        const mended = reconstructBySquares(statistics, centred, mask);
        for (const [index, kept] of mask.entries()) if (kept === 0) expect(mended.weights[index]).toBe(0);
        const tolerance = 1e-5 * outputVariance(statistics) + 1e-9;
        expect(layerError(statistics, centred)).toBeLessThanOrEqual(layerError(statistics, masked) + tolerance);
        expect(layerError(statistics, mended)).toBeLessThanOrEqual(layerError(statistics, centred) + tolerance);
        if (mask.every((kept) => kept === 1)) expect(layerError(statistics, mended)).toBeLessThan(tolerance);
      }),
    );
  });

  it('gives the mean that the dense layer gives', () => {
    const layer = layerOf(1, 3);
    const dense = { weights: Float32Array.of(1, -2, 3), bias: Float32Array.of(0.5) };
    const statistics = sampled(layer, dense.weights, dense.bias, 200, 4);
    const weights = Float32Array.of(0, -2, 0);
    const bias = correctBias(statistics, weights);
    const mean = (kernel: Float32Array, offset: number): number => offset + kernel.reduce((sum, weight, i) => sum + (weight * statistics.gram[0]![3 * 4 + i]!) / 200, 0);
    expect(mean(weights, bias[0]!)).toBeCloseTo(mean(dense.weights, 0.5), 4);
  });
});

it('restricted statistics are those of a layer that was sampled without the rest', () => {
  const layer = layerOf(3, 4);
  const random = new SeededRandom(9);
  const [weights, bias] = [floats(random, 12), floats(random, 3)];
  const restricted = restrictStatistics(sampled(layer, weights, bias, 40, 2), [0, 2, 3], [1]);
  const kept = { weights: Float32Array.of(weights[4]!, weights[6]!, weights[7]!), bias: Float32Array.of(bias[1]!) };
  const zeroed = { weights: Float32Array.from(weights, (weight, i) => (i % 4 === 1 ? 0 : weight)), bias };
  const whole = sampled(layer, weights, bias, 40, 2);
  const errorOfFilter = layerError({ ...whole, layer: { ...layer, filters: 1 }, cross: [Float64Array.from({ length: 5 }, (_, i) => whole.cross[0]![i * 3 + 1]!)], energy: whole.energy.slice(1, 2) }, { weights: zeroed.weights.slice(4, 8), bias: bias.slice(1, 2) });
  expect(layerError(restricted, kept)).toBeCloseTo(errorOfFilter, 6);
});

describe('linear algebra', () => {
  it('solves and inverts what is positive definite', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 14 }), fc.integer(), (size, seed) => {
        const random = new SeededRandom(seed);
        const root = floats(random, size * size);
        const matrix = Float64Array.from({ length: size * size }, (_, at) => {
          const [row, column] = [Math.floor(at / size), at % size];
          let sum = row === column ? 0.5 : 0;
          for (let k = 0; k < size; k += 1) sum += root[row * size + k]! * root[column * size + k]!;
          return sum;
        });
        const inverted = inverse(Float64Array.from(matrix), size)!;
        const factor = Float64Array.from(matrix);
        expect(factorise(factor, size)).toBe(true);
        const wanted = Float64Array.from({ length: size }, () => random.normal());
        const solved = Float64Array.from(wanted);
        substitute(factor, solved, size);
        for (let row = 0; row < size; row += 1) {
          let [product, byInverse] = [0, 0];
          for (let column = 0; column < size; column += 1) {
            product += matrix[row * size + column]! * solved[column]!;
            byInverse += inverted[row * size + column]! * wanted[column]!;
          }
          expect(product).toBeCloseTo(wanted[row]!, 6);
          expect(byInverse).toBeCloseTo(solved[row]!, 6);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('says where a matrix is not positive definite', () => {
    expect(factorise(Float64Array.of(1, 0, 2, 1), 2)).toBe(false);
    expect(inverse(Float64Array.of(0), 1)).toBeUndefined();
  });
});

it('cuts out what a filter sees, zeros beyond the edge', () => {
  const layer: ConvLayer = { ...layerOf(2, 4, 2), window: { ...WINDOW, kernel: [2, 2], strides: [2, 2], pads: [1, 1] } };
  const input = { data: Float32Array.from({ length: 18 }, (_, i) => i + 1), dims: [1, 2, 3, 3] };
  const into = new Float32Array(6);
  copyPatch(layer, 1, input, { data: new Float32Array(), dims: [1, 2, 2, 2] }, 1, into, 1);
  // Second channel, output (0, 1): rows -1 and 0, columns 1 and 2.
  expect([...into]).toEqual([0, 0, 0, 11, 12, 0]);
});

it.each([
  [0.8, 5, 0.8],
  [0.8, 1, 0.375],
  [0.8, -1, 0],
])('finds the largest value up to %f that loses no more than %f', async (limit, maxLoss, expected) => {
  // Loses nothing up to 0.4, then more and more.
  const lossOf = async (value: number): Promise<number> => Math.max(0, value - 0.4) * 10 + (value > 0.4 ? 1 : 0);
  const { value, trials } = await largestWithin(limit, maxLoss, 4, lossOf);
  expect(value).toBeLessThanOrEqual(limit);
  if (expected === 0 || expected === limit) expect(value).toBe(expected);
  else expect(value).toBeGreaterThan(expected - 0.051);
  for (const trial of trials.filter((one) => one.value === value)) expect(trial.lossPoints).toBeLessThanOrEqual(maxLoss);
});
