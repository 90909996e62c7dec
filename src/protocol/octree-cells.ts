/*
 * What both ends of the wire need of an octree. It imports nothing: browsers load it as it is.
 */

/** Blocks are the cells of the coarsest level. */
export const BLOCKS_A_SIDE = 8;

/** Indices, at twice as many cells a side, of the children that a mask names, in the order of its bits. */
export function childrenOf(side: number, cell: number, mask: number): number[] {
  const x = 2 * (cell % side);
  const y = 2 * (Math.floor(cell / side) % side);
  const z = 2 * Math.floor(cell / (side * side));
  const children: number[] = [];
  for (let bit = 0; bit < 8; bit += 1) {
    if ((mask >> bit) & 1) children.push(x + (bit & 1) + 2 * side * (y + ((bit >> 1) & 1) + 2 * side * (z + (bit >> 2))));
  }
  return children;
}

/** How many of the eight children a mask names. */
export function childCount(mask: number): number {
  let children = 0;
  for (let rest = mask; rest > 0; rest &= rest - 1) children += 1;
  return children;
}
