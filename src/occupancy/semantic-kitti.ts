import type { GridLevel } from '../core/voxel-grid.js';

/** The three files that SemanticKITTI (Behley et al. 2019) has of a frame's voxels. */
export interface SemanticKittiVoxels {
  /** `.bin`: a bit a voxel, 1 where it is occupied; the first of eight is the highest. */
  readonly bin: Uint8Array;
  /** `.label`: two bytes a voxel, little endian, 0 where it is empty. */
  readonly label: Uint8Array;
  /** `.invalid`: packed as `.bin`, 1 where nothing is known. */
  readonly invalid: Uint8Array;
}

/** `other-object` of SemanticKITTI: what is occupied, nobody says by what. */
export const OTHER_OBJECT = 99;

/**
 * Occupied cells of one level as SemanticKITTI's voxel files. Their axes are those of a lidar: x ahead, y to the left, z up, and the last counts
 * fastest. Their grid has 256 x 256 x 32 voxels, ours `side` in each direction.
 *
 * @param isKnown one byte a cell, in our order, 0 where nothing is known; all known where absent.
 */
export function toSemanticKitti(side: GridLevel, cells: Iterable<number>, isKnown?: Uint8Array): SemanticKittiVoxels {
  const voxels = { bin: new Uint8Array(side ** 3 / 8), label: new Uint8Array(2 * side ** 3), invalid: new Uint8Array(side ** 3 / 8) };
  for (const cell of cells) {
    const index = kittiIndex(side, cell);
    setBit(voxels.bin, index);
    voxels.label[2 * index] = OTHER_OBJECT;
  }
  isKnown?.forEach((known, cell) => {
    if (known === 0) setBit(voxels.invalid, kittiIndex(side, cell));
  });
  return voxels;
}

/** Place of a cell in files of SemanticKITTI. */
function kittiIndex(side: GridLevel, cell: number): number {
  const left = side - 1 - (cell % side);
  const up = side - 1 - (Math.floor(cell / side) % side);
  const ahead = Math.floor(cell / (side * side));
  return (ahead * side + left) * side + up;
}

function setBit(bits: Uint8Array, index: number): void {
  bits[index >> 3]! |= 0x80 >> (index & 7);
}
