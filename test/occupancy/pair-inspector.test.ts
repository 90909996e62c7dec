import { describe, expect, test } from 'vitest';
import { PairInspector } from '../../src/occupancy/pair/pair-inspector.js';
import { type Thumbnail, thumbnailOf } from '../../src/occupancy/pair/thumbnail.js';
import { SeededRandom } from '../../src/core/seeded-random.js';
import { renderPair, type RenderedPair } from '../../src/stereo-scenes/render-pair.js';
import { pairRequest } from '../../src/stereo-scenes/stereo-set.js';

const SIZE = { width: 440, height: 200 };
const request = pairRequest({ rig: 'driving', recipe: 'clean', isHeldOut: false, size: SIZE, seed: 2 }, 0);
const pair = renderPair(request);
const [left, right] = [thumbnail(pair.left), thumbnail(pair.right)];

function thumbnail(rgb: RenderedPair['left']): Thumbnail {
  const green = Uint8Array.from({ length: SIZE.width * SIZE.height }, (_, i) => rgb[3 * i + 1]!);
  return thumbnailOf(green, SIZE);
}

function codes(inspector: PairInspector, pairs: readonly (readonly [Thumbnail, Thumbnail])[], fromUs = 0, stepUs = 100_000): (string | undefined)[] {
  return pairs.map(([l, r], i) => inspector.see(l, r, fromUs + i * stepUs)?.code);
}

const good = [left, right] as const;
const swapped = [right, left] as const;
const dark = [left, { ...right, pixels: new Uint8Array(right.pixels.length) }] as const;

describe('a rig that is watched', () => {
  test('whose pairs are good is never blamed', () => {
    expect(codes(new PairInspector(request.rig), Array<typeof good>(25).fill(good))).toEqual(Array(25).fill(undefined));
  });

  test('that is swapped is found at the first pair, and at every one after it', () => {
    expect(codes(new PairInspector(request.rig), Array<typeof good>(4).fill(swapped))).toEqual(Array(4).fill('ERR_STEREO_SWAPPED'));
  });

  test('is looked at once a second: a fault between is found at the next look, and is over after three good pairs', () => {
    const inspector = new PairInspector(request.rig);
    expect(codes(inspector, [good, dark, dark])).toEqual([undefined, undefined, undefined]);
    expect(codes(inspector, [dark, dark, good, good, good], 1_000_000)).toEqual([...Array<string>(4).fill('ERR_STEREO_CAMERA_DEAD'), undefined]);
  });

  test('tells the newest of two faults', () => {
    expect(codes(new PairInspector(request.rig), [dark, swapped])).toEqual(['ERR_STEREO_CAMERA_DEAD', 'ERR_STEREO_SWAPPED']);
  });

  test('is looked at anew where a recording starts again', () => {
    const inspector = new PairInspector(request.rig);
    expect(codes(inspector, [swapped], 5_000_000)).toEqual(['ERR_STEREO_SWAPPED']);
    inspector.reset();
    expect(codes(inspector, [good, good])).toEqual([undefined, undefined]);
    inspector.reset();
    expect(codes(inspector, [swapped])).toEqual(['ERR_STEREO_SWAPPED']);
  });
});

test('cameras of different moments are found once they have moved unevenly for a while', () => {
  const random = new SeededRandom(4, 0);
  const noise = Array.from({ length: left.pixels.length }, () => random.normal());
  const brightness = Array.from({ length: 60 }, () => random.uniform(-1, 1) ** 3 * 40);
  const at = (thumbnailOfSide: Thumbnail, moment: number): Thumbnail => ({ ...thumbnailOfSide, pixels: thumbnailOfSide.pixels.map((pixel, i) => Math.max(0, Math.min(255, pixel + brightness[moment]! * noise[i]! * 0.2))) });
  const inspector = new PairInspector(request.rig);
  const found = codes(inspector, Array.from({ length: 50 }, (_, i) => [at(left, i + 2), at(right, i)] as const));
  expect(found.slice(0, 31).every((code) => code === undefined || code === 'ERR_STEREO_UNSYNCHRONISED')).toBe(true);
  expect(found.at(-1)).toBe('ERR_STEREO_UNSYNCHRONISED');
});
