import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CHEST_PLACEMENT, checkPlacement, drawLook, patchBounds, patchPolygon, type PastePlacement, placeInScene, placeOnBox } from '../../src/attack/placement.js';
import { thrownBy } from '../fixtures/failure.js';

const LOOK = { side: 0.25, rotationDeg: 0, brightness: 1 };

describe('on a box', () => {
  test.each([
    // A box of 60 x 80 has a diagonal of 100: a quarter of it is 25; .08 of 80 above the middle is 6.4.
    ['the published placement', [100, 200, 60, 80], 0.08, LOOK, { centreX: 130, centreY: 233.6, sidePx: 25 }],
    ['in the middle', [0, 0, 30, 40], 0, LOOK, { centreX: 15, centreY: 20, sidePx: 12.5 }],
    ['below the middle, larger', [10, 10, 60, 80], -0.25, { ...LOOK, side: 0.5 }, { centreX: 40, centreY: 70, sidePx: 50 }],
  ] as const)('%s', (_, xywh, above, look, expected) => {
    const placed = placeOnBox(xywh, above, look);
    expect(placed.centreX).toBeCloseTo(expected.centreX, 10);
    expect(placed.centreY).toBeCloseTo(expected.centreY, 10);
    expect(placed.sidePx).toBeCloseTo(expected.sidePx, 10);
  });

  test('in the scene, sides are shares of the shorter side', () => {
    expect(placeInScene({ width: 400, height: 200 }, [0.25, 0.5], LOOK)).toMatchObject({ centreX: 100, centreY: 100, sidePx: 50 });
  });
});

describe('corners', () => {
  test.each([
    ['upright', 0, [40, 40, 60, 40, 60, 60, 40, 60]],
    ['a quarter clockwise: the left top corner goes to the right', 90, [60, 40, 60, 60, 40, 60, 40, 40]],
    ['standing on a corner', 45, [50, 50 - Math.SQRT1_2 * 20, 50 + Math.SQRT1_2 * 20, 50, 50, 50 + Math.SQRT1_2 * 20, 50 - Math.SQRT1_2 * 20, 50]],
  ])('%s', (_, rotationDeg, expected) => {
    const polygon = patchPolygon({ centreX: 50, centreY: 50, sidePx: 20, rotationDeg, brightness: 1 });
    polygon.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 9));
  });

  test('what lies outside is cut, and what lies wholly outside is nowhere', () => {
    const size = { width: 100, height: 50 };
    const placed = { sidePx: 20, rotationDeg: 0, brightness: 1 };
    expect(patchBounds({ ...placed, centreX: 5, centreY: 45 }, size)).toEqual([0, 35, 15, 50]);
    expect(patchBounds({ ...placed, centreX: -10.5, centreY: 25 }, size)).toBeUndefined();
  });
});

describe('looks', () => {
  const open: PastePlacement = { ...CHEST_PLACEMENT, side: [0.15, 0.35], rotationDeg: [-20, 20], brightness: [0.5, 1] };

  test('lie within their ranges, are the same for the same object, and others for others', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(), (seed, identity) => {
        const look = drawLook(open, seed, identity);
        expect(look.side).toBeGreaterThanOrEqual(0.15);
        expect(look.side).toBeLessThanOrEqual(0.35);
        expect(Math.abs(look.rotationDeg)).toBeLessThanOrEqual(20);
        expect(look.brightness).toBeGreaterThanOrEqual(0.5);
        expect(look.brightness).toBeLessThanOrEqual(1);
        expect(drawLook(open, seed, identity)).toEqual(look);
        expect(drawLook(open, seed, identity + 1)).not.toEqual(look);
      }),
    );
  });

  test('to open one range leaves the others their numbers', () => {
    expect(drawLook({ ...open, rotationDeg: 0 }, 7, 3)).toMatchObject({ side: drawLook(open, 7, 3).side, brightness: drawLook(open, 7, 3).brightness, rotationDeg: 0 });
  });

  test.each<[string, Partial<PastePlacement>]>([
    ['no side', { side: 0 }],
    ['a side larger than the object', { side: [0.2, 1.5] }],
    ['darker than black', { brightness: -1 }],
    ['turned more than once', { rotationDeg: 400 }],
    ['outside of the picture', { on: 'scene', at: [0.5, 1.2] }],
    ['half a patch', { on: 'background', perImage: 0.5 }],
    ['no number', { side: Number.NaN }],
  ])('refuses %s', (_, wrong) => {
    expect(thrownBy(() => checkPlacement({ ...CHEST_PLACEMENT, ...wrong } as PastePlacement)).code).toBe('ERR_USAGE');
  });
});
