import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import { pasteSquare, randomTexture, type Texture } from '../../../src/guard/calibration/paste-square.js';

const SIZE = { width: 64, height: 48 };
const AREA = SIZE.width * SIZE.height;
const GREY = 77;

/** Any picture to cut textures from. */
const picture = Uint8Array.from({ length: 3 * AREA }, (_, i) => (i * 37 + (i >> 3)) % 256);

function textures(seed: number, count: number): Texture[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => randomTexture(random, picture, SIZE));
}

describe('randomTexture', () => {
  it('gives the same ones for the same seed, others for another', () => {
    expect(textures(1, 8)).toEqual(textures(1, 8));
    expect(textures(2, 8)).not.toEqual(textures(1, 8));
  });

  it('makes many kinds, with colour and without, none of them of one level', () => {
    const made = textures(3, 60);
    const greys = made.filter(({ isGrey }) => isGrey).length;
    expect(greys).toBeGreaterThan(10);
    expect(greys).toBeLessThan(50);
    for (const { isGrey, side, planes } of made) {
      const pixels = side * side;
      const plane = (p: number): Uint8Array => planes.subarray(p * pixels, (p + 1) * pixels);
      expect(planes).toHaveLength(3 * pixels);
      expect([plane(1), plane(2)].every((other) => Buffer.from(other).equals(plane(0)))).toBe(isGrey);
      expect(new Set(plane(0)).size).toBeGreaterThan(1);
    }
  });
});

describe('pasteSquare', () => {
  const texture: Texture = { isGrey: false, side: 4, planes: new Uint8Array(48).fill(200) };

  it('draws inside of what it returns and nowhere else', () => {
    const sidePx = fc.double({ min: 2, max: 40, noNaN: true });
    const place = (length: number): fc.Arbitrary<number> => fc.double({ min: -10, max: length + 10, noNaN: true });
    fc.assert(
      fc.property(place(SIZE.width), place(SIZE.height), sidePx, fc.integer(), (x, y, side, seed) => {
        const planes = new Uint8Array(3 * AREA).fill(GREY);
        const region = pasteSquare(planes, SIZE, texture, { x, y }, side, new SeededRandom(seed));
        const isChanged = (i: number): boolean => planes[i] !== GREY;
        const changed = [...planes.keys()].filter(isChanged);
        if (!region) {
          expect(changed).toEqual([]);
          return;
        }
        expect(Math.min(region.left, region.top, SIZE.width - region.right, SIZE.height - region.bottom)).toBeGreaterThanOrEqual(0);
        const columns = changed.map((i) => i % SIZE.width);
        const rows = changed.map((i) => Math.floor((i % AREA) / SIZE.width));
        expect(columns.every((column) => column >= region.left && column < region.right)).toBe(true);
        expect(rows.every((row) => row >= region.top && row < region.bottom)).toBe(true);
      }),
    );
  });

  it('fills an upright square, dimmed', () => {
    const planes = new Uint8Array(3 * AREA).fill(GREY);
    // The first seeds until one draws it upright: about half of them do.
    const upright = Array.from({ length: 20 }, (_, seed) => seed).find((seed) => {
      planes.fill(GREY);
      const drawn = pasteSquare(planes, SIZE, texture, { x: 32, y: 24 }, 20, new SeededRandom(seed));
      return drawn!.right - drawn!.left === 20;
    });
    expect(upright).toBeDefined();
    const levels = new Set<number>();
    for (let y = 15; y < 33; y += 1) for (let x = 23; x < 41; x += 1) levels.add(planes[y * SIZE.width + x]!);
    expect(levels.size).toBe(1);
    const [level] = levels;
    expect(level).toBeGreaterThanOrEqual(Math.floor(200 * 0.5));
    expect(level).toBeLessThanOrEqual(220);
    expect(level).not.toBe(GREY);
    expect(planes[10 * SIZE.width + 10]).toBe(GREY);
  });

  it('draws the same for the same seed', () => {
    const drawn = (seed: number): { planes: Uint8Array; region: unknown } => {
      const planes = new Uint8Array(3 * AREA).fill(GREY);
      return { region: pasteSquare(planes, SIZE, textures(1, 1)[0]!, { x: 30, y: 20 }, 18, new SeededRandom(seed)), planes };
    };
    expect(drawn(7)).toEqual(drawn(7));
    expect(drawn(8)).not.toEqual(drawn(7));
  });
});
