import { describe, expect, test } from 'vitest';
import type { Anchors, ModelManifest } from '../../src/core/manifest.js';
import { createDecoder, type ModelOutputs } from '../../src/detector/decoder.js';
import { OfflineSession } from '../../src/inference/offline-session.js';
import { manifestOf as manifestOfDraft, type AddOptions } from '../../src/model-store/draft.js';
import { draftLocal } from '../../src/model-store/draft-local.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { DATA_TYPES, decodeModel, encodeModel, floatData, graphOf, makeNode, makeTensor, makeValueInfo, type ModelProto } from '../../src/onnx/model-proto.js';
import { prepareInput } from '../../src/onnx/prepare/prepare-input.js';
import { rejectionOf } from '../fixtures/failure.js';
import { manifestOf } from '../detector/manifest.js';
import { referenceDecode } from '../detector/reference-decode.js';
import { largestDifference, pseudoRandom } from '../onnx/support.js';
import { detector, namesMetadata, VARIANTS, type VariantShape } from './export-variants.js';

const SHAPE: VariantShape = { width: 96, height: 64, strides: [8, 16, 32], classes: 3, seed: 3 };
const THRESHOLDS = { confidenceThreshold: 0.3, iouThreshold: 0.45, maxDetections: 1000 };
const NO_FIT = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };
const frame = Uint8Array.from(pseudoRandom(3 * SHAPE.width * SHAPE.height, 5), (value) => Math.floor(value * 256));

interface Added {
  readonly manifest: ModelManifest;
  readonly onnx: Uint8Array;
}

async function add(onnx: Uint8Array, options: AddOptions = {}): Promise<Added> {
  const draft = await draftLocal({ kind: 'onnx', name: 'odd.onnx', onnx, labels: undefined }, options);
  return { manifest: manifestOfDraft('odd', draft), onnx: draft.onnx };
}

async function run({ manifest, onnx }: Added): Promise<ModelOutputs> {
  const session = await OfflineSession.create(prepareInput(onnx, { ...manifest.input, scale: 1 / 255, color: 'rgb' }));
  try {
    return (await session.run({ frame: { type: 'uint8', dims: [1, 3, manifest.input.height, manifest.input.width], data: frame } })) as ModelOutputs;
  } finally {
    await session.release();
  }
}

async function boxesOf(added: Added): Promise<number[]> {
  const { count, xyxy, confidence, classId } = createDecoder(added.manifest).decode(await run(added), THRESHOLDS, NO_FIT, SHAPE);
  return Array.from({ length: count }, (_, i) => [...xyxy.subarray(4 * i, 4 * i + 4), confidence[i]!, classId[i]!]).flat();
}

function yolov8(): Uint8Array {
  const made = detector(SHAPE);
  VARIANTS[0]!.outputs(made);
  return made.graph.build(namesMetadata(SHAPE.classes));
}

function edited(bytes: Uint8Array, edit: (model: ModelProto) => void): Uint8Array {
  const model = decodeModel(bytes);
  edit(model);
  return encodeModel(model);
}

