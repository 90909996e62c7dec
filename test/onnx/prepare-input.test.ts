import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AppError } from '../../src/core/errors.js';
import type { ModelInput } from '../../src/core/manifest.js';
import { importCenternet } from '../../src/onnx/import/import-centernet.js';
import { importTinyFace } from '../../src/onnx/import/import-tiny-face.js';
import type { ImportedModel } from '../../src/onnx/import/imported-model.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { decodeModel, encodeModel, graphOf, makeValueInfo, valueFacts } from '../../src/onnx/model-proto.js';
import { FRAME_INPUT, prepareInput } from '../../src/onnx/prepare/prepare-input.js';
import { packageFile, packageShards } from './goldens.js';
import { hasShared, largestDifference, pseudoRandom, runModel, SHARED, toPlanes, WITHOUT_SHARED } from './support.js';

const INPUT: ModelInput = { name: 'images', layout: 'nchw', dtype: 'float32', width: 8, height: 6, color: 'rgb', scale: 1, mean: [0, 0, 0], fit: 'stretch', padValue: 0 };

/** A picture of random bytes, packed RGB. */
function picture({ width, height }: ModelInput): Uint8Array {
  return Uint8Array.from(pseudoRandom(width * height * 3, 7), (value) => Math.floor(value * 256));
}

/** What the unprepared model is fed with: the manifest's words, computed the slow way. */
function modelInput(rgb: Uint8Array, input: ModelInput): Float32Array | Uint8Array {
  const order = input.color === 'rgb' ? [0, 1, 2] : [2, 1, 0];
  const value = (pixel: number, channel: number): number => (rgb[3 * pixel + order[channel]!]! - input.mean[channel]!) * input.scale;
  const pixels = rgb.length / 3;
  const values = Array.from({ length: rgb.length }, (_, i) => (input.layout === 'nchw' ? value(i % pixels, Math.floor(i / pixels)) : value(Math.floor(i / 3), i % 3)));
  return input.dtype === 'uint8' ? Uint8Array.from(values) : Float32Array.from(values);
}

async function differences(model: Uint8Array, input: ModelInput): Promise<Record<string, number>> {
  const rgb = picture(input);
  const dims = input.layout === 'nchw' ? [1, 3, input.height, input.width] : [1, input.height, input.width, 3];
  const expected = await runModel(model, modelInput(rgb, input), dims);
  const actual = await runModel(prepareInput(model, input), toPlanes(rgb, [1, 2, 0]), [1, 3, input.height, input.width]);
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  return Object.fromEntries(Object.entries(expected).map(([name, { data }]) => [name, largestDifference(actual[name]!.data, data)]));
}

function opTypes(model: Uint8Array): string[] {
  return graphOf(decodeModel(model)).node!.map(({ opType }) => opType ?? '');
}

type Build = (builder: GraphBuilder, picture: string) => string;

function convolve(builder: GraphBuilder, source: string, bias: readonly string[] = [], padding = 1): string {
  const weight = builder.floats('weight', [4, 3, 3, 3], pseudoRandom(4 * 27, 3));
  return builder.node('Conv', [source, weight, ...bias], { kernel_shape: { ints: [3, 3] }, pads: { ints: [padding, padding, padding, padding] } });
}

/** Without padding: two pixels smaller. */
function valid(builder: GraphBuilder, source: string, bias: readonly string[] = []): string {
  return convolve(builder, source, bias, 0);
}

function graph(build: Build, { input = INPUT, output = [1, 4, 6, 8] }: { input?: ModelInput; output?: number[] } = {}): Uint8Array {
  const builder = new GraphBuilder('test');
  const dims = input.layout === 'nchw' ? [1, 3, input.height, input.width] : [1, input.height, input.width, 3];
  builder.output(build(builder, builder.input(input.name, input.dtype, dims)), 'float32', output, 'result');
  return builder.build();
}

function slice(builder: GraphBuilder, source: string, axis: number, start: number, step = 2, end = 1000): string {
  return builder.node('Slice', [source, builder.ints([start]), builder.ints([end]), builder.ints([axis]), builder.ints([step])]);
}

/** The four small pictures of every second row and column, stacked in the order of YOLOX, then a convolution. */
function focus(builder: GraphBuilder, source: string, padding = 1, phases = [[0, 0], [1, 0], [0, 1], [1, 1]]): string {
  const parts = phases.map(([row, column]) => slice(builder, slice(builder, source, 2, row!), 3, column!));
  const stacked = builder.node('Concat', parts, { axis: { i: 1 } });
  const weight = builder.floats('weight', [4, 3 * phases.length, 3, 3], pseudoRandom(4 * 27 * phases.length, 3));
  return builder.node('Conv', [stacked, weight], { kernel_shape: { ints: [3, 3] }, pads: { ints: [padding, padding, padding, padding] } });
}

const FOLDED = ['Cast', 'Conv'];

