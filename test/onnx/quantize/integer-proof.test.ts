import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { decodeModel, encodeModel } from '../../../src/onnx/model-proto.js';
import { insertQdq } from '../../../src/onnx/quantize/insert-qdq.js';
import { numbers, runFloat } from './support.js';

/*
 * The proof of the numbers: a convolution on bytes is computed a second time here, in integers, from the arithmetic alone.
 * What is compared are bytes, all of them, bit for bit.
 */

const CHANNELS = 3;
const FILTERS = 4;
const SIZE = 7;
const OUT = 7;

interface Layer {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly inputRange: { readonly low: number; readonly high: number };
  readonly outputHigh: number;
}

function network({ weights, bias, inputRange, outputHigh }: Layer): Uint8Array {
  const graph = new GraphBuilder('proof');
  const x = graph.input('x', 'float32', [1, CHANNELS, SIZE, SIZE]);
  const convolution = graph.node('Conv', [x, graph.floats('w', [FILTERS, CHANNELS, 3, 3], weights), graph.floats('b', [FILTERS], bias)], { pads: { ints: [1, 1, 1, 1] } });
  graph.output(graph.node('Relu', [convolution]), 'float32', [1, FILTERS, OUT, OUT], 'y');
  const model = decodeModel(graph.build());
  insertQdq(model, { convolutions: new Set([convolution]), rangeOf: ([tensor]) => (tensor === 'x' ? inputRange : { low: 0, high: outputHigh }) });
  return encodeModel(model);
}

/** To the nearest integer, halves to the even one, written down without the product's own helper. */
function nearest(value: number): number {
  const down = Math.floor(value);
  if (value - down === 0.5) return down % 2 === 0 ? down : down + 1;
  return Math.round(value);
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

function inIntegers({ weights, bias, inputRange, outputHigh }: Layer, x: Float32Array): Uint8Array {
  const inputScale = Math.fround((inputRange.high - inputRange.low) / 255);
  const inputZero = nearest(-inputRange.low / inputScale);
  const outputScale = Math.fround(outputHigh / 255);
  const bytes = Int32Array.from(x, (value) => clamp(nearest(Math.fround(value / inputScale)) + inputZero, 0, 255));
  const result = new Uint8Array(FILTERS * OUT * OUT);
  for (let filter = 0; filter < FILTERS; filter += 1) {
    const own = weights.subarray(filter * CHANNELS * 9, (filter + 1) * CHANNELS * 9);
    const weightScale = Math.fround(Math.max(...own.map(Math.abs)) / 127);
    const integers = Int32Array.from(own, (value) => nearest(value / weightScale));
    const biasInteger = nearest(bias[filter]! / (inputScale * weightScale));
    // onnxruntime multiplies the 32-bit sum by one float32 a channel, and rounds halves to even.
    const factor = Math.fround(Math.fround(inputScale * weightScale) / outputScale);
    for (let row = 0; row < OUT; row += 1) {
      for (let column = 0; column < OUT; column += 1) {
        let sum = biasInteger;
        for (let channel = 0; channel < CHANNELS; channel += 1) {
          for (let tap = 0; tap < 9; tap += 1) {
            const [y, z] = [row + Math.floor(tap / 3) - 1, column + (tap % 3) - 1];
            if (y < 0 || z < 0 || y >= SIZE || z >= SIZE) continue;
            sum += (bytes[(channel * SIZE + y) * SIZE + z]! - inputZero) * integers[channel * 9 + tap]!;
          }
        }
        // A ReLU is the byte 0: the range begins there.
        result[(filter * OUT + row) * OUT + column] = clamp(nearest(Math.fround(Math.fround(sum) * factor)), 0, 255);
      }
    }
  }
  return result;
}

function bytesOf(values: Float32Array, outputHigh: number): Uint8Array {
  const scale = Math.fround(outputHigh / 255);
  return Uint8Array.from(values, (value) => Math.round(value / scale));
}

/** Scales that are powers of two, so that floats are exact: what is written and what is optimised have to agree in every bit. */
function exactLayer(seed: number): Layer {
  const weights = numbers(FILTERS * CHANNELS * 9, seed).map((value) => Math.round(value * 126) / 64);
  // The largest weight of each filter decides its scale: 127 / 64, a different power of two for each.
  for (let filter = 0; filter < FILTERS; filter += 1) {
    weights[filter * CHANNELS * 9] = 127 / 64;
    for (let i = 0; i < CHANNELS * 9; i += 1) weights[filter * CHANNELS * 9 + i]! *= 2 ** -filter;
  }
  return { weights, bias: Float32Array.from([0.5, -0.25, 1, 0]), inputRange: { low: -100 / 32, high: 155 / 32 }, outputHigh: 255 / 8 };
}

function plainLayer(seed: number): Layer {
  return { weights: numbers(FILTERS * CHANNELS * 9, seed), bias: numbers(FILTERS, seed + 1), inputRange: { low: -1.37, high: 2.91 }, outputHigh: 7.3 };
}

describe('a convolution on bytes is integer arithmetic', () => {
  test.each([1, 2, 3])('powers of two, seed %i: equal bit for bit, with graph optimisation off and on', async (seed) => {
    const layer = exactLayer(seed);
    // Halves of a step: every other value is a tie that has to go to the even byte.
    const x = numbers(CHANNELS * SIZE * SIZE, seed + 10).map((value) => Math.round(value * 320) / 64);
    const expected = inIntegers(layer, x);
    expect(new Set(expected).size).toBeGreaterThan(40);
    for (const optimization of ['none', 'all'] as const) {
      const values = await runFloat(network(layer), [1, CHANNELS, SIZE, SIZE], x, optimization);
      expect(bytesOf(values, layer.outputHigh)).toEqual(expected);
    }
  });

  test.each([4, 5, 6])('any scales, seed %i: the integer kernel is equal bit for bit, floats are a step away at most', async (seed) => {
    const layer = plainLayer(seed);
    const x = numbers(CHANNELS * SIZE * SIZE, seed + 10).map((value) => value * 3);
    const expected = inIntegers(layer, x);
    const optimised = bytesOf(await runFloat(network(layer), [1, CHANNELS, SIZE, SIZE], x), layer.outputHigh);
    expect(optimised).toEqual(expected);
    const plain = bytesOf(await runFloat(network(layer), [1, CHANNELS, SIZE, SIZE], x, 'none'), layer.outputHigh);
    expect(Math.max(...plain.map((byte, i) => Math.abs(byte - expected[i]!)))).toBeLessThanOrEqual(1);
  });
});
