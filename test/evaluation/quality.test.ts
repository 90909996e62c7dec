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
import { categoryIdsOfLabels, toCocoResults } from '../../src/evaluation/coco-results.js';
import { evaluate } from '../../src/evaluation/evaluate.js';
import { manifestOf } from '../detector/manifest.js';
import { missingShared, sharedFile, sharedFixture } from '../fixtures/index.js';

interface Baseline {
  readonly confidenceThreshold: number;
  readonly iouThreshold: number;
  readonly maxDetections: number;
  readonly images: number;
  readonly tolerance: number;
  readonly multiLabel: Figures;
  readonly bestClass: Figures;
}

interface Figures {
  readonly map50: number;
  readonly map5095: number;
}

const golden = JSON.parse(readFileSync(new URL('../golden/quality.json', import.meta.url), 'utf8')) as Readonly<Record<string, Baseline>>;

const YOLO_FASTEST_HEAD = {
  kind: 'darknet',
  scales: [
    { output: 'head_10x10', stride: 32, anchors: [[115, 73], [119, 199], [242, 238]] },
    { output: 'head_20x20', stride: 16, anchors: [[12, 18], [37, 49], [52, 132]] },
  ],
} as const;

const dataset = sharedFixture('coco128');
const labelsFile = sharedFile('models/coco.names');
const modelFile = sharedFile('models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.onnx');

/** Planes R, G, B from 0 to 1, as Darknet wants them; stretched by a kernel that widens when it shrinks, as ffmpeg's does. */
async function readPlanes(path: string, { input }: ModelManifest): Promise<Float32Array> {
  const { width, height } = input;
  const pixels = await sharp(path).toColourspace('srgb').removeAlpha().resize(width, height, { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false }).raw().toBuffer();
  const planes = new Float32Array(3 * width * height);
  for (let i = 0; i < width * height; i += 1) {
    for (let c = 0; c < 3; c += 1) planes[c * width * height + i] = pixels[i * 3 + c]! / 255;
  }
  return planes;
}

describe.skipIf(!dataset || !labelsFile || !modelFile)(`quality on coco128 (skipped where ${missingShared('data/coco128')})`, () => {
  test('yolo-fastest-1.1-xl scores what the independent computation scores', async () => {
    const baseline = golden['yolo-fastest-1.1-xl']!;
    const truth = parseCocoDataset(JSON.parse(readFileSync(join(dataset!, 'instances.json'), 'utf8')), 'coco128');
    expect(truth.images).toHaveLength(baseline.images);
    const labels = readFileSync(labelsFile!, 'utf8').trim().split('\n');
    const manifest = { ...manifestOf(YOLO_FASTEST_HEAD, 80, { width: 320, height: 320 }), labels };
    const categoryIds = categoryIdsOfLabels(labels, truth.categories);
    expect(categoryIds).not.toContain(undefined);
    const session = await InferenceSession.create(modelFile!, { intraOpNumThreads: 1 });
    const decoder = createDecoder(manifest);
    const results = { multiLabel: [] as ReturnType<typeof toCocoResults>, bestClass: [] as ReturnType<typeof toCocoResults> };
    for (const { id, file_name: name, width, height } of truth.images) {
      const planes = await readPlanes(join(dataset!, 'images', name), manifest);
      const outputs = (await session.run({ images: new Tensor('float32', planes, [1, 3, 320, 320]) })) as unknown as Record<string, OutputTensor>;
      const size = { width: width!, height: height! };
      for (const mode of ['multiLabel', 'bestClass'] as const) {
        const detections = decoder.decode(outputs, { ...baseline, multiLabel: mode === 'multiLabel' }, fitImage(size, manifest.input, 'stretch'), size);
        results[mode].push(...toCocoResults(id, detections, categoryIds));
      }
    }
    await session.release();
    for (const mode of ['multiLabel', 'bestClass'] as const) {
      const { map50, map5095, images, detections } = evaluate(results[mode], truth, { bootstrap: false });
      console.log(`${mode}: ${images} images, ${detections} detections, mAP50 ${map50!.toFixed(4)} (baseline ${baseline[mode].map50}), mAP50-95 ${map5095!.toFixed(4)} (baseline ${baseline[mode].map5095})`);
      expect(Math.abs(map50! - baseline[mode].map50)).toBeLessThanOrEqual(baseline.tolerance);
      expect(Math.abs(map5095! - baseline[mode].map5095)).toBeLessThanOrEqual(baseline.tolerance);
    }
  });
});
