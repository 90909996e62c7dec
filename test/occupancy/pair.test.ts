import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { scaleRig, type StereoRig } from '../../src/core/stereo-rig.js';
import { SeededRandom } from '../../src/core/seeded-random.js';
import { checkPair } from '../../src/occupancy/pair/check-pair.js';
import { PairWatch } from '../../src/occupancy/pair/pair-watch.js';
import { type Thumbnail, thumbnailOf, turnAround } from '../../src/occupancy/pair/thumbnail.js';
import type { Recipe } from '../../src/stereo-scenes/photometry.js';
import { renderPair } from '../../src/stereo-scenes/render-pair.js';
import { missingShared, SHARED_FIXTURES, sharedFixture } from '../fixtures/index.js';

const rig: StereoRig = { size: { width: 440, height: 200 }, focalPx: 400, centre: { x: 219.5, y: 99.5 }, centreShiftPx: 0, baselineM: 0.4 };

interface Pair {
  readonly name: string;
  readonly left: Uint8Array;
  readonly right: Uint8Array;
}

const greens = (rgb: Uint8Array) => Uint8Array.from({ length: rgb.length / 3 }, (_, i) => rgb[3 * i + 1]!);
const thumb = (plane: Uint8Array): Thumbnail => thumbnailOf(plane, rig.size);

function render(recipe: Recipe, count: number): Pair[] {
  return Array.from({ length: count }, (_, index) => {
    const { layout, left, right } = renderPair({ rig, rangeM: 32, heightM: 1.5, recipe, isHeldOut: false, seed: 5, index });
    return { name: `${recipe} ${index} ${layout}`, left: greens(left), right: greens(right) };
  });
}

const pairs = [...render('mild', 6), ...render('harsh', 6)];

/** Rows moved down, the uppermost repeated. */
function lowered(plane: Uint8Array, rows: number): Uint8Array {
  const { width, height } = rig.size;
  return plane.map((_, i) => plane[Math.max(0, Math.min(height - 1, Math.floor(i / width) - rows)) * width + (i % width)]!);
}

const codes = (spoil: (pair: Pair) => readonly [left: Thumbnail, right: Thumbnail]) => pairs.map((pair) => checkPair(...spoil(pair), rig)?.code);
const share = (found: readonly (string | undefined)[], code: string) => found.filter((what) => what === code).length / found.length;

describe('rendered pairs', () => {
  test('nothing is wrong with any of them', () => {
    const found = pairs.map(({ name, left, right }) => [name, checkPair(thumb(left), thumb(right), rig)]).filter(([, finding]) => finding !== undefined);
    expect(found).toEqual([]);
  });

  test.each<[what: string, code: string, spoil: (pair: Pair) => readonly [Thumbnail, Thumbnail]]>([
    ['swapped', 'ERR_STEREO_SWAPPED', ({ left, right }) => [thumb(right), thumb(left)]],
    ['the right camera upside down', 'ERR_STEREO_UPSIDE_DOWN', ({ left, right }) => [thumb(left), turnAround(thumb(right))]],
    ['the left camera upside down', 'ERR_STEREO_UPSIDE_DOWN', ({ left, right }) => [turnAround(thumb(left)), thumb(right)]],
    ['both upside down, which looks as swapped', 'ERR_STEREO_SWAPPED', ({ left, right }) => [turnAround(thumb(left)), turnAround(thumb(right))]],
    ['rows four pixels low', 'ERR_STEREO_MISALIGNED', ({ left, right }) => [thumb(left), thumb(lowered(right, 4))]],
    ['one camera dark', 'ERR_STEREO_CAMERA_DEAD', ({ left, right }) => [thumb(left), thumb(right.map(() => 3))]],
  ])('%s: %s is found in most of them, and nothing else in any', (_, code, spoil) => {
    const found = codes(spoil);
    console.log(`${code}: ${Math.round(share(found, code) * found.length)} of ${found.length}`);
    expect(found.filter((what) => what !== undefined && what !== code)).toEqual([]);
    expect(share(found, code)).toBeGreaterThanOrEqual(0.7);
  });

  test('it is said which camera hangs upside down, and how far the rows are apart', () => {
    const [{ left, right }] = pairs as [Pair];
    expect(checkPair(thumb(left), turnAround(thumb(right)), rig)?.message).toMatch(/right camera/);
    expect(checkPair(turnAround(thumb(left)), thumb(right), rig)?.message).toMatch(/left camera/);
    expect(checkPair(thumb(right.map(() => 90)), thumb(right), rig)?.message).toMatch(/left camera shows nothing/);
    const low = checkPair(thumb(left), thumb(lowered(right, 4)), rig);
    expect(low?.rowErrorPx).toBeGreaterThan(3);
    expect(low?.rowErrorPx).toBeLessThan(5);
    expect(checkPair(thumb(left), thumb(lowered(right, -4)), rig)?.rowErrorPx).toBeLessThan(-3);
  });

  test('different sizes', () => {
    const finding = checkPair(thumb(pairs[0]!.left), thumbnailOf(pairs[0]!.right, { width: 200, height: 440 }), rig);
    expect(finding).toMatchObject({ code: 'ERR_STEREO_SIZES', confidence: 1 });
  });
});

