import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import { type SearchKind, type SearchView, usesEvidence, usesFinder, viewsOf } from '../../../src/guard/profile.js';
import type { CellMaps } from '../../../src/guard/search/cell-maps.js';
import { FINDER_STRIDE } from '../../../src/guard/search/finder-map.js';
import { IntegralImage } from '../../../src/guard/search/integral-image.js';
import { EdgeReader } from '../../../src/guard/search/refine-region.js';
import { cellsOf, type RegionFeature, regionFeatureNames, regionFeatures, type RegionView } from '../../../src/guard/search/region-features.js';
import { region } from '../found.js';

const STRIDE = 4;
const GRID = { width: 16, height: 12 };
const SIZE = { width: STRIDE * GRID.width, height: STRIDE * GRID.height };
const WINDOWS = { sizes: [3, 5, 8], scale: { colour: [2, 2, 2], grey: [1, 1, 1] } };

/** Everything that a region is looked at with, from a level for each cell. */
function view(levelOf: (x: number, y: number) => number, pixels = new Uint8Array(3 * SIZE.width * SIZE.height).fill(80), search: SearchKind = 'both'): RegionView {
  const map = Float32Array.from({ length: GRID.width * GRID.height }, (_, i) => levelOf(i % GRID.width, Math.floor(i / GRID.width)));
  const integral = new IntegralImage(GRID.width, GRID.height);
  integral.update(map);
  const maps: CellMaps = { ...GRID, evidence: { colour: map, grey: map }, chromaGradient: map, lumaGradient: map, saturation: map };
  const edges = new EdgeReader(SIZE);
  edges.use(pixels);
  return {
    edges,
    inputWidth: SIZE.width,
    evidence: usesEvidence(search) ? { stride: STRIDE, windows: WINDOWS, views: { colour: integral, grey: integral }, maps } : undefined,
    // As certain as the level.
    finder: usesFinder(search) ? { columns: SIZE.width / FINDER_STRIDE, rows: SIZE.height / FINDER_STRIDE, centre: map, sides: new Float32Array(4 * map.length) } : undefined,
  };
}

function named(features: readonly number[], view: SearchView = 'colour'): Record<RegionFeature, number> {
  return Object.fromEntries(regionFeatureNames(view).map((name, i) => [name, features[i]!])) as Record<RegionFeature, number>;
}

const SQUARE = region([16, 16, 32, 32]);
const inSquare = (x: number, y: number): boolean => x >= 4 && x < 8 && y >= 4 && y < 8;

describe('regionFeatures', () => {
  it('of a region that stands out say by how much, in units of what is usual', () => {
    const features = named(regionFeatures(SQUARE, 'colour', { confidence: 0 }, view((x, y) => (inSquare(x, y) ? 10 : 4))));
    expect(features).toMatchObject({ insideColour: 10, insideGrey: 10, weakestQuarter: 6, chromaContrast: 6, lumaContrast: 6, saturationContrast: 6, aspect: 0, nearlyFound: 0, room: 0 });
    expect(features.logContrastColour).toBeCloseTo(Math.log(6 / 2), 6);
    expect(features.logContrastGrey).toBeCloseTo(Math.log(6), 6);
    expect(features.logSide).toBeCloseTo(Math.log(16 / SIZE.width), 6);
  });

  it('of the finder are what it says, and looks that need no evidence: the same as in the other views', () => {
    const pixels = Uint8Array.from({ length: 3 * SIZE.width * SIZE.height }, (_, i) => (i % SIZE.width < 16 ? 40 : 200));
    const of = (judgedIn: SearchView, search: SearchKind): Record<RegionFeature, number> => named(regionFeatures(SQUARE, judgedIn, { confidence: 0.5 }, view((x, y) => x - y, pixels, search)), judgedIn);
    const { finder, ...looks } = of('finder', 'finder');
    expect(finder).toBe(1);
    expect(of('grey', 'evidence')).toMatchObject(looks);
    expect(of('finder', 'both')).toEqual({ finder, ...looks });
    expect(of('grey', 'both')).toEqual(of('grey', 'evidence'));
    expect(of('grey', 'evidence')).not.toHaveProperty('finder');
    expect(looks).not.toHaveProperty('logContrastGrey');
  });

  it('tell a region of which a quarter is ordinary', () => {
    const { weakestQuarter } = named(regionFeatures(SQUARE, 'colour', { confidence: 0 }, view((x, y) => (inSquare(x, y) && (x >= 6 || y >= 6) ? 10 : 4))));
    expect(weakestQuarter).toBe(0);
  });

  it('of what is below: whether there is an object, and how much it could gain', () => {
    const of = (confidence: number): { nearlyFound: number; room: number } => {
      const { nearlyFound, room } = named(regionFeatures(SQUARE, 'grey', { confidence }, view(() => 1)));
      return { nearlyFound, room };
    };
    expect(of(0)).toEqual({ nearlyFound: 0, room: 0 });
    expect(of(0.25)).toEqual({ nearlyFound: 1, room: 0.75 });
    expect(of(1.5)).toEqual({ nearlyFound: 1, room: 0 });
  });

  it('do not depend on which way a region is longer', () => {
    const aspect = (xyxy: readonly [number, number, number, number]): number => named(regionFeatures(region(xyxy), 'grey', { confidence: 0 }, view(() => 1))).aspect;
    expect(aspect([8, 8, 24, 32])).toBeCloseTo(Math.log(1.5), 9);
    expect(aspect([8, 8, 32, 24])).toBeCloseTo(Math.log(1.5), 9);
  });

  it('are finite for every region, at borders, as large as the picture or smaller than a cell', () => {
    const side = (length: number): fc.Arbitrary<[number, number]> => fc.tuple(fc.integer({ min: 0, max: length - 1 }), fc.integer({ min: 1, max: length })).map(([from, most]) => [from, Math.min(length, from + most)]);
    fc.assert(
      fc.property(side(SIZE.width), side(SIZE.height), fc.constantFrom(...viewsOf('both')), fc.double({ min: 0, max: 2, noNaN: true }), fc.integer(), ([left, right], [top, bottom], judgedIn, confidence, seed) => {
        const random = new SeededRandom(seed);
        const seen = view(() => 100 * random.normal(), Uint8Array.from({ length: 3 * SIZE.width * SIZE.height }, () => random.integer(256)));
        const features = regionFeatures({ left, top, right, bottom }, judgedIn, { confidence }, seen);
        expect(features).toHaveLength(regionFeatureNames(judgedIn).length);
        expect(features.every(Number.isFinite), JSON.stringify(named(features, judgedIn))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe('cellsOf', () => {
  it.each([
    ['whole cells', [8, 4, 24, 16], [2, 1, 6, 4]],
    ['the nearest cells', [9, 3, 25, 18], [2, 1, 6, 5]],
    ['two by two at least', [9, 9, 10, 10], [2, 2, 4, 4]],
    ['two by two at the far corner, too', [63, 47, 64, 48], [14, 10, 16, 12]],
    ['the whole map', [0, 0, 64, 48], [0, 0, 16, 12]],
    ['what is inside of the map', [-9, -9, 90, 90], [0, 0, 16, 12]],
  ] as const)('are %s', (_, xyxy, cells) => {
    expect(cellsOf(region(xyxy), STRIDE, GRID)).toEqual(cells);
  });
});
