import { describe, expect, test } from 'vitest';
import type { PatchFinding } from '../../../src/core/guard-report.js';
import type { CocoDataset } from '../../../src/evaluation/coco-dataset.js';
import { attackFigures, meanOf } from '../../../src/evaluation/robustness/attack-figures.js';
import { addedLatency, defenceWork, latencySamples } from '../../../src/evaluation/robustness/defence-cost.js';
import { matchObjects } from '../../../src/evaluation/robustness/object-matches.js';
import { recoveredShare } from '../../../src/evaluation/robustness/recovered-share.js';
import { harmfulPatches, scoreRegions } from '../../../src/evaluation/robustness/region-score.js';
import type { FoundBox, PictureOutcome, PlacedPatch } from '../../../src/evaluation/robustness/run-outcome.js';
import { scoreRun } from '../../../src/evaluation/robustness/run-score.js';

type Corners = [number, number, number, number];

const PERSON = 1;
const DOG = 2;

/** Four pictures with a person each at 0..100 x 0..200; the first also has a dog and a crowd of persons. */
const TRUTH: CocoDataset = {
  images: [1, 2, 3, 4].map((id) => ({ id, file_name: `${id}.png` })),
  annotations: [
    { image_id: 1, category_id: PERSON, bbox: [0, 0, 100, 200], iscrowd: 0 },
    { image_id: 2, category_id: PERSON, bbox: [0, 0, 100, 200], iscrowd: 0 },
    { image_id: 3, category_id: PERSON, bbox: [0, 0, 100, 200], iscrowd: 0 },
    { image_id: 4, category_id: PERSON, bbox: [0, 0, 100, 200], iscrowd: 0 },
    { image_id: 1, category_id: DOG, bbox: [300, 0, 50, 50], iscrowd: 0 },
    { image_id: 1, category_id: PERSON, bbox: [500, 0, 200, 200], iscrowd: 1 },
  ],
  categories: [
    { id: PERSON, name: 'person' },
    { id: DOG, name: 'dog' },
  ],
};
const AT_HALF = { categories: [PERSON], threshold: 0.5 };
const OPTIONS = { ...AT_HALF, truth: TRUTH, bootstrap: { resamples: 200 } };

const ON_PERSON: Corners = [0, 0, 100, 200];

function box(xyxy: Corners, score: number, categoryId: number | undefined = PERSON): FoundBox {
  return { xyxy, score, categoryId };
}

function picture(imageId: number, boxes: readonly FoundBox[] = [], extra: Partial<PictureOutcome> = {}): PictureOutcome {
  return { imageId, boxes, serviceMs: 5, defenceMs: 0, ...extra };
}

/** The person is found in the pictures named. */
function findingIn(...imageIds: number[]): PictureOutcome[] {
  return [1, 2, 3, 4].map((id) => picture(id, imageIds.includes(id) ? [box(ON_PERSON, 0.9)] : []));
}

function region(xyxy: Corners, verdict: PatchFinding['verdict'] = 'adversarial'): PatchFinding {
  return { xyxy, score: 1, verdict, action: verdict === 'adversarial' ? 'filled' : 'none' };
}

function guarded(imageId: number, patches: readonly PatchFinding[], extraPasses = 0, boxes: readonly FoundBox[] = []): PictureOutcome {
  return picture(imageId, boxes, { guard: { state: 'guarded', patches, extraPasses } });
}

