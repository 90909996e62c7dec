import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import type { CellProfile, ShallowTap } from '../../../src/guard/profile.js';
import { CellMapper, PIXEL_FEATURE_COUNT } from '../../../src/guard/search/cell-maps.js';

const SIZE = { width: 16, height: 12 };
const TAP: ShallowTap = { output: 'tap', stride: 4, channels: 2, width: 4, height: 3 };
const CELLS = TAP.width * TAP.height;

/** Only the pixel features count, one weight for each. */
function cellProfile(weights: readonly [number, number, ...number[]], changes: Partial<CellProfile> = {}): CellProfile {
  const all = [...weights, ...new Array<number>(TAP.channels + PIXEL_FEATURE_COUNT - weights.length).fill(0)];
  return { mean: [0, 0], deviation: [1, 1], pixelMean: [0, 0, 0], pixelDeviation: [1, 1, 1], weights: { colour: all, grey: all.map((weight) => -weight) }, ...changes };
}

/** Planes G, B, R. */
function draw(levels: (x: number, y: number) => readonly [g: number, b: number, r: number]): Uint8Array {
  const area = SIZE.width * SIZE.height;
  return Uint8Array.from({ length: 3 * area }, (_, i) => levels(i % SIZE.width, Math.floor((i % area) / SIZE.width))[Math.floor(i / area)]!);
}

const NO_FEATURES = new Float32Array(TAP.channels * CELLS);

function mapsOf(pixels: Uint8Array): { chroma: number[]; luma: number[]; saturation: number[] } {
  const { chromaGradient, lumaGradient, saturation } = new CellMapper(TAP, cellProfile([0, 0]), SIZE).update(pixels, NO_FEATURES);
  return { chroma: [...chromaGradient], luma: [...lumaGradient], saturation: [...saturation] };
}

const everywhere = (value: number): number[] => new Array<number>(CELLS).fill(value);

describe('the pixel maps', () => {
  it('of a flat grey picture are nothing', () => {
    expect(mapsOf(draw(() => [90, 90, 90]))).toEqual({ chroma: everywhere(0), luma: everywhere(0), saturation: everywhere(0) });
  });

  it('of a flat picture with colour are saturated alone', () => {
    expect(mapsOf(draw(() => [10, 40, 60]))).toEqual({ chroma: everywhere(0), luma: everywhere(0), saturation: everywhere(80) });
  });

  it('of one grey edge are the luma gradient of the cells that it runs through', () => {
    // Between columns 6 and 7: cells of 4 pixels look at their columns 0 and 2, so the second column of cells sees it.
    const { chroma, luma, saturation } = mapsOf(draw((x) => (x <= 6 ? [0, 0, 0] : [90, 90, 90])));
    expect({ chroma, saturation }).toEqual({ chroma: everywhere(0), saturation: everywhere(0) });
    expect(luma).toEqual([0, 45, 0, 0, 0, 45, 0, 0, 0, 45, 0, 0]);
  });

  it('of an edge between colours of equal brightness are the chroma gradient', () => {
    const { chroma, luma } = mapsOf(draw((x) => (x <= 6 ? [60, 60, 60] : [30, 60, 90])));
    expect(luma).toEqual(everywhere(0));
    expect(chroma.map((value) => value > 0)).toEqual([1, 2, 3].flatMap(() => [false, true, false, false]));
  });

  it('of coloured noise are high everywhere, of the same noise in grey only the luma gradient is', () => {
    const random = new SeededRandom(3);
    const noise = Uint8Array.from({ length: 3 * SIZE.width * SIZE.height }, () => random.integer(256));
    const coloured = mapsOf(noise);
    for (const map of Object.values(coloured)) expect(map.reduce((sum, value) => sum + value, 0) / CELLS).toBeGreaterThan(20);
    const plane = noise.subarray(0, SIZE.width * SIZE.height);
    const grey = mapsOf(Uint8Array.from([...plane, ...plane, ...plane]));
    expect(grey).toMatchObject({ chroma: everywhere(0), saturation: everywhere(0) });
    expect(grey.luma.reduce((sum, value) => sum + value, 0)).toBeGreaterThan(coloured.luma.reduce((sum, value) => sum + value, 0));
  });

  it('reads no pixel outside of a picture whose last cells are cut', () => {
    const size = { width: 15, height: 11 };
    const { chromaGradient, lumaGradient, saturation } = new CellMapper(TAP, cellProfile([0, 0]), size).update(new Uint8Array(3 * 15 * 11).fill(50), NO_FEATURES);
    expect([...chromaGradient, ...lumaGradient, ...saturation].every((value) => value === 0)).toBe(true);
  });
});

describe('the evidence', () => {
  const flat = draw(() => [50, 50, 50]);

  it('adds up how far the channels deviate, in their deviations and whatever the direction', () => {
    const features = Float32Array.from([...everywhere(10), ...everywhere(5)]);
    features[1] = 14;
    features[2] = 6;
    features[CELLS + 1] = 5.5;
    const { evidence } = new CellMapper(TAP, cellProfile([3, 10], { mean: [10, 5], deviation: [2, 0.5] }), SIZE).update(flat, features);
    expect([...evidence.colour].slice(0, 4)).toEqual([0, 3 * 2 + 10 * 1, 3 * 2, 0]);
    expect([...evidence.grey].slice(0, 4)).toEqual([0, -16, -6, 0]);
  });

  it('of one channel is limited, however odd it is', () => {
    const at = (value: number): number => new CellMapper(TAP, cellProfile([1, 0]), SIZE).update(flat, Float32Array.from({ length: 2 * CELLS }, () => value)).evidence.colour[0]!;
    expect(at(1e6)).toBe(at(100));
    expect(at(1)).toBeLessThan(at(2));
  });

  it('is the weighted sum of the features that calibration learns from', () => {
    const random = new SeededRandom(5);
    const pixels = Uint8Array.from({ length: 3 * SIZE.width * SIZE.height }, () => random.integer(256));
    const features = Float32Array.from({ length: 2 * CELLS }, () => 3 * random.normal());
    const weights = [0.5, -1, 0.25, 2, 0.75];
    const profile = cellProfile([0, 0], { mean: [0.3, -0.2], deviation: [1.5, 0.5], pixelMean: [20, 30, 40], pixelDeviation: [5, 6, 7], weights: { colour: weights, grey: weights } });
    const mapper = new CellMapper(TAP, profile, SIZE);
    const { colour } = mapper.update(pixels, features).evidence;
    const row = new Float32Array(weights.length);
    for (let cell = 0; cell < CELLS; cell += 1) {
      mapper.featuresOf(cell, features, row);
      expect(colour[cell]).toBeCloseTo(weights.reduce((sum, weight, i) => sum + weight * row[i]!, 0), 3);
    }
  });

  it('is that of the last picture alone', () => {
    const mapper = new CellMapper(TAP, cellProfile([1, 1]), SIZE);
    mapper.update(flat, new Float32Array(2 * CELLS).fill(3));
    expect([...mapper.update(flat, NO_FEATURES).evidence.colour]).toEqual(everywhere(0));
  });
});
