import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { StereoRig } from '../../src/core/stereo-rig.js';
import { cameraOf } from '../../src/stereo-scenes/camera.js';
import { findSurfaces, GROUND, SKY } from '../../src/stereo-scenes/find-surfaces.js';
import { LAYOUTS } from '../../src/stereo-scenes/layouts.js';
import { RECIPES } from '../../src/stereo-scenes/photometry.js';
import { type RenderedPair, renderPair } from '../../src/stereo-scenes/render-pair.js';
import { type RigName, RIGS } from '../../src/stereo-scenes/rigs.js';
import type { Material, Scene, Solid } from '../../src/stereo-scenes/scene.js';
import { pairRequest, type StereoSet } from '../../src/stereo-scenes/stereo-set.js';

const SIZE = { width: 160, height: 96 };
const RIG: StereoRig = { size: SIZE, focalPx: 120, centre: { x: 79.5, y: 47.5 }, centreShiftPx: 0, baselineM: 0.5 };
const PLAIN: Material = { pattern: 'plain', colour: [0.5, 0.5, 0.5], second: [0.5, 0.5, 0.5], scaleM: 1, grain: 0, roughness: 0.5, bias: 0.5, speckle: 0, dirt: 0, gloss: 0, seed: 1 };

function sceneOf(solids: readonly Solid[]): Scene {
  return { solids, ground: PLAIN, groundM: 1.5, sun: [0, -1, 0], ambient: 0.5, direct: 0.5, sky: { zenith: [0, 0, 1], horizon: [1, 1, 1], clouds: 0, seed: 1 }, pitch: 0, roll: 0 };
}

function leftView(solids: readonly Solid[]) {
  const scene = sceneOf(solids);
  return findSurfaces(scene, cameraOf(scene, RIG, { alongM: 0, centreX: RIG.centre.x, pitchError: 0, rollError: 0 }));
}

function render(given: Partial<StereoSet> = {}, index = 0): RenderedPair {
  return renderPair(pairRequest({ rig: 'driving', recipe: 'clean', isHeldOut: false, size: SIZE, seed: 5, ...given }, index));
}

describe('depth is that of the first surface on the ray', () => {
  test('of the ground: its height times the focal length, by rows under the horizon; over it is sky', () => {
    const { depthM, met } = leftView([]);
    for (const v of [0, 20, 47, 48, 60, 95]) {
      const below = v - RIG.centre.y;
      expect(met[v * SIZE.width + 30]).toBe(below > 0 ? GROUND : SKY);
      if (below > 0) expect(depthM[v * SIZE.width + 30]! / ((1.5 * RIG.focalPx) / below)).toBeCloseTo(1, 5);
      else expect(depthM[v * SIZE.width + 30]).toBe(Infinity);
    }
  });

  test('of a box that faces the camera: its front, all over', () => {
    const { depthM, met } = leftView([{ kind: 'box', centre: [0, 0, 10], half: [2, 1, 0.5], yaw: 0, material: PLAIN }]);
    let count = 0;
    met.forEach((index, at) => {
      if (index !== 0) return;
      count += 1;
      expect(depthM[at]).toBeCloseTo(9.5, 5);
    });
    // 4 by 2 metres at 9.5 metres.
    expect(count).toBe(2 * Math.floor((2 * 120) / 9.5 + 0.5) * 2 * Math.floor(120 / 9.5 + 0.5));
  });

  test('of a ball: its surface is its radius from its middle', () => {
    const { depthM, met } = leftView([{ kind: 'ellipsoid', centre: [1, -0.5, 6], radii: [1.5, 1.5, 1.5], yaw: 0.4, material: PLAIN }]);
    let count = 0;
    met.forEach((index, at) => {
      if (index !== 0) return;
      count += 1;
      const z = depthM[at]!;
      const x = (((at % SIZE.width) - RIG.centre.x) / RIG.focalPx) * z;
      const y = ((Math.floor(at / SIZE.width) - RIG.centre.y) / RIG.focalPx) * z;
      expect(Math.hypot(x - 1, y + 0.5, z - 6)).toBeCloseTo(1.5, 4);
    });
    expect(count).toBeGreaterThan(1000);
  });

  test('of two things, the nearer one, in whatever order they are', () => {
    const near: Solid = { kind: 'cylinder', centre: [0, 0, 5], radius: 0.5, halfHeight: 1, material: PLAIN };
    const far: Solid = { kind: 'box', centre: [0, 0, 9], half: [3, 2, 1], yaw: 0.2, material: PLAIN };
    expect(leftView([near, far]).depthM).toEqual(leftView([far, near]).depthM);
  });

  test('of a thing around the eye: its inside', () => {
    const { met, depthM } = leftView([{ kind: 'box', centre: [0, -0.5, 0], half: [4, 1.9, 4], yaw: 0, material: PLAIN }]);
    const middle = 47 * SIZE.width + 80;
    expect(met[middle]).toBe(0);
    expect(depthM[middle]).toBeCloseTo(4, 5);
  });
});

