import { describe, expect, it } from 'vitest';
import type { Detections } from '../../../src/core/detections.js';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import type { GuardProfile, ShallowTap, ViewModel } from '../../../src/guard/profile.js';
import type { InputRegion } from '../../../src/guard/region.js';
import type { FinderMap } from '../../../src/guard/search/finder-map.js';
import { PatchSearch, type SearchInput } from '../../../src/guard/search/patch-search.js';
import { type RegionFeature, regionFeatureNames } from '../../../src/guard/search/region-features.js';
import { regionIou, shareOfSmaller } from '../../../src/guard/search/region-geometry.js';
import { box, found, region, UNSCALED } from '../found.js';
import { type EvidenceProfile, ordinaryFinderProfile, ordinaryProfile } from '../ordinary-profile.js';

const TAP: ShallowTap = { output: 'tap', stride: 4, channels: 2, width: 60, height: 48 };
const SIZE = { width: 240, height: 192 };
const AREA = SIZE.width * SIZE.height;
const CELLS = TAP.width * TAP.height;

/** Evidence is how far the first channel deviates; a region is the more suspicious the more it stands out, four times the usual is the trigger. */
const PROFILE: EvidenceProfile = (() => {
  const ordinary = ordinaryProfile({ id: 'net', sha256: '0'.repeat(64) }, TAP);
  const weights = [1, 0, 0, 0, 0];
  const byContrast = (name: RegionFeature): ViewModel => ({ ...ordinary.region.colour, weights: regionFeatureNames('colour').map((feature) => (feature === name ? 4 : 0)), bias: 0, trigger: 4 * Math.log(4) });
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

describe('PatchSearch.examine', () => {
  it('knows nothing of the picture before, in either view', () => {
    const profile = { ...PROFILE, cells: { ...PROFILE.cells, weights: { colour: PROFILE.cells.weights.colour, grey: PROFILE.cells.weights.colour } } };
    const one = new PatchSearch(profile, SIZE);
    one.examine(picture([region([160, 100, 192, 132])]));
    expect(one.examine(picture([SQUARE]))).toEqual(new PatchSearch(profile, SIZE).examine(picture([SQUARE])));
  });
});

describe('PatchSearch with the patch finder', () => {
  const COLUMNS = SIZE.width / 4;
  const ROWS = SIZE.height / 4;

  /** The more certain the finder, the more suspicious: from a log odds of 2 on. */
  const profileOf = (search: 'finder' | 'both'): GuardProfile => {
    const ordinary = ordinaryFinderProfile({ id: 'net', sha256: '0'.repeat(64) }, TAP, search);
    const names = regionFeatureNames('finder');
    const finder: ViewModel = { mean: names.map(() => 0), deviation: names.map(() => 1), weights: names.map((name) => (name === 'finder' ? 1 : 0)), bias: 0, trigger: 2 };
    return { ...ordinary, ...(search === 'both' ? { cells: PROFILE.cells, windows: PROFILE.windows, region: { ...PROFILE.region, finder } } : { region: { finder } }) };
  };

  /** Sure of squares, with their sides told to a few pixels. */
  function finderMap(squares: readonly InputRegion[], logOdds = 5): FinderMap {
    const centre = new Float32Array(COLUMNS * ROWS).fill(-9);
    const sides = new Float32Array(4 * COLUMNS * ROWS);
    for (const { left, top, right, bottom } of squares) {
      const [column, row] = [Math.floor((left + right) / 8), Math.floor((top + bottom) / 8)];
      const [x, y] = [4 * column + 2, 4 * row + 2];
      centre[row * COLUMNS + column] = logOdds;
      [x - left - 1, y - top + 2, right - x + 1, bottom - y + 1].forEach((side, i) => (sides[i * COLUMNS * ROWS + row * COLUMNS + column] = side));
    }
    return { columns: COLUMNS, rows: ROWS, centre, sides };
  }

  /** A picture whose features say nothing. */
  function plain(squares: readonly InputRegion[], detections: Detections = found(), logOdds?: number): SearchInput {
    const { tap, ...input } = picture(squares, detections);
    return { ...input, tap: { dims: tap!.dims, data: new Float32Array(tap!.data.length) }, finder: finderMap(squares, logOdds) };
  }

  it.each(['finder', 'both'] as const)('%s: finds what features say nothing of, to the pixel, each once', (search) => {
    const squares = [SQUARE, region([160, 100, 192, 132])];
    const candidates = new PatchSearch(profileOf(search), SIZE).find(plain(squares));
    expect(candidates.map((candidate) => candidate.region)).toEqual(squares);
    for (const { evidence } of candidates) expect(evidence).toBeCloseTo(3, 6);
    expect(new PatchSearch(profileOf(search), SIZE).find(plain(squares, found(), 1.5))).toEqual([]);
  });

  it('takes the sides that the finder tells where no lines are near', () => {
    const { tap: _, ...nothing } = picture([]);
    expect(new PatchSearch(profileOf('finder'), SIZE).find({ ...nothing, finder: finderMap([SQUARE]) })[0]?.region).toEqual(region([81, 58, 113, 93]));
  });

  it('a search by evidence does not listen to it', () => {
    expect(new PatchSearch(PROFILE, SIZE).find(plain([SQUARE]))).toEqual([]);
  });

  it('needs no shallow features without evidence', () => {
    const { tap: _, ...input } = plain([SQUARE]);
    expect(new PatchSearch(profileOf('finder'), SIZE).find(input)[0]?.region).toEqual(SQUARE);
  });

  it('looks at windows, too: what either shows is judged by its own measure', () => {
    // The features show both squares, the finder knows of one.
    const other = region([160, 100, 192, 132]);
    const search = new PatchSearch(profileOf('both'), SIZE);
    const input = { ...picture([SQUARE, other]), finder: finderMap([SQUARE]) };
    const viewsAt = (place: InputRegion): Set<string> => new Set(search.examine(input).filter((one) => regionIou(one.region, place) > 0.9).map((one) => one.view));
    expect(viewsAt(SQUARE)).toEqual(new Set(['colour', 'finder']));
    expect(viewsAt(other)).not.toContain('finder');
    // Neither needs the other's consent.
    expect(search.find(input).filter(({ evidence }) => evidence > 0).map((one) => [SQUARE, other].findIndex((place) => regionIou(one.region, place) > 0.9)).sort()).toEqual([0, 1]);
  });

  it('leaves alone what lies on an object that is found for sure, but not what may be shown as one', () => {
    const person = [70, 40, 122, 150] as const;
    const one = new PatchSearch(profileOf('finder'), SIZE);
    expect(one.find(plain([SQUARE], found(box(person, 0.9))))).toEqual([]);
    expect(one.find(plain([SQUARE], found(box(person, 0.3))))[0]?.region).toEqual(SQUARE);
    expect(one.find(plain([SQUARE], found(box([78, 58, 116, 96], 0.9))))[0]?.region).toEqual(SQUARE);
    // On a larger one that is found for sure, too, where the patch makes out a good part of it.
    expect(one.find(plain([SQUARE], found(box([70, 50, 122, 102], 0.9))))[0]?.region).toEqual(SQUARE);
  });
});
