import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ModelHead, ModelInput } from '../../src/core/manifest.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { cutHead, lastConvolutions, readHeadLayers, type ScaleCut } from '../../src/onnx/head-layers.js';
import { decodeModel, graphOf, metadataOf, valueFacts } from '../../src/onnx/model-proto.js';
import { prepareInput } from '../../src/onnx/prepare/prepare-input.js';
import { thrownBy } from '../fixtures/failure.js';
import { hasShared, largestDifference, pseudoRandom, runModel, SHARED, toPlanes, WITHOUT_SHARED } from './support.js';

const SIZE = 16;
const INPUT: ModelInput = { name: 'images', layout: 'nchw', dtype: 'float32', width: SIZE, height: SIZE, color: 'bgr', scale: 1 / 255, mean: [0, 0, 0], fit: 'stretch', padValue: 0 };

interface GeneratedScale {
  readonly stride: 2 | 4;
  readonly anchors: number;
  readonly kernel: 1 | 3;
  readonly grouped: boolean;
  readonly bias: boolean;
  readonly renamed: boolean;
  readonly kept: readonly number[];
}

interface GeneratedHead {
  readonly classes: number;
  readonly scales: readonly GeneratedScale[];
  readonly seed: number;
}

const scaleArbitrary = fc
  .record({ stride: fc.constantFrom(2 as const, 4 as const), anchors: fc.integer({ min: 1, max: 6 }), kernel: fc.constantFrom(1 as const, 3 as const), grouped: fc.boolean(), bias: fc.boolean(), renamed: fc.boolean() })
  .chain((scale) => fc.subarray(Array.from({ length: scale.anchors }, (_, i) => i)).map((kept) => ({ ...scale, kept })));
const headArbitrary: fc.Arbitrary<GeneratedHead> = fc
  .record({ classes: fc.integer({ min: 0, max: 4 }), scales: fc.array(scaleArbitrary, { minLength: 1, maxLength: 3 }), seed: fc.nat(1000) })
  .filter(({ scales }) => scales.some(({ kept }) => kept.length > 0));

/** A small network with a head as described; as many groups as its last convolution may have. */
function network({ classes, scales, seed }: GeneratedHead): Uint8Array {
  const graph = new GraphBuilder('head');
  const picture = graph.input('images', 'float32', [1, 3, SIZE, SIZE]);
  for (const [i, { stride, anchors, kernel, grouped, bias, renamed }] of scales.entries()) {
    const filters = anchors * (5 + classes);
    const groups = grouped ? groupsOf(filters) : 1;
    const channels = 2 * groups;
    const body = graph.node('Conv', [picture, graph.floats(`body${i}`, [channels, 3, stride, stride], pseudoRandom(channels * 3 * stride ** 2, seed + i))], { strides: { ints: [stride, stride] }, kernel_shape: { ints: [stride, stride] } });
    const weights = graph.floats(`weights${i}`, [filters, 2, kernel, kernel], pseudoRandom(filters * 2 * kernel ** 2, seed + 10 + i));
    const biases = bias ? [graph.floats(`bias${i}`, [filters], pseudoRandom(filters, seed + 20 + i))] : [];
    const pad = (kernel - 1) / 2;
    const raw = graph.node('Conv', [graph.node('LeakyRelu', [body]), weights, ...biases], { kernel_shape: { ints: [kernel, kernel] }, pads: { ints: [pad, pad, pad, pad] }, group: { i: groups } });
    const grid = SIZE / stride;
    graph.output(renamed ? graph.node('Identity', [raw]) : raw, 'float32', [1, filters, grid, grid], `head${i}`);
  }
  return graph.build();
}

function groupsOf(filters: number): number {
  return [5, 3, 2].find((count) => filters % count === 0) ?? 1;
}

function cutsOf({ classes, scales }: GeneratedHead): ScaleCut[] {
  const columns = 5 + classes;
  return scales.map(({ kept }, i) => ({ output: `head${i}`, filters: kept.flatMap((anchor) => Array.from({ length: columns }, (_, k) => anchor * columns + k)) }));
}

/** Greatest difference (relative over 1) between the outputs of a cut head and the same channels of the full one. */
function differenceOf(full: Record<string, { data: Float32Array; dims: readonly number[] }>, cut: typeof full, cuts: readonly ScaleCut[]): number {
  const left = cuts.filter(({ filters }) => filters.length > 0);
  expect(Object.keys(cut)).toEqual(left.map(({ output }) => output));
  return Math.max(
    ...left.map(({ output, filters }) => {
      const [, channels = 0, height = 0, width = 0] = full[output]!.dims;
      expect(cut[output]!.dims).toEqual([1, filters.length, height, width]);
      expect(Math.max(...filters)).toBeLessThan(channels);
      const cells = height * width;
      const expected = filters.flatMap((filter) => [...full[output]!.data.subarray(filter * cells, (filter + 1) * cells)]);
      return largestDifference(cut[output]!.data, expected);
    }),
  );
}

