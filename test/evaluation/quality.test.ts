import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { fitImage } from '../../src/core/image-fit.js';
import type { ModelManifest } from '../../src/core/manifest.js';
import { createDecoder } from '../../src/detector/decoder.js';
import type { OutputTensor } from '../../src/detector/decoder.js';
import { parseCocoDataset } from '../../src/evaluation/coco-dataset.js';
import type { CocoDataset, CocoResult } from '../../src/evaluation/coco-dataset.js';
import { categoryIdsOfLabels, toCocoResults } from '../../src/evaluation/coco-results.js';
import { evaluate } from '../../src/evaluation/evaluate.js';
import { importTfjs } from '../../src/onnx/import/import-tfjs.js';
import { manifestOf } from '../detector/manifest.js';
import { missingShared, sharedFile, sharedFixture } from '../fixtures/index.js';
import { resizeRgb } from './triangle-resize.js';

interface Figures {
  readonly map50: number;
  readonly map5095: number;
}

/** What an independent computation scores; see `made` in the file and `docs/evaluation.md`. */
interface Baseline {
  readonly images: number;
  readonly confidenceThreshold: number;
  readonly iouThreshold: number;
  readonly maxDetections: number;
  /** Of both figures, absolute. */
  readonly tolerance: number;
  readonly multiLabel: Figures;
  readonly bestClass: Figures;
}

/** 128 inferences, while other tests take their share of the cores. */
const TIMEOUT_MS = 180_000;
const MODES = ['multiLabel', 'bestClass'] as const;

const golden = JSON.parse(readFileSync(new URL('../golden/quality.json', import.meta.url), 'utf8')) as Readonly<Record<string, Baseline>>;

const dataset = sharedFixture('coco128');
const labelsFile = sharedFile('models/coco.names');
const yoloFastest = sharedFile('models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.onnx');

const YOLO_FASTEST_HEAD = {
  kind: 'darknet',
  scales: [
    { output: 'head_10x10', stride: 32, anchors: [[115, 73], [119, 199], [242, 238]] },
    { output: 'head_20x20', stride: 16, anchors: [[12, 18], [37, 49], [52, 132]] },
  ],
} as const;

/** Planes R, G, B as the model wants them, stretched. */
async function readPlanes(path: string, { input }: ModelManifest): Promise<Float32Array> {
  const { data, info } = await sharp(path).toColourspace('srgb').removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const pixels = resizeRgb(data, info, input);
  const plane = input.width * input.height;
  const planes = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i += 1) {
    for (let c = 0; c < 3; c += 1) planes[c * plane + i] = (pixels[i * 3 + c]! - input.mean[c]!) * input.scale;
  }
  return planes;
}

async function detect(model: string | Uint8Array, manifest: ModelManifest, truth: CocoDataset, baseline: Baseline): Promise<Record<(typeof MODES)[number], CocoResult[]>> {
  const { input } = manifest;
  const categoryIds = categoryIdsOfLabels(manifest.labels, truth.categories);
  expect(categoryIds).not.toContain(undefined);
  const session = await InferenceSession.create(model as string, { intraOpNumThreads: 1 });
  const decoder = createDecoder(manifest);
  const results: Record<(typeof MODES)[number], CocoResult[]> = { multiLabel: [], bestClass: [] };
  for (const { id, file_name: name, width, height } of truth.images) {
    const planes = await readPlanes(join(dataset!, 'images', name), manifest);
    const outputs = (await session.run({ [input.name]: new Tensor('float32', planes, [1, 3, input.height, input.width]) })) as unknown as Record<string, OutputTensor>;
    const size = { width: width!, height: height! };
    for (const mode of MODES) {
      const detections = decoder.decode(outputs, { ...baseline, multiLabel: mode === 'multiLabel' }, fitImage(size, input, 'stretch'), size);
      results[mode].push(...toCocoResults(id, detections, categoryIds));
    }
  }
  await session.release();
  return results;
}

async function expectBaseline(id: string, model: string | Uint8Array, manifest: ModelManifest): Promise<void> {
  const baseline = golden[id]!;
  const truth = parseCocoDataset(JSON.parse(readFileSync(join(dataset!, 'instances.json'), 'utf8')), 'coco128');
  expect(truth.images).toHaveLength(baseline.images);
  const results = await detect(model, manifest, truth, baseline);
  for (const mode of MODES) {
    const { map50, map5095, images, detections } = evaluate(results[mode], truth, { bootstrap: false });
    console.log(`${id}, ${mode}: ${images} images, ${detections} detections, mAP50 ${map50!.toFixed(4)} (baseline ${baseline[mode].map50}), mAP50-95 ${map5095!.toFixed(4)} (baseline ${baseline[mode].map5095})`);
    expect(Math.abs(map50! - baseline[mode].map50)).toBeLessThanOrEqual(baseline.tolerance);
    expect(Math.abs(map5095! - baseline[mode].map5095)).toBeLessThanOrEqual(baseline.tolerance);
  }
}

describe.skipIf(!dataset || !labelsFile || !yoloFastest)(`quality on coco128 (skipped where ${missingShared('data/coco128')})`, () => {
  test('yolo-fastest-1.1-xl scores what the independent computation scores', async () => {
    const labels = readFileSync(labelsFile!, 'utf8').trim().split('\n');
    const manifest = { ...manifestOf(YOLO_FASTEST_HEAD, labels.length, { width: 320, height: 320 }), labels };
    await expectBaseline('yolo-fastest-1.1-xl', yoloFastest!, manifest);
  }, TIMEOUT_MS);

  test('centernet-coco, imported from the package that ships it, scores what numpy makes of the same files', async () => {
    const manifest = JSON.parse(readFileSync(new URL('../../models/centernet-coco/manifest.json', import.meta.url), 'utf8')) as ModelManifest;
    const models = new URL('../../node_modules/@vladmandic/human/models/', import.meta.url);
    const { onnx } = importTfjs(readFileSync(new URL('centernet.json', models), 'utf8'), (name) => readFileSync(new URL(name, models)), { outputs: ['tower_0/detections'] });
    await expectBaseline('centernet-coco', onnx, manifest);
  }, TIMEOUT_MS);
});
