import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AppError } from '../../src/core/errors.js';
import { RECALL_POINTS } from '../../src/evaluation/average-precision.js';
import type { CocoDataset, CocoResult } from '../../src/evaluation/coco-dataset.js';
import { evaluateCoco, IOU_THRESHOLDS } from '../../src/evaluation/coco-eval.js';
import type { CocoMetrics } from '../../src/evaluation/coco-eval.js';

interface Golden {
  readonly iouThresholds: number[];
  readonly recallPoints: number[];
  readonly cases: readonly {
    readonly name: string;
    readonly dataset: CocoDataset;
    readonly results: CocoResult[];
    readonly imageIds: number[] | null;
    readonly expected: { readonly stats: (number | null)[]; readonly perClass: { categoryId: number; ap50: number | null; ap5095: number | null }[] };
  }[];
}

const golden = JSON.parse(readFileSync(new URL('../golden/coco-eval.json', import.meta.url), 'utf8')) as Golden;

/** The order of pycocotools' `stats`. */
const STATS: readonly (keyof CocoMetrics)[] = [
  'map5095',
  'map50',
  'map75',
  'map5095Small',
  'map5095Medium',
  'map5095Large',
  'ar1',
  'ar10',
  'ar100',
  'ar100Small',
  'ar100Medium',
  'ar100Large',
];

function expectSame(actual: number | null, expected: number | null): void {
  if (expected === null || actual === null) expect(actual).toBe(expected);
  else expect(Math.abs(actual - expected)).toBeLessThan(1e-6);
}

describe('equal to pycocotools', () => {
  test('thresholds and recall points to the last bit', () => {
    expect([...IOU_THRESHOLDS]).toEqual(golden.iouThresholds);
    expect([...RECALL_POINTS]).toEqual(golden.recallPoints);
  });

  test('the golden cases are there', () => {
    expect(golden.cases.length).toBeGreaterThanOrEqual(6);
  });

  test.each(golden.cases)('$name', ({ dataset, results, imageIds, expected }) => {
    const { metrics, perClass } = evaluateCoco(dataset, results, imageIds ?? undefined);
    STATS.forEach((name, i) => expectSame(metrics[name], expected.stats[i]!));
    expect(perClass.map(({ categoryId }) => categoryId)).toEqual(expected.perClass.map(({ categoryId }) => categoryId));
    perClass.forEach(({ ap50, ap5095 }, i) => {
      expectSame(ap50, expected.perClass[i]!.ap50);
      expectSame(ap5095, expected.perClass[i]!.ap5095);
    });
  });
});

describe('what pycocotools refuses or cannot say', () => {
  const dataset: CocoDataset = {
    images: [{ id: 1, file_name: 'a.jpg' }],
    categories: [{ id: 1, name: 'a' }],
    annotations: [{ image_id: 1, category_id: 1, bbox: [0, 0, 10, 10] }],
  };

  test('no detections at all score 0', () => {
    expect(evaluateCoco(dataset, []).metrics).toMatchObject({ map50: 0, map5095: 0, ar100: 0 });
  });

  test('no objects: nothing to measure', () => {
    expect(evaluateCoco({ ...dataset, annotations: [] }, []).metrics).toMatchObject({ map50: null, map5095: null, ar100: null });
  });

  test('an annotation without an area has that of its box', () => {
    const { metrics } = evaluateCoco(dataset, [{ image_id: 1, category_id: 1, bbox: [0, 0, 10, 10], score: 1 }]);
    // Not quite 1: the guard against 0 / 0 is in every precision, here as in pycocotools.
    expect(metrics.map5095Small).toBeCloseTo(1, 12);
    expect(metrics).toMatchObject({ map5095Medium: null, map5095Large: null });
  });

  test('a result for a picture that is not in the dataset is an error', () => {
    const stray = { image_id: 2, category_id: 1, bbox: [0, 0, 1, 1], score: 1 } as const;
    expect(() => evaluateCoco(dataset, [stray])).toThrow(expect.objectContaining({ code: 'ERR_DATASET_INVALID', message: expect.stringContaining('image 2') as string }) as AppError);
  });

  test('a result of a category that is not in the dataset counts nothing', () => {
    const other = { image_id: 1, category_id: 9, bbox: [0, 0, 10, 10], score: 1 } as const;
    expect(evaluateCoco(dataset, [other])).toEqual(evaluateCoco(dataset, []));
  });
});
