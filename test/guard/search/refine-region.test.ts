import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import type { InputRegion } from '../../../src/guard/region.js';
import { EdgeReader } from '../../../src/guard/search/refine-region.js';
import { type Xyxy, region } from '../found.js';

const SIZE = { width: 96, height: 80 };
const AREA = SIZE.width * SIZE.height;

/** Soft noise of 8 levels: no lines in it. */
function wall(seed = 1): Uint8Array {
  const random = new SeededRandom(seed);
  return Uint8Array.from({ length: 3 * AREA }, () => 100 + random.integer(8));
}

/** Draws a square of coloured noise with its own mean. */
function pasteNoise(planes: Uint8Array, { left, top, right, bottom }: InputRegion, seed = 2): Uint8Array {
  const random = new SeededRandom(seed);
  for (let plane = 0; plane < 3; plane += 1) {
    for (let y = top; y < bottom; y += 1) for (let x = left; x < right; x += 1) planes[plane * AREA + y * SIZE.width + x] = 150 + 40 * plane + random.integer(12);
  }
  return planes;
}

function reader(planes: Uint8Array): EdgeReader {
  const edges = new EdgeReader(SIZE);
  edges.use(planes);
  return edges;
}

describe('EdgeReader', () => {
  const square = region([30, 24, 54, 48]);

  it.each<[string, Xyxy]>([
    ['of cells around it', [28, 24, 56, 48]],
    ['within it', [32, 28, 52, 44]],
    ['beside it', [33, 27, 57, 51]],
    ['that is right', [30, 24, 54, 48]],
    ['of cells around it by fractions', [28.5, 22.5, 55.5, 49.5]],
  ])('finds the borders of a pasted square to the pixel from a region %s', (_, start) => {
    expect(reader(pasteNoise(wall(), square)).snap(region(start))).toEqual(square);
  });

  it('lets no side go further than its reach: what is far away is something else', () => {
    const far = reader(pasteNoise(wall(), region([30, 24, 80, 70]))).snap(square);
    expect(far.left).toBe(30);
    expect(far.top).toBe(24);
    expect(far.right).toBeLessThan(70);
    expect(far.bottom).toBeLessThan(60);
  });

  it('says how clear the sides are as lines, the least clear one apart', () => {
    const edges = reader(pasteNoise(wall(), square));
    const clear = edges.sides(square);
    expect(clear.mean).toBeGreaterThan(0.9);
    expect(clear.least).toBeGreaterThan(0.9);
    const shifted = edges.sides(region([34, 24, 54, 48]));
    expect(shifted.least).toBeLessThan(0.5);
    expect(shifted.mean).toBeGreaterThan(shifted.least);
    expect(edges.sides(region([60, 10, 80, 20])).mean).toBeLessThan(0.3);
  });

  it('a side at the border of the picture is no line', () => {
    expect(reader(pasteNoise(wall(), region([0, 24, 24, 48]))).sides(region([0, 24, 24, 48])).least).toBe(0);
  });

  const inside = fc
    .tuple(fc.integer({ min: 0, max: SIZE.width - 4 }), fc.integer({ min: 0, max: SIZE.height - 4 }))
    .chain(([left, top]) => fc.tuple(fc.integer({ min: left + 4, max: SIZE.width }), fc.integer({ min: top + 4, max: SIZE.height })).map(([right, bottom]): InputRegion => ({ left, top, right, bottom })));

  it('leaves a region of the picture a region of the picture', () => {
    fc.assert(
      fc.property(inside, inside, fc.integer(), (pasted, start, seed) => {
        const edges = reader(pasteNoise(wall(seed), pasted, seed + 1));
        const snapped = edges.snap(start);
        expect(Math.min(snapped.left, snapped.top, SIZE.width - snapped.right, SIZE.height - snapped.bottom)).toBeGreaterThanOrEqual(0);
        expect(Math.min(snapped.right - snapped.left, snapped.bottom - snapped.top)).toBeGreaterThan(0);
        const { mean, least } = edges.sides(snapped);
        expect(least).toBeGreaterThanOrEqual(0);
        expect(mean).toBeGreaterThanOrEqual(least);
        expect(mean).toBeLessThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
  });
});