describe('a cut head', () => {
  test('says of the kept anchors what the full one says, whatever the scales, groups and windows', async () => {
    const pixels = Uint8Array.from(pseudoRandom(3 * SIZE * SIZE, 3), (value) => Math.floor(value * 256));
    let dense = 0;
    await fc.assert(
      fc.asyncProperty(headArbitrary, async (head) => {
        const cuts = cutsOf(head);
        const [full, cut] = [network(head), cutHead(network(head), cuts)];
        const planes = toPlanes(pixels, [1, 2, 0]);
        const [before, after] = [await runModel(prepareInput(full, INPUT), planes, [1, 3, SIZE, SIZE]), await runModel(prepareInput(cut, INPUT), planes, [1, 3, SIZE, SIZE])];
        expect(differenceOf(before, after, cuts)).toBeLessThanOrEqual(1e-5);
        if (head.scales.some(({ grouped, kept, anchors }) => grouped && kept.length > 0 && kept.length < anchors)) dense += 1;
        // Nothing of a scale that is gone stays behind.
        const names = graphOf(decodeModel(cut)).initializer!.map(({ name }) => name!);
        head.scales.forEach(({ kept }, i) => expect(names.includes(`body${i}`)).toBe(kept.length > 0));
      }),
      { numRuns: 60, seed: 5 },
    );
    expect(dense).toBeGreaterThan(5);
  });

  test('declares the shapes that it has, and keeps what its metadata is told', () => {
    const head: GeneratedHead = { classes: 2, seed: 1, scales: [{ stride: 2, anchors: 3, kernel: 1, grouped: false, bias: true, renamed: true, kept: [0, 2] }] };
    const cut = decodeModel(cutHead(network(head), cutsOf(head), { heads: '[]' }));
    expect(graphOf(cut).output!.map(valueFacts)).toEqual([{ name: 'head0', dataType: 'float32', dims: [1, 14, 8, 8] }]);
    expect(metadataOf(cut)).toMatchObject({ heads: '[]' });
  });

  test('takes new numbers for the filters that are left', async () => {
    const head: GeneratedHead = { classes: 0, seed: 1, scales: [{ stride: 4, anchors: 2, kernel: 1, grouped: false, bias: true, renamed: false, kept: [1] }] };
    const [cut] = cutsOf(head);
    const model = cutHead(network(head), [{ ...cut!, weights: new Float32Array(10), bias: Float32Array.of(1, 2, 3, 4, 5) }]);
    const { head0 } = await runModel(model, pseudoRandom(3 * SIZE * SIZE, 1), [1, 3, SIZE, SIZE]);
    expect([...head0!.data.filter((_, i) => i % 16 === 0)]).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('the layers of a head', () => {
  const head: GeneratedHead = { classes: 1, seed: 2, scales: [{ stride: 2, anchors: 2, kernel: 3, grouped: false, bias: false, renamed: false, kept: [] }] };
  const described: ModelHead = { kind: 'darknet', scales: [{ output: 'head0', stride: 2, anchors: [[1, 2], [3, 4]] }] };

  test('are read with their numbers', () => {
    const [layer] = readHeadLayers(network(head), described, 6);
    expect(layer).toMatchObject({ output: 'head0', filters: 12, filterSize: 18, isPointwise: false });
    expect([layer!.weights.length, [...layer!.bias]]).toEqual([12 * 18, new Array(12).fill(0)]);
  });

  test.each([
    ['another number of filters', described, 7, 'ERR_MODEL_OUTPUT_SHAPE', /expected 14 filters.*found 12/],
    ['no such tensor', { ...described, scales: [{ ...described.scales![0]!, output: 'nowhere' }] }, 6, 'ERR_MODEL_OUTPUT_SHAPE', /no tensor named 'nowhere'/],
    ['a raw output of no convolution', { ...described, scales: [{ ...described.scales![0]!, output: 'leakyrelu_1' }] }, 6, 'ERR_MODEL_UNSUPPORTED_OP', /leakyrelu_1 \(LeakyRelu\)/],
  ])('%s is told', (_, wrong, columns, code, message) => {
    expect(thrownBy(() => readHeadLayers(network(head), wrong, columns))).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });

  test('are found behind an output by looking for the last convolutions', () => {
    const graph = new GraphBuilder('tail');
    const picture = graph.input('images', 'float32', [1, 3, 8, 8]);
    const body = graph.node('Conv', [picture, graph.floats('body', [4, 3, 1, 1], pseudoRandom(12, 1))]);
    const heads = [12, 6].map((filters) => graph.node('Conv', [body, graph.floats(`w${filters}`, [filters, 4, 1, 1], pseudoRandom(4 * filters, 2))]));
    const rows = heads.map((name, i) => graph.node('Reshape', [graph.node('Sigmoid', [name]), graph.ints([1, [128, 64][i]!, 6])]));
    graph.output(graph.node('Concat', rows, { axis: { i: 1 } }), 'float32', [1, 192, 6], 'output0');
    expect(lastConvolutions(graph.build(), 'output0')).toEqual([{ name: heads[0], filters: 12 }, { name: heads[1], filters: 6 }]);
  });
});

describe.skipIf(!hasShared)(`Yolo-Fastest-1.1-xl${hasShared ? '' : WITHOUT_SHARED}`, () => {
  test('without three anchors says of the others what it said', async () => {
    const model = readFileSync(`${SHARED}models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.onnx`);
    const columns = (anchors: readonly number[]): number[] => anchors.flatMap((anchor) => Array.from({ length: 85 }, (_, k) => anchor * 85 + k));
    const cuts: ScaleCut[] = [{ output: 'head_10x10', filters: columns([2]) }, { output: 'head_20x20', filters: columns([0, 2]) }];
    const input: ModelInput = { ...INPUT, name: graphOf(decodeModel(model)).input![0]!.name!, width: 320, height: 320, color: 'rgb' };
    const planes = toPlanes(Uint8Array.from(pseudoRandom(3 * 320 * 320, 9), (value) => Math.floor(value * 256)), [1, 2, 0]);
    const run = (bytes: Uint8Array) => runModel(prepareInput(bytes, input), planes, [1, 3, 320, 320]);
    expect(differenceOf(await run(model), await run(cutHead(model, cuts)), cuts)).toBeLessThanOrEqual(1e-5);
  });
});
