import { describe, expect, test } from 'vitest';
import type { ModelManifest } from '../../../src/core/manifest.js';
import { createDecoder, type ModelOutputs } from '../../../src/detector/decoder.js';
import { cutDecodedHead } from '../../../src/compression/anchors/decoded-head.js';
import type { CandidateModel } from '../../../src/compression/score-model.js';
import { OfflineSession } from '../../../src/inference/offline-session.js';
import { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { FRAME_INPUT, prepareInput } from '../../../src/onnx/prepare/prepare-input.js';
import { rejectionOf } from '../../fixtures/failure.js';
import { manifestOf } from '../../detector/manifest.js';
import { pseudoRandom } from '../../onnx/support.js';

const SIZE = 32;
const CLASSES = 3;
const COLUMNS = 5 + CLASSES;

interface Tail {
  /** How a size is made of its raw number. */
  readonly size: 'yolov5' | 'exp' | 'square';
  /** Order of the scales' rows. */
  readonly order: readonly number[];
  /** All anchors of a cell together, as some exporters have it. */
  readonly byCell?: boolean;
  readonly timesObjectness?: boolean;
}

const SCALES = [
  { stride: 4, anchors: [[4, 5.5], [7, 3], [9, 10]] },
  { stride: 8, anchors: [[12, 8], [10.25, 19]] },
] as const;

/** A detector with random weights and a decoding tail as exporters write it; which constants stand where is the exporter's affair. */
function exported({ size, order, byCell = false, timesObjectness = false }: Tail): CandidateModel {
  const graph = new GraphBuilder('export');
  const picture = graph.input('images', 'float32', [1, 3, SIZE, SIZE]);
  const rows = SCALES.map(({ stride, anchors }, i) => {
    const grid = SIZE / stride;
    const body = graph.node('Conv', [picture, graph.floats(`body${i}`, [8, 3, stride, stride], pseudoRandom(24 * stride ** 2, i + 1).map((value) => (value - 0.5) / stride))], { strides: { ints: [stride, stride] } });
    const weights = pseudoRandom(anchors.length * COLUMNS * 8, i + 5).map((value) => (value - 0.5) * 3);
    const raw = graph.node('Conv', [graph.node('LeakyRelu', [body]), graph.floats(`head${i}`, [anchors.length * COLUMNS, 8, 1, 1], weights)]);
    return decode(graph, raw, grid, stride, anchors, { size, byCell, timesObjectness });
  });
  const count = SCALES.reduce((sum, { stride, anchors }) => sum + anchors.length * (SIZE / stride) ** 2, 0);
  graph.output(graph.node('Concat', order.map((i) => rows[i]!), { axis: { i: 1 } }), 'float32', [1, count, COLUMNS], 'output0');
  return { manifest: manifestOf({ kind: 'yolov5', output: 'output0' }, CLASSES, { width: SIZE, height: SIZE }), onnx: graph.build() };
}

function decode(graph: GraphBuilder, raw: string, grid: number, stride: number, anchors: readonly (readonly [number, number])[], tail: Required<Omit<Tail, 'order'>>): string {
  const count = anchors.length;
  const apart = graph.node('Transpose', [graph.node('Reshape', [raw, graph.ints([1, count, COLUMNS, grid, grid])])], { perm: { ints: [0, 1, 3, 4, 2] } });
  const part = (from: string, start: number, end: number): string => graph.node('Slice', [from, graph.ints([start]), graph.ints([end]), graph.ints([4])]);
  const sure = graph.node('Sigmoid', [apart]);
  const cells = Float32Array.from({ length: grid * grid * 2 }, (_, i) => (i % 2 === 0 ? (i / 2) % grid : Math.floor(i / 2 / grid)) - (tail.size === 'yolov5' ? 0.5 : 0));
  const reach = tail.size === 'yolov5' ? graph.node('Mul', [part(sure, 0, 2), graph.scalar(2)]) : part(sure, 0, 2);
  const xy = graph.node('Mul', [graph.node('Add', [reach, graph.floats(`cells${grid}`, [1, 1, grid, grid, 2], cells)]), graph.scalar(stride)]);
  const factor =
    tail.size === 'exp' ? graph.node('Exp', [part(apart, 2, 4)]) : graph.node('Pow', [tail.size === 'yolov5' ? graph.node('Mul', [part(sure, 2, 4), graph.scalar(2)]) : part(apart, 2, 4), graph.scalar(2)]);
  const wh = graph.node('Mul', [factor, graph.floats(`anchors${grid}`, [1, count, 1, 1, 2], Float32Array.from(anchors.flat()))]);
  const scores = tail.timesObjectness ? graph.node('Mul', [part(sure, 5, COLUMNS), part(sure, 4, 5)]) : part(sure, 5, COLUMNS);
  const boxes = graph.node('Concat', [xy, wh, part(sure, 4, 5), scores], { axis: { i: 4 } });
  const ordered = tail.byCell ? graph.node('Transpose', [boxes], { perm: { ints: [0, 2, 3, 1, 4] } }) : boxes;
  return graph.node('Reshape', [ordered, graph.ints([1, -1, COLUMNS])]);
}

async function boxesOf({ manifest, onnx }: CandidateModel): Promise<number[][]> {
  const session = await OfflineSession.create(prepareInput(onnx, manifest.input));
  const data = Uint8Array.from(pseudoRandom(3 * SIZE * SIZE, 11), (value) => Math.floor(value * 256));
  const outputs = (await session.run({ [FRAME_INPUT]: { type: 'uint8', dims: [1, 3, SIZE, SIZE], data } })) as ModelOutputs;
  await session.release();
  const thresholds = { confidenceThreshold: 0.2, iouThreshold: 1, maxDetections: 1000, multiLabel: true };
  const { count, xyxy, confidence, classId } = createDecoder(manifest as ModelManifest).decode(outputs, thresholds, { scaleX: 1, scaleY: 1, padX: 0, padY: 0 }, { width: 1000, height: 1000 });
  return Array.from({ length: count }, (_, i) => [...xyxy.subarray(4 * i, 4 * i + 4), confidence[i]!, classId[i]!]);
}

describe('a decoding tail', () => {
  test.each<[string, Tail, string, number[]]>([
    ["YOLOv5's", { size: 'yolov5', order: [0, 1] }, 'yolov5-raw', [4, 8]],
    ['with the coarse scale first', { size: 'yolov5', order: [1, 0] }, 'yolov5-raw', [8, 4]],
    ['with all anchors of a cell together', { size: 'yolov5', order: [0, 1], byCell: true }, 'yolov5-raw', [4, 8]],
    ["Darknet's", { size: 'exp', order: [0, 1] }, 'darknet', [4, 8]],
  ])('%s is cut off, its strides, order and anchors told by its numbers', async (_, tail, kind, strides) => {
    const model = exported(tail);
    const { model: raw, largestError } = await cutDecodedHead(model);
    expect(largestError).toBeLessThan(1e-4);
    expect(raw.manifest.head.kind).toBe(kind);
    expect(raw.manifest.head.scales!.map(({ stride }) => stride)).toEqual(strides);
    for (const { stride, anchors } of raw.manifest.head.scales!) {
      const expected = SCALES.find((scale) => scale.stride === stride)!.anchors.flat();
      anchors!.flat().forEach((side, i) => expect(side).toBeCloseTo(expected[i]!, 3));
    }
    const [before, after] = [await boxesOf(model), await boxesOf(raw)];
    expect(before.length).toBeGreaterThan(20);
    expect(after.length).toBe(before.length);
    // Equally confident boxes may come in another order where rows do.
    const sorted = (boxes: number[][]): number[][] => boxes.toSorted((a, b) => b[4]! - a[4]! || a[0]! - b[0]!);
    sorted(before).forEach((box, i) => box.forEach((value, k) => expect(sorted(after)[i]![k]).toBeCloseTo(value, 3)));
  });

  test.each<[string, Tail, RegExp]>([
    ['of another formula', { size: 'square', order: [0, 1] }, /neither YOLOv5's nor Darknet's formula/],
    ['that multiplies scores', { size: 'yolov5', order: [0, 1], timesObjectness: true }, /formula/],
  ])('%s is refused', async (_, tail, message) => {
    expect(await rejectionOf(cutDecodedHead(exported(tail)))).toMatchObject({ code: 'ERR_MODEL_HEAD_UNKNOWN', message: expect.stringMatching(message) as string });
  });

  test('behind convolutions of other filters is refused, and they are named', async () => {
    const model = exported({ size: 'yolov5', order: [0, 1] });
    const labels = ['a', 'b'];
    expect(await rejectionOf(cutDecodedHead({ ...model, manifest: { ...model.manifest, labels } }))).toMatchObject({
      code: 'ERR_MODEL_HEAD_UNKNOWN',
      message: expect.stringMatching(/multiple of 7 filters.*with 24 filters/) as string,
    });
  });
});
