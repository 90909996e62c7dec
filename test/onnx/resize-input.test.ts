import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { ModelInput } from '../../src/core/manifest.js';
import type { Size } from '../../src/core/size.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { importDarknet } from '../../src/onnx/import/import-darknet.js';
import { decodeModel, feedsOf, graphOf, valueFacts } from '../../src/onnx/model-proto.js';
import { resizeInput } from '../../src/onnx/resize/resize-input.js';
import { modelPathOf } from './installed.js';
import { darknetPair } from '../model-store/test-models.js';
import { hasShared, largestDifference, pseudoRandom, runModel, SHARED, WITHOUT_SHARED, type Outputs } from './support.js';

const INPUT: Omit<ModelInput, 'width' | 'height'> = { name: 'images', layout: 'nchw', dtype: 'float32', color: 'rgb', scale: 1, mean: [0, 0, 0], fit: 'stretch', padValue: 0 };
const size = (width: number, height = width): Size => ({ width, height });

function run(model: Uint8Array, { width, height }: Size): Promise<Outputs> {
  return runModel(model, pseudoRandom(3 * width * height, 5), [1, 3, height, width]);
}

/** The resized network gives what one that was made for that size gives. */
async function expectSame(make: (size: Size) => Uint8Array, from: Size, to: Size): Promise<readonly string[]> {
  const { onnx, input, adapted } = resizeInput(make(from), { ...INPUT, ...from }, to);
  expect(input).toEqual({ ...INPUT, ...to });
  const [actual, expected] = [await run(onnx, to), await run(make(to), to)];
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, { dims, data }] of Object.entries(expected)) {
    expect(actual[name]!.dims).toEqual([...dims]);
    expect(largestDifference(actual[name]!.data, data)).toBeLessThan(1e-6);
  }
  return adapted;
}

const ANCHORS = [[10, 13], [16, 30], [33, 23]] as const;
const STRIDES = [8, 16] as const;
const { cfg: CFG, weights: WEIGHTS } = darknetPair();

/** A raw map of `channels` channels with a given stride. */
function rawMap(graph: GraphBuilder, images: string, stride: number, channels: number): string {
  const weight = graph.floats(`weight${stride}`, [channels, 3, stride, stride], pseudoRandom(channels * 3 * stride * stride, stride));
  return graph.node('Conv', [images, weight], { strides: { ints: [stride, stride] } });
}

const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1);

/** Values of a constant, from its index. */
function constant(graph: GraphBuilder, name: string, dims: readonly number[], valueAt: (index: readonly number[]) => number): string {
  const strides = dims.map((_, axis) => product(dims.slice(axis + 1)));
  return graph.floats(name, dims, Float32Array.from({ length: product(dims) }, (_, i) => valueAt(dims.map((side, axis) => Math.floor(i / strides[axis]!) % side))));
}

/** As YOLOv5 exports it: grids and anchors over every cell as constants, reshapes to written sizes. */
function yolov5Tail({ width, height }: Size): Uint8Array {
  const graph = new GraphBuilder('v5');
  const images = graph.input('images', 'float32', [1, 3, height, width]);
  const scales = STRIDES.map((stride) => {
    const [rows, columns] = [height / stride, width / stride];
    const split = graph.node('Reshape', [rawMap(graph, images, stride, 21), graph.ints([1, 3, 7, rows, columns])]);
    const turned = graph.node('Sigmoid', [graph.node('Transpose', [split], { perm: { ints: [0, 1, 3, 4, 2] } })]);
    const [xy, wh, rest] = graph.nodes('Split', [turned, graph.ints([2, 2, 3])], 3, { axis: { i: 4 } });
    const grid = constant(graph, `grid${stride}`, [1, 3, rows, columns, 2], ([, , row, column, axis]) => (axis === 0 ? column! : row!) - 0.5);
    const anchors = constant(graph, `anchors${stride}`, [1, 3, rows, columns, 2], ([, anchor, , , axis]) => ANCHORS[anchor!]![axis!]!);
    const center = graph.node('Mul', [graph.node('Add', [graph.node('Mul', [xy!, graph.scalar(2)]), grid]), graph.scalar(stride)]);
    const sides = graph.node('Mul', [graph.node('Pow', [graph.node('Mul', [wh!, graph.scalar(2)]), graph.scalar(2)]), anchors]);
    return graph.node('Reshape', [graph.node('Concat', [center, sides, rest!], { axis: { i: 4 } }), graph.ints([1, 3 * rows * columns, 7])]);
  });
  const count = STRIDES.reduce((sum, stride) => sum + 3 * (width / stride) * (height / stride), 0);
  graph.output(graph.node('Concat', scales, { axis: { i: 1 } }), 'float32', [1, count, 7], 'output0');
  return graph.build();
}

