import { describe, expect, it } from 'vitest';
import { inputBox, intersectionOf, liesOnObject, regionIou, shareOfSmaller } from '../../../src/guard/search/region-geometry.js';
import { box, found, region } from '../found.js';

describe('liesOnObject', () => {
  const person = [100, 100, 140, 220];

  it.each([
    ['on its chest', [110, 130, 130, 150], true],
    ['half over its edge', [125, 130, 145, 150], true],
    ['with the middle beside it', [131, 130, 151, 150], false],
    ['above it', [110, 70, 130, 90], false],
    ['as large as it', [100, 100, 140, 220], false],
    ['a speck', [118, 158, 122, 162], false],
    ['mostly off its corner', [82, 82, 122, 122], false],
  ] as const)('%s', (_, xyxy, expected) => {
    expect(liesOnObject(region(xyxy), person)).toBe(expected);
  });
});

describe('regions', () => {
  it.each([
    ['apart', [0, 0, 4, 4], [5, 0, 9, 4], 0, 0, 0],
    ['side by side', [0, 0, 4, 4], [4, 0, 8, 4], 0, 0, 0],
    ['one within the other', [0, 0, 4, 4], [1, 1, 3, 3], 4, 1, 0.25],
    ['half over each other', [0, 0, 4, 4], [2, 0, 6, 4], 8, 0.5, 1 / 3],
    ['the same', [0, 0, 4, 4], [0, 0, 4, 4], 16, 1, 1],
  ] as const)('%s', (_, a, b, common, share, iou) => {
    for (const [one, other] of [[region(a), region(b)], [region(b), region(a)]] as const) {
      expect([intersectionOf(one, other), shareOfSmaller(one, other), regionIou(one, other)]).toEqual([common, share, iou]);
    }
  });
});

it('inputBox puts a box of the source picture into the model input', () => {
  const out = new Float64Array(4);
  inputBox(found(box([0, 0, 1, 1], 0.9), box([10, 20, 30, 40], 0.5)), 1, { scaleX: 0.5, scaleY: 0.25, padX: 3, padY: 7 }, out);
  expect([...out]).toEqual([8, 12, 18, 17]);
});
