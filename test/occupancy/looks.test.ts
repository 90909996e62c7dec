import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StereoRig } from '../../src/core/stereo-rig.js';
import { cellAt, gridOf } from '../../src/core/voxel-grid.js';
import { castRay, markFreeSpace, maskOf } from '../../src/occupancy/free-space.js';
import { lookAtBoxes } from '../../src/occupancy/look-at-boxes.js';
import { boundsOf, nearestBySector } from '../../src/occupancy/sectors.js';
import { arbitraryCells } from './arbitrary-cells.js';

const GRID = gridOf(32);
const RIG: StereoRig = { size: { width: 640, height: 400 }, focalPx: 400, centre: { x: 320, y: 200 }, centreShiftPx: 0, baselineM: 0.3 };

/** Cells of 64 a side that a box of space reaches into, metres. */
function solid([x0, x1]: [number, number], [y0, y1]: [number, number], [z0, z1]: [number, number]): number[] {
  const cells = new Set<number>();
  for (let x = x0 + 0.25; x < x1; x += 0.5) for (let y = y0 + 0.25; y < y1; y += 0.5) for (let z = z0 + 0.25; z < z1; z += 0.5) cells.add(cellAt(GRID, 64, x, y, z));
  return [...cells].sort((a, b) => a - b);
}

const project = (xM: number, yM: number, zM: number): [number, number] => [(RIG.focalPx * xM) / zM + 320, (RIG.focalPx * yM) / zM + 200];

