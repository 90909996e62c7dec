import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gridOf } from '../../src/core/voxel-grid.js';
import { composeMotions, isRigid, moveGrid, NO_MOTION, splitMotion, type RigidMotion } from '../../src/occupancy/ego-motion.js';
import { framesToClear, FUSION_DEFAULTS, OccupancyFusion, timeToForgetMs, type FusionOptions } from '../../src/occupancy/fusion.js';
import { maskOf } from '../../src/occupancy/free-space.js';

const GRID = gridOf(8);
const NONE = maskOf(8, []);
const ALL = new Uint8Array(512).fill(1);
const shift = (x: number, y: number, z: number): RigidMotion => [1, 0, 0, x, 0, 1, 0, y, 0, 0, 1, z, 0, 0, 0, 1];
const turnAboutY = (radians: number): RigidMotion => [Math.cos(radians), 0, Math.sin(radians), 0, 0, 1, 0, 0, -Math.sin(radians), 0, Math.cos(radians), 0, 0, 0, 0, 1];

describe('fusion', () => {
  test('one sighting is enough; the occupied goes before the free; what was never seen is unknown', () => {
    const fusion = new OccupancyFusion(GRID, 8);
    fusion.see({ occupied: maskOf(8, [3, 200]), free: maskOf(8, [3, 4]), elapsedS: 0 });
    expect([...fusion.occupied().cells]).toEqual([3, 200]);
    // 1 / (1 + exp(-.85)) = .7006
    expect([...fusion.occupied().confidence]).toEqual([179, 179]);
    expect([fusion.logOdds[4], fusion.logOdds[5]]).toEqual([Math.fround(-0.4), 0]);
    fusion.reset();
    expect(fusion.logOdds.every((value) => value === 0)).toBe(true);
  });

  test('log odds stay within their bounds', () => {
    const fusion = new OccupancyFusion(GRID, 8);
    for (let i = 0; i < 20; i += 1) fusion.see({ occupied: maskOf(8, [1]), free: maskOf(8, [2]), elapsedS: 0 });
    expect([fusion.logOdds[1], fusion.logOdds[2]]).toEqual([3.5, -2]);
  });

  test('with the defaults, 9 frames clear a cell and some four seconds forget it', () => {
    expect(framesToClear(FUSION_DEFAULTS)).toBe(9);
    expect(timeToForgetMs(FUSION_DEFAULTS)).toBeCloseTo(4129, 0);
  });

  const options: fc.Arbitrary<FusionOptions> = fc
    .record({
      hit: fc.double({ min: 0.3, max: 2, noNaN: true }),
      miss: fc.double({ min: -2, max: -0.1, noNaN: true }),
      least: fc.double({ min: -4, max: 0, noNaN: true }),
      most: fc.double({ min: 1, max: 4, noNaN: true }),
      occupiedAbove: fc.double({ min: 0, max: 0.25, noNaN: true }),
      halfLifeS: fc.oneof(fc.double({ min: 0.1, max: 10, noNaN: true }), fc.constant(Infinity)),
    });

  test('whatever was seen before, a cell that is seen free is cleared within the stated number of frames', () => {
    fc.assert(
      fc.property(options, fc.array(fc.boolean(), { maxLength: 30 }), fc.double({ min: 0, max: 0.2, noNaN: true }), (chosen, history, elapsedS) => {
        const fusion = new OccupancyFusion(GRID, 8, chosen);
        for (const isOccupied of [...history, true]) fusion.see({ occupied: isOccupied ? ALL : NONE, free: ALL, elapsedS });
        for (let i = 0; i < framesToClear(chosen); i += 1) fusion.see({ occupied: NONE, free: ALL, elapsedS });
        expect(fusion.occupied().cells.length).toBe(0);
      }),
    );
  });

  test('the stated number of frames is no more than it takes where nothing is forgotten', () => {
    const fusion = new OccupancyFusion(GRID, 8, { halfLifeS: Infinity });
    for (let i = 0; i < 9; i += 1) fusion.see({ occupied: ALL, free: NONE, elapsedS: 0.1 });
    for (let i = 1; i < framesToClear(FUSION_DEFAULTS); i += 1) fusion.see({ occupied: NONE, free: ALL, elapsedS: 0.1 });
    expect(fusion.occupied().cells.length).toBe(512);
  });

  test('whatever was seen before, what nobody looks at is forgotten in the stated time, however the time is cut into frames', () => {
    fc.assert(
      fc.property(options, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 20 }), (chosen, hits, steps) => {
        fc.pre(chosen.halfLifeS < Infinity && chosen.occupiedAbove > 0.01);
        const fusion = new OccupancyFusion(GRID, 8, chosen);
        for (let i = 0; i < hits; i += 1) fusion.see({ occupied: ALL, free: NONE, elapsedS: 0 });
        for (let i = 0; i < steps; i += 1) fusion.see({ occupied: NONE, free: NONE, elapsedS: (1.001 * timeToForgetMs(chosen)) / 1000 / steps });
        expect(fusion.occupied().cells.length).toBe(0);
        // Toward unknown, never beyond.
        expect(fusion.logOdds.every((value) => value >= 0)).toBe(true);
      }),
    );
  });

  test('a half-life halves, and a time line that goes back changes nothing', () => {
    const fusion = new OccupancyFusion(GRID, 8, { halfLifeS: 2 });
    fusion.see({ occupied: ALL, free: NONE, elapsedS: 0 });
    fusion.see({ occupied: NONE, free: NONE, elapsedS: 2 });
    expect(fusion.logOdds[0]).toBeCloseTo(0.425, 6);
    fusion.see({ occupied: NONE, free: NONE, elapsedS: -5 });
    expect(fusion.logOdds[0]).toBeCloseTo(0.425, 6);
  });

  test('options that make no sense are refused', () => {
    expect(() => new OccupancyFusion(GRID, 8, { miss: 0.1 })).toThrow('Invariant broken');
    expect(() => new OccupancyFusion(GRID, 8, { occupiedAbove: 0.85 })).toThrow('Invariant broken');
  });
});

