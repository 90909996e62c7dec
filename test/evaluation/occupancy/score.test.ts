import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StereoRig } from '../../../src/core/stereo-rig.js';
import { cellAt, gridOf } from '../../../src/core/voxel-grid.js';
import { squaredDistances } from '../../../src/evaluation/occupancy/distance-transform.js';
import { scoreCells } from '../../../src/evaluation/occupancy/score-cells.js';
import { poolCells, seenCells, voxelize } from '../../../src/occupancy/voxelize.js';

const rig: StereoRig = { size: { width: 24, height: 12 }, focalPx: 20, centre: { x: 11.5, y: 5.5 }, centreShiftPx: 0, baselineM: 0.5 };
const grid = gridOf(32);
const pixels = 24 * 12;
const disparities = fc.array(fc.oneof(fc.constantFrom(0, -1, NaN, Infinity), fc.double({ min: 0.2, max: 12, noNaN: true })), { minLength: pixels, maxLength: pixels }).map((values) => Float32Array.from(values));
const cellsOf = (disparityPx: Float32Array, side: number) => {
  const out = new Uint8Array(side ** 3).fill(9);
  voxelize(disparityPx, rig, grid, side, out);
  return out;
};
const seenOf = (disparityPx: Float32Array, side: number, knownZero = false) => {
  const out = new Uint8Array(side ** 3).fill(9);
  seenCells(disparityPx, rig, grid, side, knownZero, out);
  return out;
};

describe('cells of a disparity picture', () => {
  test('a wall at 5 m is in the slab that has 5 m, and nowhere else', () => {
    const cells = cellsOf(new Float32Array(pixels).fill(2), 64);
    const slabs = new Set([...cells.keys()].filter((i) => cells[i] === 1).map((i) => Math.floor(i / 64 ** 2)));
    expect([...slabs]).toEqual([10]);
  });

  test('what is no disparity is no point', () => {
    for (const value of [0, -3, NaN, Infinity]) expect(cellsOf(new Float32Array(pixels).fill(value), 8)).toEqual(new Uint8Array(512));
  });

  test('a coarser level has the cells that it has when made of the points itself, occupied and seen', () => {
    fc.assert(
      fc.property(disparities, fc.boolean(), (disparityPx, knownZero) => {
        for (const side of [16, 32, 64]) {
          expect(Buffer.compare(poolCells(cellsOf(disparityPx, side), side), cellsOf(disparityPx, side / 2))).toBe(0);
          expect(Buffer.compare(poolCells(seenOf(disparityPx, side, knownZero), side), seenOf(disparityPx, side / 2, knownZero))).toBe(0);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('a pixel sees the cells that lie on its ray, whatever its depth', () => {
    const pixel = fc.record({ u: fc.nat(23), v: fc.nat(11), depthM: fc.double({ min: 0.5, max: 40, noNaN: true }) });
    fc.assert(
      fc.property(pixel, fc.array(fc.double({ min: 0.01, max: 31.9, noNaN: true }), { minLength: 20, maxLength: 20 }), ({ u, v, depthM }, along) => {
        const disparityPx = new Float32Array(pixels);
        disparityPx[v * 24 + u] = 10 / depthM;
        const seen = seenOf(disparityPx, 32);
        for (const zM of along) {
          const [xM, yM] = [((u - 11.5) * zM) / 20, ((v - 5.5) * zM) / 20];
          // Rounding decides of points on a face, not of those beside it.
          const near = [-1e-6, 1e-6].flatMap((e) => [cellAt(grid, 32, xM + e, yM - e, zM), cellAt(grid, 32, xM + e, yM + e, zM)]);
          if (near.some((cell) => cell !== near[0]) || near[0]! < 0) continue;
          expect(seen[near[0]!]).toBe(1);
        }
        expect(seen.reduce((sum, cell) => sum + cell, 0)).toBeLessThanOrEqual(3 * 32);
      }),
    );
  });

  test('sky is a gap, or an answer where it is known', () => {
    const sky = new Float32Array(pixels);
    expect(seenOf(sky, 16).includes(1)).toBe(false);
    expect(seenOf(sky, 16, true).includes(1)).toBe(true);
  });
});

describe('distances and scores', () => {
  const SIDE = 6;
  const cells = fc.array(fc.constantFrom(0, 0, 0, 0, 1), { minLength: SIDE ** 3, maxLength: SIDE ** 3 }).map((values) => Uint8Array.from(values));
  const placesOf = (set: Uint8Array) => [...set.keys()].filter((i) => set[i] !== 0).map((i) => [i % SIDE, Math.floor(i / SIDE) % SIDE, Math.floor(i / SIDE ** 2)] as const);
  const nearest = ([x, y, z]: readonly [number, number, number], places: readonly (readonly [number, number, number])[]) =>
    Math.min(...places.map(([a, b, c]) => (x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2), Infinity);

  test('the distance transform is exact', () => {
    fc.assert(
      fc.property(cells, (set) => {
        const places = placesOf(set);
        expect([...squaredDistances(set, SIDE)]).toEqual(placesOf(new Uint8Array(SIDE ** 3).fill(1)).map((place) => nearest(place, places)));
      }),
    );
  });

  test('Chamfer distance and IoU are those of counting pair by pair, within what is seen', () => {
    fc.assert(
      fc.property(cells, cells, cells, (predicted, truth, unseen) => {
        const seen = unseen.map((cell) => 1 - cell);
        const [a, b] = [placesOf(predicted.map((cell, i) => cell & seen[i]!)), placesOf(truth.map((cell, i) => cell & seen[i]!))];
        const both = a.filter(([x, y, z]) => b.some(([p, q, r]) => x === p && y === q && z === r)).length;
        const { intersection, union, iou, chamferM } = scoreCells({ predicted, truth, seen, side: SIDE, rangeM: 3 });
        expect({ intersection, union }).toEqual({ intersection: both, union: a.length + b.length - both });
        expect(iou).toEqual(union === 0 ? undefined : both / union);
        const mean = (from: typeof a, to: typeof a) => from.reduce((sum, place) => sum + Math.sqrt(nearest(place, to)), 0) / from.length;
        if (a.length === 0 || b.length === 0) expect(chamferM).toBeUndefined();
        else expect(chamferM).toBeCloseTo((mean(a, b) + mean(b, a)) * 0.5, 9);
      }),
    );
  });

  test('the same cells are a distance of 0 and an IoU of 1; a whole slab off is a cell each way', () => {
    const slab = (z: number) => new Uint8Array(512).map((_, i) => Number(Math.floor(i / 64) === z));
    expect(scoreCells({ predicted: slab(2), truth: slab(2), side: 8, rangeM: 32 })).toMatchObject({ iou: 1, chamferM: 0 });
    expect(scoreCells({ predicted: slab(3), truth: slab(2), side: 8, rangeM: 32 })).toMatchObject({ iou: 0, chamferM: 8 });
  });
});