describe('rays', () => {
  test('a ray meets the first cell in its way, and passes those before it', () => {
    const wall = maskOf(64, solid([-16, 16], [-31, 1], [10, 10.5]));
    const passed: number[] = [];
    const { cell, zM } = castRay(RIG, GRID, 64, wall, 320, 200, (index) => passed.push(index));
    expect([cell, zM]).toEqual([cellAt(GRID, 64, 0.01, 0.01, 10.25), 10]);
    expect(passed).toEqual(Array.from({ length: 20 }, (_, z) => cellAt(GRID, 64, 0.01, 0.01, 0.25 + z / 2)));
  });

  test('any ray meets what small steps along it meet, up to a corner that they step over', () => {
    fc.assert(
      fc.property(arbitraryCells(16, 800), fc.double({ min: 0, max: 639, noNaN: true }), fc.double({ min: 0, max: 399, noNaN: true }), (cells, column, row) => {
        const mask = maskOf(16, cells);
        const found = castRay(RIG, GRID, 16, mask, column, row);
        const at = (z: number): number => cellAt(GRID, 16, ((column - 320) / 400) * z, ((row - 200) / 400) * z, z);
        const stepped = Array.from({ length: 6400 }, (_, i) => at((i + 0.5) / 200)).find((cell) => cell !== -1 && mask[cell] === 1);
        if (found.cell === -1) expect(stepped).toBeUndefined();
        else {
          // It enters its cell where it says, and nothing occupied is met before.
          const { left, right, top, bottom, near, far } = boundsOf(GRID, 16, found.cell);
          const inside = [(column - 320) / 400, (row - 200) / 400, 1].map((slope) => slope * found.zM) as [number, number, number];
          const isWithin = [[inside[0], left, right], [inside[1], top, bottom], [inside[2], near, far]].every(([value, low, high]) => value! >= low! - 1e-6 && value! <= high! + 1e-6);
          expect(isWithin).toBe(true);
          if (stepped !== undefined && stepped !== found.cell) expect(boundsOf(GRID, 16, stepped).far).toBeGreaterThanOrEqual(found.zM - 1e-6);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('in front of a wall is free, behind it and beside the picture nothing is known', () => {
    const free = new Uint8Array(64 ** 3);
    const wall = solid([-16, 16], [-31, 1], [10, 10.5]);
    markFreeSpace(RIG, GRID, 64, maskOf(64, wall), free);
    expect(wall.filter((cell) => free[cell] === 1)).toEqual([]);
    const state = (x: number, y: number, z: number): number | undefined => free[cellAt(GRID, 64, x, y, z)];
    expect([state(0.2, 0.2, 5), state(3, -2, 9.7), state(0.2, 0.2, 12), state(15, 0.2, 5)]).toEqual([1, 1, 0, 0]);
  });

  test('an open view is free to the end of the cube, without gaps', () => {
    const free = new Uint8Array(64 ** 3);
    markFreeSpace(RIG, GRID, 64, maskOf(64, []), free);
    const inView = Array.from({ length: 40 }, (_, i) => cellAt(GRID, 64, -10 + i / 2, -5.2, 31.7));
    expect(inView.filter((cell) => free[cell] === 0)).toEqual([]);
  });
});

describe('sectors', () => {
  const options = { sectors: 3, fromDeg: -45, toDeg: 45, lowestM: -0.5, highestM: 2 };

  test.each<[string, number[], number[]]>([
    ['nothing', [], [Infinity, Infinity, Infinity]],
    ['straight ahead', [cellAt(GRID, 64, 0.1, 0.1, 8.1)], [Infinity, 8, Infinity]],
    ['the nearer of two', [cellAt(GRID, 64, 0.1, 0.1, 8.1), cellAt(GRID, 64, 0.1, -0.9, 4.1)], [Infinity, 4, Infinity]],
    ['to the right, along the ground', [cellAt(GRID, 64, 6.1, 0.1, 8.1)], [Infinity, Infinity, 10]],
    ['a cell across two sectors is in both', [cellAt(GRID, 64, 2.1, 0.1, 8.1)], [Infinity, Math.fround(Math.hypot(2, 8)), Math.fround(Math.hypot(2, 8))]],
    ['the ground and the ceiling are none', [cellAt(GRID, 64, 0.1, 0.9, 4.1), cellAt(GRID, 64, 0.1, -2.1, 4.1)], [Infinity, Infinity, Infinity]],
    ['beside the view', [cellAt(GRID, 64, 8.1, 0.1, 1.1)], [Infinity, Infinity, Infinity]],
    ['around the camera itself', [cellAt(GRID, 64, 0.1, 0.1, 0.1)], [Infinity, 0, 0]],
  ])('%s', (_, cells, expected) => {
    expect([...nearestBySector(cells, GRID, 64, options).distanceM]).toEqual(expected);
  });

  test('no point of a cell is nearer than its sector says', () => {
    fc.assert(
      fc.property(arbitraryCells(16, 30), fc.integer({ min: 1, max: 40 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (cells, sectors, u, v) => {
        const { distanceM } = nearestBySector(cells, GRID, 16, { sectors, fromDeg: -90, toDeg: 90, lowestM: -Infinity, highestM: Infinity });
        for (const cell of cells) {
          const { left, right, near, far } = boundsOf(GRID, 16, cell);
          const point = [left + (right - left) * u, near + (far - near) * v] as const;
          const sector = Math.min(sectors - 1, Math.floor(((Math.atan2(point[0], point[1]) * 180) / Math.PI + 90) * (sectors / 180) + 1e-9));
          const beside = Math.max(0, sector - 1);
          // On the very edge between two sectors, either may be meant.
          expect(Math.min(distanceM[sector]!, distanceM[beside]!)).toBeLessThanOrEqual(Math.hypot(...point) + 1e-4);
        }
      }),
    );
  });
});

describe('boxes', () => {
  const person = solid([-0.5, 0.5], [-1, 1], [6, 7]);
  const ground = solid([-16, 16], [0.5, 1], [2, 32]);
  const limits = { lowestM: -0.5, highestM: 3 };
  const boxAround = ([x0, x1]: [number, number], [y0, y1]: [number, number], z: number): number[] => [...project(x0, y0, z), ...project(x1, y1, z)];
  const personBox = boxAround([-0.5, 0.5], [-1, 0.5], 6);
  const look = (boxes: number[][], cells: number[]) => lookAtBoxes({ count: boxes.length, xyxy: Float32Array.from(boxes.flat()) }, RIG, { grid: GRID, side: 64, cells: Uint32Array.from(new Set(cells)).sort() }, limits);

  test('a person on the ground has a distance and an extent, and is no volume without a box', () => {
    const { boxes, volumes } = look([personBox], [...person, ...ground]);
    expect(boxes[0]).toMatchObject({ hasVolume: true, hitShare: 1, distanceM: 6 });
    expect(boxes[0]!.extentM!.slice(0, 2)).toEqual([1, 1.5]);
    expect(volumes).toEqual([]);
  });

  test('a wall behind does not make the person further away, nor its extent greater', () => {
    const { boxes } = look([boxAround([-1, 1], [-1.5, 0.5], 6)], [...person, ...solid([-8, 8], [-6, 1], [15, 16])]);
    expect(boxes[0]).toMatchObject({ hasVolume: true, distanceM: 6 });
    expect(boxes[0]!.extentM![0]).toBe(1);
  });

  test('a post that takes half of the box is what the box shows, one that reaches in a little is not', () => {
    const distanceBehind = (...before: number[]): number | undefined => look([personBox], [...person, ...before]).boxes[0]!.distanceM;
    expect(distanceBehind(...solid([-0.5, 0], [-1, 1], [4, 4.5]))).toBe(4);
    expect(distanceBehind(...solid([-0.5, 0], [-1, -0.5], [4, 4.5]))).toBe(6);
  });

  test('a box with nothing behind it is flagged', () => {
    expect(look([personBox], []).boxes).toEqual([{ hitShare: 0, distanceM: undefined, extentM: undefined, hasVolume: false }]);
    expect(look([], []).boxes).toEqual([]);
  });

  test('what is there without a box is flagged, the nearest first; too small a thing is not', () => {
    const other = solid([3, 4], [-1, 0.5], [10, 11]);
    const { volumes } = look([], [...person, ...other, ...ground, cellAt(GRID, 64, -4, -1, 12)]);
    expect(volumes.map(({ distanceM, extentM, cells }) => [distanceM, extentM, cells])).toEqual([
      [6, [1, 1.5, 1], 12],
      [10, [1, 1.5, 1], 12],
    ]);
    const [left, top, right, bottom] = volumes[0]!.xyxy;
    const [column, row] = project(0, -0.25, 6.5);
    expect(column > left && column < right && row > top && row < bottom).toBe(true);
    expect(look([personBox], [...person, ...other, ...ground]).volumes.map(({ distanceM }) => distanceM)).toEqual([10]);
  });

  test('everything occupied is one volume', () => {
    const all = Uint32Array.from({ length: 32 ** 3 }, (_, cell) => cell);
    const { volumes } = lookAtBoxes({ count: 0, xyxy: new Float32Array() }, RIG, { grid: GRID, side: 32, cells: all }, { lowestM: -Infinity, highestM: Infinity });
    expect(volumes).toHaveLength(1);
    // The outermost cells' squares are cut where the picture ends; half of the nearest ones are beside it.
    expect(volumes[0]!.xyxy).toEqual([0, 0, 640, 400]);
  });
});