describe('matchObjects', () => {
  test.each<[string, readonly FoundBox[], { found?: number[]; misclassified?: number[]; hallucinations?: number; detections?: number }]>([
    ['nothing found', [], {}],
    ['a box on the person', [box(ON_PERSON, 0.9)], { found: [0], detections: 1 }],
    ['one at the threshold counts', [box(ON_PERSON, 0.5)], { found: [0], detections: 1 }],
    ['one under the threshold does not', [box(ON_PERSON, 0.49)], {}],
    ['IoU of just a half: 100 x 100 of 100 x 200', [box([0, 0, 100, 100], 0.9)], { found: [0], detections: 1 }],
    ['IoU under a half is a hallucination', [box([0, 0, 100, 99], 0.9)], { hallucinations: 1, detections: 1 }],
    ['two boxes on one person: one finds it, the other is no hallucination', [box(ON_PERSON, 0.9), box([0, 0, 100, 190], 0.8)], { found: [0], detections: 2 }],
    ['a box of another class at its place', [box(ON_PERSON, 0.9, DOG)], { misclassified: [0] }],
    ['a box of a class that the dataset does not have', [{ xyxy: ON_PERSON, score: 0.9, categoryId: undefined }], { misclassified: [0] }],
    ['found by both: no misclassification', [box(ON_PERSON, 0.6), box(ON_PERSON, 0.9, DOG)], { found: [0], detections: 1 }],
    ['a person seen on the dog is no hallucination, something is there', [box([300, 0, 350, 50], 0.9)], { detections: 1 }],
    ['inside of a crowd: neither right nor wrong', [box([550, 50, 600, 150], 0.9)], { detections: 1 }],
    ['nowhere', [box([800, 0, 900, 200], 0.9)], { hallucinations: 1, detections: 1 }],
    ['classes that are not judged do not count', [box([800, 0, 900, 200], 0.9, DOG)], {}],
  ])('%s', (_, boxes, { found = [], misclassified = [], hallucinations = 0, detections = 0 }) => {
    const matches = matchObjects([picture(1, boxes)], TRUTH, AT_HALF);
    expect([...matches.found]).toEqual(found);
    expect([...matches.misclassified]).toEqual(misclassified);
    expect(matches.hallucinations.get(1)).toHaveLength(hallucinations);
    expect(matches.detections).toBe(detections);
    expect(matches.objects).toEqual([0, 1, 2, 3]);
  });

  test('a box goes to the free object that it overlaps most', () => {
    const truth: CocoDataset = {
      ...TRUTH,
      annotations: [
        { image_id: 1, category_id: PERSON, bbox: [0, 0, 100, 100] },
        { image_id: 1, category_id: PERSON, bbox: [10, 0, 100, 100] },
      ],
    };
    const matches = matchObjects([picture(1, [box([8, 0, 108, 100], 0.9), box([10, 0, 110, 100], 0.8)])], truth, AT_HALF);
    expect([...matches.found].sort()).toEqual([0, 1]);
  });
});

describe('scoreRun', () => {
  test('rates at the threshold, AP of all boxes', () => {
    const clean = scoreRun(findingIn(1, 2, 3), OPTIONS);
    const attacked = scoreRun([picture(1, [box(ON_PERSON, 0.9)]), picture(2, [box(ON_PERSON, 0.3)]), picture(3, [box(ON_PERSON, 0.8, DOG)]), picture(4, [box([800, 0, 900, 200], 0.7)])], OPTIONS, clean);
    expect(clean.score).toMatchObject({ images: 4, boxes: 4, detections: 3, truePositiveRate: 0.75, misclassificationRate: 0, hallucinationsPerImage: 0, disappearanceRate: null });
    // Found clean in 1, 2 and 3; with the attack only in 1.
    expect(attacked.score).toMatchObject({ detections: 2, truePositiveRate: 0.25, misclassificationRate: 0.25, hallucinationsPerImage: 0.25, disappearanceRate: 2 / 3 });
    // 3 of 4 found at precision 1: recalls 0 to 0.75 are 76 of the 101 points.
    expect(clean.score.ap50).toBeCloseTo(76 / 101, 9);
    expect(clean.score.perClass).toEqual([{ label: 'person', ap50: clean.score.ap50 }]);
    // The dog of picture 1 is never found.
    expect(clean.score.ap50All).toBeCloseTo(38 / 101, 9);
    // Ranked 0.9 right, 0.7 wrong, 0.3 right: recall 0.25 at precision 1 (26 points), 0.5 at 2/3 (25 points).
    expect(attacked.score.ap50).toBeCloseTo((26 + 25 * (2 / 3)) / 101, 9);
  });

  test('a picture that was lost counts as empty', () => {
    const { score } = scoreRun(findingIn(1, 2, 3, 4).slice(0, 2), OPTIONS);
    expect(score).toMatchObject({ images: 4, boxes: 4, truePositiveRate: 0.5 });
  });

  test('nothing to judge is null, not 0', () => {
    const { score } = scoreRun([], { ...OPTIONS, categories: [] });
    expect(score).toMatchObject({ ap50: null, truePositiveRate: null, boxes: 0 });
  });
});

