/**
 * A cube of equal cells before the left camera of a rig: x to the right, y down, z ahead, metres.
 *
 * Cells are counted `x + side * (y + side * z)`. Levels of an octree are the same cube with 8, 16, 32 and 64 cells a side.
 */
export interface VoxelGrid {
  /** Length of an edge of the cube, metres: how far the rig is to see. */
  readonly rangeM: number;
  /** Lower face, metres below the left camera; the cube reaches from there up by `rangeM`. */
  readonly bottomM: number;
}

/** Cells a side, coarse to fine. */
export const GRID_LEVELS = [8, 16, 32, 64] as const;
export type GridLevel = (typeof GRID_LEVELS)[number];

/** Lower face of a grid whose rig says nothing else: a thirty-second of the range below the camera, as StereoVoxelNet has it (31 m above, 1 m below). */
export function gridOf(rangeM: number, bottomM = rangeM / 32): VoxelGrid {
  return { rangeM, bottomM };
}

/** Index of the cell that holds a point, or -1 outside of the cube. */
export function cellAt({ rangeM, bottomM }: VoxelGrid, side: number, xM: number, yM: number, zM: number): number {
  const cells = side / rangeM;
  const x = Math.floor((xM + rangeM / 2) * cells);
  const y = Math.floor((yM - bottomM + rangeM) * cells);
  const z = Math.floor(zM * cells);
  return x < 0 || y < 0 || z < 0 || x >= side || y >= side || z >= side ? -1 : x + side * (y + side * z);
}
