import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlaneKind } from '../../../src/core/occupancy-manifest.js';
import type { StereoRig } from '../../../src/core/stereo-rig.js';
import type { VoxelGrid } from '../../../src/core/voxel-grid.js';
import { chooseCells, computedShare, REFINED_SIDE, tileCells, WHOLE_CUBE } from '../../../src/occupancy/network/choose-tiles.js';
import { FineCost } from '../../../src/occupancy/network/cost-model.js';
import { fineCells, fineInputs } from '../../../src/occupancy/network/fine-request.js';
import { type RigConstants, rigConstants, type Tensor } from '../../../src/occupancy/network/rig-constants.js';
import { planStretch, stretchPlanes } from '../../../src/occupancy/network/stretch.js';

interface Golden {
  readonly size: readonly [number, number];
  readonly cases: readonly {
    readonly name: string;
    readonly rig: StereoRig;
    readonly grid: VoxelGrid;
    readonly planes: PlaneKind;
    readonly constants: Readonly<Record<keyof RigConstants, { readonly dims: readonly number[]; readonly nonZero: number; readonly sum: number; readonly weightedSum: number; readonly entries: readonly (readonly [number, number])[] }>>;
  }[];
  readonly area: { readonly from: readonly [number, number]; readonly to: readonly [number, number]; readonly rgb: readonly number[] };
}

const golden = JSON.parse(readFileSync(new URL('../../golden/occupancy-constants.json', import.meta.url), 'utf8')) as Golden;
const [width, height] = golden.size;
const SIDE = REFINED_SIDE;

describe('what the network is told of a rig', () => {
  test.each(golden.cases)('$name: as the lab makes it', ({ rig, grid, planes, constants }) => {
    const found = rigConstants(rig, grid, { width, height }, planes);
    for (const [name, expected] of Object.entries(constants) as [keyof RigConstants, Golden['cases'][number]['constants']['rows']][]) {
      const { data, dims } = found[name];
      expect(dims, name).toEqual(expected.dims);
      // An entry that is 0 but for rounding may be on either side.
      expect(Math.abs(data.filter((value) => value !== 0).length - expected.nonZero), name).toBeLessThanOrEqual(4);
      expect(Math.abs(sum(data) - expected.sum), `${name}: sum`).toBeLessThan(1e-5 * Math.max(1, expected.sum));
      expect(Math.abs(sum(data.map((value, i) => value * Math.cos(i))) - expected.weightedSum), `${name}: weighted sum`).toBeLessThan(1e-3);
      for (const [place, value] of expected.entries) expect(Math.abs(data[place]! - value), `${name}[${place}]`).toBeLessThan(1e-5);
    }
  });
});

