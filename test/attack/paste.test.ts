import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitImage } from '../../src/core/image-fit.js';
import { packedTarget, pastePatch, patchPyramid, planarTarget } from '../../src/attack/paste.js';
import { controlPatch, greyscalePatch } from '../../src/attack/patch-image.js';
import type { PlacedPatch } from '../../src/attack/placement.js';

const SIZE = { width: 20, height: 20 };
const UPRIGHT: PlacedPatch = { centreX: 10, centreY: 10, sidePx: 8, rotationDeg: 0, brightness: 1 };

/** Left half red, right half blue. */
const TWO_COLOURS = { name: 'two', size: { width: 2, height: 2 }, rgb: Uint8Array.from([255, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0, 255]) };
const WHITE = { name: 'white', size: { width: 4, height: 4 }, rgb: new Uint8Array(48).fill(255) };

function pasteOnBlack(patch: typeof WHITE, placed: PlacedPatch): (x: number, y: number) => number[] {
  const bytes = new Uint8Array(3 * SIZE.width * SIZE.height);
  pastePatch(packedTarget(bytes, SIZE), patchPyramid(patch), placed);
  return (x, y) => [...bytes.subarray(3 * (y * SIZE.width + x), 3 * (y * SIZE.width + x) + 3)];
}

describe('pastePatch', () => {
  test('covers its square and nothing else', () => {
    const at = pasteOnBlack(WHITE, UPRIGHT);
    for (let y = 0; y < 20; y += 1) for (let x = 0; x < 20; x += 1) expect(at(x, y), `${x}, ${y}`).toEqual(new Array(3).fill(x >= 6 && x < 14 && y >= 6 && y < 14 ? 255 : 0));
  });

  test('mixes pixels that are half covered', () => {
    const at = pasteOnBlack(WHITE, { ...UPRIGHT, centreX: 10.5 });
    expect(at(6, 10)).toEqual([128, 128, 128]);
    expect(at(7, 10)).toEqual([255, 255, 255]);
    expect(at(14, 10)).toEqual([128, 128, 128]);
  });

  test('turns clockwise: after a quarter what was left is on top', () => {
    const upright = pasteOnBlack(TWO_COLOURS, UPRIGHT);
    expect(upright(6, 10)).toEqual([255, 0, 0]);
    expect(upright(13, 10)).toEqual([0, 0, 255]);
    const turned = pasteOnBlack(TWO_COLOURS, { ...UPRIGHT, rotationDeg: 90 });
    expect(turned(10, 6)).toEqual([255, 0, 0]);
    expect(turned(10, 13)).toEqual([0, 0, 255]);
  });

  test.each([
    [0.5, 128],
    [1, 255],
    [3, 255],
    [0, 0],
  ])('brightness %d makes white %d', (brightness, expected) => {
    expect(pasteOnBlack(WHITE, { ...UPRIGHT, brightness })(10, 10)).toEqual([expected, expected, expected]);
  });

  test('scaled down, fine noise becomes its mean: nothing aliases', () => {
    const checks = { name: 'checks', size: { width: 256, height: 256 }, rgb: Uint8Array.from({ length: 3 * 256 * 256 }, (_, i) => (((Math.floor(i / 3) % 256) + Math.floor(i / 768)) % 2 === 0 ? 0 : 255)) };
    const [value] = pasteOnBlack(checks, UPRIGHT)(10, 10);
    expect(value).toBeGreaterThan(125);
    expect(value).toBeLessThan(131);
  });

  test('planes of a scaled input get what the scaled picture shows', () => {
    const input = { width: 10, height: 20 };
    const planes = new Uint8Array(3 * 200);
    pastePatch(planarTarget(planes, input), patchPyramid(TWO_COLOURS), UPRIGHT, fitImage(SIZE, input, 'stretch'));
    const at = (plane: number, x: number, y: number): number => planes[plane * 200 + y * 10 + x]!;
    // Planes are G, B, R; half as wide: columns 3 to 6.
    expect([at(2, 3, 10), at(1, 3, 10), at(0, 3, 10)]).toEqual([255, 0, 0]);
    expect([at(2, 6, 10), at(1, 6, 10)]).toEqual([0, 255]);
    expect([at(2, 2, 10), at(1, 7, 10), at(2, 3, 5), at(2, 3, 14)]).toEqual([0, 0, 0, 0]);
  });

  test('never touches a pixel beyond its corners, wherever it lies', () => {
    const placement = fc.record({ centreX: fc.double({ min: -30, max: 50, noNaN: true }), centreY: fc.double({ min: -30, max: 50, noNaN: true }), sidePx: fc.double({ min: 0.5, max: 40, noNaN: true }), rotationDeg: fc.double({ min: -360, max: 360, noNaN: true }) });
    fc.assert(
      fc.property(placement, (placed) => {
        const at = pasteOnBlack(WHITE, { ...placed, brightness: 1 });
        const reach = (placed.sidePx * Math.SQRT2) / 2 + 1;
        for (let y = 0; y < 20; y += 1) for (let x = 0; x < 20; x += 1) if (Math.hypot(x + 0.5 - placed.centreX, y + 0.5 - placed.centreY) > reach) expect(at(x, y)).toEqual([0, 0, 0]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('controls', () => {
  test('grey is one grey, noise the same for the same seed only', () => {
    expect(controlPatch('grey', 1).rgb.every((value) => value === 128)).toBe(true);
    expect(Buffer.compare(controlPatch('noise', 1).rgb, controlPatch('noise', 1).rgb)).toBe(0);
    expect(Buffer.compare(controlPatch('noise', 1).rgb, controlPatch('noise', 2).rgb)).not.toBe(0);
  });

  test('greyscale is luma', () => {
    const { rgb } = greyscalePatch({ name: 'rgb', size: { width: 3, height: 1 }, rgb: Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255]) });
    expect([...rgb]).toEqual([76, 76, 76, 150, 150, 150, 29, 29, 29]);
  });
});
