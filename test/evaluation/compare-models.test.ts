import { describe, expect, test } from 'vitest';
import type { CocoDataset, CocoResult } from '../../src/evaluation/coco-dataset.js';
import { compareModels, onlyCategories } from '../../src/evaluation/compare-models.js';

const PICTURES = 40;
const BOX = [10, 10, 40, 80] as const;

const truth: CocoDataset = {
  images: Array.from({ length: PICTURES }, (_, id) => ({ id, file_name: `${id}.png` })),
  categories: [{ id: 1, name: 'person' }, { id: 3, name: 'car' }],
  annotations: Array.from({ length: PICTURES }, (_, id) => [
    { image_id: id, category_id: 1, bbox: [...BOX] as [number, number, number, number] },
    { image_id: id, category_id: 3, bbox: [100, 10, 60, 40] as [number, number, number, number] },
  ]).flat(),
};

/** Finds the people of every `n`th picture, and every car. */
function found(n: number): CocoResult[] {
  return truth.annotations.filter(({ category_id: kind, image_id: id }) => kind === 3 || id % n === 0).map(({ image_id, category_id, bbox }) => ({ image_id, category_id, bbox, score: 0.9 }));
}

describe('two models on the same pictures', () => {
  test('a model against itself ties, without a width', () => {
    const { map50, perClass } = compareModels(found(2), found(2), truth);
    expect(map50).toMatchObject({ difference: 0, interval: { low: 0, high: 0 } });
    expect(perClass.map(({ label }) => label)).toEqual(['person', 'car']);
  });

  test('who finds every person is better by what the other misses, in that class alone', () => {
    const { map50, perClass } = compareModels(found(2), found(1), truth);
    const [person, car] = perClass.map(({ ap50 }) => ap50!);
    expect(person!.after).toBe(1);
    expect(person!.before).toBeCloseTo(0.5, 1);
    expect(person!.interval.low).toBeGreaterThan(0.2);
    expect(car!.difference).toBe(0);
    expect(map50!.difference).toBeCloseTo(person!.difference / 2);
  });

  test('turned round, differences change their sign', () => {
    const there = compareModels(found(3), found(1), truth).map50!;
    const back = compareModels(found(1), found(3), truth).map50!;
    expect(back.difference).toBeCloseTo(-there.difference);
    expect(back.interval.low).toBeCloseTo(-there.interval.high);
  });
});

test('only some categories: the others were never there', () => {
  const people = onlyCategories(truth, (name) => name === 'person');
  expect(people.categories).toEqual([{ id: 1, name: 'person' }]);
  expect(people.annotations).toHaveLength(PICTURES);
  expect(people.images).toHaveLength(PICTURES);
});
