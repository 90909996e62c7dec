import { describe, expect, test } from 'vitest';
import type { StereoRig } from '../../src/core/stereo-rig.js';
import { isRigid } from '../../src/occupancy/ego-motion.js';
import { cameraOf, poseOf } from '../../src/stereo-scenes/camera.js';
import { findSurfaces, GROUND } from '../../src/stereo-scenes/find-surfaces.js';
import type { Material, Scene, Solid } from '../../src/stereo-scenes/scene.js';
import { type ClipRequest, StereoClip } from '../../src/stereo-scenes/stereo-clip.js';

const SIZE = { width: 96, height: 48 };
const RIG: StereoRig = { size: SIZE, focalPx: 70, centre: { x: 47.5, y: 23.5 }, centreShiftPx: 0, baselineM: 0.5 };
const request: ClipRequest = { rig: RIG, rangeM: 32, heightM: 1.6, recipe: 'clean', seed: 9, layout: 'road', movers: [] };
const start = { position: [0, 0, 0], yaw: 0 } as const;

const difference = (a: Uint8Array, b: Uint8Array): number => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

describe('a clip', () => {
  test('is the same for the same request, and its cameras differ', () => {
    const [one, again] = [new StereoClip(request), new StereoClip(request)].map((clip) => clip.render(3, 0.25, start));
    expect(one).toEqual(again);
    expect(difference(one!.left, one!.right)).toBeGreaterThan(2);
  });

  test('shows little of time where nothing moves, and more where the rig or a thing does', () => {
    const still = new StereoClip(request);
    const first = still.render(0, 0, start).left;
    const noise = difference(first, still.render(1, 1, start).left);
    const driven = difference(first, still.render(1, 1, { position: [0, 0, 1.5], yaw: 0 }).left);
    const busy = new StereoClip({ ...request, movers: [{ thing: 'car', from: [0, 8], velocity: [3, 0], seed: 2 }] });
    const passed = difference(busy.render(0, 0, start).left, busy.render(1, 1, start).left);
    expect(driven).toBeGreaterThan(3 * noise);
    expect(passed).toBeGreaterThan(2 * noise);
  });
});

describe('a rig that is placed', () => {
  const plain: Material = { pattern: 'plain', colour: [0.5, 0.5, 0.5], second: [0.5, 0.5, 0.5], scaleM: 1, grain: 0, roughness: 0.5, bias: 0.5, speckle: 0, dirt: 0, gloss: 0, seed: 1 };
  const box: Solid = { kind: 'box', centre: [0, 0, 10], half: [1, 1, 1], yaw: 0, material: plain };
  const scene: Scene = { solids: [box], ground: plain, groundM: 1.5, sun: [0, -1, 0], ambient: 0.5, direct: 0.5, sky: { zenith: [0, 0, 1], horizon: [1, 1, 1], clouds: 0, seed: 1 }, pitch: 0.02, roll: 0.01 };
  const eye = { alongM: 0, centreX: RIG.centre.x, pitchError: 0, rollError: 0 };
  const middle = 24 * SIZE.width + 48;

  test('sees things nearer by what it went ahead', () => {
    const at = (z: number): number => findSurfaces(scene, cameraOf(scene, RIG, eye, { position: [0, 0, z], yaw: 0 })).depthM[middle]!;
    expect(at(0) - at(4)).toBeCloseTo(4, 1);
  });

  test('at the origin sees what an unplaced one sees', () => {
    expect(cameraOf(scene, RIG, eye, start)).toEqual(cameraOf(scene, RIG, eye));
  });

  test('that is turned to the right sees things further left, and its right eye stands further back', () => {
    const turned = { position: [0, 0, 0], yaw: 0.2 } as const;
    const columns = (placement?: typeof turned): number => {
      const { met } = findSurfaces(scene, cameraOf(scene, RIG, eye, placement));
      const seen = [...met.keys()].filter((i) => met[i]! > GROUND).map((i) => i % SIZE.width);
      return seen.reduce((sum, column) => sum + column, 0) / seen.length;
    };
    expect(columns(turned)).toBeLessThan(columns() - 5);
    expect(cameraOf(scene, RIG, { ...eye, alongM: 0.5 }, turned).position[2]).toBeLessThan(-0.05);
  });

  test('has a pose that is rigid and takes a point from its axes to the world', () => {
    const placement = { position: [1, -0.5, 3], yaw: 0.3 } as const;
    const pose = poseOf(scene, placement);
    const { turn, position } = cameraOf(scene, RIG, eye, placement);
    expect(isRigid(pose)).toBe(true);
    expect([pose[0], pose[1], pose[2], pose[4], pose[10]]).toEqual([turn[0], turn[1], turn[2], turn[3], turn[8]]);
    expect([pose[3], pose[7], pose[11]]).toEqual(position);
  });
});