describe('stretching', () => {
  test('by any ratio as OpenCV does, within a grey level', () => {
    const { from, to, rgb } = golden.area;
    const [fromSize, toSize] = [sizeOf(from), sizeOf(to)];
    const value = (x: number, y: number, c: number): number => (7 * x * x + 13 * y + 31 * x * c + 5 * c) % 256;
    const out = new Uint8Array(rgb.length);
    stretchPlanes(picture(fromSize, value), planStretch(fromSize, toSize), out);
    expect(Math.max(...rgb.map((expected, i) => Math.abs(expected - out[i]!)))).toBeLessThanOrEqual(1);
    expect(new Set(rgb).size).toBeGreaterThan(50);
  });

  test.each([
    ['halves, by words', { width: 16, height: 6 }],
    ['halves, rows of no whole words', { width: 10, height: 6 }],
  ])('%s: means of four', (_, from) => {
    const value = (x: number, y: number, c: number): number => (x * x * 3 + y * 50 + c * 90) % 256;
    const to = { width: from.width / 2, height: from.height / 2 };
    const out = new Uint8Array(3 * to.width * to.height);
    stretchPlanes(picture(from, value), planStretch(from, to), out);
    const expected = [0, 1, 2].flatMap((c) => grid(to, (x, y) => mean([value(2 * x, 2 * y, c), value(2 * x + 1, 2 * y, c), value(2 * x, 2 * y + 1, c), value(2 * x + 1, 2 * y + 1, c)])));
    expect([...out]).toEqual(expected.map(Math.round));
  });

  test('bytes that begin anywhere, and shared memory', () => {
    const from = { width: 16, height: 6 };
    const plain = picture(from, (x, y, c) => x * 9 + y * 17 + c * 40);
    const odd = new Uint8Array(new SharedArrayBuffer(plain.length + 1), 1);
    odd.set(plain);
    const plan = planStretch(from, { width: 8, height: 3 });
    const [a, b] = [new Uint8Array(72), new Uint8Array(72)];
    stretchPlanes(plain, plan, a);
    stretchPlanes(odd, plan, b);
    expect(b).toEqual(a);
  });

  test('a picture of the size already is what it is', () => {
    const size = { width: 5, height: 3 };
    const planes = picture(size, (x, y, c) => x * 9 + y * 17 + c * 40);
    const out = new Uint8Array(planes.length);
    stretchPlanes(planes, planStretch(size, size), out);
    expect(out).toEqual(planes);
  });

  test('one colour stays what it is at any size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (a, b, c, d) => {
        const [from, to] = [sizeOf([a, b]), sizeOf([c, d])];
        const out = new Uint8Array(3 * c * d);
        stretchPlanes(picture(from, (_x, _y, channel) => 60 * channel + 17), planStretch(from, to), out);
        out.forEach((value, i) => expect(value).toBe(60 * Math.floor(i / (c * d)) + 17));
      }),
    );
  });
});

describe('choosing', () => {
  test.each([
    ['nothing probable', [], 0, 0],
    ['one cell', [[5, 5, 5]], 0, 1],
    ['one cell and its neighbours', [[5, 5, 5]], 1, 27],
    ['a corner has fewer', [[0, 15, 0]], 1, 8],
    ['neighbours of two cells', [[4, 5, 5], [6, 5, 5]], 1, 45],
  ] as const)('%s', (_, cells, margin, count) => {
    const probabilities = new Float32Array(SIDE ** 3);
    for (const [x, y, z] of cells) probabilities[x + SIDE * (y + SIDE * z)] = 0.5;
    expect(sum(chooseCells(probabilities, { threshold: 0.5, margin }))).toBe(count);
  });

  test('tiles of far apart things do not pay for what is between them', () => {
    const chosen = new Uint8Array(SIDE ** 3);
    for (const [x, y, z] of [[0, 15, 3], [1, 15, 3], [14, 2, 3], [15, 2, 3], [7, 8, 12], [8, 8, 12]] as const) chosen[x + SIDE * (y + SIDE * z)] = 1;
    const tiling = tileCells(chosen);
    expect(tiling).toEqual({ width: 2, height: 1, tiles: expect.arrayContaining([{ x: 0, y: 15, z: 3 }, { x: 14, y: 2, z: 3 }, { x: 7, y: 8, z: 12 }]) as unknown });
    expect(computedShare(tiling)).toBe(6 / SIDE ** 3);
  });

  test('nothing chosen is nothing computed, all is the whole cube', () => {
    expect(computedShare(tileCells(new Uint8Array(SIDE ** 3)))).toBe(0);
    expect(tileCells(new Uint8Array(SIDE ** 3).fill(1))).toEqual(WHOLE_CUBE);
  });

  test('every chosen cell is in a tile, and tiles lie within the cube', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(SIDE ** 3 - 1), { maxLength: 200 }), (places) => {
        const chosen = new Uint8Array(SIDE ** 3);
        for (const place of places) chosen[place] = 1;
        const tiling = tileCells(chosen);
        const covered = new Uint8Array(SIDE ** 3);
        for (const { x, y, z } of tiling.tiles) {
          expect(Math.min(x, y, z, SIDE - tiling.width - x, SIDE - tiling.height - y, SIDE - 1 - z)).toBeGreaterThanOrEqual(0);
          for (let row = y; row < y + tiling.height; row += 1) covered.fill(1, x + SIDE * (row + SIDE * z), x + tiling.width + SIDE * (row + SIDE * z));
        }
        for (const place of places) expect(covered[place]).toBe(1);
      }),
      { numRuns: 40 },
    );
  });
});

