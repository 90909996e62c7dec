import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scaleRig, type StereoRig } from '../../src/core/stereo-rig.js';
import { distort, type Lens } from '../../src/occupancy/calibration/lens.js';
import { IDENTITY, rotationOf, turn } from '../../src/occupancy/calibration/matrix3.js';
import { parseCalibration } from '../../src/occupancy/calibration/parse-calibration.js';
import { planRectification, rectifiedToRaw, rectify } from '../../src/occupancy/rectify.js';
import { OPENCV_EXTRINSICS, OPENCV_INTRINSICS, OPENCV_RECTIFIED } from './calibration-files.js';

const size = { width: 96, height: 64 };
const rig: StereoRig = { size, focalPx: 80, centre: { x: 47.5, y: 31.5 }, centreShiftPx: 0, baselineM: 0.1 };
const straight: Lens = { size, focalPx: { x: 80, y: 80 }, centre: { x: 47.5, y: 31.5 }, distortion: [] };

/** Two planes that change slowly enough for bilinear weights. */
function waves(atX: (u: number, v: number) => readonly [x: number, y: number]): Uint8Array {
  const planes = new Uint8Array(2 * size.width * size.height);
  for (let plane = 0, i = 0; plane < 2; plane += 1) {
    for (let v = 0; v < size.height; v += 1) {
      for (let u = 0; u < size.width; u += 1, i += 1) {
        const [x, y] = atX(u, v);
        planes[i] = Math.round(127.5 + 60 * Math.sin(6 * x + plane) + 60 * Math.cos(7 * y - plane));
      }
    }
  }
  return planes;
}

test('a camera without distortion that looks straight ahead is left as it is', () => {
  const planes = waves((u, v) => [u / 30, v / 30]);
  const out = new Uint8Array(planes.length);
  rectify(planes, planRectification({ camera: { lens: straight, rotation: IDENTITY }, rig, side: 'left', from: size }), out);
  expect(out).toEqual(planes);
});

test('OpenCV rectifies the same pixel from the same place', () => {
  const { raw } = parseCalibration([OPENCV_INTRINSICS, OPENCV_EXTRINSICS].map((text) => ({ name: 'cv', text })), { pictureSize: { width: 640, height: 480 }, unit: 'cm' });
  const { focalPx, centre } = OPENCV_RECTIFIED;
  const rectified = { size: { width: 640, height: 480 }, focalPx, centre, centreShiftPx: 0, baselineM: 0.0334 };
  const from = rectifiedToRaw({ camera: raw!.left, rig: rectified, side: 'left', from: rectified.size });
  for (const [x, y, rawX, rawY] of OPENCV_RECTIFIED.map) {
    const seen = from({ x, y });
    expect(seen.x).toBeCloseTo(rawX, 3);
    expect(seen.y).toBeCloseTo(rawY, 3);
  }
});

test('what a distorted, turned camera saw of a pattern comes out as a straight one sees it', () => {
  const lens: Lens = { ...straight, distortion: [-0.25, 0.06, 0.002, -0.001] };
  const rotation = rotationOf([0.02, -0.03, 0.05]);
  const plan = planRectification({ camera: { lens, rotation }, rig, side: 'left', from: size });
  // The pattern hangs at depth 1 before the rectified camera; the raw one sees each point of it through its lens.
  const raw = waves((u, v) => patternAt(u, v, lens, rotation));
  const out = new Uint8Array(raw.length).fill(1);
  rectify(raw, plan, out, 7);
  const wanted = waves((u, v) => [(u - 47.5) / 80, (v - 31.5) / 80]);
  let compared = 0;
  out.forEach((value, i) => {
    const isSeen = plan.at[i % plan.at.length]! >= 0;
    compared += Number(isSeen);
    if (isSeen) expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(3);
    else expect(value).toBe(7);
  });
  expect(compared).toBeGreaterThan(0.9 * out.length);
});

