import { assert } from '../../core/assert.js';
import type { RefineRule } from '../../core/occupancy-manifest.js';

/** Cells a side of the level whose cells are refined: a tile counts in these. */
export const REFINED_SIDE = 16;
const SIDE = REFINED_SIDE;
/** How far apart neighbours in x, y and z are in a list of cells. */
const AXES = [1, SIDE, SIDE * SIDE];

/** One slab of the refined level, and the corner of a rectangle in it. */
export interface Tile {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** Equal rectangles of cells that are to be computed: the graph takes as many rows and columns of each slab. */
export interface Tiling {
  readonly width: number;
  readonly height: number;
  readonly tiles: readonly Tile[];
}

/** Sides that are tried. With all of them little more is gained. */
const LENGTHS = [1, 2, 3, 4, 5, 6, 8, 11, 16];

/**
 * What a tile costs, relative: a part that doesn't depend on its size (what is seen in its slabs is copied), one that grows with its rows
 * (rows times what is seen) and one that grows with its cells. Measured: 0.08 ms for a tile, 0.002 ms for a cell of it; half of that leaves
 * more cells out for a millisecond at most.
 */
const TILE_COST = 20;
const ROW_COST = 2;
const CELL_COST = 1;

/** Every cell. */
export const WHOLE_CUBE: Tiling = { width: SIDE, height: SIDE, tiles: Array.from({ length: SIDE }, (_, z) => ({ x: 0, y: 0, z })) };

/**
 * Cells that are worth a closer look: those from a probability on, and their neighbours.
 *
 * @param probabilities of `REFINED_SIDE` cells a side. @returns one byte a cell, 1 where chosen.
 */
export function chooseCells(probabilities: Float32Array, { threshold, margin }: RefineRule): Uint8Array {
  assert(probabilities.length === SIDE ** 3, `expected ${SIDE ** 3} probabilities, got ${probabilities.length}`);
  const chosen = Uint8Array.from(probabilities, (probability) => Number(probability >= threshold));
  return margin === 0 ? chosen : AXES.reduce<Uint8Array>((cells, stride) => dilate(cells, stride, margin), chosen);
}

/** Along one axis, whose neighbours are `stride` apart. */
function dilate(cells: Uint8Array, stride: number, margin: number): Uint8Array {
  const wider = new Uint8Array(cells.length);
  for (let i = 0; i < cells.length; i += 1) {
    if (cells[i] === 0) continue;
    const place = Math.floor(i / stride) % SIDE;
    for (let step = Math.max(-margin, -place); step <= Math.min(margin, SIDE - 1 - place); step += 1) wider[i + step * stride] = 1;
  }
  return wider;
}

/**
 * Equal rectangles that cover all chosen cells of each slab, of the size that costs least. A slab may have several: far apart things then
 * don't pay for what is between them.
 *
 * @param chosen one byte a cell. Without any there are no tiles.
 */
export function tileCells(chosen: Uint8Array): Tiling {
  const masks = rowMasks(chosen);
  let best: Tiling = { width: 1, height: 1, tiles: [] };
  let least = Infinity;
  for (const height of LENGTHS) {
    for (const width of LENGTHS) {
      const tiles = cover(masks, width, height);
      const cost = tiles.length * (TILE_COST + height * (ROW_COST + CELL_COST * width));
      if (cost >= least) continue;
      least = cost;
      best = { width, height, tiles };
    }
  }
  return best;
}

/** Of each row of cells the chosen ones as bits, by `y + SIDE * z`. */
function rowMasks(chosen: Uint8Array): Uint16Array {
  const masks = new Uint16Array(SIDE * SIDE);
  for (let i = 0; i < chosen.length; i += 1) if (chosen[i] !== 0) masks[Math.floor(i / SIDE)]! |= 1 << (i % SIDE);
  return masks;
}

/** From the uppermost row on that isn't covered, strips of rows; in each from the leftmost column on. */
function cover(masks: Uint16Array, width: number, height: number): Tile[] {
  const tiles: Tile[] = [];
  for (let z = 0; z < SIDE; z += 1) {
    for (let row = 0; row < SIDE; row += 1) {
      if (masks[row + SIDE * z] === 0) continue;
      const y = Math.min(row, SIDE - height);
      let open = 0;
      for (let inside = row; inside < y + height; inside += 1) open |= masks[inside + SIDE * z]!;
      while (open !== 0) {
        // The lowest bit that is set.
        const x = Math.min(31 - Math.clz32(open & -open), SIDE - width);
        open &= ~(((1 << width) - 1) << x);
        tiles.push({ x, y, z });
      }
      row = y + height - 1;
    }
  }
  return tiles;
}

/** Share of the cube that is computed; overlaps count as often as they are. */
export function computedShare({ width, height, tiles }: Tiling): number {
  return (width * height * tiles.length) / SIDE ** 3;
}