describe('too little to see', () => {
  const noise = (seed: number, mean: number, spread: number) => {
    const random = new SeededRandom(seed);
    return Uint8Array.from({ length: rig.size.width * rig.size.height }, () => Math.max(0, Math.min(255, Math.round(mean + spread * random.normal()))));
  };

  test('dark, plain and noisy pictures of any brightness raise no alarm', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(255), fc.nat(255), fc.double({ min: 0, max: 8, noNaN: true }), (seed, left, right, spread) => {
        expect(checkPair(thumb(noise(seed, left, spread)), thumb(noise(seed + 1, right, spread)), rig)).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  test('stripes and checks that repeat raise no alarm', () => {
    const pattern = fc.record({ period: fc.integer({ min: 6, max: 30 }), shift: fc.integer({ min: 0, max: 60 }), isChecked: fc.boolean() });
    fc.assert(
      fc.property(pattern, ({ period, shift, isChecked }) => {
        const draw = (by: number) =>
          Uint8Array.from({ length: rig.size.width * rig.size.height }, (_, i) => {
            const [x, y] = [(i % rig.size.width) + by, Math.floor(i / rig.size.width)];
            return (Math.floor(x / period) + (isChecked ? Math.floor(y / period) : 0)) % 2 === 0 ? 60 : 190;
          });
        expect(checkPair(thumb(draw(0)), thumb(draw(shift)), rig)).toBeUndefined();
      }),
      { numRuns: 15 },
    );
  });
});

describe('over time', () => {
  /** A camera that pans over a wide picture, unevenly, seen at a moment. */
  const random = new SeededRandom(3);
  const wide = Uint8Array.from({ length: 4000 }, () => random.integer(256));
  const steps = Array.from({ length: 100 }, () => random.integer(9));
  const at = (moment: number): Thumbnail => {
    const offset = steps.slice(0, moment).reduce((sum, step) => sum + step, 0);
    return { size: { width: 60, height: 4 }, of: rig.size, pixels: Uint8Array.from({ length: 240 }, (_, i) => 0.5 * wide[offset + (i % 60) + 1]! + 0.5 * wide[offset + (i % 60)]!) };
  };
  const watch = (moments: readonly (readonly [left: number, right: number])[]) => {
    const pairWatch = new PairWatch();
    return moments.map(([left, right]) => pairWatch.see(at(left), at(right))).filter((finding) => finding !== undefined);
  };
  const range = Array.from({ length: 60 }, (_, i) => i);

  test('cameras of one moment raise no alarm, nor does a rig at rest', () => {
    expect(watch(range.map((i) => [i, i]))).toEqual([]);
    expect(watch(range.map(() => [5, 5]))).toEqual([]);
  });

  test.each([
    [[2, 0], /right camera lags 2/],
    [[0, 1], /left camera lags 1/],
  ] as const)('a camera that is behind by %j pairs is named', ([left, right], message) => {
    const found = watch(range.map((i) => [i + left, i + right]));
    expect(found.length).toBeGreaterThan(0);
    for (const finding of found) expect(finding).toMatchObject({ code: 'ERR_STEREO_UNSYNCHRONISED', message: expect.stringMatching(message) as string });
  });

  test('a camera that repeats one picture while the other one moves is dead, until it moves again', () => {
    const pairWatch = new PairWatch();
    // Two thumbnails in turn: the right side changes with every pair.
    const found = range.map((i) => pairWatch.see(at(i < 30 ? 0 : i), at(i % 2 === 0 ? 40 : 80))?.code);
    expect(found.slice(8, 30)).toEqual(new Array(22).fill('ERR_STEREO_CAMERA_DEAD'));
    expect(found.slice(31)).not.toContain('ERR_STEREO_CAMERA_DEAD');
  });

  test('pictures of another size begin anew', () => {
    const pairWatch = new PairWatch();
    pairWatch.see(at(0), at(0));
    expect(pairWatch.see(thumb(pairs[0]!.left), thumb(pairs[0]!.right))).toBeUndefined();
  });
});

const shared = sharedFixture('stereo');

test.skipIf(shared === undefined).each([
  ['cones/im2.png', 'cones/im6.png'],
  ['aloe/aloeL.jpg', 'aloe/aloeR.jpg'],
  ['kitti2015/image_2/000046_10.png', 'kitti2015/image_3/000046_10.png'],
])(`real pair %s${shared ? '' : `: ${missingShared(SHARED_FIXTURES.stereo.path)}`}`, async (leftName, rightName) => {
  const read = async (name: string) => {
    const { data, info } = await sharp(join(shared!, name)).greyscale().raw().toBuffer({ resolveWithObject: true });
    return thumbnailOf(data, { width: info.width, height: info.height });
  };
  const [left, right] = [await read(leftName), await read(rightName)];
  const scaled = scaleRig(rig, left.of);
  expect(checkPair(left, right, scaled)).toBeUndefined();
  expect(checkPair(right, left, scaled)?.code).toBe('ERR_STEREO_SWAPPED');
  expect(checkPair(left, turnAround(right), scaled)?.message).toMatch(/right camera is upside down/);
  expect(checkPair(turnAround(left), right, scaled)?.message).toMatch(/left camera is upside down/);
});
