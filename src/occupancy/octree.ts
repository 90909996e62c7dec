import { assert } from '../core/assert.js';
import { AppError } from '../core/errors.js';
import { OCTREE_BLOCKS, type Octree } from '../core/occupancy-update.js';
import { GRID_LEVELS, type GridLevel } from '../core/voxel-grid.js';
import { childCount, childrenOf } from '../protocol/octree-cells.js';

/** Occupied cells level by level: each has its parent in the level before it. */
export interface OccupiedCells {
  /** Cells a side of the finest level that is known. */
  readonly level: GridLevel;
  /** Indices of occupied cells, ascending, of 8 cells a side and each finer level up to `level`. */
  readonly cells: readonly Uint32Array[];
  /** Of each cell of the finest level, in 255ths. */
  readonly confidence?: Uint8Array;
}

/** One occupied block of an octree: views into its bytes. */
export interface OctreeBlock {
  /** Index of the cell at the coarsest level. */
  readonly index: number;
  readonly masks: Uint8Array;
  readonly confidence: Uint8Array | undefined;
}

/** How often a block is refined to get to a level: 0 for the blocks themselves. */
function depthOfLevel(level: GridLevel): number {
  return GRID_LEVELS.indexOf(level);
}

/** Index of the cell one level coarser that holds a cell. */
export function parentCell(side: number, cell: number): number {
  const x = cell % side;
  const y = Math.floor(cell / side) % side;
  const z = Math.floor(cell / (side * side));
  return (x >> 1) + (side >> 1) * ((y >> 1) + (side >> 1) * (z >> 1));
}

/** Occupied cells of one level with all that they lie in. */
export function nestedCells(level: GridLevel, finest: Uint32Array, confidence?: Uint8Array): OccupiedCells {
  const cells = [Uint32Array.from(finest)];
  for (let side: number = level; side > GRID_LEVELS[0]; side /= 2) {
    const coarser = new Set(Array.from(cells[0]!, (cell) => parentCell(side, cell)));
    cells.unshift(Uint32Array.from(coarser).sort());
  }
  return { level, cells, ...(confidence && { confidence }) };
}

/**
 * The octree of occupied cells: `occupiedCells` gives back the very same.
 *
 * A cell without its parent, or one that comes twice or too early, is a broken invariant of the caller.
 */
export function octreeOf({ level, cells, confidence }: OccupiedCells): Octree {
  const masks = cells.slice(1).map((finer, depth) => masksOf(GRID_LEVELS[depth + 1]!, finer));
  const blocks = bitsOf(cells[0]!);
  const subtrees: number[] = [];
  const finest: number[] = [];
  for (const block of cells[0]!) {
    let frontier = [block];
    masks.forEach((mask, depth) => {
      for (const cell of frontier) subtrees.push(mask[cell]!);
      frontier = frontier.flatMap((cell) => childrenOf(GRID_LEVELS[depth]!, cell, mask[cell]!));
    });
    finest.push(...frontier);
  }
  const masksExpected = cells.slice(0, -1).reduce((sum, coarser) => sum + coarser.length, 0);
  assert(subtrees.length === masksExpected && finest.length === cells.at(-1)!.length, 'occupied cells are ascending and each has its parent');
  return { level, blocks, subtrees: Uint8Array.from(subtrees), ...(confidence && { confidence: reordered(confidence, cells.at(-1)!, finest) }) };
}

/**
 * The cells of an octree, level by level.
 *
 * @throws AppError `ERR_PROTOCOL_MESSAGE` where the bytes are no octree; memory is bounded by the finest level's cells, whatever the bytes.
 */
export function occupiedCells(octree: Octree): OccupiedCells {
  const depth = depthOfLevel(octree.level);
  const found = Array.from({ length: depth + 1 }, (): number[] => []);
  const confidences: number[] = [];
  for (const { index, masks, confidence } of readBlocks(octree)) {
    const levels = expand(index, masks, depth);
    levels.forEach((cells, at) => found[at]!.push(...cells));
    if (confidence) confidences.push(...confidence);
  }
  const cells = found.map((level) => Uint32Array.from(level).sort());
  return { level: octree.level, cells, ...(octree.confidence && { confidence: reordered(Uint8Array.from(confidences), found.at(-1)!, cells.at(-1)!) }) };
}

