import { describe, expect, test } from 'vitest';
import { NO_DETECTIONS } from '../../../src/core/detections.js';
import { BoxMover } from '../../../src/redundancy/motion/box-mover.js';
import { detectionsOf, sightOfScene, type Thing } from '../scene.js';

const THING: Thing = { x: 100, y: 80, width: 40, height: 70, seed: 7 };
const moved = (dx: number, dy = 0): Thing => ({ ...THING, x: THING.x + dx, y: THING.y + dy });

/** Where a mover says the thing is after it has gone so far, within 100 ms. */
function follow(dx: number, dy: number, options: Parameters<typeof sightOfScene>[0] = {}): number[] {
  const mover = new BoxMover();
  mover.seen(sightOfScene({ things: [THING], ...options, noiseSeed: 1 }), detectionsOf([THING]));
  return [...mover.move(sightOfScene({ things: [moved(dx, dy)], ...options, noiseSeed: 2 }, 100_000)).xyxy];
}

describe('a box that moves', () => {
  test.each([
    ['stays where nothing moves', 0, 0, {}],
    ['goes right', 6, 0, {}],
    ['goes left and up', -9, -5, {}],
    ['goes by less than a cell', 1, 1, {}],
    ['is found in noise', 7, -3, { noise: 8 }],
    ['stays in noise', 0, 0, { noise: 8 }],
  ])('%s', (_, dx, dy, options) => {
    const [left, top, right, bottom] = follow(dx, dy, options);
    expect(Math.abs(left! - (THING.x + dx))).toBeLessThan(1.2);
    expect(Math.abs(top! - (THING.y + dy))).toBeLessThan(1.2);
    expect(right! - left!).toBeCloseTo(THING.width, 3);
    expect(bottom! - top!).toBeCloseTo(THING.height, 3);
  });

  test('is found after the light has changed', () => {
    const mover = new BoxMover();
    mover.seen(sightOfScene({ things: [THING] }), detectionsOf([THING]));
    const { xyxy } = mover.move(sightOfScene({ things: [moved(8)], offset: 20 }, 100_000));
    expect(Math.abs(xyxy[0]! - (THING.x + 8))).toBeLessThan(1.2);
  });

  test('is not carried along by one that passes far from it', () => {
    const other: Thing = { x: 220, y: 60, width: 40, height: 80, seed: 9 };
    const mover = new BoxMover();
    mover.seen(sightOfScene({ things: [THING, other] }), detectionsOf([THING, other]));
    const { count, xyxy } = mover.move(sightOfScene({ things: [moved(0), { ...other, x: 212 }] }, 100_000));
    expect(count).toBe(2);
    expect(xyxy[0]).toBeCloseTo(THING.x, 3);
    expect(Math.abs(xyxy[4]! - 212)).toBeLessThan(1.2);
  });

  test('follows its velocity behind something', () => {
    const mover = new BoxMover();
    for (const [i, dx] of [0, 6, 12, 18].entries()) mover.seen(sightOfScene({ things: [moved(dx)] }, i * 100_000), detectionsOf([moved(dx)]));
    const wall: Thing = { x: 90, y: 60, width: 100, height: 110, seed: 33 };
    const { xyxy } = mover.move(sightOfScene({ things: [moved(24), wall] }, 400_000));
    expect(mover.matchedShare).toBe(0);
    expect(xyxy[0]! - (THING.x + 18)).toBeGreaterThan(3);
    expect(xyxy[0]! - (THING.x + 18)).toBeLessThan(7);
  });

  test('a fast one is found where its velocity leads', () => {
    const mover = new BoxMover();
    for (let i = 0; i < 4; i += 1) mover.seen(sightOfScene({ things: [moved(12 * i)] }, i * 100_000), detectionsOf([moved(12 * i)]));
    // Two steps at once: farther than is searched without knowing the velocity.
    const { xyxy } = mover.move(sightOfScene({ things: [moved(12 * 5)] }, 500_000));
    expect(Math.abs(xyxy[0]! - (THING.x + 60))).toBeLessThan(2);
  });

  test('is gone when it has left the picture', () => {
    const edge: Thing = { ...THING, x: 4, width: 20 };
    const mover = new BoxMover();
    for (let i = 0; i < 3; i += 1) mover.seen(sightOfScene({ things: [{ ...edge, x: 14 - 5 * i }] }, i * 100_000), detectionsOf([{ ...edge, x: 14 - 5 * i }]));
    expect(mover.move(sightOfScene({}, 900_000)).count).toBe(0);
  });
});

describe('what a mover does without a box to move', () => {
  test('nothing before the first inference', () => {
    expect(new BoxMover().move(sightOfScene())).toBe(NO_DETECTIONS);
  });

  test('nothing where nothing was found', () => {
    const mover = new BoxMover();
    mover.seen(sightOfScene(), NO_DETECTIONS);
    expect(mover.move(sightOfScene({}, 100_000)).count).toBe(0);
    expect(mover.matchedShare).toBe(1);
  });

  test('boxes of pictures of another size are not moved', () => {
    const mover = new BoxMover();
    const sight = sightOfScene({ things: [THING] });
    mover.seen(sight, detectionsOf([THING]));
    expect(mover.move({ ...sight, sourceSize: { width: 640, height: 480 } }).count).toBe(0);
  });

  test('time that goes back moves nothing by velocity', () => {
    const mover = new BoxMover();
    for (const [i, dx] of [0, 6, 12].entries()) mover.seen(sightOfScene({ things: [moved(dx)] }, i * 100_000), detectionsOf([moved(dx)]));
    expect(mover.move(sightOfScene({ things: [moved(12)] }, 0)).xyxy[0]).toBeCloseTo(THING.x + 12, 3);
  });
});