/** As YOLOv8 exports it: all scales in one axis, cell centres and strides as constants over it. */
function yolov8Tail({ width, height }: Size): Uint8Array {
  const graph = new GraphBuilder('v8');
  const images = graph.input('images', 'float32', [1, 3, height, width]);
  const cells = STRIDES.flatMap((stride) => Array.from({ length: (width / stride) * (height / stride) }, (_, i) => [(i % (width / stride)) + 0.5, Math.floor(i / (width / stride)) + 0.5, stride] as const));
  const flat = STRIDES.map((stride) => graph.node('Reshape', [rawMap(graph, images, stride, 6), graph.ints([1, 6, (width / stride) * (height / stride)])]));
  const joined = graph.node('Concat', flat, { axis: { i: 2 } });
  const [boxes, scores] = graph.nodes('Split', [joined, graph.ints([4, 2])], 2, { axis: { i: 1 } });
  const [near, far] = graph.nodes('Split', [boxes!], 2, { axis: { i: 1 } });
  const centres = constant(graph, 'centres', [1, 2, cells.length], ([, axis, cell]) => cells[cell!]![axis!]!);
  const strides = constant(graph, 'strides', [1, cells.length], ([, cell]) => cells[cell!]![2]);
  const corners = [graph.node('Sub', [centres, near!]), graph.node('Add', [far!, centres])];
  const decoded = graph.node('Mul', [graph.node('Concat', corners, { axis: { i: 1 } }), strides]);
  graph.output(graph.node('Concat', [decoded, graph.node('Sigmoid', [scores!])], { axis: { i: 1 } }), 'float32', [1, 6, cells.length], 'output0');
  return graph.build();
}

/** As CenterNet has it: the best places of a map, taken apart into class, row and column by written sizes. */
function peaks({ width, height }: Size): Uint8Array {
  const graph = new GraphBuilder('peaks');
  const [rows, columns, classes] = [height / 8, width / 8, 5];
  const images = graph.input('images', 'float32', [1, 3, height, width]);
  const heat = graph.node('Reshape', [rawMap(graph, images, 8, classes), graph.ints([1, classes * rows * columns])]);
  const [scores, places] = graph.nodes('TopK', [heat, graph.ints([9])], 2, { axis: { i: 1 } });
  const number = (value: number): string => graph.int64s([], [value]);
  const classId = graph.node('Div', [places!, number(rows * columns)]);
  const cell = graph.node('Mod', [places!, number(rows * columns)]);
  const row = graph.node('Div', [cell, number(columns)]);
  const column = graph.node('Sub', [cell, graph.node('Mul', [row, number(columns)])]);
  const again = graph.node('Add', [graph.node('Mul', [row, number(columns)]), graph.node('Mod', [cell, number(columns)])]);
  const offsets = graph.node('Reshape', [graph.node('Transpose', [rawMap(graph, images, 8, classes)], { perm: { ints: [0, 2, 3, 1] } }), graph.ints([rows * columns, classes])]);
  const picked = graph.node('Gather', [offsets, graph.node('Reshape', [again, graph.ints([9])])]);
  const parts = [classId, row, column].map((one) => graph.node('Cast', [one], { to: { i: 1 } }));
  graph.output(graph.node('Concat', [scores!, ...parts], { axis: { i: 0 } }), 'float32', [4, 9], 'best');
  graph.output(picked, 'float32', [9, classes], 'picked');
  return graph.build();
}

