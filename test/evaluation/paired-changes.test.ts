import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pairedChanges } from '../../src/evaluation/bootstrap.js';
import type { CocoDataset, CocoResult } from '../../src/evaluation/coco-dataset.js';
import { evaluateCoco } from '../../src/evaluation/coco-eval.js';

const { cases } = JSON.parse(readFileSync(new URL('../golden/coco-eval.json', import.meta.url), 'utf8')) as { cases: { dataset: CocoDataset; results: CocoResult[] }[] };
const { dataset, results } = cases[0]!;
const rankingsOf = (found: readonly CocoResult[]) => evaluateCoco(dataset, found).rankings;
const change = (before: readonly CocoResult[], after: readonly CocoResult[], options = {}) => pairedChanges(rankingsOf(before), rankingsOf(after), dataset.images.length, { resamples: 300, ...options });

/** The truth itself, found with confidence. */
const perfect: CocoResult[] = dataset.annotations.filter(({ iscrowd }) => iscrowd === 0).map(({ image_id, category_id, bbox }) => ({ image_id, category_id, bbox, score: 0.9 }));

describe('pairedChanges', () => {
  it('of a run with itself is nothing, for certain', () => {
    const { map50, map5095 } = change(results, results);
    for (const one of [map50!, map5095!]) {
      expect(one.before).toBe(one.after);
      expect([one.difference, one.interval.low, one.interval.high].map(Math.abs)).toEqual([0, 0, 0]);
    }
  });

  it('has the figures of the evaluation at both ends', () => {
    const { map50, map5095 } = change(results, perfect);
    const [before, after] = [evaluateCoco(dataset, results).metrics, evaluateCoco(dataset, perfect).metrics];
    expect(map50).toMatchObject({ before: before.map50, after: after.map50 });
    expect(map5095!.difference).toBeCloseTo(after.map5095! - before.map5095!, 12);
  });

  it('from worse to perfect is surely a gain, the other way round surely a loss of the same size', () => {
    const [gain, loss] = [change(results, perfect).map50!, change(perfect, results).map50!];
    expect(gain.interval.low).toBeGreaterThan(0);
    expect(loss.interval.high).toBeLessThan(0);
    expect(loss.difference).toBeCloseTo(-gain.difference, 12);
    expect(loss.interval.low).toBeCloseTo(-gain.interval.high, 12);
  });

  it('is surer than two intervals apart: what is hard about a picture cancels out', () => {
    // Another run that loses one box in eight wherever it is.
    const fewer = perfect.filter((_, i) => i % 8 !== 0);
    const paired = change(perfect, fewer).map50!.interval;
    const unpaired = change(results, fewer).map50!.interval;
    expect(paired.high - paired.low).toBeLessThan(unpaired.high - unpaired.low);
  });

  it('is the same for the same seed, and not for another', () => {
    expect(change(results, perfect, { seed: 4 })).toEqual(change(results, perfect, { seed: 4 }));
    expect(change(results, perfect, { seed: 4 }).map50!.interval).not.toEqual(change(results, perfect, { seed: 5 }).map50!.interval);
  });

  it('says nothing where there is no object', () => {
    const empty = { ...dataset, annotations: [] };
    const { rankings } = evaluateCoco(empty, []);
    expect(pairedChanges(rankings, rankings, dataset.images.length)).toEqual({ map50: null, map5095: null });
  });
});
