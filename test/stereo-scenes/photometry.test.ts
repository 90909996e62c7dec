import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/core/seeded-random.js';
import { type CameraDraw, develop, drawCameras, exposureOf, RECIPE_BOUNDS, RECIPES } from '../../src/stereo-scenes/photometry.js';

const SIZE = { width: 64, height: 48 };
const PERFECT: CameraDraw = { gain: [1, 1, 1], blackLevel: 0, gamma: 1 / 2.2, noise: 0, blurPx: 0.35, vignetting: 0, rowErrorPx: 0, turnErrorPx: 0 };

function even(value: number): Float32Array {
  return new Float32Array(3 * SIZE.width * SIZE.height).fill(value);
}

function picture(light: Float32Array, camera: Partial<CameraDraw>, exposure = 1): Uint8Array {
  return develop(light, SIZE, exposure, { ...PERFECT, ...camera }, new SeededRandom(1));
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: ArrayLike<number>): number {
  const middle = mean(values);
  return Math.sqrt(mean(Array.from(values, (value) => (value - middle) ** 2)));
}

describe.each(RECIPES)('the recipe %s', (recipe) => {
  const bounds = RECIPE_BOUNDS[recipe];
  test('draws cameras within its bounds; rows are measured by the left one', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const [left, right] = drawCameras(recipe, new SeededRandom(seed));
        for (const camera of [left, right]) {
          expect(camera.noise).toBeGreaterThanOrEqual(bounds.noise[0]);
          expect(camera.noise).toBeLessThanOrEqual(bounds.noise[1]);
          expect(camera.blurPx).toBeGreaterThanOrEqual(bounds.blurPx[0]);
          expect(camera.blurPx).toBeLessThanOrEqual(bounds.blurPx[1]);
          expect(camera.vignetting).toBeLessThanOrEqual(bounds.vignetting);
          expect(Math.abs(camera.blackLevel)).toBeLessThanOrEqual(bounds.blackLevel);
          expect(Math.abs(camera.gamma * 2.2 - 1)).toBeLessThanOrEqual(bounds.gamma + 1e-9);
        }
        expect([left.rowErrorPx, left.turnErrorPx]).toEqual([0, 0]);
        expect(Math.abs(right.rowErrorPx)).toBeLessThanOrEqual(bounds.rowErrorPx);
        expect(Math.abs(right.turnErrorPx)).toBeLessThanOrEqual(bounds.turnErrorPx);
        const stops = left.gain.map((gain, c) => Math.abs(Math.log2(gain / right.gain[c]!)));
        const mostStops = 2 * bounds.exposureDifferenceStops + Math.log2((1 + bounds.whiteBalance) / (1 - bounds.whiteBalance));
        expect(Math.max(...stops)).toBeLessThanOrEqual(mostStops + 1e-9);
      }),
    );
  });
});

test('each bound grows from clean to mild to harsh', () => {
  const [clean, mild, harsh] = RECIPES.map((recipe) => Object.values(RECIPE_BOUNDS[recipe]).flat() as number[]);
  expect(clean!.every((bound, i) => bound <= mild![i]! && mild![i]! <= harsh![i]!)).toBe(true);
  expect(clean).not.toEqual(mild);
  expect(mild).not.toEqual(harsh);
});

describe('a picture', () => {
  test.each([
    ['black', 0, {}, 0],
    ['white', 1, {}, 255],
    ['what is brighter than white', 3, {}, 255],
    ['a fifth of the light, by the tone curve', 0.2, {}, 255 * 0.2 ** (1 / 2.2)],
    ['another tone curve', 0.2, { gamma: 0.4 }, 255 * 0.2 ** 0.4],
    ['another black level', 0, { blackLevel: 9 }, 9],
    ['half the gain', 0.4, { gain: [0.5, 0.5, 0.5] as const }, 255 * 0.2 ** (1 / 2.2)],
  ])('%s', (_, light, camera, expected) => {
    const pixels = picture(even(light), camera);
    for (const at of [0, 100, pixels.length - 1]) expect(Math.abs(pixels[at]! - expected)).toBeLessThanOrEqual(0.6);
  });

  test('has the noise that is asked for, less in the dark', () => {
    const light = deviation(picture(even(0.99 ** 2), { noise: 6, gamma: 0.4, gain: [0.6, 0.6, 0.6] }));
    expect(light).toBeGreaterThan(4.5);
    expect(light).toBeLessThan(6.5);
    expect(deviation(picture(even(0.02), { noise: 6 }))).toBeLessThan(light);
  });

  test('blurred keeps its light, and an edge becomes as wide as the blur', () => {
    const edge = even(0);
    for (let at = 0; at < edge.length; at += 1) if (Math.floor(at / 3) % SIZE.width >= 32) edge[at] = 0.5;
    const sharp = picture(edge.slice(), { gamma: 1 });
    const soft = picture(edge.slice(), { gamma: 1, blurPx: 1.2 });
    expect(mean(soft)).toBeCloseTo(mean(sharp), 0);
    const between = (pixels: Uint8Array) => pixels.subarray(0, 3 * SIZE.width).filter((value) => value > 3 && value < 124).length / 3;
    expect(between(soft)).toBeGreaterThan(between(sharp));
    // Rows are equal: there is nothing to blur across them, and the borders go on as they are.
    expect(soft.subarray(0, 3 * SIZE.width)).toEqual(soft.subarray(-3 * SIZE.width));
  });

  test('is darker in its corners by what is lost there', () => {
    const pixels = picture(even(0.5), { gamma: 1, vignetting: 0.3 });
    const middle = 3 * (24 * SIZE.width + 32);
    expect(pixels[0]! / pixels[middle]!).toBeCloseTo(0.7, 1);
  });

  test.each([0.01, 0.1, 0.9])('of an even %s comes to a middle grey by the exposure that fits', (light) => {
    expect(mean(picture(even(light), {}, exposureOf(even(light))))).toBeCloseTo(255 * 0.2 ** (1 / 2.2), 0);
  });
});

test('docs/occupancy.md has the recipes as they are', () => {
  const names = Object.keys(RECIPE_BOUNDS.clean) as (keyof (typeof RECIPE_BOUNDS)['clean'])[];
  const text = (bound: number | readonly number[]) => (typeof bound === 'number' ? String(bound) : bound.join(' to '));
  const rows = names.map((name) => `| \`${name}\` | ${RECIPES.map((recipe) => text(RECIPE_BOUNDS[recipe][name])).join(' | ')} |`);
  const page = readFileSync(new URL('../../docs/occupancy.md', import.meta.url), 'utf8').replaceAll(/ +/g, ' ');
  for (const row of rows) expect(page).toContain(row);
});