/** Squeeze and excitation by a window over the whole plane, an enlargement to a written size, a cut of the border. */
function planes({ width, height }: Size): Uint8Array {
  const graph = new GraphBuilder('planes');
  const [rows, columns] = [height / 8, width / 8];
  const map = rawMap(graph, graph.input('images', 'float32', [1, 3, height, width]), 8, 4);
  const mean = graph.node('AveragePool', [map], { kernel_shape: { ints: [rows, columns] } });
  const large = graph.node('Resize', [graph.node('Mul', [map, mean]), '', '', graph.ints([1, 4, 2 * rows, 2 * columns])], { mode: { s: 'nearest' }, coordinate_transformation_mode: { s: 'asymmetric' }, nearest_mode: { s: 'floor' } });
  const cut = graph.node('Slice', [large, graph.ints([1, 0]), graph.ints([-1, 9999]), graph.ints([2, 3]), graph.ints([1, 2])]);
  graph.output(cut, 'float32', [1, 4, 2 * rows - 2, columns], 'cut');
  return graph.build();
}

describe('a resized network gives what one that was made for that size gives', () => {
  test.each([
    ['a YOLOv5 tail with grids, smaller', yolov5Tail, size(64), size(32), 8],
    ['a YOLOv5 tail with grids, larger and oblong', yolov5Tail, size(64), size(96, 128), 8],
    ['a YOLOv8 tail, three constants over one axis of all scales', yolov8Tail, size(64), size(96, 32), 5],
    ['places taken apart by written sizes', peaks, size(64), size(48, 96), 8],
    ['a mean by a window, sizes and borders', planes, size(64), size(96, 40), 2],
    ['nothing to adapt', (to: Size) => importDarknet(CFG, WEIGHTS, { size: to }).onnx, size(64), size(96, 32), 0],
  ])('%s', async (_, make, from, to, adapted) => {
    expect(await expectSame(make, from, to)).toHaveLength(adapted);
  });

  it('whatever the sizes', async () => {
    const side = fc.integer({ min: 2, max: 9 }).map((blocks) => blocks * 16);
    const pair = fc.record({ width: side, height: side });
    await fc.assert(
      fc.asyncProperty(pair, pair, fc.constantFrom(yolov5Tail, yolov8Tail, peaks), async (from, to, make) => {
        await expectSame(make, from, to);
      }),
      { numRuns: 30, seed: 3 },
    );
  });

  test.skipIf(!hasShared)(`Yolo-Fastest at 256x192 is the .cfg imported for that size ${hasShared ? '' : WITHOUT_SHARED}`, async () => {
    const folder = `${SHARED}models/yolo-fastest-1.1/yolo-fastest-1.1`;
    const [cfg, weights] = [readFileSync(`${folder}.cfg`, 'utf8'), readFileSync(`${folder}.weights`)];
    await expectSame((to) => importDarknet(cfg, weights, { size: to }).onnx, size(320), size(256, 192));
  });

  test.skipIf(!hasShared)(`YOLOX-Nano at another size says so in its output ${hasShared ? '' : WITHOUT_SHARED}`, async () => {
    const { onnx } = resizeInput(readFileSync(`${SHARED}models/yolox-nano/yolox_nano.onnx`), { ...INPUT, ...size(416) }, size(320, 256));
    expect(valueFacts(graphOf(decodeModel(onnx)).output![0]!).dims).toEqual([1, 1680, 85]);
    expect((await run(onnx, size(320, 256)))['output']!.dims).toEqual([1, 1680, 85]);
  });

  it('CenterNet finds the same thing where the picture is only larger on one side', async () => {
    const onnx = readFileSync(await modelPathOf('centernet-coco'));
    const input: ModelInput = { ...INPUT, name: feedsOf(graphOf(decodeModel(onnx)))[0]!.name!, ...size(512) };
    const best = async (model: Uint8Array, { width, height }: Size): Promise<Float32Array> => {
      // A bright block on grey, far from where the added rows are.
      const pixels = new Float32Array(3 * width * height).fill(110);
      for (let plane = 0; plane < 3; plane += 1) for (let y = 120; y < 260; y += 1) pixels.fill(230 - 60 * plane, (plane * height + y) * width + 100, (plane * height + y) * width + 300);
      return (await runModel(model, pixels, [1, 3, height, width]))['detections']!.data.slice(0, 6);
    };
    const [own, wider] = [await best(onnx, size(512)), await best(resizeInput(onnx, input, size(768, 512)).onnx, size(768, 512))];
    // The plane's mean, which squeeze and excitation use, shifts all values a little.
    expect(wider[5]).toBe(own[5]);
    for (let side = 0; side < 4; side += 1) expect(Math.abs(wider[side]! - own[side]!)).toBeLessThan(40);
  });
});