describe('asking for tiles', () => {
  /** `[64, 64, 2]`, its entries name their slab and line. */
  const lines: Tensor = { data: Float32Array.from({ length: 64 * 64 * 2 }, (_, i) => i >> 1), dims: [64, 64, 2] };
  const tiling = { width: 2, height: 1, tiles: [{ x: 3, y: 15, z: 2 }, { x: 9, y: 0, z: 15 }] };

  test('the slabs of each tile, and its rows and columns in them', () => {
    const { slabs, rows, columns } = fineInputs(tiling, lines, lines);
    expect([...slabs.data].map(Number)).toEqual([8, 9, 10, 11, 60, 61, 62, 63]);
    expect([rows.dims, columns.dims]).toEqual([[8, 4, 2], [8, 8, 2]]);
    expect([...rows.data].filter((_, i) => i % 2 === 0).map(Number)).toEqual([8, 9, 10, 11, 60, 61, 62, 63].flatMap((slab, i) => [0, 1, 2, 3].map((line) => 64 * slab + (i < 4 ? 60 : 0) + line)));
    expect(Number(columns.data[0])).toBe(64 * 8 + 12);
  });

  test('answers come to their places, but for cells of a tile that were not chosen', () => {
    const chosen = new Uint8Array(SIDE ** 3);
    chosen[3 + SIDE * (15 + SIDE * 2)] = 1;
    const probabilities = new Float32Array(2 * 2 * 2 * 4).fill(0.9);
    const cells = fineCells(probabilities, tiling, chosen, 32, 0.5);
    expect([...cells.keys()].filter((i) => cells[i] === 1)).toEqual([6, 7].flatMap((x) => [30, 31].flatMap((y) => [4, 5].map((z) => x + 32 * (y + 32 * z)))).sort((a, b) => a - b));
    expect(sum(fineCells(probabilities, tiling, undefined, 32, 0.5))).toBe(32);
    expect(sum(fineCells(probabilities, tiling, undefined, 32, 0.95))).toBe(0);
    expect(sum(fineCells(undefined, tiling, chosen, 32, 0.5))).toBe(0);
  });
});

describe('what the fine part will take', () => {
  test('is tried while nothing is known, if any time is left', () => {
    expect(new FineCost().fits(10, 1, 0.1)).toBe(true);
    expect(new FineCost().fits(10, 1, 0)).toBe(false);
  });

  test('is learnt by the coarse part of the same pair: a busy machine is seen before', () => {
    const cost = new FineCost();
    for (let i = 0; i < 5; i += 1) cost.learn(10, 0, 5);
    cost.learn(10, 0, 500);
    expect(cost.predictMs(10, 0)).toBeCloseTo(5);
    expect(cost.predictMs(30, 0)).toBeCloseTo(15);
    expect(cost.predictMs(10, 1)! - cost.predictMs(10, 0)!).toBeGreaterThan(0);
    expect([cost.fits(10, 0, 6), cost.fits(30, 0, 6)]).toEqual([true, false]);
  });

  test('a machine that got faster is found out: after many pairs without, it is tried once', () => {
    const cost = new FineCost();
    cost.learn(1, 0, 1000);
    const tried = Array.from({ length: 40 }, () => cost.fits(1, 0, 10));
    expect(tried.filter(Boolean)).toHaveLength(1);
  });
});

function sizeOf([width, height]: readonly [number, number]): { width: number; height: number } {
  return { width, height };
}

function grid<T>({ width, height }: { width: number; height: number }, make: (x: number, y: number) => T): T[] {
  return Array.from({ length: width * height }, (_, i) => make(i % width, Math.floor(i / width)));
}

/** Three planes. */
function picture(size: { width: number; height: number }, value: (x: number, y: number, channel: number) => number): Uint8Array {
  return Uint8Array.from([0, 1, 2].flatMap((channel) => grid(size, (x, y) => value(x, y, channel))));
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
