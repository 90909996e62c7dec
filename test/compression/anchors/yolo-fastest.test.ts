import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { labelledPictures, type LabelledPictures } from '../../../src/cli/picture-sets.js';
import { openAnchorModel, pruneAnchorModel, type AnchorModel } from '../../../src/compression/anchors/anchor-head.js';
import { MaskScorer } from '../../../src/compression/anchors/mask-score.js';
import { collectRawBoxes, type PictureBoxes } from '../../../src/compression/anchors/raw-boxes.js';
import { detectPictures } from '../../../src/compression/score-model.js';
import { COCO_LABELS } from '../../../src/core/coco-labels.js';
import type { ModelManifest } from '../../../src/core/manifest.js';
import { evaluateCoco } from '../../../src/evaluation/coco-eval.js';
import { categoryIdsOfLabels } from '../../../src/evaluation/coco-results.js';
import { importDarknet } from '../../../src/onnx/import/import-darknet.js';
import { sharedFile } from '../../fixtures/index.js';
import { manifestOf } from '../../detector/manifest.js';

const cfg = sharedFile('models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.cfg');
const weights = sharedFile('models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.weights');
const dataset = sharedFile('data/coco128');
const missing = !cfg || !weights || !dataset;

describe.skipIf(missing)(`Yolo-Fastest-1.1-xl${missing ? ': the evaluation data (../shared) is not on this machine' : ''}`, () => {
  let full: AnchorModel;
  let pictures: LabelledPictures;
  let boxes: PictureBoxes[];
  let scorer: MaskScorer;

  beforeAll(async () => {
    const { onnx, head, input } = importDarknet(await readFile(cfg!, 'utf8'), await readFile(weights!));
    const manifest: ModelManifest = { ...manifestOf(head, 1), labels: COCO_LABELS, input };
    full = openAnchorModel({ manifest, onnx });
    pictures = await labelledPictures(dataset!, (index) => index < 8);
    boxes = await collectRawBoxes(full, pictures);
    scorer = new MaskScorer(boxes, pictures.truth, categoryIdsOfLabels(COCO_LABELS, pictures.truth.categories), manifest.defaults.iouThreshold);
  }, 60_000);

  test('with nothing left out scores what the model scores, to the last bit', async () => {
    const results = await detectPictures(full.model, pictures, pictures.truth.categories);
    const { metrics, rankings } = evaluateCoco(pictures.truth, results);
    const masked = scorer.score([]);
    expect(results.length).toBeGreaterThan(100);
    expect(scorer.results([])).toEqual(results);
    expect(masked.map50).toBe(metrics.map50);
    expect(masked.rankings).toEqual(rankings.map(([first]) => [first]));
  });

  test('without three anchors finds the same whether their boxes are left out or their filters cut out', async () => {
    const off = [0, 1, 4];
    const cut = openAnchorModel(pruneAnchorModel(full, off));
    const found = await detectPictures(cut.model, pictures, pictures.truth.categories);
    const masked = scorer.results(off);
    expect(found.length).toBe(masked.length);
    const near = (a: number, b: number): boolean => Math.abs(a - b) < 2e-2;
    found.forEach((one, i) => {
      const other = masked[i]!;
      expect(one.score).toBeCloseTo(other.score, 4);
      expect(one.bbox.every((side, k) => near(side, other.bbox[k]!))).toBe(true);
    });
  });

  test('has each box once, by the anchor that made it', () => {
    for (const { count, anchor, confidence } of boxes) {
      expect(count).toBeGreaterThan(0);
      expect([anchor.length, confidence.length]).toEqual([count, count]);
      expect([...anchor].every((index, i) => index < 6 && (i === 0 || index >= anchor[i - 1]!))).toBe(true);
    }
    expect(new Set(boxes.flatMap(({ anchor }) => [...anchor])).size).toBe(6);
  });
});