describe('raw anchor grids with the anchors of the user', () => {
  const anchors: readonly Anchors[] = [[[10, 13], [16, 30]], [[30, 61], [62, 45]], [[116, 90], [156, 198]]];
  type Layout = readonly [name: string, shape: (h: number, w: number) => readonly number[], perm: readonly number[]];
  const columns = 5 + SHAPE.classes;
  const layouts: readonly Layout[] = [
    ['[1,A*(5+C),H,W]', (h, w) => [1, 2 * columns, h, w], []],
    ['[1,H,W,A*(5+C)]', (h, w) => [1, h, w, 2 * columns], [0, 3, 4, 1, 2]],
    ['[1,A,H,W,5+C]', (h, w) => [1, 2, h, w, columns], [0, 1, 3, 4, 2]],
    ['[1,A,5+C,H,W]', (h, w) => [1, 2, columns, h, w], []],
    ['[1,H,W,A,5+C]', (h, w) => [1, h, w, 2, columns], [0, 3, 4, 1, 2]],
  ];

  function grids([, shape, perm]: Layout): Uint8Array {
    const graph = new GraphBuilder('grids');
    const images = graph.input('images', 'float32', [1, 3, SHAPE.height, SHAPE.width]);
    for (const stride of SHAPE.strides) {
      const [h, w] = [SHAPE.height / stride, SHAPE.width / stride];
      const dims = [2 * columns, 3, stride, stride];
      const weights = pseudoRandom(dims.reduce((a, b) => a * b), stride).map((value) => ((value - 0.5) * 8) / Math.sqrt(3 * stride * stride));
      const raw = graph.node('Conv', [images, graph.floats(`w${stride}`, dims, weights)], { strides: { ints: [stride, stride] } });
      const apart = graph.node('Reshape', [raw, graph.ints([1, 2, columns, h, w])]);
      const turned = perm.length > 0 ? graph.node('Transpose', [apart], { perm: { ints: [...perm] } }) : apart;
      graph.output(graph.node('Reshape', [turned, graph.ints(shape(h, w))]), 'float32', shape(h, w), `stride${stride}`);
    }
    return graph.build(namesMetadata(SHAPE.classes));
  }

  test.each(layouts)('%s', async (...layout) => {
    const added = await add(grids(layout), { head: 'darknet', anchors });
    expect(added.manifest.head.kind).toBe('darknet');
    const plain = await add(grids(layouts[0]!), { head: 'darknet', anchors });
    const manifest = manifestOf(plain.manifest.head, SHAPE.classes, SHAPE);
    const expected = referenceDecode(manifest, await run(plain), THRESHOLDS, NO_FIT, SHAPE).boxes;
    expect(expected.length).toBeGreaterThan(3);
    expect(largestDifference(await boxesOf(added), expected.flatMap(({ xyxy, confidence, classId }) => [...xyxy, confidence, classId]))).toBeLessThan(1e-4);
  });

  test('five dimensions are those of YOLOv5; one list of anchors is dealt out', async () => {
    const { head } = (await add(grids(layouts[2]!), { anchors: [anchors.flat()] })).manifest;
    expect(head.kind).toBe('yolov5-raw');
    expect(head.scales!.map((scale) => scale.anchors)).toEqual(anchors);
  });

  test.each<[string, AddOptions, RegExp]>([
    ['no anchors', {}, /--anchors "10,13/],
    ['another number of scales', { head: 'darknet', anchors: anchors.slice(0, 2) }, /scales/],
    ['another number of anchors', { head: 'darknet', anchors: [[[1, 2], [3, 4], [5, 6]], [[1, 2], [3, 4], [5, 6]], [[1, 2], [3, 4], [5, 6]]] }, /finest scale/],
  ])('%s: the error says how to name them', async (_, options, fix) => {
    const error = await rejectionOf(add(grids(layouts[0]!), options));
    expect(error).toMatchObject({ code: 'ERR_MODEL_HEAD_UNKNOWN', fix: expect.stringMatching(fix) as string });
  });
});

test('YOLOv8 before its last layer: bins of distance become boxes', async () => {
  const graph = new GraphBuilder('bins');
  const images = graph.input('images', 'float32', [1, 3, SHAPE.height, SHAPE.width]);
  for (const stride of SHAPE.strides) {
    const dims = [64 + SHAPE.classes, 3, stride, stride];
    const weights = pseudoRandom(dims.reduce((a, b) => a * b), stride).map((value) => ((value - 0.5) * 16) / Math.sqrt(3 * stride * stride));
    graph.output(graph.node('Conv', [images, graph.floats(`w${stride}`, dims, weights)], { strides: { ints: [stride, stride] } }), 'float32', [1, dims[0]!, SHAPE.height / stride, SHAPE.width / stride], `s${stride}`);
  }
  const bytes = graph.build(namesMetadata(SHAPE.classes));
  const added = await add(bytes);
  expect(added.manifest.head.kind).toBe('yolov8');
  const raw = await run({ manifest: added.manifest, onnx: bytes });
  const planes = Object.values(await run(added))[0]!;
  const cells = planes.dims[2]!;
  let cell = 0;
  for (const stride of SHAPE.strides) {
    const { data, dims } = raw[`s${stride}`]!;
    const count = dims[2]! * dims[3]!;
    for (let i = 0; i < count; i += 1, cell += 1) {
      const distance = (side: number): number => {
        const exps = Array.from({ length: 16 }, (_, bin) => Math.exp(data[(side * 16 + bin) * count + i]!));
        return (exps.reduce((sum, value, bin) => sum + value * bin, 0) / exps.reduce((sum, value) => sum + value, 0)) * stride;
      };
      const [x, y] = [((i % dims[3]!) + 0.5) * stride, (Math.floor(i / dims[3]!) + 0.5) * stride];
      const [left, top, right, bottom] = [x - distance(0), y - distance(1), x + distance(2), y + distance(3)];
      const expected = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top, 1 / (1 + Math.exp(-data[64 * count + i]!))];
      expect(largestDifference(Array.from({ length: 5 }, (_, plane) => planes.data[plane * cells + cell]!), expected)).toBeLessThan(1e-3);
    }
  }
});