describe('recoveredShare', () => {
  const rankingsOf = (...imageIds: number[]) => scoreRun(findingIn(...imageIds), OPTIONS).rankings;

  test.each([
    ['nothing', [1], 0],
    ['all', [1, 2, 3, 4], 1],
    // AP50 of 1 of 4 is 26/101, of 3 of 4 76/101, of all 1.
    ['two of the three that were lost', [1, 2, 3], (76 - 26) / (101 - 26)],
    ['harm', [], -26 / (101 - 26)],
  ])('%s', (_, found, expected) => {
    const recovered = recoveredShare(rankingsOf(1, 2, 3, 4), rankingsOf(1), rankingsOf(...found), 4)!;
    expect(recovered.share).toBeCloseTo(expected, 9);
    expect(recovered.interval.low).toBeLessThanOrEqual(recovered.interval.high);
  });

  test('all three runs are drawn alike: a defence that always gives everything back has no width', () => {
    expect(recoveredShare(rankingsOf(1, 2, 3, 4), rankingsOf(1), rankingsOf(1, 2, 3, 4), 4)!.interval).toEqual({ low: 1, high: 1 });
  });

  test('the same seed gives the same interval, a partial recovery one with a width', () => {
    const once = () => recoveredShare(rankingsOf(1, 2, 3, 4), rankingsOf(1), rankingsOf(1, 2), 4, { seed: 7 })!;
    expect(once()).toEqual(once());
    expect(once().interval.high - once().interval.low).toBeGreaterThan(0.1);
  });

  test('no harm, no share', () => {
    expect(recoveredShare(rankingsOf(1, 2), rankingsOf(1, 2), rankingsOf(1, 2, 3), 4)).toBeNull();
  });
});

const PATCH: PlacedPatch = { imageId: 1, xyxy: [40, 40, 60, 60], carrier: 0 };

describe('harmfulPatches', () => {
  const matches = (boxes: readonly FoundBox[]) => matchObjects([picture(1, boxes)], TRUTH, AT_HALF);
  const inScene: PlacedPatch = { imageId: 1, xyxy: [800, 0, 820, 20], carrier: undefined };
  const falseBox = box([790, 0, 830, 40], 0.9);

  test.each<[string, PlacedPatch, readonly FoundBox[], readonly FoundBox[], boolean]>([
    ['its carrier is found without it, not with it', PATCH, [box(ON_PERSON, 0.9)], [], true],
    ['its carrier is found all the same', PATCH, [box(ON_PERSON, 0.9)], [box(ON_PERSON, 0.6)], false],
    ['its carrier was never found', PATCH, [], [], false],
    ['its carrier is seen as another class', PATCH, [box(ON_PERSON, 0.9)], [box(ON_PERSON, 0.9, DOG)], true],
    ['in the scene: a false box over it', inScene, [], [falseBox], true],
    ['in the scene: the false box was there before', inScene, [falseBox], [falseBox], false],
    ['in the scene: a false box elsewhere', inScene, [], [box([900, 0, 940, 40], 0.9)], false],
    ['in the scene: a false box over less than half of it', inScene, [], [box([811, 0, 900, 40], 0.9)], false],
  ])('%s', (_, patch, clean, attacked, expected) => {
    expect(harmfulPatches([patch], matches(clean), matches(attacked))).toEqual([expected]);
  });
});

describe('scoreRegions', () => {
  // 20 x 20 at 40..60; moved by 10 along x they share a third of their union.
  const near: Corners = [50, 40, 70, 60];
  const touching: Corners = [54, 40, 74, 60];
  const far: Corners = [200, 200, 220, 220];

  test.each<[string, readonly PatchFinding[], { hitRate: number; precision: number | null; precisionTouching: number | null; regions: number }]>([
    ['nothing found', [], { hitRate: 0, precision: null, precisionTouching: null, regions: 0 }],
    ['the very place', [region(PATCH.xyxy as Corners)], { hitRate: 1, precision: 1, precisionTouching: 1, regions: 1 }],
    ['IoU of a third', [region(near)], { hitRate: 1, precision: 1, precisionTouching: 1, regions: 1 }],
    ['IoU of 6 / 34 touches it', [region(touching)], { hitRate: 0, precision: 0, precisionTouching: 1, regions: 1 }],
    ['one right, one wrong', [region(near), region(far)], { hitRate: 1, precision: 0.5, precisionTouching: 0.5, regions: 2 }],
    ['verdicts that are not acted on do not count', [region(near, 'suspicious'), region(far, 'benign')], { hitRate: 0, precision: null, precisionTouching: null, regions: 0 }],
  ])('%s', (_, found, expected) => {
    expect(scoreRegions([guarded(1, found)], [PATCH], [true])).toMatchObject(expected);
  });

  test('rates over all patches and over those that did harm', () => {
    const patches = [PATCH, { ...PATCH, imageId: 2, carrier: 1 }, { ...PATCH, imageId: 3, carrier: 2 }];
    const run = [guarded(1, [region(near)]), guarded(2, []), guarded(3, [region(near)]), guarded(4, [region(far)])];
    const score = scoreRegions(run, patches, [true, true, false]);
    expect(score).toMatchObject({ patches: 3, harmfulPatches: 2, hitRate: 2 / 3, hitRateHarmful: 1 / 2, regions: 3, precision: 2 / 3 });
  });

  test('nothing harmful has no rate', () => {
    expect(scoreRegions([guarded(1, [])], [PATCH], [false]).hitRateHarmful).toBeNull();
  });
});