describe('outputs stay equal', () => {
  test.each<[string, Partial<ModelInput>, Build, string[]]>([
    ['RGB bytes into a convolution: one Cast', {}, convolve, FOLDED],
    ['BGR', { color: 'bgr' }, convolve, FOLDED],
    ['a scale is folded', { scale: 1 / 255 }, convolve, FOLDED],
    ['a mean is subtracted, padding stays right', { mean: [117, 114, 97], scale: 1 / 255 }, convolve, ['Cast', 'Sub', 'Conv']],
    ['a mean goes into the bias where nothing is padded', { mean: [117, 114, 97], scale: 1 / 255, color: 'bgr' }, (builder, source) => builder.node('Pad', [valid(builder, source), builder.ints([0, 0, 1, 1, 0, 0, 1, 1])]), ['Cast', 'Conv', 'Pad']],
    ['a mean beside a bias', { mean: [117, 114, 97] }, (builder, source) => builder.node('Pad', [valid(builder, source, [builder.floats('bias', [4], pseudoRandom(4, 5))]), builder.ints([0, 0, 1, 1, 0, 0, 1, 1])]), ['Cast', 'Conv', 'Pad']],
    ['a bias that is computed', { mean: [117, 114, 97] }, (builder, source) => convolve(builder, source, [builder.node('Neg', [builder.floats('bias', [4], pseudoRandom(4, 5))])]), ['Gather', 'Cast', 'Sub', 'Neg', 'Conv']],
    ['NHWC that the model turns at once', { layout: 'nhwc' }, (builder, source) => convolve(builder, builder.node('Transpose', [source], { perm: { ints: [0, 3, 1, 2] } })), FOLDED],
    [
      'NHWC that something else reads first',
      { layout: 'nhwc', mean: [1, 2, 3], scale: 0.5 },
      (builder, source) => convolve(builder, builder.node('Transpose', [builder.node('Abs', [source])], { perm: { ints: [0, 3, 1, 2] } })),
      ['Gather', 'Transpose', 'Cast', 'Sub', 'Mul', 'Abs', 'Transpose', 'Conv'],
    ],
    ['something other than a convolution reads the picture', { scale: 1 / 255, mean: [1, 2, 3] }, (builder, source) => convolve(builder, builder.node('Neg', [source])), ['Gather', 'Cast', 'Sub', 'Mul', 'Neg', 'Conv']],
    ['a second reader beside the convolution', {}, (builder, source) => builder.node('Add', [convolve(builder, source), builder.node('ReduceMean', [source], { axes: { ints: [1] } })]), ['Gather', 'Cast', 'Conv', 'ReduceMean', 'Add']],
    ['the picture itself is weighed twice with the same weights', { scale: 0.1 }, (builder, source) => builder.node('Add', [convolve(builder, source), convolve(builder, source)]), ['Cast', 'Conv', 'Conv', 'Add']],
    ['a model that takes bytes', { dtype: 'uint8', color: 'bgr' }, (builder, source) => convolve(builder, builder.node('Cast', [source], { to: { i: 1 } })), ['Cast', 'Conv']],
    ['a grouped convolution keeps its channels in place', {}, (builder, source) => builder.node('Conv', [source, builder.floats('weight', [3, 1, 1, 1], Float32Array.of(1, 2, 3))], { group: { i: 3 } }), ['Gather', 'Cast', 'Conv']],
    ['an input that is named frame', { name: 'frame' }, convolve, FOLDED],
    ['an input that is named frame and not folded', { name: 'frame' }, (builder, source) => convolve(builder, builder.node('Neg', [source])), ['Gather', 'Cast', 'Neg', 'Conv']],
  ])('%s', async (_, facts, build, ops) => {
    const input = { ...INPUT, ...facts };
    const isGrouped = ops.join() === 'Gather,Cast,Conv' && input.dtype === 'float32';
    const model = graph(build, { input, output: [1, isGrouped ? 3 : 4, 6, 8] });
    expect(await differences(model, input)).toEqual({ result: expect.closeTo(0, 4) as number });
    expect(opTypes(prepareInput(model, input))).toEqual(ops);
  });

  test.each<[string, Partial<ModelInput>, string[]]>([
    ['BGR with a scale', { color: 'bgr', scale: 1 / 255 }, ['Cast', 'Conv']],
    ['a mean', { mean: [9, 8, 7], scale: 1 / 255 }, ['Cast', 'Sub', 'Conv']],
  ])('a Focus layer becomes a part of its convolution: %s', async (_, facts, ops) => {
    const input = { ...INPUT, ...facts };
    const model = graph(focus, { input, output: [1, 4, 3, 4] });
    expect(await differences(model, input)).toEqual({ result: expect.closeTo(0, 4) as number });
    expect(opTypes(prepareInput(model, input))).toEqual(ops);
  });

  test('a Focus layer without padding takes the mean into the bias', async () => {
    const input = { ...INPUT, mean: [9, 8, 7], scale: 1 / 255 } as const;
    const model = graph((builder, source) => focus(builder, source, 0), { input, output: [1, 4, 1, 2] });
    expect(await differences(model, input)).toEqual({ result: expect.closeTo(0, 4) as number });
    expect(opTypes(prepareInput(model, input))).toEqual(['Cast', 'Conv']);
  });

  test.each<[string, Build, number[]]>([
    ['the same phase twice', (builder, source) => focus(builder, source, 1, [[0, 0], [0, 0], [0, 1], [1, 1]]), [1, 4, 3, 4]],
    ['one phase alone', (builder, source) => focus(builder, source, 1, [[1, 0]]), [1, 4, 3, 4]],
    ['a slice that crops', (builder, source) => convolve(builder, slice(builder, source, 2, 0, 1, 4)), [1, 4, 4, 8]],
    ['a slice that begins later', (builder, source) => convolve(builder, slice(builder, source, 3, 2, 1)), [1, 4, 6, 6]],
  ])('other slices stay: %s', async (_, build, output) => {
    const input = { ...INPUT, scale: 1 / 255, color: 'bgr' } as const;
    const model = graph(build, { input, output });
    expect(await differences(model, input)).toEqual({ result: expect.closeTo(0, 4) as number });
    expect(opTypes(prepareInput(model, input)).slice(0, 3)).toEqual(['Gather', 'Cast', 'Mul']);
  });

  test('slices of channels are no mere moving of pixels', async () => {
    const model = graph((builder, source) => {
      const reds = builder.node('Slice', [source, builder.ints([0]), builder.ints([1]), builder.ints([1])]);
      return builder.node('Conv', [reds, builder.floats('weight', [4, 1, 1, 1], Float32Array.of(1, 2, 3, 4))]);
    });
    expect(await differences(model, INPUT)).toEqual({ result: 0 });
    expect(opTypes(prepareInput(model, INPUT))[0]).toBe('Gather');
  });
});