describe('half precision, open sizes, batches, inputs beside the picture', () => {
  test('a float16 model gives what the same weights in float32 give', async () => {
    const half = edited(yolov8(), (model) => {
      const graph = graphOf(model);
      graph.initializer = graph.initializer!.map((tensor) => (tensor.dataType === DATA_TYPES.float32 ? makeTensor(tensor.name!, 'float16', (tensor.dims ?? []).map(Number), Uint16Array.from(floatData(tensor), toHalf)) : tensor));
      graph.input = [makeValueInfo('images', 'float16', [1, 3, SHAPE.height, SHAPE.width])];
      graph.output![0]!.type!.tensorType!.elemType = DATA_TYPES.float16;
    });
    const [added, original] = await Promise.all([add(half), add(yolov8())]);
    expect(added.manifest.input.dtype).toBe('float32');
    expect(added.manifest.lineage.operations[0]).toMatchObject({ kind: 'widen-float16', weights: expect.any(Number) as number });
    const [found, expected] = [await run(added), await run(original)];
    // Weights have eleven bits, over a sum of 192 of them.
    expect(largestDifference(found['output0']!.data, expected['output0']!.data)).toBeLessThan(0.02);
    expect(graphOf(decodeModel(added.onnx)).initializer!.some(({ dataType }) => dataType === DATA_TYPES.float16)).toBe(false);
  });

  test('weights that are stored in half are constants of their convolutions again', async () => {
    const half = edited(yolov8(), (model) => {
      const graph = graphOf(model);
      const casts = graph.initializer!.filter(({ dataType }) => dataType === DATA_TYPES.float32).map(({ name }) => makeNode('Cast', `widen_${name!}`, [`${name!}_half`], [name!], { to: { i: DATA_TYPES.float32 } }));
      graph.initializer = graph.initializer!.map((tensor) => (tensor.dataType === DATA_TYPES.float32 ? makeTensor(`${tensor.name!}_half`, 'float16', (tensor.dims ?? []).map(Number), Uint16Array.from(floatData(tensor), toHalf)) : tensor));
      graph.node = [...casts, ...graph.node!];
    });
    const [added, original] = await Promise.all([add(half), add(yolov8())]);
    const graph = graphOf(decodeModel(added.onnx));
    expect(graph.node!.some(({ opType }) => opType === 'Cast')).toBe(false);
    const constants = new Set(graph.initializer!.map(({ name }) => name));
    expect(graph.node!.filter(({ opType }) => opType === 'Conv').every(({ input }) => constants.has(input![1]))).toBe(true);
    expect(largestDifference((await run(added))['output0']!.data, (await run(original))['output0']!.data)).toBeLessThan(0.02);
  });

  test('bfloat16 is refused by name', async () => {
    const model = edited(yolov8(), ({ graph }) => {
      graph!.initializer!.push(makeTensor('half', 'float16', [1], Uint16Array.of(0)));
      graph!.node!.push(makeNode('Cast', 'to_brain', ['half'], ['brain'], { to: { i: 16 } }));
    });
    expect(await rejectionOf(add(model))).toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED_OP', message: expect.stringContaining('to_brain') as string });
  });

  test('a batch of four becomes one, and gives the same', async () => {
    const [added, original] = await Promise.all([add(ofBatch(4)), add(yolov8())]);
    expect(added.manifest.lineage.operations[0]).toMatchObject({ kind: 'single-batch', batch: 4 });
    expect(largestDifference(await boxesOf(added), await boxesOf(original))).toBeLessThan(1e-4);
  });

  test('a batch that is mixed inside is refused: the outputs would be others', async () => {
    const mixed = edited(ofBatch(2), ({ graph }) => {
      graph!.node!.push(makeNode('ReduceMean', 'over_batch', ['output0'], ['mean'], { axes: { ints: [0] } }), makeNode('CumSum', 'along_batch', ['output0', 'axis'], ['sum']));
      graph!.initializer!.push(makeTensor('axis', 'int64', [], BigInt64Array.of(0n)));
      graph!.node!.push(makeNode('ReduceSum', 'whole', ['sum'], ['all'], { keepdims: { i: 1 } }), makeNode('Add', 'mix', ['output0', 'all'], ['mixed']));
      graph!.output = [makeValueInfo('mixed', 'float32', [2, 7, 126])];
    });
    expect(await rejectionOf(add(mixed))).toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED_OP', fix: expect.stringContaining('batch of 1') as string });
  });

  test('open batch and size: the user says it, and the size of the picture follows', async () => {
    const graph = new GraphBuilder('open');
    const images = graph.input('images', 'float32', [1, 3, 64, 64]);
    const pooled = graph.node('AveragePool', [images], { kernel_shape: { ints: [16, 16] }, strides: { ints: [16, 16] } });
    const raw = graph.node('Conv', [pooled, graph.floats('w', [7, 3, 1, 1], pseudoRandom(21, 4))]);
    const coarse = graph.node('AveragePool', [raw], { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } });
    const planes = graph.node('Concat', [raw, coarse].map((x) => graph.node('Reshape', [x, graph.ints([0, 7, -1])])), { axis: { i: 2 } });
    graph.output(planes, 'float32', [1, 7, 20], 'output0');
    const model = edited(graph.build(namesMetadata(3)), (proto) => {
      graphOf(proto).input = [makeValueInfo('images', 'float32', ['batch', 3, '?', 'width'])];
      graphOf(proto).output = [makeValueInfo('output0', 'float32', ['batch', 7, 'boxes'])];
    });
    const { manifest } = await add(model, { size: { width: 128, height: 96 }, head: 'yolov8' });
    expect(manifest.input).toMatchObject({ width: 128, height: 96, dtype: 'float32' });
    expect((await run({ manifest: { ...manifest, input: { ...manifest.input, width: 96, height: 64 } }, onnx: model }))['output0']!.dims).toEqual([1, 7, 24 + 6]);
  });

  test('scale factor and picture size become constants', async () => {
    const model = edited(yolov8(), ({ graph }) => {
      graph!.input!.push(makeValueInfo('scale_factor', 'float32', [1, 2]), makeValueInfo('im_shape', 'float32', [1, 2]));
      graph!.node!.push(makeNode('ReduceProd', 'product', ['scale_factor'], ['factor']), makeNode('Mul', 'scaled', ['output0', 'factor'], ['result']));
      graph!.output = [makeValueInfo('result', 'float32', [1, 7, 126])];
    });
    const [added, original] = await Promise.all([add(model), add(yolov8())]);
    expect(added.manifest.lineage.operations[0]).toMatchObject({ kind: 'bind-inputs', inputs: [{ name: 'scale_factor', values: [1, 1] }, { name: 'im_shape', values: [64, 96] }] });
    expect(largestDifference(await boxesOf(added), await boxesOf(original))).toBe(0);
  });

  test('another input is refused by name', async () => {
    const model = edited(yolov8(), ({ graph }) => void graph!.input!.push(makeValueInfo('prompt', 'int64', [1, 77])));
    expect(await rejectionOf(add(model))).toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED_OP', message: expect.stringContaining('prompt') as string });
  });
});

