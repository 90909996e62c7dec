import type { Detections } from '../../src/core/detections.js';
import type { OccupancyReport } from '../../src/core/occupancy-report.js';
import type { StereoRig } from '../../src/core/stereo-rig.js';
import { gridOf, type GridLevel } from '../../src/core/voxel-grid.js';
import { lookAtBoxes } from '../../src/occupancy/look-at-boxes.js';
import { OctreeDeltas } from '../../src/occupancy/octree-deltas.js';
import { nestedCells, octreeOf } from '../../src/occupancy/octree.js';
import { nearestBySector } from '../../src/occupancy/sectors.js';

export const GRID = gridOf(32);
export const RIG: StereoRig = { size: { width: 880, height: 400 }, focalPx: 500, centre: { x: 440, y: 170 }, centreShiftPx: 0, baselineM: 0.54 };
const LIMITS = { lowestM: -0.5, highestM: 3 };

/** A street: ground, two walls with gaps, and posts that come nearer by a cell every second frame. Ascending cells at 64 a side. */
export function streetAt(frame: number): Uint32Array {
  const cells = new Set<number>();
  const add = (x: number, y: number, z: number): unknown => cells.add(x + 64 * (y + 64 * z));
  for (let z = 4; z < 64; z += 1) {
    for (let x = 8; x < 56; x += 1) add(x, 63, z);
    for (let y = 52; y < 63; y += 1) for (const x of [12, 51]) if (z % 16 < 12) add(x, y, z);
  }
  for (let i = 0; i < 8; i += 1) for (let y = 58; y < 63; y += 1) add(18 + 4 * i, y, 8 + ((7 * i + 49 * (frame >> 1)) % 50));
  return Uint32Array.from(cells).sort();
}

/** Reports of an occupancy stage that sees given cells: real octrees and deltas. */
export class SyntheticSpace {
  readonly #deltas: OctreeDeltas;

  constructor(keyframeEvery?: number) {
    this.#deltas = new OctreeDeltas(keyframeEvery === undefined ? {} : { keyframeEvery });
  }

  report(cells: Uint32Array, { level = 64, boxes }: { level?: GridLevel; boxes?: Pick<Detections, 'count' | 'xyxy'> } = {}): OccupancyReport {
    const tree = octreeOf(nestedCells(level, cells));
    const nearest = nearestBySector(cells, GRID, level, { sectors: 16, fromDeg: -40, toDeg: 40, ...LIMITS });
    const looked = boxes && lookAtBoxes(boxes, RIG, { grid: GRID, side: level, cells }, LIMITS);
    return { grid: GRID, level, tree, update: this.#deltas.next(tree, GRID), nearest, computedShare: 0.18, ...looked };
  }
}
