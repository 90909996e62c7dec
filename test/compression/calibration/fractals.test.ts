import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blur, hsvColour, newCanvas } from '../../../src/compression/calibration/canvas.js';
import { contactSheet, fractalPictures, noisePictures } from '../../../src/compression/calibration/index.js';
import { FILL_CANVAS_PX, FILL_POINTS, filledShare, findCategory, LEAST_FILL, randomVariant, systemOf } from '../../../src/compression/calibration/iterated-function-system.js';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import type { FrameFormat } from '../../../src/core/frame.js';
import type { PictureSet } from '../../../src/core/picture-set.js';

const formatOf = (width: number, height: number): FrameFormat => ({ size: { width, height }, fit: 'stretch', padValue: 0 });

async function bytesOf(pictures: PictureSet, format: FrameFormat): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const { pixels } of pictures.read(format)) all.push(pixels);
  return Buffer.concat(all);
}

describe('random numbers', () => {
  it('are the same for the same seed and stream, others for others', () => {
    const draw = (seed: number, stream: number) => Array.from({ length: 8 }, ((random) => () => random.unit())(new SeededRandom(seed, stream)));
    expect(draw(1, 0)).toEqual(draw(1, 0));
    expect(draw(1, 0)).not.toEqual(draw(2, 0));
    expect(draw(1, 0)).not.toEqual(draw(1, 1));
  });

  it('have the mean and spread that they should', () => {
    const random = new SeededRandom(5);
    const count = 100_000;
    const moments = (values: number[]) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count)];
    };
    const [unitMean, unitSpread] = moments(Array.from({ length: count }, () => random.unit()));
    expect(unitMean).toBeCloseTo(0.5, 2);
    expect(unitSpread).toBeCloseTo(1 / Math.sqrt(12), 2);
    const [normalMean, normalSpread] = moments(Array.from({ length: count }, () => random.normal()));
    expect(normalMean).toBeCloseTo(0, 1);
    expect(normalSpread).toBeCloseTo(1, 1);
  });
});

describe('iterated function systems', () => {
  it('draw maps in proportion to the area they keep', () => {
    // Areas |ad - bc|: 0.25, 0.06 and 0.
    const { cumulative } = systemOf(Float64Array.of(0.5, 0, 0, 0.5, 0, 0, 0.2, 0.1, 0, 0.3, 1, 0, 1, 1, 1, 1, 0, 0));
    expect(cumulative[0]).toBeCloseTo(0.25 / 0.31, 12);
    expect(cumulative[2]).toBe(1);
  });

  it('fills the whole square where four maps halve it', () => {
    const quarter = (x: number, y: number) => [0.5, 0, 0, 0.5, x, y];
    const square = systemOf(Float64Array.from([quarter(0, 0), quarter(0.5, 0), quarter(0, 0.5), quarter(0.5, 0.5)].flat()));
    expect(filledShare(square, 400_000, 64)).toBeGreaterThan(0.99);
  });

  it.each([
    ['runs away', [1, 0.9, 0.9, 1, 0.5, 0.5, 1, -0.9, 0.9, 1, 0.2, 0.4]],
    ['falls into one point', [0.5, 0, 0, 0.5, 0, 0, 0.5, 0, 0, 0.5, 0, 0]],
  ])('has no extent where it %s', (_, coefficients) => {
    expect(filledShare(systemOf(Float64Array.from(coefficients)), 2_000, 32)).toBe(0);
  });

  it('gives categories that fill at least a fifth of their canvas', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new SeededRandom(seed);
        const category = findCategory(random);
        expect(filledShare(category, FILL_POINTS, FILL_CANVAS_PX)).toBeGreaterThanOrEqual(LEAST_FILL);
        expect(category.coefficients.length % 6).toBe(0);
        const variant = randomVariant(category, random);
        expect(filledShare(variant, 3_000, 48)).toBeGreaterThanOrEqual(LEAST_FILL);
      }),
      { numRuns: 12 },
    );
  });
});