it('leaves a network alone that is of that size already', () => {
  const { adapted, input } = resizeInput(yolov5Tail(size(64)), { ...INPUT, ...size(64) }, size(64));
  expect(adapted).toEqual([]);
  expect(input).toEqual({ ...INPUT, ...size(64) });
});

describe('refuses, naming the node', () => {
  const build = (fill: (graph: GraphBuilder, map: string) => string): Uint8Array => {
    const graph = new GraphBuilder('refused');
    graph.output(fill(graph, rawMap(graph, graph.input('images', 'float32', [1, 3, 64, 64]), 8, 4)), 'float32', [1, 4, 8, 8], 'y');
    return graph.build();
  };
  test.each<[string, Uint8Array, Size, RegExp]>([
    ['a classifier on all pixels', build((graph, map) => graph.node('Gemm', [graph.node('Flatten', [map]), graph.floats('w', [256, 2], new Float32Array(512))])), size(96), /gemm_\d.*256 values, which would be 576/],
    ['a constant over the picture that is no grid', build((graph, map) => graph.node('Add', [map, graph.floats('c', [8, 8], pseudoRandom(64))])), size(96), /add_\d.*no grid/],
    ['coordinates from 0 to 1', build((graph, map) => graph.node('Add', [map, constant(graph, 'c', [8, 8], ([row]) => row! / 8)])), size(96), /add_\d.*no grid/],
    ['a scalar that is the size of the picture', build((graph, map) => graph.node('Mul', [map, graph.scalar(64)])), size(96), /mul_\d.*64 looks like the picture's old size/],
    ['a cut at a written row', build((graph, map) => graph.node('Slice', [map, graph.ints([2]), graph.ints([6]), graph.ints([2])])), size(96), /slice_\d.*cuts at 2 and 6 of 8/],
    ['a reshape that mixes rows and channels', build((graph, map) => graph.node('Reshape', [map, graph.ints([1, 16, 2, 8])])), size(96), /reshape_\d.*nobody can tell/],
    ['an expansion to a written size', build((graph, map) => graph.node('Add', [map, graph.node('Expand', [graph.node('GlobalAveragePool', [map]), graph.ints([1, 4, 8, 8])])])), size(96), /expand_\d.*1x4x8x8/],
    ['places told apart by a number that is no size', peaksWith(30), size(96), /div_\d.*apart with 30/],
    ['sizes whose scales do not meet', build((graph, map) => graph.node('Concat', [map, graph.node('Resize', [graph.node('MaxPool', [map], { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } }), '', graph.floats('s', [4], Float32Array.of(1, 1, 2, 2))])], { axis: { i: 1 } })), size(72), /concat_\d.*can't be joined/],
  ])('%s', (_, model, to, message) => {
    const attempt = (): unknown => resizeInput(model, { ...INPUT, ...size(64) }, to);
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_MODEL_UNSUPPORTED_OP', message: expect.stringMatching(message) as string, fix: expect.stringContaining(`${to.width}x${to.height}`) as string }));
  });
});

function peaksWith(divisor: number): Uint8Array {
  const graph = new GraphBuilder('odd');
  const heat = graph.node('Reshape', [rawMap(graph, graph.input('images', 'float32', [1, 3, 64, 64]), 8, 5), graph.ints([1, 320])]);
  const [, places] = graph.nodes('TopK', [heat, graph.ints([9])], 2, { axis: { i: 1 } });
  graph.output(graph.node('Div', [places!, graph.int64s([], [divisor])]), 'int64', [1, 9], 'y');
  return graph.build();
}