describe('a camera that moves', () => {
  const still = (fusion: OccupancyFusion, motion: RigidMotion): void => fusion.see({ occupied: NONE, free: NONE, elapsedS: 0, motion });
  const cell = (x: number, y: number, z: number): number => x + 8 * (y + 8 * z);

  test('one cell ahead: everything comes one cell nearer, and what is behind the camera is gone', () => {
    const fusion = new OccupancyFusion(GRID, 8);
    fusion.see({ occupied: maskOf(8, [cell(2, 3, 5), cell(1, 1, 0)]), free: NONE, elapsedS: 0 });
    still(fusion, shift(0, 0, 1));
    expect([...fusion.occupied().cells]).toEqual([cell(2, 3, 4)]);
  });

  test('whole cells in any direction are exact', () => {
    const cells = fc.tuple(fc.nat(7), fc.nat(7), fc.nat(7));
    const steps = fc.integer({ min: -9, max: 9 });
    fc.assert(
      fc.property(cells, steps, steps, steps, ([x, y, z], dx, dy, dz) => {
        const out = new Float32Array(512);
        moveGrid(Float32Array.from(maskOf(8, [cell(x, y, z)])), GRID, 8, shift(dx, dy, dz), out);
        const to = [x - dx, y - dy, z - dz];
        const expected = to.every((at) => at >= 0 && at < 8) ? [cell(to[0]!, to[1]!, to[2]!)] : [];
        expect([...out.keys()].filter((i) => out[i] === 1)).toEqual(expected);
      }),
    );
  });

  test('slow motion is not lost: ten steps of a tenth of a cell are a cell, a hundred are ten', () => {
    const fusion = new OccupancyFusion(gridOf(64), 64, { halfLifeS: Infinity });
    const at = (z: number): number => 32 + 64 * (40 + 64 * z);
    fusion.see({ occupied: maskOf(64, [at(50)]), free: maskOf(64, []), elapsedS: 0 });
    const empty = maskOf(64, []);
    const positions = Array.from({ length: 100 }, () => {
      fusion.see({ occupied: empty, free: empty, elapsedS: 0, motion: shift(0, 0, 0.1) });
      return (fusion.occupied().cells[0]! - at(0)) / 64 ** 2;
    });
    positions.forEach((z, i) => expect(Math.abs(z - (50 - 0.1 * (i + 1)))).toBeLessThanOrEqual(0.5 + 1e-6));
    expect(positions.at(-1)).toBe(40);
  });

  test('a turn brings what was to the right ahead', () => {
    const fusion = new OccupancyFusion(gridOf(64), 64);
    const empty = maskOf(64, []);
    const place = (x: number, z: number): number => x + 32 + 64 * (40 + 64 * z);
    const block = [18, 19, 20, 21, 22].flatMap((x) => [18, 19, 20, 21, 22].map((z) => place(x, z)));
    fusion.see({ occupied: maskOf(64, block), free: empty, elapsedS: 0 });
    // The camera turns by 45 degrees to the right: its own axis ahead points there in the older axes.
    fusion.see({ occupied: empty, free: empty, elapsedS: 0, motion: turnAboutY(Math.PI / 4) });
    const found = [...fusion.occupied().cells];
    const mean = (of: (cell: number) => number): number => found.reduce((sum, index) => sum + of(index), 0) / found.length;
    expect(mean((index) => (index % 64) + 0.5 - 32)).toBeCloseTo(0, 0);
    expect(Math.abs(mean((index) => Math.floor(index / 64 ** 2) + 0.5) - Math.hypot(20.5, 20.5))).toBeLessThan(0.5);
    expect(Math.abs(found.length - block.length)).toBeLessThanOrEqual(0.25 * block.length);
  });

  test('what is done now and what waits are together the motion', () => {
    const part = fc.double({ min: -3, max: 3, noNaN: true });
    fc.assert(
      fc.property(part, part, part, fc.double({ min: -0.2, max: 0.2, noNaN: true }), (x, y, z, radians) => {
        const motion = composeMotions(shift(x, y, z), turnAboutY(radians));
        expect(isRigid(motion)).toBe(true);
        const { now, later } = splitMotion(motion, GRID, 8);
        composeMotions(now ?? NO_MOTION, later).forEach((value, i) => expect(value).toBeCloseTo(motion[i]!, 9));
      }),
    );
  });

  test.each([
    ['scaled', shift(0, 0, 0).map((value, i) => (i === 0 ? 2 : value))],
    ['mirrored', shift(0, 0, 0).map((value, i) => (i === 0 ? -1 : value))],
    ['too short', [1, 0, 0, 0]],
    ['not a number', shift(NaN, 0, 0)],
    ['of another last row', shift(0, 0, 0).map((value, i) => (i === 12 ? 1 : value))],
  ])('a matrix that is %s is no motion', (_, matrix) => {
    expect(isRigid(matrix)).toBe(false);
    expect(() => new OccupancyFusion(GRID, 8).see({ occupied: NONE, free: NONE, elapsedS: 0, motion: matrix })).toThrow('Invariant broken');
  });
});
