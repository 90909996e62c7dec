import { describe, expect, it } from 'vitest';
import type { Detections } from '../../../src/core/detections.js';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import type { GuardProfile, ShallowTap } from '../../../src/guard/profile.js';
import type { InputRegion } from '../../../src/guard/region.js';
import { PatchSearch, type SearchInput } from '../../../src/guard/search/patch-search.js';
import { REGION_FEATURES } from '../../../src/guard/search/region-features.js';
import { regionIou, shareOfSmaller } from '../../../src/guard/search/region-geometry.js';
import { box, found, region, UNSCALED } from '../found.js';
import { ordinaryProfile } from '../ordinary-profile.js';

const TAP: ShallowTap = { output: 'tap', stride: 4, channels: 2, width: 60, height: 48 };
const SIZE = { width: 240, height: 192 };
const AREA = SIZE.width * SIZE.height;
const CELLS = TAP.width * TAP.height;

/** Evidence is how far the first channel deviates; a region is the more suspicious the more it stands out, four times the usual is the trigger. */
const PROFILE: GuardProfile = (() => {
  const ordinary = ordinaryProfile({ id: 'net', sha256: '0'.repeat(64) }, TAP);
  const weights = [1, 0, 0, 0, 0];
  const byContrast = (name: (typeof REGION_FEATURES)[number]): GuardProfile['region']['colour'] => ({ ...ordinary.region.colour, weights: REGION_FEATURES.map((feature) => (feature === name ? 4 : 0)), bias: 0, trigger: 4 * Math.log(4) });
  const sizes = [3, 4, 6, 8, 11];
  return {
    ...ordinary,
    cells: { ...ordinary.cells, weights: { colour: weights, grey: [0, 0, 0, 0, 0] } },
    windows: { sizes, scale: { colour: sizes.map((size) => 1.5 / Math.sqrt(size)), grey: sizes.map(() => 1) } },
    region: { colour: byContrast('logContrastColour'), grey: byContrast('logContrastGrey') },
  };
})();

/** A picture with coloured squares, and a network that sees that they are odd. */
function picture(squares: readonly InputRegion[], detections: Detections = found()): SearchInput {
  const random = new SeededRandom(6);
  const pixels = Uint8Array.from({ length: 3 * AREA }, () => 90 + random.integer(6));
  const data = Float32Array.from({ length: 2 * CELLS }, () => 0.1 * random.normal());
  for (const { left, top, right, bottom } of squares) {
    for (let y = top; y < bottom; y += 1) {
      for (let x = left; x < right; x += 1) {
        for (let plane = 0; plane < 3; plane += 1) pixels[plane * AREA + y * SIZE.width + x] = 60 + 70 * plane + random.integer(6);
        data[Math.floor(y / TAP.stride) * TAP.width + Math.floor(x / TAP.stride)] = 5;
      }
    }
  }
  return { pixels, tap: { data, dims: [1, 2, TAP.height, TAP.width] }, detections, fit: UNSCALED };
}

function search(input: SearchInput): InputRegion[] {
  return new PatchSearch(PROFILE, SIZE).find(input).map((candidate) => candidate.region);
}

const SQUARE = region([80, 60, 112, 92]);

describe('PatchSearch', () => {
  it('finds nothing in a picture in which nothing stands out', () => {
    expect(search(picture([]))).toEqual([]);
  });

  it.each([
    ['on the grid of cells', [80, 60, 112, 92]],
    ['off the grid', [82, 61, 113, 94]],
    ['a small one', [120, 84, 136, 100]],
    ['a large one', [62, 50, 110, 98]],
  ] as const)('finds a square to the pixel: %s', (_, xyxy) => {
    expect(search(picture([region(xyxy)]))[0]).toEqual(region(xyxy));
  });

  it('finds several, each once, most suspicious first', () => {
    const squares = [SQUARE, region([160, 100, 192, 132]), region([20, 20, 48, 48])];
    const candidates = new PatchSearch(PROFILE, SIZE).find(picture(squares));
    for (const square of squares) expect(candidates.filter((candidate) => regionIou(candidate.region, square) > 0.8)).toHaveLength(1);
    expect(candidates.map(({ evidence }) => evidence)).toEqual(candidates.map(({ evidence }) => evidence).toSorted((a, b) => b - a));
    expect(candidates[0]!.evidence).toBeGreaterThan(0);
    for (const [i, one] of candidates.entries()) for (const other of candidates.slice(i + 1)) expect(shareOfSmaller(one.region, other.region)).toBeLessThan(0.5);
  });

  it('leaves alone what lies on an object that is found with full confidence, not what lies on a weak one', () => {
    const person = [70, 40, 122, 150] as const;
    expect(search(picture([SQUARE], found(box(person, 0.9)))).filter((candidate) => regionIou(candidate, SQUARE) > 0.5)).toEqual([]);
    expect(search(picture([SQUARE], found(box(person, 0.3))))[0]).toEqual(SQUARE);
  });

  it('asks only for what is more suspicious than it is told', () => {
    const input = picture([SQUARE]);
    const one = new PatchSearch(PROFILE, SIZE);
    const [best] = one.find(input);
    expect(one.find(input, best!.evidence)).toEqual([]);
    // All that was looked at, whatever it looks like.
    const all = one.find(input, Number.NEGATIVE_INFINITY);
    expect(all.length).toBeGreaterThan(1);
    expect(all[0]).toEqual(best);
  });

  it('is done with a picture when it takes the next one', () => {
    const one = new PatchSearch(PROFILE, SIZE);
    one.find(picture([SQUARE]));
    expect(one.find(picture([]))).toEqual([]);
    expect(one.find(picture([SQUARE]))).toEqual(new PatchSearch(PROFILE, SIZE).find(picture([SQUARE])));
  });
});
