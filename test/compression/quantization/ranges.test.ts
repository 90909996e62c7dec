import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseRange, RANGE_METHODS } from '../../../src/compression/quantization/choose-range.js';
import { estimateLosses, type Candidate } from '../../../src/compression/quantization/search.js';
import { choose } from '../../../src/compression/quantization/quantize-model.js';
import { ValueHistogram } from '../../../src/compression/quantization/value-histogram.js';
import { byteScale, quantizeWeights, roundHalfEven } from '../../../src/onnx/quantize/integer-params.js';

function histogramOf(...parts: readonly (readonly number[])[]): ValueHistogram {
  const histogram = new ValueHistogram();
  for (const part of parts) histogram.add(Float32Array.from(part));
  return histogram;
}

const bell = Array.from({ length: 20_000 }, (_, i) => Math.sqrt(-2 * Math.log((i + 0.5) / 20_000)) * Math.cos(i * 2.399963));

describe('byte scales', () => {
  test.each([
    ['symmetric: 255 steps have no middle', { low: -1, high: 1 }, 127],
    ['from zero: what a ReLU cuts off is the byte 0', { low: 0, high: 5 }, 0],
    ['below zero only', { low: -3, high: -1 }, 255],
    ['nothing', { low: 0, high: 0 }, 0],
  ])('%s', (_, range, zeroPoint) => {
    expect(byteScale(range).zeroPoint).toBe(zeroPoint);
    expect(byteScale(range).scale).toBeGreaterThan(0);
  });

  test('zero is exact and every value of the range is less than a step away', () => {
    fc.assert(
      fc.property(fc.float({ min: -100, max: 0, noNaN: true }), fc.float({ min: Math.fround(0.01), max: 100, noNaN: true }), fc.float({ min: 0, max: 1, noNaN: true }), (low, high, share) => {
        const { scale, zeroPoint } = byteScale({ low, high });
        const value = low + share * (high - low);
        const byte = Math.max(0, Math.min(255, roundHalfEven(value / scale) + zeroPoint));
        expect(Math.abs((byte - zeroPoint) * scale - value)).toBeLessThanOrEqual(scale * 1.01);
      }),
    );
  });

  test.each([
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [-0.5, 0],
    [-1.5, -2],
    [2.4999, 2],
  ])('%d rounds to %d', (value, expected) => expect(roundHalfEven(value) + 0).toBe(expected));

  test('weights have a scale a channel, a channel of zeros has one, too, and a bias may ask for a larger one', () => {
    const { data, scales } = quantizeWeights(Float32Array.of(1, -0.5, 0, 0, 10, 5), 3, Float64Array.of(0, 0, 1));
    expect([...data]).toEqual([127, -64, 0, 0, 10, 5]);
    expect([...scales]).toEqual([Math.fround(1 / 127), 1, 1]);
  });
});

describe('histograms', () => {
  test('grow with what they see, and parts add up to the whole', () => {
    const whole = histogramOf([...bell, 300]);
    const merged = ValueHistogram.merged([histogramOf(bell.slice(0, 5000)), histogramOf(bell.slice(5000)), histogramOf([300])]);
    expect(merged.occupied()).toEqual(whole.occupied());
    expect([merged.low, merged.high, merged.count]).toEqual([whole.low, whole.high, 20_001]);
  });
});

describe('ranges', () => {
  test.each(RANGE_METHODS)('%s: zero is inside, nothing seen gives nothing, and no range is wider than what was seen', (method) => {
    expect(chooseRange(new ValueHistogram(), method)).toEqual({ low: 0, high: 0 });
    const range = chooseRange(histogramOf(bell.map((value) => value + 10)), method);
    expect(range.low).toBe(0);
    expect(range.high).toBeLessThanOrEqual(Math.fround(Math.max(...bell) + 10) + 1e-6);
    expect(range.high).toBeGreaterThan(9);
  });

  test('one value far outside widens min-max and nothing else by much', () => {
    const histogram = histogramOf(bell, [1000]);
    expect(chooseRange(histogram, 'minmax').high).toBe(1000);
    for (const method of ['percentile', 'mse'] as const) expect(chooseRange(histogram, method).high).toBeLessThan(method === 'mse' ? 1001 : 5);
  });

  test('mse cuts where the tail costs less than finer steps gain, and by what follows', () => {
    const spread = histogramOf(bell, Array.from({ length: 4 }, (_, i) => 12 + i));
    const all = chooseRange(spread, 'minmax');
    expect(chooseRange(spread, 'mse').high).toBeLessThan(all.high);
    // What a ReLU-like function ignores needs no bytes.
    expect(chooseRange(spread, 'mse', (x) => Math.max(0, x)).low).toBeGreaterThan(-0.5);
  });
});

describe('choosing', () => {
  const measured = (name: string, ratio: number, disagreement: number, map50Loss: number | undefined): Omit<Candidate, 'loss'> => ({
    name,
    ratio,
    disagreement,
    map50Loss,
    headNoise: 0.01,
    ms: 1,
    integer: new Set(),
    onnx: new Uint8Array(),
    byteNodes: [],
    scales: new Map(),
  });

  test('luck on labels is believed by half only', () => {
    const [honest, lucky] = estimateLosses([measured('a', 1, 4, 2), measured('b', 1, 4, -2)]);
    expect([honest!.loss, lucky!.loss]).toEqual([3, 1]);
    expect(estimateLosses([measured('c', 1, 3, undefined)])[0]!.loss).toBe(3);
  });

  test.each([
    ['speed', 1, 'fast enough'],
    ['speed', 9, 'fastest'],
    ['speed', 0, 'best'],
    ['accuracy', 1, 'best gain'],
  ] as const)('target %s, limit %d: %s', (target, maxLoss, expected) => {
    const of = (name: string, ratio: number, loss: number): Candidate => ({ ...measured(name, ratio, loss, loss), loss });
    const candidates = [of('fastest', 1.5, 3), of('fast enough', 1.4, 0.7), of('best gain', 1.2, 0.3), of('best', 0.9, 0.1)];
    expect(choose(candidates, target, maxLoss).name).toBe(expected);
  });
});