describe('suppression inside', () => {
  test('as many rows as there are objects: none is an answer, too', async () => {
    const made = detector(SHAPE);
    const { graph } = made;
    const half = graph.node('Mul', [made.size, graph.scalar(0.5)]);
    const corners = graph.node('Transpose', [graph.node('Concat', [graph.node('Sub', [made.centre, half]), graph.node('Add', [made.centre, half])], { axis: { i: 1 } })], { perm: { ints: [0, 2, 1] } });
    const chosen = graph.node('NonMaxSuppression', [corners, made.classScores, graph.int64s([1], [1000]), graph.floats('iou', [1], Float32Array.of(0.45)), graph.floats('score', [1], Float32Array.of(0.3))]);
    const column = (i: number): string => graph.node('Gather', [chosen, graph.int64s([], [i])], { axis: { i: 1 } });
    const flatBoxes = graph.node('Reshape', [corners, graph.ints([-1, 4])]);
    const scores = graph.node('GatherND', [graph.node('Reshape', [made.classScores, graph.ints([SHAPE.classes, -1])]), graph.node('Slice', [chosen, graph.ints([1]), graph.ints([3]), graph.ints([1])])]);
    const asColumn = (x: string): string => graph.node('Reshape', [graph.node('Cast', [x], { to: { i: 1 } }), graph.ints([-1, 1])]);
    const rows = graph.node('Concat', [asColumn(column(0)), graph.node('Gather', [flatBoxes, column(2)]), asColumn(column(1)), asColumn(scores)], { axis: { i: 1 } });
    graph.output(rows, 'float32', [1, 7], 'output');
    const bytes = edited(graph.build(namesMetadata(SHAPE.classes)), (model) => (graphOf(model).output = [makeValueInfo('output', 'float32', ['boxes', 7])]));
    const added = await add(bytes);
    expect(added.manifest.head.kind).toBe('rows');
    const expected = referenceDecode(manifestOf({ kind: 'yolov8', output: 'output0' }, SHAPE.classes, SHAPE), await run(await add(yolov8())), { ...THRESHOLDS, multiLabel: true }, NO_FIT, SHAPE).boxes;
    const found = createDecoder(added.manifest).decode(await run(added), THRESHOLDS, NO_FIT, SHAPE);
    expect(found.count).toBe(expected.length);
    const assumptions = added.manifest.lineage.operations.at(-1)!['assumptions'] as { what: string; evidence: string }[];
    expect(assumptions.find(({ what }) => what === 'suppression')?.evidence).toMatch(/IoU 0.45, score 0.3, at most 1000/);
    const none = createDecoder(added.manifest).decode({ [added.manifest.head.output!]: { dims: [1, 0, 6], data: new Float32Array(0) } }, THRESHOLDS, NO_FIT, SHAPE);
    expect(none.count).toBe(0);
  });

  test('an operator of TensorRT: the error names it and what to export', async () => {
    const model = edited(yolov8(), (proto) => {
      proto.opsetImport.push({ domain: 'TRT', version: 1 });
      const node = makeNode('EfficientNMS_TRT', 'nms', ['output0'], ['num_dets']);
      node.domain = 'TRT';
      graphOf(proto).node!.push(node);
      graphOf(proto).output = [makeValueInfo('num_dets', 'int32', [1, 1])];
    });
    expect(await rejectionOf(add(model))).toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED_OP', message: expect.stringContaining('EfficientNMS_TRT') as string, fix: expect.stringContaining('without suppression') as string });
  });
});

/** The graph has no other shape that holds the batch than those of reshapes and outputs. */
function ofBatch(batch: number): Uint8Array {
  return edited(yolov8(), ({ graph }) => {
    graph!.input = [makeValueInfo('images', 'float32', [batch, 3, SHAPE.height, SHAPE.width])];
    graph!.output = [makeValueInfo('output0', 'float32', [batch, 7, 126])];
    for (const tensor of graph!.initializer!) {
      if (tensor.dataType !== DATA_TYPES.int64 || !tensor.name!.startsWith('ints_1_8_')) continue;
      Object.assign(tensor, makeTensor(tensor.name!, 'int64', [3], BigInt64Array.of(BigInt(batch), 8n, -1n)));
    }
  });
}

/** Nearest half-precision number, as its bits; enough for numbers of everyday size. */
function toHalf(value: number): number {
  if (value === 0) return 0;
  const sign = value < 0 ? 0x8000 : 0;
  const size = Math.abs(value);
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const fraction = Math.round((size / 2 ** exponent) * 1024);
  return exponent === -14 && fraction < 1024 ? sign | fraction : (sign | ((exponent + 15) << 10)) + fraction - 1024;
}
