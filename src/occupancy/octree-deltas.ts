import type { Octree, OccupancyUpdate } from '../core/occupancy-update.js';
import type { VoxelGrid } from '../core/voxel-grid.js';
import { bitsOf, joinBlocks, readBlocks, type OctreeBlock } from './octree.js';

export interface OctreeDeltasOptions {
  /** Updates from one keyframe to the next, 1 or more; 50 where absent. */
  readonly keyframeEvery?: number;
}

/**
 * Turns the octree of each frame into what changed since the one before it. Now and then, when asked for, and where grid, level or the presence of
 * confidences changed, it is a keyframe that needs nothing before it.
 */
export class OctreeDeltas {
  readonly #keyframeEvery: number;
  #previous: { readonly grid: VoxelGrid; readonly tree: Octree; readonly blocks: ReadonlyMap<number, OctreeBlock> } | undefined;
  #epoch = -1;
  #update = 0;
  #isKeyframeDue = true;

  constructor({ keyframeEvery = 50 }: OctreeDeltasOptions = {}) {
    this.#keyframeEvery = keyframeEvery;
  }

  /** The next update is a keyframe: for a new subscriber, or one that lost an update. */
  requestKeyframe(): void {
    this.#isKeyframeDue = true;
  }

  /** What to send of this frame. The tree is kept until the next call and must not change. */
  next(tree: Octree, grid: VoxelGrid): OccupancyUpdate {
    const blocks = byIndex(tree);
    const previous = this.#previous;
    this.#previous = { grid, tree, blocks };
    if (previous === undefined || this.#isKeyframeDue || this.#update + 1 >= this.#keyframeEvery || !isComparable(previous, tree, grid)) return this.#keyframe(tree, grid);
    this.#update += 1;
    return { kind: 'delta', epoch: this.#epoch, update: this.#update, grid, ...changesOf(previous.blocks, blocks, tree) };
  }

  #keyframe(tree: Octree, grid: VoxelGrid): OccupancyUpdate {
    this.#isKeyframeDue = false;
    this.#epoch += 1;
    this.#update = 0;
    return { kind: 'keyframe', epoch: this.#epoch, update: 0, grid, tree };
  }
}

/** Blocks of a tree that another one, of the same grid and level, doesn't have or has otherwise; and those that only the other one has. */
export function changesBetween(before: Octree, tree: Octree): Pick<OccupancyUpdate, 'tree' | 'cleared'> {
  return changesOf(byIndex(before), byIndex(tree), tree);
}

function changesOf(before: ReadonlyMap<number, OctreeBlock>, blocks: ReadonlyMap<number, OctreeBlock>, tree: Octree): Pick<OccupancyUpdate, 'tree' | 'cleared'> {
  const changed = [...blocks.values()].filter((block) => !isSame(block, before.get(block.index)));
  const cleared = [...before.keys()].filter((index) => !blocks.has(index));
  return { tree: withConfidence(joinBlocks(tree.level, changed), tree), cleared: bitsOf(cleared) };
}

function byIndex(tree: Octree): Map<number, OctreeBlock> {
  return new Map(readBlocks(tree).map((block) => [block.index, block]));
}

function isComparable(previous: { readonly grid: VoxelGrid; readonly tree: Octree }, tree: Octree, grid: VoxelGrid): boolean {
  const isSameGrid = previous.grid.rangeM === grid.rangeM && previous.grid.bottomM === grid.bottomM;
  return isSameGrid && previous.tree.level === tree.level && (previous.tree.confidence === undefined) === (tree.confidence === undefined);
}

/** A delta of blocks without cells has confidences, too, if only none. */
function withConfidence(delta: Octree, { confidence }: Octree): Octree {
  return confidence && !delta.confidence ? { ...delta, confidence: new Uint8Array(0) } : delta;
}

function isSame(block: OctreeBlock, before: OctreeBlock | undefined): boolean {
  return before !== undefined && areEqual(block.masks, before.masks) && areEqual(block.confidence ?? NONE, before.confidence ?? NONE);
}

const NONE = new Uint8Array(0);

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
