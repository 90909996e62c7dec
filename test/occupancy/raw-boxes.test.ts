import { describe, expect, test } from 'vitest';
import type { StereoRig } from '../../src/core/stereo-rig.js';
import { rotationOf } from '../../src/occupancy/calibration/matrix3.js';
import { type RawLeft, rectifyBoxes, unrectifyBox } from '../../src/occupancy/raw-boxes.js';

const SIZE = { width: 640, height: 480 };
const RIG: StereoRig = { size: SIZE, focalPx: 500, centre: { x: 319.5, y: 239.5 }, centreShiftPx: 0, baselineM: 0.1 };
const lens = { size: SIZE, focalPx: { x: 500, y: 500 }, centre: { x: 319.5, y: 239.5 }, distortion: [] };
const straight: RawLeft = { camera: { lens, rotation: rotationOf([0, 0, 0]) }, from: SIZE, rig: RIG };

describe('a box of a camera whose pictures are rectified already', () => {
  test('stays where it is, both ways', () => {
    const boxes = Float32Array.of(10, 20, 110, 220, 0, 0, 640, 480);
    expect([...rectifyBoxes(boxes, straight)].map(Math.round)).toEqual([...boxes]);
    expect(unrectifyBox([10, 20, 110, 220], straight).map(Math.round)).toEqual([10, 20, 110, 220]);
  });

  test('comes in the scale of the rectified pictures', () => {
    const rig = { ...RIG, size: { width: 320, height: 240 }, focalPx: 250, centre: { x: 159.5, y: 119.5 } };
    expect([...rectifyBoxes(Float32Array.of(119.5, 39.5, 519.5, 439.5), { ...straight, rig })].map(Math.round)).toEqual([60, 20, 260, 220]);
  });
});

describe('a box of a camera that is turned and has a lens', () => {
  const turned: RawLeft = { ...straight, camera: { lens: { ...lens, distortion: [-0.2, 0.05, 0.001, -0.001] }, rotation: rotationOf([0.01, -0.03, 0.02]) } };

  test('holds in the rectified picture what its corners and edges become', () => {
    const [left, top, right, bottom] = rectifyBoxes(Float32Array.of(20, 20, 620, 460), turned);
    // The lens pulls corners in: without it they are further out.
    expect(left).toBeLessThan(20);
    expect(top).toBeLessThan(20);
    expect(right! - left!).toBeGreaterThan(600);
    expect(bottom! - top!).toBeGreaterThan(440);
  });

  test('and back again is no smaller than it was, and in the picture', () => {
    const box = [200, 150, 420, 330] as const;
    const [left, top, right, bottom] = unrectifyBox([...rectifyBoxes(Float32Array.from(box), turned)] as [number, number, number, number], turned);
    expect(left).toBeLessThanOrEqual(box[0] + 0.01);
    expect(top).toBeLessThanOrEqual(box[1] + 0.01);
    expect(right).toBeGreaterThanOrEqual(box[2] - 0.01);
    expect(bottom).toBeGreaterThanOrEqual(box[3] - 0.01);
    // It grows by what the turn adds, no more.
    expect(right - left).toBeLessThan(260);
    expect(unrectifyBox([-5000, -5000, 5000, 5000], turned).every((edge, i) => edge >= 0 && edge <= (i % 2 === 0 ? 640 : 480))).toBe(true);
  });
});

test('no boxes are none', () => {
  expect(rectifyBoxes(new Float32Array(0), straight)).toHaveLength(0);
});
