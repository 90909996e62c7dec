import fc from 'fast-check';
import { GRID_LEVELS, type GridLevel } from '../../src/core/voxel-grid.js';
import { nestedCells, type OccupiedCells } from '../../src/occupancy/octree.js';

/** Ascending indices of some cells of a level; blocks of neighbours are as likely as single ones. */
export function arbitraryCells(level: GridLevel, maxLength = 200): fc.Arbitrary<Uint32Array> {
  return fc.uniqueArray(fc.nat(level ** 3 - 1), { maxLength }).map((cells) => Uint32Array.from(cells).sort());
}

/** Occupied cells of any level; some coarse ones have nothing finer in them; with and without confidences. */
export const occupied: fc.Arbitrary<OccupiedCells> = fc.constantFrom(...GRID_LEVELS).chain((level) =>
  fc.tuple(arbitraryCells(level), arbitraryCells(8, 20), fc.boolean(), fc.integer()).map(([finest, childless, hasConfidence, salt]) => {
    const { cells } = nestedCells(level, finest);
    const coarsest = level === 8 ? cells[0]! : Uint32Array.from(new Set([...cells[0]!, ...childless])).sort();
    const confidence = Uint8Array.from(finest, (cell) => Math.imul(cell, salt) >>> 24);
    return { level, cells: [coarsest, ...cells.slice(1)], ...(hasConfidence && { confidence }) };
  }),
);
