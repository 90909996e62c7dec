import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NmsScratch, nonMaxSuppression } from '../../src/detector/nms.js';
import type { ScoredBoxes } from '../../src/detector/nms.js';

type Row = readonly [left: number, top: number, right: number, bottom: number, confidence: number, classId: number];

function boxes(rows: readonly Row[]): ScoredBoxes {
  return {
    count: rows.length,
    xyxy: Float32Array.from(rows.flatMap((row) => row.slice(0, 4))),
    confidence: Float32Array.from(rows, (row) => row[4]),
    classId: Int32Array.from(rows, (row) => row[5]),
  };
}

/** Written apart from the product's: overlap of intervals, areas as products of lengths. */
function iou(a: Row, b: Row): number {
  const overlap = (low1: number, high1: number, low2: number, high2: number) => Math.max(0, Math.min(high1, high2) - Math.max(low1, low2));
  const common = overlap(a[0], a[2], b[0], b[2]) * overlap(a[1], a[3], b[1], b[3]);
  const both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common;
  return both > 0 ? common / both : 0;
}

const NESTED: Row[] = [
  [0, 0, 10, 10, 0.5, 0],
  [0, 0, 10, 9, 0.9, 0],
  [0, 0, 10, 8, 0.7, 0],
];

describe('non-maximum suppression', () => {
  test.each<[reason: string, rows: Row[], iouThreshold: number, maxDetections: number, kept: number[]]>([
    ['no boxes', [], 0.5, 10, []],
    ['one box', [[0, 0, 1, 1, 0.5, 0]], 0.5, 10, [0]],
    ['equal confidence: input order wins', [[0, 0, 10, 10, 0.9, 0], [0, 0, 9, 9, 0.9, 0]], 0.5, 10, [0]],
    ['equal confidence, apart: input order stays', [[0, 0, 1, 1, 0.9, 0], [5, 5, 6, 6, 0.9, 0], [8, 8, 9, 9, 0.9, 0]], 0.5, 10, [0, 1, 2]],
    ['most confident first', [[0, 0, 1, 1, 0.3, 0], [5, 5, 6, 6, 0.9, 0]], 0.5, 10, [1, 0]],
    ['the most confident of three suppresses the others', NESTED, 0.5, 10, [1]],
    ['a suppressed box suppresses nobody', [[0, 0, 10, 10, 0.9, 0], [4, 0, 14, 10, 0.8, 0], [8, 0, 18, 10, 0.7, 0]], 0.4, 10, [0, 2]],
    ['different classes never suppress each other', [[0, 0, 10, 10, 0.9, 0], [0, 0, 10, 10, 0.8, 1]], 0.5, 10, [0, 1]],
    ['overlap equal to the threshold is kept', [[0, 0, 10, 10, 0.9, 0], [0, 0, 5, 10, 0.8, 0]], 0.5, 10, [0, 1]],
    ['overlap over the threshold is not', [[0, 0, 10, 10, 0.9, 0], [0, 0, 5.1, 10, 0.8, 0]], 0.5, 10, [0]],
    ['threshold 1 keeps even equal boxes', [[0, 0, 10, 10, 0.9, 0], [0, 0, 10, 10, 0.8, 0]], 1, 10, [0, 1]],
    ['threshold 0 keeps what only touches', [[0, 0, 10, 10, 0.9, 0], [10, 0, 20, 10, 0.8, 0], [9, 0, 20, 10, 0.7, 0]], 0, 10, [0, 1]],
    ['empty boxes overlap nothing', [[3, 3, 3, 3, 0.9, 0], [3, 3, 3, 3, 0.8, 0]], 0, 10, [0, 1]],
    ['at most maxDetections, the best', [[0, 0, 1, 1, 0.3, 0], [5, 5, 6, 6, 0.9, 0], [8, 8, 9, 9, 0.8, 0]], 0.5, 2, [1, 2]],
    ['maxDetections counts kept boxes only', [...NESTED, [50, 50, 60, 60, 0.1, 0]], 0.5, 2, [1, 3]],
    ['maxDetections 0', NESTED, 0.5, 0, []],
    ['confidences from the smallest to 1', [[0, 0, 1, 1, 1.4e-45, 0], [5, 5, 6, 6, 1, 0], [8, 8, 9, 9, 1.2e-38, 0]], 0.5, 10, [1, 2, 0]],
  ])('%s', (_, rows, iouThreshold, maxDetections, kept) => {
    expect([...nonMaxSuppression(boxes(rows), iouThreshold, maxDetections)]).toEqual(kept);
  });

  test('the same scratch serves frames of any size', () => {
    const scratch = new NmsScratch();
    const many = Array.from({ length: 1000 }, (_, i): Row => [i * 10, 0, i * 10 + 5, 5, (i + 1) / 1000, 0]);
    expect(nonMaxSuppression(boxes(many), 0.5, 5000, scratch)).toHaveLength(1000);
    expect([...nonMaxSuppression(boxes(NESTED), 0.5, 10, scratch)]).toEqual([1]);
    expect([...nonMaxSuppression(boxes(many), 0.5, 3, scratch)]).toEqual([999, 998, 997]);
  });

  const row = fc
    .tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 40 }), fc.nat(2))
    .map(([left, top, width, height, confidence, classId]): Row => [left, top, left + width, top + height, Math.fround(confidence / 40), classId]);
  const iouThreshold = fc.double({ min: 0, max: 1, noNaN: true });

  test('no two kept boxes of a class overlap over the threshold, and every other one overlaps a kept one that is at least as good', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), iouThreshold, (rows, threshold) => {
        const kept = [...nonMaxSuppression(boxes(rows), threshold, rows.length)];
        const rivals = (a: number, b: number) => rows[a]![5] === rows[b]![5] && iou(rows[a]!, rows[b]!) > threshold;
        kept.forEach((a, i) => kept.slice(i + 1).forEach((b) => expect(rivals(a, b)).toBe(false)));
        rows.forEach((_, index) => {
          if (kept.includes(index)) return;
          expect(kept.some((k) => rivals(k, index) && (rows[k]![4] > rows[index]![4] || (rows[k]![4] === rows[index]![4] && k < index)))).toBe(true);
        });
        kept.slice(1).forEach((b, i) => expect(rows[b]![4]).toBeLessThanOrEqual(rows[kept[i]!]![4]));
      }),
      { numRuns: 300 },
    );
  });

  test('the order of the input decides nothing but ties', () => {
    const distinct = fc.uniqueArray(row, { maxLength: 40, selector: (candidate) => candidate[4] });
    fc.assert(
      fc.property(distinct, iouThreshold, fc.infiniteStream(fc.nat(1_000_000)), (rows, threshold, keys) => {
        const shuffled = rows.map((value) => ({ value, key: Number(keys.next().value) })).sort((a, b) => a.key - b.key).map(({ value }) => value);
        const keptOf = (list: Row[]) => [...nonMaxSuppression(boxes(list), threshold, 100)].map((index) => list[index]);
        expect(keptOf(shuffled)).toEqual(keptOf(rows));
      }),
      { numRuns: 300 },
    );
  });
});
