import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkManifest } from '../../src/config/manifest-schema.js';
import type { ModelManifest } from '../../src/core/manifest.js';
import type { Assumption } from '../../src/core/assumption.js';
import { createDecoder, type ModelOutputs } from '../../src/detector/decoder.js';
import { OfflineSession } from '../../src/inference/offline-session.js';
import { manifestOf as manifestOfDraft } from '../../src/model-store/draft.js';
import { draftLocal } from '../../src/model-store/draft-local.js';
import { prepareInput } from '../../src/onnx/prepare/prepare-input.js';
import { manifestOf } from '../detector/manifest.js';
import { referenceDecode, type ReferenceBox } from '../detector/reference-decode.js';
import { pseudoRandom, runModel } from '../onnx/support.js';
import { detector, FINISHED, namesMetadata, VARIANTS, type Variant, type VariantShape } from './export-variants.js';

const SHAPE: VariantShape = { width: 160, height: 128, strides: [8, 16, 32], classes: 3, seed: 7 };
const THRESHOLDS = { confidenceThreshold: 0.3, iouThreshold: 0.45, maxDetections: 1000 };
const NO_FIT = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };

function picture({ width, height, seed }: VariantShape): Uint8Array {
  return Uint8Array.from(pseudoRandom(3 * width * height, seed + 99), (value) => Math.floor(value * 256));
}

/** The variant as it is installed, and what it finds. */
async function decodeVariant(variant: Variant, shape: VariantShape): Promise<{ manifest: ModelManifest; boxes: ReferenceBox[] }> {
  const made = detector(shape);
  variant.outputs(made);
  const onnx = made.graph.build(namesMetadata(shape.classes));
  const draft = await draftLocal({ kind: 'onnx', name: 'variant.onnx', onnx, labels: undefined }, variant.options ?? {});
  const manifest = checkManifest(manifestOfDraft('variant', draft), 'variant');
  // All are compared on the same numbers: YOLOX's habit of wanting 0 to 255 is not these networks'.
  const input = { ...manifest.input, scale: 1 / 255, color: 'rgb' as const };
  const session = await OfflineSession.create(prepareInput(draft.onnx, input));
  const outputs = (await session.run({ frame: { type: 'uint8', dims: [1, 3, shape.height, shape.width], data: picture(shape) } })) as ModelOutputs;
  await session.release();
  const found = createDecoder(manifest).decode(outputs, THRESHOLDS, NO_FIT, shape);
  const boxes = Array.from({ length: found.count }, (_, i): ReferenceBox => ({ xyxy: [...found.xyxy.subarray(4 * i, 4 * i + 4)] as unknown as ReferenceBox['xyxy'], confidence: found.confidence[i]!, classId: found.classId[i]! }));
  return { manifest, boxes };
}

/** What should be found, by the plain float64 decoder on the network's own inner tensors. */
async function expectedBoxes({ scoring }: Variant, shape: VariantShape): Promise<ReferenceBox[]> {
  const made = detector(shape);
  const { graph, cells } = made;
  const columns = 5 + shape.classes;
  graph.output(graph.node('Transpose', [graph.node('Concat', [made.centre, made.size, made.objectness, made.classScores], { axis: { i: 1 } })], { perm: { ints: [0, 2, 1] } }), 'float32', [1, cells, columns], 'output0');
  const frame = picture(shape);
  const plane = shape.width * shape.height;
  // Planes of the frame are G, B, R; the network's are R, G, B.
  const input = Float32Array.from({ length: 3 * plane }, (_, i) => frame[[2, 0, 1][Math.floor(i / plane)]! * plane + (i % plane)]! / 255);
  const { data } = (await runModel(graph.build(), input, [1, 3, shape.height, shape.width]))['output0']!;
  const table = scoring === 'with objectness' ? data : data.map((value, i) => (i % columns === 4 ? 1 : value));
  const rows = scoring === 'best class only' ? FINISHED : cells;
  const outputs = { output0: { data: table.slice(0, rows * columns), dims: [1, rows, columns] } };
  const manifest = manifestOf({ kind: 'yolov5', output: 'output0' }, shape.classes, shape);
  return referenceDecode(manifest, outputs, scoring === 'best class only' ? { ...THRESHOLDS, iouThreshold: 1 } : THRESHOLDS, NO_FIT, shape).boxes;
}

/** Each box once, in any order: confidences that differ by rounding only change places. */
function expectSame(found: readonly ReferenceBox[], expected: readonly ReferenceBox[]): void {
  const left = [...found];
  for (const box of expected) {
    const at = left.findIndex((other) => other.classId === box.classId && Math.abs(other.confidence - box.confidence) < 1e-3 && other.xyxy.every((side, i) => Math.abs(side - box.xyxy[i]!) < 0.02));
    expect(at, `no box like ${JSON.stringify(box)}`).toBeGreaterThanOrEqual(0);
    left.splice(at, 1);
  }
  expect(left).toEqual([]);
}

describe('every order of tensors, columns and numbers gives the boxes of the reference', () => {
  test.each(VARIANTS.map((variant) => [variant.name, variant] as const))('%s', async (_, variant) => {
    const [{ manifest, boxes }, expected] = await Promise.all([decodeVariant(variant, SHAPE), expectedBoxes(variant, SHAPE)]);
    expect(manifest.head.kind).toBe(variant.kind);
    expect(manifest.lineage.operations.some(({ kind }) => kind === 'rewrite-head')).toBe(variant.isRewritten);
    expect(expected.length).toBeGreaterThan(5);
    expectSame(boxes, expected);
  });
});

const FEW_CELLS = 100;

function cellCount({ width, height, strides }: VariantShape): number {
  return strides.reduce((sum, stride) => sum + Math.ceil(width / stride) * Math.ceil(height / stride), 0);
}

/** Whether a scale has as many rows and columns as channels: no shape tells which of its axes these are. */
function isCube({ width, height, strides, classes }: VariantShape): boolean {
  return strides.some((stride) => width / stride === 5 + classes && height / stride === 5 + classes);
}

/** False where the reading of the boxes was assumed, by the model's own word. */
function isMeasured({ lineage }: ModelManifest): boolean {
  const { assumptions } = lineage.operations.find(({ kind }) => kind === 'recognise-head') as unknown as { readonly assumptions: readonly Assumption[] };
  return assumptions.some(({ what, source }) => what === 'boxes' && source !== 'assumed');
}

test('shapes of any kind: sizes, classes and strides', { timeout: 60_000 }, async () => {
  const shapes = fc.record({
    width: fc.integer({ min: 3, max: 6 }).map((n) => n * 32),
    height: fc.integer({ min: 3, max: 6 }).map((n) => n * 32),
    strides: fc.constantFrom([8, 16, 32], [16, 32]),
    classes: fc.integer({ min: 2, max: 12 }),
    seed: fc.integer({ min: 1, max: 1000 }),
  });
  await fc.assert(
    fc.asyncProperty(shapes, fc.constantFrom(...VARIANTS.filter(({ scoring }) => scoring !== 'best class only')), async (shape, variant) => {
      fc.pre(!isCube(shape));
      const [{ manifest, boxes }, expected] = await Promise.all([decodeVariant(variant, shape), expectedBoxes(variant, shape)]);
      expect(manifest.head.kind).toBe(variant.kind);
      // So few cells don't tell corners from centres: then it has to say that it assumed.
      if (cellCount(shape) < FEW_CELLS && !isMeasured(manifest)) return;
      expectSame(boxes, expected);
    }),
    { numRuns: 25 },
  );
});