/** Mean difference between left pixels and the right ones at their disparity plus some pixels, grey, over what both see with margin. */
function mismatch({ left, right, disparityPx }: RenderedPair, offPx: number): number {
  const { width, height } = SIZE;
  let sum = 0;
  let count = 0;
  for (let v = 1; v < height - 1; v += 1) {
    for (let u = 1; u < width - 1; u += 1) {
      const at = v * width + u;
      const disparity = disparityPx[at]!;
      // Where surfaces end, pixels hold light of both.
      if (disparity < 0.5 || [at - 1, at + 1, at - width, at + width].some((other) => Math.abs(disparityPx[other]! - disparity) > 0.5)) continue;
      const to = u - disparity - offPx;
      if (to < 0 || to > width - 2) continue;
      const first = 3 * (v * width + Math.floor(to));
      const share = to - Math.floor(to);
      for (let c = 0; c < 3; c += 1) sum += Math.abs(left[3 * at + c]! - (right[first + c]! * (1 - share) + right[first + 3 + c]! * share));
      count += 3;
    }
  }
  return sum / count;
}

test('a clean pair matches at its disparity, and two pixels beside it less: in the mean of twenty scenes', () => {
  const mean = (offPx: number) => Array.from({ length: 20 }, (_, index) => mismatch(render({}, index), offPx)).reduce((sum, value) => sum + value, 0) / 20;
  const exact = mean(0);
  expect(mean(-2)).toBeGreaterThan(1.5 * exact);
  expect(mean(2)).toBeGreaterThan(1.5 * exact);
  expect(exact).toBeLessThan(6);
});

describe('a set', () => {
  test('is the same for the same seed, another for another, and another where it is held out', () => {
      expect(digest(render())).toBe(digest(render()));
    expect(new Set([render(), render({ seed: 6 }), render({}, 1), render({ isHeldOut: true })].map(digest)).size).toBe(4);
  });

  test('has the same scenes whatever its recipe: rectification is that of the left camera', () => {
    const [clean, ...others] = RECIPES.map((recipe) => render({ recipe }, 3));
    for (const other of others) {
      expect(other.disparityPx).toEqual(clean!.disparityPx);
      expect(other.left).not.toEqual(clean!.left);
    }
  });

  test('draws all recipes where they are mixed, and all layouts', () => {
    const set: StereoSet = { rig: 'varied', recipe: 'mixed', isHeldOut: false, size: { width: 32, height: 32 }, seed: 2 };
    const requests = Array.from({ length: 40 }, (_, index) => pairRequest(set, index));
    expect(new Set(requests.map(({ recipe }) => recipe)).size).toBe(RECIPES.length);
    expect(new Set(requests.map((request) => renderPair(request).layout)).size).toBe(LAYOUTS.length);
  });

  test.each(Object.keys(RIGS) as RigName[])('of the rig %s has nothing right before the lens, and hardly a disparity beyond 16 bits', (name) => {
    for (let index = 0; index < 12; index += 1) {
      const request = pairRequest({ rig: name, recipe: 'clean', isHeldOut: RIGS[name].isHeldOut, size: SIZE, seed: 8 }, index);
      const { focalPx, baselineM } = request.rig;
      const { focalShare } = RIGS[name];
      expect(focalPx / SIZE.width).toBeGreaterThanOrEqual(focalShare[0] - 1e-9);
      expect(focalPx / SIZE.width).toBeLessThanOrEqual(focalShare[1] + 1e-9);
      const { disparityPx } = renderPair(request);
      const nearPx = (focalPx * baselineM) / (request.rangeM / 25);
      expect(disparityPx.filter((disparity) => disparity > nearPx).length / disparityPx.length).toBeLessThanOrEqual(0.1);
      expect(disparityPx.filter((disparity) => disparity > 256).length / disparityPx.length).toBeLessThanOrEqual(0.005);
    }
  });
});

function digest({ left, right, disparityPx }: RenderedPair): string {
  const hash = createHash('sha256');
  for (const part of [left, right, Uint16Array.from(disparityPx, (disparity) => 256 * disparity)]) hash.update(new Uint8Array(part.buffer));
  return hash.digest('hex').slice(0, 16);
}

/** A set that was published stays what it was: a change of these is a change of every set. */
test.each([
  ['driving, clean', { rig: 'driving', recipe: 'clean', isHeldOut: false }, '93d40bce2b24b677'],
  ['held out, harsh', { rig: 'rover', recipe: 'harsh', isHeldOut: true }, 'f2616c892d8d749b'],
] as const)('%s: the pixels are those of before', (_, given, expected) => {
  expect(digest(render(given, 2))).toBe(expected);
});