describe('dimensions', () => {
  const dynamic = (): Uint8Array => {
    const proto = decodeModel(graph(convolve));
    proto.graph!.input = [makeValueInfo('images', 'float32', ['batch', 3, 'height', 'width'])];
    proto.graph!.output = [makeValueInfo('result', 'float32', ['batch', 4, 'height', 'width'])];
    return encodeModel(proto);
  };

  test('open ones become those of the manifest, in outputs too', () => {
    const prepared = graphOf(decodeModel(prepareInput(dynamic(), INPUT)));
    expect(valueFacts(prepared.input![0]!)).toEqual({ name: FRAME_INPUT, dataType: 'uint8', dims: [1, 3, 6, 8] });
    expect(valueFacts(prepared.output![0]!).dims).toEqual([1, 4, 6, 8]);
  });

  test.each<[string, Partial<ModelInput>, string]>([
    ['another size', { width: 16 }, 'Expected an input of 1x3x6x16 in the model but found 1x3x6x8'],
    ['another name', { name: 'data' }, 'Expected an input named data in the model but found images'],
    ['another type', { dtype: 'uint8' }, 'Expected an input of uint8 in the model but found float32'],
    ['another layout', { layout: 'nhwc' }, 'Expected an input of 1x6x8x3 in the model but found 1x3x6x8'],
  ])('%s than the manifest is refused', (_, facts, message) => {
    const prepare = (): unknown => prepareInput(graph(convolve), { ...INPUT, ...facts });
    expect(prepare).toThrow(expect.objectContaining({ code: 'ERR_MODEL_MANIFEST', message }) as AppError);
  });
});

describe.skipIf(!hasShared)(`published models${hasShared ? '' : ` (skipped: ${WITHOUT_SHARED})`}`, () => {
  const darknet: ModelInput = { ...INPUT, width: 320, height: 320, scale: 1 / 255 };
  test.each<[string, ModelInput]>([
    ['yolo-fastest-1.1/yolo-fastest-1.1', darknet],
    ['yolo-fastest-1.1-xl/yolo-fastest-1.1-xl', darknet],
    ['yolox-nano/yolox_nano', { ...INPUT, width: 416, height: 416, color: 'bgr' }],
  ])('%s gives the same outputs', async (name, input) => {
    const found = await differences(readFileSync(`${SHARED}models/${name}.onnx`), input);
    expect(Math.max(...Object.values(found))).toBeLessThan(1e-4);
  });
});

describe('imported models', () => {
  test.each<[string, () => ImportedModel]>([
    ['CenterNet', () => importCenternet(packageFile('human/models/centernet.json').toString(), packageShards('human/models'))],
    ['the tiny face detector', () => importTinyFace(packageFile('face-api/model/tiny_face_detector_model-weights_manifest.json').toString(), packageShards('face-api/model'))],
  ])('%s gives the same outputs, its picture costs one Cast', async (_, importModel) => {
    const { onnx, input } = importModel();
    const found = await differences(onnx, input);
    expect(Math.max(...Object.values(found))).toBeLessThan(1e-4);
    expect(opTypes(prepareInput(onnx, input)).slice(0, 2)).toEqual(['Cast', 'Conv']);
  });
});
