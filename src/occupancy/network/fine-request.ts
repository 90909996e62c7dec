import type { InputTensor } from '../../inference/tensor-session.js';
import { REFINED_SIDE, type Tiling } from './choose-tiles.js';
import type { Tensor } from './rig-constants.js';

/** Finest cells of one cell that is refined, along an edge. */
const STEP = 64 / REFINED_SIDE;

/** What the fine graph is asked for: four slabs of each tile, and of each slab the rows and columns of matrices of the tile's cells. */
export function fineInputs(tiling: Tiling, rows: Tensor, columns: Tensor): Record<'slabs' | 'rows' | 'columns', InputTensor> {
  const slabs = BigInt64Array.from(tiling.tiles.flatMap(({ z }) => Array.from({ length: STEP }, (_, i) => BigInt(STEP * z + i))));
  return {
    slabs: { data: slabs, dims: [slabs.length] },
    rows: cut(rows, tiling, 'y', tiling.height),
    columns: cut(columns, tiling, 'x', tiling.width),
  };
}

/** Of a stack of matrices `[slab, side, features]` the lines of each tile. */
function cut({ data, dims }: Tensor, { tiles }: Tiling, axis: 'x' | 'y', length: number): InputTensor {
  const [, side, features] = dims as [number, number, number];
  const lines = length * STEP * features;
  const out = new Float32Array(tiles.length * STEP * lines);
  tiles.forEach((tile, place) => {
    for (let i = 0; i < STEP; i += 1) {
      const begin = ((STEP * tile.z + i) * side + STEP * tile[axis]) * features;
      out.set(data.subarray(begin, begin + lines), (STEP * place + i) * lines);
    }
  });
  return { data: out, dims: [tiles.length * STEP, length * STEP, features] };
}

/**
 * Puts the answer of the fine graph to its place in the cube.
 *
 * @param probabilities of all tiles, one after the other; undefined where there is none.
 * @param chosen cells of `REFINED_SIDE` a side that count, all where undefined: what lies beside them in a tile would depend on the tiling.
 * @returns one byte a cell, 1 where occupied.
 */
export function fineCells(probabilities: Float32Array | undefined, { width, height, tiles }: Tiling, chosen: Uint8Array | undefined, side: 16 | 32 | 64, threshold: number): Uint8Array {
  const cells = new Uint8Array(side ** 3);
  if (!probabilities) return cells;
  const step = side / REFINED_SIDE;
  let at = 0;
  for (const tile of tiles) {
    for (let z = step * tile.z; z < step * (tile.z + 1); z += 1) {
      for (let y = step * tile.y; y < step * (tile.y + height); y += 1) {
        const row = side * (y + side * z);
        const parents = REFINED_SIDE * (Math.floor(y / step) + REFINED_SIDE * tile.z);
        for (let x = step * tile.x; x < step * (tile.x + width); x += 1, at += 1) {
          if (probabilities[at]! > threshold && (chosen === undefined || chosen[parents + Math.floor(x / step)] !== 0)) cells[row + x] = 1;
        }
      }
    }
  }
  return cells;
}
