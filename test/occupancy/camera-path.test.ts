import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AppError } from '../../src/core/errors.js';
import { motionBetween, parseCameraPath } from '../../src/occupancy/camera-path.js';
import { composeMotions, isRigid, NO_MOTION, type RigidMotion } from '../../src/occupancy/ego-motion.js';

const ahead = (zM: number): RigidMotion => [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, zM, 0, 0, 0, 1];
const kitti = (pose: RigidMotion): string => pose.slice(0, 12).join(' ');

function turned(yaw: number, shift: readonly [number, number, number]): RigidMotion {
  const [c, s] = [Math.cos(yaw), Math.sin(yaw)];
  return [c, 0, s, shift[0], 0, 1, 0, shift[1], -s, 0, c, shift[2], 0, 0, 0, 1];
}

describe("KITTI's poses", () => {
  const path = parseCameraPath(`${[0, 0.5, 1.25].map((zM) => kitti(ahead(zM))).join('\n')}\n\n`, 'poses.txt');

  test('are those of frames by their number', () => {
    expect(path.isByTime).toBe(false);
    expect(path.poseAt(2, 0)).toEqual(ahead(1.25));
    expect(path.poseAt(3, 0)).toBeUndefined();
  });

  test('make a motion from the newer axes to the older ones: ahead is above 0', () => {
    expect(motionBetween(path.poseAt(1, 0)!, path.poseAt(2, 0)!)).toEqual(ahead(0.75));
  });
});

describe('poses by time', () => {
  const path = parseCameraPath([0, 100_000, 200_000].map((pts_us) => JSON.stringify({ pts_us, matrix: ahead(pts_us / 1e5).slice(0, pts_us === 0 ? 16 : 12) })).join('\n'), 'poses.ndjson');

  test.each([
    ['at its time', 100_000, 1],
    ['a little before', 81_000, 1],
    ['a little after', 120_000, 1],
    ['before the first', -20_000, 0],
    ['after the last', 220_000, 2],
  ])('%s', (_, ptsUs, zM) => {
    expect(path.poseAt(99, ptsUs)).toEqual(ahead(zM));
  });

  test.each([50_000, -20_001, 220_001])('there is none at %d', (ptsUs) => {
    expect(path.poseAt(0, ptsUs)).toBeUndefined();
  });

  test('say that they are by time', () => expect(path.isByTime).toBe(true));
});

test.each([
  ['nothing', '', /line 1: .*there is none/],
  ['too few numbers', '1 2 3', /line 1/],
  ['a word', kitti(ahead(0)).replace('0', 'x'), /line 1/],
  ['a matrix that scales', kitti([2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]), /turns and shifts/],
  ['a mirror', kitti([-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]), /turns and shifts/],
  ['a gap', `${kitti(ahead(0))}\n\n${kitti(ahead(1))}`, /line 2/],
  ['broken JSON', '{"pts_us": 0, ', /line 1: .*JSON/],
  ['no time', JSON.stringify({ matrix: ahead(0) }), /pts_us/],
  ['no matrix', JSON.stringify({ pts_us: 0 }), /matrix/],
  ['a time that goes back', [1, 0].map((pts_us) => JSON.stringify({ pts_us, matrix: ahead(0) })).join('\n'), /line 2: .*later/],
])('%s is no path', (_, text, message) => {
  let fault: unknown;
  try {
    parseCameraPath(text, 'poses');
  } catch (error) {
    fault = error;
  }
  expect(fault).toMatchObject({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(message) as string } satisfies Partial<AppError>);
});

test('the motion between any two poses leads from one to the other', () => {
  const metres = fc.double({ min: -100, max: 100, noNaN: true });
  const pose = fc.tuple(fc.double({ min: -3, max: 3, noNaN: true }), metres, metres, metres).map(([yaw, x, y, z]) => turned(yaw, [x, y, z]));
  fc.assert(
    fc.property(pose, pose, (before, now) => {
      const motion = motionBetween(before, now);
      expect(isRigid(motion)).toBe(true);
      composeMotions(before, motion).forEach((value, i) => expect(value).toBeCloseTo(now[i]!, 6));
      motionBetween(now, now).forEach((value, i) => expect(value).toBeCloseTo(NO_MOTION[i]!, 6));
    }),
  );
});
