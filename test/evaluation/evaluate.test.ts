import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { precisionRecall } from '../../src/evaluation/average-precision.js';
import { bootstrapIntervals } from '../../src/evaluation/bootstrap.js';
import type { CocoDataset, CocoResult } from '../../src/evaluation/coco-dataset.js';
import { evaluateCoco } from '../../src/evaluation/coco-eval.js';
import { evaluate } from '../../src/evaluation/evaluate.js';
import { seededIntegers } from '../../src/evaluation/random.js';

interface Case {
  readonly name: string;
  readonly dataset: CocoDataset;
  readonly results: CocoResult[];
}

const { cases } = JSON.parse(readFileSync(new URL('../golden/coco-eval.json', import.meta.url), 'utf8')) as { cases: Case[] };
const { dataset, results } = cases[0]!;

/** Equal confidences made different, so that the order of pictures decides nothing. */
const distinct = results.map((result, i) => ({ ...result, score: result.score + i * 1e-9 }));

describe('report', () => {
  test('counts, names and figures', () => {
    const report = evaluate(results, dataset, { bootstrap: { resamples: 50 } });
    const { metrics } = evaluateCoco(dataset, results);
    expect(report).toMatchObject({ images: 10, detections: results.length, map50: metrics.map50, map5095: metrics.map5095, bySize: { small: metrics.map5095Small } });
    expect(report.objects).toBe(dataset.annotations.filter(({ iscrowd }) => iscrowd === 0).length);
    expect(report.perClass.map(({ label }) => label)).toEqual(['class 1', 'class 3', 'class 8', 'class 17', 'class 90']);
    expect(report.perClass[3]).toEqual({ categoryId: 17, label: 'class 17', objects: 0, detections: 0, ap50: null, ap5095: null });
    expect(report.perClass.reduce((sum, { objects }) => sum + objects, 0)).toBe(report.objects);
    expect(report.intervals).toMatchObject({ resamples: 50, seed: 1, level: 0.95 });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  test('part of the pictures: the others are as if they were not there', () => {
    const imageIds = [7, 3];
    const inPart = ({ image_id: id }: { image_id: number }) => imageIds.includes(id);
    const part = { ...dataset, images: dataset.images.filter(({ id }) => imageIds.includes(id)), annotations: dataset.annotations.filter(inPart) };
    expect(evaluate(results, dataset, { imageIds, bootstrap: false })).toEqual(evaluate(results.filter(inPart), part, { bootstrap: false }));
  });
});

describe('bootstrap over pictures', () => {
  test('a picture drawn twice counts as two equal pictures', () => {
    const { rankings } = evaluateCoco(dataset, distinct);
    const ids = dataset.images.map(({ id }) => id).sort((a, b) => a - b);
    const copies = Int32Array.from(ids, (_, i) => [2, 0, 1, 3][i % 4]!);
    const duplicate = <T extends { image_id: number }>(items: readonly T[]) =>
      items.flatMap((item) => Array.from({ length: copies[ids.indexOf(item.image_id)]! }, (_, copy) => ({ ...item, image_id: item.image_id * 10 + copy })));
    const drawn: CocoDataset = {
      ...dataset,
      images: ids.flatMap((id, i) => Array.from({ length: copies[i]! }, (_, copy) => ({ id: id * 10 + copy, file_name: 'x' }))),
      annotations: duplicate(dataset.annotations),
    };
    const expected = evaluateCoco(drawn, duplicate(distinct)).perClass.map(({ ap50 }) => ap50);
    const weighted = rankings.map((thresholds) => precisionRecall(thresholds[0]!, copies)?.averagePrecision ?? null);
    expect(weighted.filter((ap) => ap !== null)).toHaveLength(3);
    weighted.forEach((ap, i) => (ap === null ? expect(expected[i]).toBeNull() : expect(ap).toBeCloseTo(expected[i]!, 9)));
  });

  test('the interval holds the figure, and the same seed gives the same interval', () => {
    const { metrics, rankings } = evaluateCoco(dataset, results);
    const run = (seed: number) => bootstrapIntervals(rankings, dataset.images.length, { resamples: 300, seed });
    const { map50, map5095 } = run(1);
    expect(map50!.low).toBeLessThan(metrics.map50!);
    expect(map50!.high).toBeGreaterThan(metrics.map50!);
    expect(map5095!.low).toBeLessThan(metrics.map5095!);
    expect(map5095!.high).toBeGreaterThan(metrics.map5095!);
    expect(run(1)).toEqual(run(1));
    expect(run(2)).not.toEqual(run(1));
  });

  test('a higher level is a wider interval', () => {
    const { rankings } = evaluateCoco(dataset, results);
    const width = (level: number) => {
      const { map50 } = bootstrapIntervals(rankings, dataset.images.length, { resamples: 300, level });
      return map50!.high - map50!.low;
    };
    expect(width(0.99)).toBeGreaterThan(width(0.8));
  });

  test('one picture: the interval is the figure', () => {
    const one = evaluateCoco(dataset, results, [42]);
    const { map50 } = bootstrapIntervals(one.rankings, 1, { resamples: 5 });
    expect(map50!.low).toBeCloseTo(one.metrics.map50!, 12);
    expect(map50!.high).toBeCloseTo(one.metrics.map50!, 12);
  });

  test('no objects: no interval', () => {
    const { rankings } = evaluateCoco({ ...dataset, annotations: [] }, results);
    expect(bootstrapIntervals(rankings, dataset.images.length, { resamples: 5 })).toMatchObject({ map50: null, map5095: null });
  });

  test('drawn numbers are even', () => {
    const below = seededIntegers(3);
    const counts = new Int32Array(10);
    for (let i = 0; i < 10_000; i += 1) counts[below(10)]! += 1;
    // Standard deviation 30; the seed is fixed, so this never varies.
    counts.forEach((count) => expect(Math.abs(count - 1000)).toBeLessThan(120));
  });
});