/** Where the ray of a raw pixel meets the plane at depth 1 of the rectified camera. */
function patternAt(u: number, v: number, lens: Lens, rotation: readonly number[]): readonly [number, number] {
  const seen = { x: (u - lens.centre.x) / lens.focalPx.x, y: (v - lens.centre.y) / lens.focalPx.y };
  let ray = seen;
  for (let i = 0; i < 60; i += 1) {
    const shown = distort(lens, ray);
    ray = { x: ray.x + seen.x - shown.x, y: ray.y + seen.y - shown.y };
  }
  const [x, y, z] = turn(rotation, [ray.x, ray.y, 1]);
  return [x / z, y / z];
}

test('the right picture is rectified about its own axis', () => {
  const shifted = { ...rig, centreShiftPx: 12 };
  const of = (side: 'left' | 'right') => rectifiedToRaw({ camera: { lens: straight, rotation: IDENTITY }, rig: shifted, side, from: size })({ x: 50, y: 20 }).x;
  expect(of('left')).toBeCloseTo(50, 9);
  expect(of('right')).toBeCloseTo(38, 9);
});

test('points keep their place when pictures come smaller than they were calibrated', () => {
  const lens: Lens = { ...straight, distortion: [-0.2, 0.05, 0.001, 0.001, 0] };
  const camera = { lens, rotation: rotationOf([0.01, 0.02, -0.01]) };
  const half = { width: 48, height: 32 };
  const full = rectifiedToRaw({ camera, rig, side: 'left', from: size });
  const small = rectifiedToRaw({ camera, rig: scaleRig(rig, half), side: 'left', from: half });
  fc.assert(
    fc.property(fc.double({ min: 0, max: 47, noNaN: true }), fc.double({ min: 0, max: 31, noNaN: true }), (x, y) => {
      const whole = full({ x: 2 * x + 0.5, y: 2 * y + 0.5 });
      const halved = small({ x, y });
      expect(2 * halved.x + 0.5).toBeCloseTo(whole.x, 6);
      expect(2 * halved.y + 0.5).toBeCloseTo(whole.y, 6);
    }),
  );
});

test('whatever the plan, no pixel is read from outside, and a picture of one value stays of it', () => {
  const small = (reach: number) => fc.double({ min: -reach, max: reach, noNaN: true });
  const picture = fc.record({ width: fc.integer({ min: 2, max: 9 }), height: fc.integer({ min: 2, max: 9 }) });
  fc.assert(
    fc.property(picture, small(3), small(3), small(3), small(1), fc.nat(255), (from, x, y, z, k1, value) => {
      const camera = { lens: { ...straight, distortion: [k1, 0, 0, 0] }, rotation: rotationOf([x, y, z]) };
      const plan = planRectification({ camera, rig: scaleRig(rig, { width: 12, height: 8 }), side: 'left', from });
      const out = new Uint8Array(96);
      rectify(new Uint8Array(from.width * from.height).fill(value), plan, out, 255 - value);
      out.forEach((pixel, i) => expect(pixel).toBe(plan.at[i]! < 0 ? 255 - value : value));
    }),
    { numRuns: 50 },
  );
});

test('a pair of colour pictures of 880 x 400 is rectified as a whole; how long it takes is printed', () => {
  const large = { width: 880, height: 400 };
  const lens: Lens = { size: large, focalPx: { x: 800, y: 800 }, centre: { x: 440, y: 200 }, distortion: [-0.2, 0.05, 0.001, 0] };
  const plan = planRectification({ camera: { lens, rotation: IDENTITY }, rig: { ...rig, size: large, focalPx: 800, centre: { x: 439.5, y: 199.5 } }, side: 'left', from: large });
  const planes = Uint8Array.from({ length: 3 * 880 * 400 }, (_, i) => i);
  const out = new Uint8Array(planes.length);
  const times = Array.from({ length: 30 }, () => {
    const start = performance.now();
    rectify(planes, plan, out);
    rectify(planes, plan, out);
    return performance.now() - start;
  }).sort((a, b) => a - b);
  console.log(`rectified pair of 880 x 400: median ${times[15]!.toFixed(1)} ms, least ${times[0]!.toFixed(1)} ms`);
  expect(new Set(out).size).toBeGreaterThan(100);
});