describe('what a defence costs', () => {
  test('flagged pictures, extra passes and states', () => {
    const run: PictureOutcome[] = [
      guarded(1, [region(ON_PERSON)], 2),
      guarded(2, [region(ON_PERSON, 'suspicious')], 1),
      picture(3, [], { guard: { state: 'degraded', reason: 'budget', patches: [], extraPasses: 0 } }),
      guarded(4, []),
    ];
    expect(defenceWork(run)).toEqual({ flagged: 0.25, extraPasses: 0.75, states: { guarded: 3, 'degraded:budget': 1 } });
    expect(defenceWork([])).toEqual({ flagged: null, extraPasses: null, states: {} });
  });

  test('latency is paired by picture', () => {
    const off = [picture(1, [], { serviceMs: 4 }), picture(2, [], { serviceMs: 10 }), picture(3, [], { serviceMs: 1 })];
    const on = [picture(2, [], { serviceMs: 13, defenceMs: 2 }), picture(1, [], { serviceMs: 5, defenceMs: 1.5 }), picture(4, [], { serviceMs: 99, defenceMs: 80 })];
    const samples = latencySamples(off, on);
    expect(samples).toEqual([
      { ownMs: 2, pairedMs: 3 },
      { ownMs: 1.5, pairedMs: 1 },
    ]);
    // Two samples say nothing of the hundredth.
    expect(addedLatency(samples)).toEqual({ own: { n: 2, meanMs: 1.75, maxMs: 2, p50Ms: 1.75, p99Ms: null }, paired: { n: 2, meanMs: 2, maxMs: 3, p50Ms: 2, p99Ms: null } });
    expect(addedLatency([])).toBeNull();
  });

  test('p99 comes with 662 samples', () => {
    const samples = Array.from({ length: 662 }, (_, i) => ({ ownMs: i, pairedMs: -i }));
    expect(addedLatency(samples)!.own.p99Ms).toBeCloseTo(0.99 * 661, 6);
    expect(addedLatency(samples)!.paired.p99Ms).toBeCloseTo(-0.01 * 661, 6);
    expect(addedLatency(samples.slice(1))!.own.p99Ms).toBeNull();
  });
});

describe('attackFigures', () => {
  const clean = scoreRun(findingIn(1, 2, 3, 4), OPTIONS);
  const patches = [1, 2, 3].map((imageId): PlacedPatch => ({ imageId, xyxy: [40, 40, 60, 60], carrier: imageId - 1 }));

  test('puts the figures together', () => {
    const attacked = findingIn(3, 4);
    const defended = [guarded(1, [region([40, 40, 60, 60])], 1, [box(ON_PERSON, 0.8)]), ...findingIn(3, 4).slice(1)];
    const figures = attackFigures({ attacked, defended, patches }, clean, OPTIONS);
    expect(figures.harmful).toEqual([true, true, false]);
    expect(figures.attacked.disappearanceRate).toBe(0.5);
    expect(figures.defended!.disappearanceRate).toBe(0.25);
    // AP50: 51/101 of 2 of 4, 76/101 of 3 of 4, 1 of all.
    expect(figures.recovered!.share).toBeCloseTo(25 / 50, 9);
    expect(figures.regions).toMatchObject({ hitRate: 1 / 3, hitRateHarmful: 1 / 2, precision: 1 });
    expect(figures.work).toMatchObject({ flagged: 0.25, extraPasses: 0.25 });
  });

  test('without a defence there is nothing recovered', () => {
    expect(attackFigures({ attacked: findingIn(), patches }, clean, OPTIONS)).toMatchObject({ defended: null, recovered: null, regions: null, work: null });
  });

  test('means leave out what is not there', () => {
    expect(meanOf([1, null, 3])).toBe(2);
    expect(meanOf([null])).toBeNull();
  });
});