/**
 * The occupied blocks of an octree with their parts of its bytes, ascending.
 *
 * @throws AppError `ERR_PROTOCOL_MESSAGE` where there are more or fewer bytes than the masks ask for.
 */
export function readBlocks({ level, blocks, subtrees, confidence }: Octree): OctreeBlock[] {
  if (blocks.length !== OCTREE_BLOCKS / 8) throw corrupt(`${OCTREE_BLOCKS / 8} bytes of blocks`, blocks.length);
  const found: OctreeBlock[] = [];
  let at = 0;
  let leaf = 0;
  for (const index of indicesOf(blocks)) {
    const { bytes, leaves } = measureSubtree(subtrees, at, depthOfLevel(level));
    found.push({ index, masks: subtrees.subarray(at, at + bytes), confidence: confidence?.subarray(leaf, leaf + leaves) });
    at += bytes;
    leaf += leaves;
  }
  if (at !== subtrees.length) throw corrupt(`${at} bytes of subtrees`, subtrees.length);
  if (confidence && leaf !== confidence.length) throw corrupt(`${leaf} bytes of confidence`, confidence.length);
  return found;
}

/** An octree of some blocks, ascending; what `readBlocks` reads. */
export function joinBlocks(level: GridLevel, blocks: readonly OctreeBlock[]): Octree {
  const confidences = blocks.flatMap(({ confidence }) => confidence ?? []);
  return {
    level,
    blocks: bitsOf(blocks.map(({ index }) => index)),
    subtrees: concatenate(blocks.map(({ masks }) => masks)),
    ...(confidences.length > 0 && { confidence: concatenate(confidences) }),
  };
}

/** A bit for each block: block i is bit `i % 8` of byte `i >> 3`. */
export function bitsOf(blocks: Iterable<number>): Uint8Array {
  const bits = new Uint8Array(OCTREE_BLOCKS / 8);
  for (const block of blocks) bits[block >> 3]! |= 1 << (block & 7);
  return bits;
}

function indicesOf(bits: Uint8Array): number[] {
  const indices: number[] = [];
  for (let i = 0; i < bits.length * 8; i += 1) if ((bits[i >> 3]! >> (i & 7)) & 1) indices.push(i);
  return indices;
}

/** Bytes that the subtree from `at` on takes, and how many cells it ends in. */
function measureSubtree(subtrees: Uint8Array, at: number, depth: number): { bytes: number; leaves: number } {
  let bytes = 0;
  let leaves = 1;
  for (let level = 0; level < depth; level += 1) {
    const end = at + bytes + leaves;
    if (end > subtrees.length) throw corrupt(`at least ${end} bytes of subtrees`, subtrees.length);
    let children = 0;
    for (let i = at + bytes; i < end; i += 1) children += childCount(subtrees[i]!);
    bytes += leaves;
    leaves = children;
  }
  return { bytes, leaves };
}

/** Cells of each level below and with a block, in the order that its masks are read in. */
function expand(block: number, masks: Uint8Array, depth: number): number[][] {
  const levels = [[block]];
  let at = 0;
  for (let level = 0; level < depth; level += 1) levels.push(levels[level]!.flatMap((cell) => childrenOf(GRID_LEVELS[level]!, cell, masks[at++]!)));
  return levels;
}

/** Of each cell one level coarser than `side`, which of its children are among `cells`. */
function masksOf(side: number, cells: Uint32Array): Uint8Array {
  const masks = new Uint8Array((side / 2) ** 3);
  for (const cell of cells) {
    const x = cell % side;
    const y = Math.floor(cell / side) % side;
    const z = Math.floor(cell / (side * side));
    masks[parentCell(side, cell)]! |= 1 << ((x & 1) + 2 * (y & 1) + 4 * (z & 1));
  }
  return masks;
}

/** Values of cells in the order of `from`, as they lie in the order of `to`. */
function reordered(values: Uint8Array, from: ArrayLike<number>, to: ArrayLike<number>): Uint8Array {
  assert(values.length === from.length, 'one confidence for each cell of the finest level');
  const valueOf = new Map(Array.from(from, (cell, i) => [cell, values[i]!]));
  return Uint8Array.from(to, (cell) => valueOf.get(cell)!);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function corrupt(expected: string, found: number): AppError {
  return new AppError('ERR_PROTOCOL_MESSAGE', `Not an octree: expected ${expected}, found ${found}.`, { fix: 'docs/protocol.md has the layout.' });
}