describe('painting', () => {
  it.each([
    [0, 1, 1, [255, 0, 0]],
    [1 / 3, 1, 1, [0, 255, 0]],
    [2 / 3, 1, 0.5, [0, 0, 127.5]],
    [0.4, 0, 0.2, [51, 51, 51]],
  ] as const)('turns hue %f saturation %f value %f into red, green, blue', (hue, saturation, value, colour) => {
    expect(hsvColour(hue, saturation, value).map((channel) => Math.round(channel * 10) / 10)).toEqual(colour.map((channel) => Math.round(channel * 10) / 10));
  });

  it.each([1, 3, 7, 15])('a blur of %i px keeps flat parts and the sum of a dot', (kernelPx) => {
    const canvas = newCanvas({ width: 40, height: 30 });
    canvas.planes.fill(90);
    blur(canvas, kernelPx);
    expect(new Set(canvas.planes)).toEqual(new Set([90]));
    canvas.planes.fill(0);
    canvas.planes[15 * 40 + 20] = 255;
    blur(canvas, kernelPx);
    const first = canvas.planes.subarray(0, 1200);
    // Rounded to whole levels at every pixel, twice.
    expect(first.reduce((sum, value) => sum + value, 0)).toBeGreaterThan(200);
    expect(first.reduce((sum, value) => sum + value, 0)).toBeLessThan(310);
    expect(Math.max(...first)).toBe(first[15 * 40 + 20]);
    if (kernelPx > 1) expect(first[15 * 40 + 21]).toBe(first[15 * 40 + 19]);
  });
});

describe.each([
  ['fractals', fractalPictures],
  ['noise', noisePictures],
] as const)('pictures of %s', (_, make) => {
  it('are the same bytes for the same seed, read as often as one likes', async () => {
    const set = make({ count: 4, seed: 7 });
    const first = await bytesOf(set, formatOf(64, 48));
    expect(first).toHaveLength(4 * 3 * 64 * 48);
    expect(await bytesOf(set, formatOf(64, 48))).toEqual(first);
    expect(await bytesOf(make({ count: 4, seed: 7 }), formatOf(64, 48))).toEqual(first);
    expect(await bytesOf(make({ count: 4, seed: 8 }), formatOf(64, 48))).not.toEqual(first);
  });

  it('begin with the pictures of a smaller set', async () => {
    const small = await bytesOf(make({ count: 2, seed: 3 }), formatOf(32, 32));
    const large = await bytesOf(make({ count: 5, seed: 3 }), formatOf(32, 32));
    expect(large.subarray(0, small.length)).toEqual(small);
  });

  it('differ from each other and use the range of a byte', async () => {
    const all = await bytesOf(make({ count: 6, seed: 1 }), formatOf(96, 96));
    const pictures = Array.from({ length: 6 }, (__, i) => all.subarray(i * 3 * 96 * 96, (i + 1) * 3 * 96 * 96).toString('base64'));
    expect(new Set(pictures).size).toBe(6);
    const levels = Uint8Array.from(all).sort();
    expect(levels.at(-1)! - levels[0]!).toBeGreaterThan(150);
  });

  it('lie in their frame as they are', async () => {
    for await (const { fit, sourceSize, imageId } of make({ count: 1 }).read(formatOf(50, 40))) {
      expect({ fit, sourceSize, imageId }).toEqual({ fit: { scaleX: 1, scaleY: 1, padX: 0, padY: 0 }, sourceSize: { width: 50, height: 40 }, imageId: 0 });
    }
  });
});

it('a contact sheet is a PNG of the size of its tiles', async () => {
  const png = Buffer.from(await contactSheet(fractalPictures({ count: 5 }), { columns: 3, rows: 2, tilePx: 40 }));
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([3 * 44 - 4, 2 * 44 - 4]);
});
