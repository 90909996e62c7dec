import fc from 'fast-check';
import { expect, test } from 'vitest';
import { layeredNoise, speckAt, valueNoise } from '../../src/stereo-scenes/noise.js';

const place = fc.double({ min: -1e4, max: 1e4, noNaN: true });
const seed = fc.integer({ min: 0, max: 1e6 });

test('noise is 0 to 1, and what is near differs little', () => {
  fc.assert(
    fc.property(place, place, place, seed, (x, y, z, chance) => {
      const here = valueNoise(x, y, z, chance);
      expect(here).toBeGreaterThanOrEqual(0);
      expect(here).toBeLessThanOrEqual(1);
      // The steepest slope of the curve between two places is 1.5.
      expect(Math.abs(valueNoise(x + 1e-3, y, z, chance) - here)).toBeLessThanOrEqual(1.6e-3);
    }),
  );
});

test('another seed is other noise', () => {
  const line = (chance: number) => Array.from({ length: 20 }, (_, i) => valueNoise(i, 0.5, 0.5, chance));
  expect(line(1)).not.toEqual(line(2));
});

test('layers that are finer than a pixel are left out', () => {
  fc.assert(
    fc.property(place, place, place, seed, (x, y, z, chance) => {
      expect(layeredNoise(x, y, z, 0.76, 0.7, chance)).toBe(0);
    }),
  );
  const bends = (footprint: number) => Array.from({ length: 200 }, (_, i) => Math.abs(layeredNoise(i / 100, 0, 0, footprint, 0.8, 3) - layeredNoise((i + 1) / 100, 0, 0, footprint, 0.8, 3))).reduce((sum, value) => sum + value, 0);
  expect(bends(0.3)).toBeLessThan(0.5 * bends(0.001));
});

test.each([0, 0.2, 0.6])('a share of %s of the cells has specks, light and dark ones', (share) => {
  const tones = Array.from({ length: 8000 }, (_, i) => [0.1, 0.3, 0.5, 0.7, 0.9].map((x) => speckAt(i + x, 0.5, 0.5, share, 1))).map((cell) => cell.find((tone) => tone !== 0) ?? 0);
  const found = (tone: number) => tones.filter((one) => one === tone).length / tones.length;
  expect(found(1) + found(-1)).toBeGreaterThanOrEqual(0.5 * share);
  expect(found(1) + found(-1)).toBeLessThanOrEqual(share + 0.03);
  expect(Math.abs(found(1) - found(-1))).toBeLessThanOrEqual(0.05);
});
