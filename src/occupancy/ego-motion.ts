import { assert } from '../core/assert.js';
import { cellAt, type GridLevel, type VoxelGrid } from '../core/voxel-grid.js';

/**
 * A rigid motion as a 4x4 matrix, row by row: takes points of the left camera's axes at the newer frame to those at the older one, metres. A camera that went one
 * metre ahead has 1 in the third row's last column.
 */
export type RigidMotion = readonly number[];

export const NO_MOTION: RigidMotion = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** How far from a right angle, and from length 1, the axes of a rigid motion may be. */
const RIGID_TOLERANCE = 1e-3;

/** Whether a matrix turns and shifts, and does nothing else. */
export function isRigid(motion: RigidMotion): boolean {
  if (motion.length !== 16 || !motion.every(Number.isFinite)) return false;
  const lastRow = motion.slice(12);
  const rows = [0, 4, 8].map((at) => motion.slice(at, at + 3));
  const products = rows.flatMap((a, i) => rows.map((b, j) => dot(a, b) - (i === j ? 1 : 0)));
  const [a, b, c] = rows as [number[], number[], number[]];
  const handedness = dot(a, [b[1]! * c[2]! - b[2]! * c[1]!, b[2]! * c[0]! - b[0]! * c[2]!, b[0]! * c[1]! - b[1]! * c[0]!]);
  return lastRow.join() === '0,0,0,1' && products.every((product) => Math.abs(product) < RIGID_TOLERANCE) && handedness > 0;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;
}

/** First `after`, then `before`: the motion over two frames. */
export function composeMotions(before: RigidMotion, after: RigidMotion): RigidMotion {
  return Array.from({ length: 16 }, (_, at) => {
    const row = at - (at % 4);
    return [0, 1, 2, 3].reduce((sum, i) => sum + before[row + i]! * after[4 * i + (at % 4)]!, 0);
  });
}

/** What of a motion can be done to a grid now, and what waits until it is worth a cell. */
export interface MotionParts {
  /** Undefined while no cell would move by half its size. */
  readonly now: RigidMotion | undefined;
  readonly later: RigidMotion;
}

/**
 * Slow motions would be lost where every frame is rounded to the nearest cell by itself: they are collected until some corner of the cube has moved by half
 * a cell. Where hardly anything turned, whole cells are moved and the rest waits; otherwise the whole motion is done.
 */
export function splitMotion(motion: RigidMotion, grid: VoxelGrid, side: GridLevel): MotionParts {
  const cellM = grid.rangeM / side;
  if (greatestShiftM(motion, grid) <= cellM / 2) return { now: undefined, later: motion };
  const turn = withShift(motion, () => 0);
  if (greatestShiftM(turn, grid) > cellM / 2) return { now: motion, later: NO_MOTION };
  const whole = withShift(NO_MOTION, (row) => Math.round(motion[4 * row + 3]! / cellM) * cellM);
  const isNothing = [3, 7, 11].every((at) => whole[at] === 0);
  // After `whole`, the rest: whole * rest = motion.
  return { now: isNothing ? undefined : whole, later: withShift(motion, (row) => motion[4 * row + 3]! - whole[4 * row + 3]!) };
}

function withShift(motion: RigidMotion, shiftM: (row: number) => number): RigidMotion {
  return motion.map((value, at) => (at % 4 === 3 && at < 12 ? shiftM((at - 3) / 4) : value));
}

/** How far the corner of the cube that moves most is moved. */
function greatestShiftM(motion: RigidMotion, { rangeM, bottomM }: VoxelGrid): number {
  let greatest = 0;
  for (let corner = 0; corner < 8; corner += 1) {
    const point = [(corner & 1 ? 0.5 : -0.5) * rangeM, bottomM - (corner & 2 ? rangeM : 0), corner & 4 ? rangeM : 0];
    const moved = [0, 4, 8].map((at, axis) => dot(motion.slice(at, at + 3), point) + motion[at + 3]! - point[axis]!);
    greatest = Math.max(greatest, Math.hypot(...moved));
  }
  return greatest;
}

/**
 * Moves what a grid holds to where it lies at the newer frame: each cell takes the value of the nearest cell at its centre's older place, and `outside` where
 * that isn't in the cube.
 *
 * @param values, `out` of `side ** 3` cells; not the same array.
 */
export function moveGrid(values: Float32Array, grid: VoxelGrid, side: GridLevel, motion: RigidMotion, out: Float32Array, outside = 0): void {
  assert(values !== out, 'a grid is not moved in place');
  const cellM = grid.rangeM / side;
  let cell = 0;
  for (let z = 0; z < side; z += 1) {
    for (let y = 0; y < side; y += 1) {
      for (let x = 0; x < side; x += 1, cell += 1) {
        const point = [(x + 0.5 - side / 2) * cellM, grid.bottomM - grid.rangeM + (y + 0.5) * cellM, (z + 0.5) * cellM] as const;
        const from = cellAt(grid, side, at(motion, 0, point), at(motion, 4, point), at(motion, 8, point));
        out[cell] = from === -1 ? outside : values[from]!;
      }
    }
  }
}

/** One coordinate of a moved point. */
function at(motion: RigidMotion, row: number, [x, y, z]: readonly [number, number, number]): number {
  return motion[row]! * x + motion[row + 1]! * y + motion[row + 2]! * z + motion[row + 3]!;
}
