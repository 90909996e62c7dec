import type { SeededRandom } from '../core/seeded-random.js';
import type { Size } from '../core/size.js';
import type { StereoRig } from '../core/stereo-rig.js';

type Bounds = readonly [low: number, high: number];

/** What a rig's pairs are drawn from: equal ends for a rig that is always the same. */
export interface RigBounds {
  /** Focal length, of the picture's width. */
  readonly focalShare: Bounds;
  readonly baselineM: Bounds;
  /** Of the left eye over the ground, metres. */
  readonly heightM: Bounds;
  /** How far it is to see, metres: edge of the cube of its occupancy grid. */
  readonly rangeM: number;
  /** For tests only: training renders none of it. */
  readonly isHeldOut: boolean;
}

export type RigName = 'driving' | 'wide' | 'robot' | 'handheld' | 'bench' | 'varied' | 'rover';

export const RIGS: Readonly<Record<RigName, RigBounds>> = {
  // DrivingStereo at half size (1003.6 px of 881, 0.54 m), the rig that StereoVoxelNet was trained for.
  driving: { focalShare: [1.14, 1.14], baselineM: [0.54, 0.54], heightM: [1.65, 1.65], rangeM: 32, isHeldOut: false },
  // KITTI 2015 (721.5 px of 1242, 0.54 m).
  wide: { focalShare: [0.58, 0.58], baselineM: [0.54, 0.54], heightM: [1.65, 1.65], rangeM: 32, isHeldOut: false },
  // A small ground robot, as StereoVoxelNet's second rig (365.7 px, 0.12 m, 6.4 m).
  robot: { focalShare: [0.57, 0.57], baselineM: [0.12, 0.12], heightM: [0.3, 0.3], rangeM: 6.4, isHeldOut: false },
  handheld: { focalShare: [0.8, 0.8], baselineM: [0.08, 0.08], heightM: [0.8, 1.6], rangeM: 6.4, isHeldOut: false },
  // Over a table, narrow: what Middlebury's pairs look like.
  bench: { focalShare: [1.5, 1.5], baselineM: [0.03, 0.03], heightM: [0.3, 0.9], rangeM: 4, isHeldOut: false },
  // Another rig for each pair.
  varied: { focalShare: [0.45, 1.5], baselineM: [0.3, 0.8], heightM: [0.5, 3], rangeM: 32, isHeldOut: false },
  rover: { focalShare: [0.68, 0.68], baselineM: [0.24, 0.24], heightM: [0.95, 0.95], rangeM: 20, isHeldOut: true },
};

/** A rig of the given picture size, and the height of its left eye over the ground. */
export function drawRig(name: RigName, size: Size, random: SeededRandom): { rig: StereoRig; heightM: number } {
  const { focalShare, baselineM, heightM } = RIGS[name];
  const draw = ([low, high]: Bounds) => random.uniform(low, high);
  const rig: StereoRig = {
    size,
    focalPx: draw(focalShare) * size.width,
    centre: { x: (size.width - 1) / 2, y: (size.height - 1) / 2 },
    centreShiftPx: 0,
    baselineM: draw(baselineM),
  };
  return { rig, heightM: draw(heightM) };
}
