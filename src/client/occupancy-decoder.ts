import type { ErrorCode } from '../core/errors.js';
import type { OccupancyMessage } from '../protocol/messages.js';
import { BLOCKS_A_SIDE, childCount, childrenOf } from '../protocol/octree-cells.js';

/** Blocks of the coarsest level. */
const BLOCKS = BLOCKS_A_SIDE ** 3;
const ALL_BLOCKS: readonly number[] = Array.from({ length: BLOCKS }, (_, i) => i);
const LEVELS: readonly number[] = [8, 16, 32, 64] satisfies readonly OccupancyMessage['level'][];

/** Occupied cells of one level, in ascending order of their indices. */
export interface OccupiedVoxels {
  /** Cells a side of the cube. */
  readonly side: number;
  /** Edge of a cell, metres. */
  readonly sizeM: number;
  /** `x + side * (y + side * z)` of each. */
  readonly cells: Uint32Array;
  /** Three numbers each: x to the right, y down, z ahead, metres from the left camera to the cell's centre. */
  readonly centresM: Float32Array;
  /** Of each, 0 to 1; only at the finest level, and where the stream says it. */
  readonly confidence?: Float32Array;
}

/** The bytes of a message are none of an octree. The decoder waits for a keyframe. */
export class OccupancyError extends Error {
  readonly code: ErrorCode = 'ERR_PROTOCOL_MESSAGE';

  constructor(message: string) {
    super(message);
    this.name = 'OccupancyError';
  }
}

interface Block {
  readonly masks: Uint8Array;
  readonly confidence: Uint8Array | undefined;
}

/**
 * Follows the occupied space of one stream: feed it each `occupancy` message in order, then ask for cells.
 * It holds 512 blocks at most, 585 bytes each, whatever comes.
 */
export class OccupancyDecoder {
  #blocks = new Map<number, Block>();
  #last: Pick<OccupancyMessage, 'epoch' | 'update' | 'level' | 'grid'> | undefined;
  #changed: readonly number[] = [];

  /** False until the first keyframe, and from a missed update to the next keyframe. */
  get isReady(): boolean {
    return this.#last !== undefined;
  }

  /** Cells a side of the finest level of the newest update. */
  get level(): OccupancyMessage['level'] | undefined {
    return this.#last?.level;
  }

  /** Cells a side of the coarsest level whose content the newest update may have changed: after a keyframe all of them. For who draws only what is new. */
  get changedBlocks(): readonly number[] {
    return this.#changed;
  }

  /** Forgets everything: after a connection was made anew. */
  reset(): void {
    this.#last = undefined;
    this.#blocks = new Map();
    this.#changed = ALL_BLOCKS;
  }

  /**
   * Takes in an update.
   *
   * @returns whether space is known now: false for a delta that doesn't follow on the last update, after which a keyframe is waited for.
   * @throws OccupancyError where the bytes are no octree; nothing is known then until the next keyframe.
   */
  follow(message: OccupancyMessage | OccupancyMessage<Uint8Array>): boolean {
    const before = this.#blocks;
    const isNext = message.kind === 'keyframe' || this.#isNext(message);
    this.reset();
    if (!isNext) return false;
    const changed = readBlocks(message);
    const blocks = message.kind === 'keyframe' ? changed : merge(before, message, changed);
    this.#blocks = blocks;
    const { epoch, update, level, grid } = message;
    this.#last = { epoch, update, level, grid };
    if (message.kind === 'delta') this.#changed = [...changed.keys(), ...(message.cleared === undefined ? [] : indicesOf(message.cleared))];
    return true;
  }

  #isNext({ epoch, update, since = update - 1, level }: Pick<OccupancyMessage, 'epoch' | 'update' | 'since' | 'level'>): boolean {
    return this.#last !== undefined && epoch === this.#last.epoch && since === this.#last.update && level === this.#last.level;
  }

  /**
   * The occupied cells at a level, the finest that is known where absent.
   *
   * @throws RangeError where nothing is known yet (`isReady`), or not at this level.
   */
  voxels(side: number | undefined = this.#last?.level): OccupiedVoxels {
    const last = this.#known(side);
    const { cells, confidence } = ordered(this.#read(last.side), last.side === last.level);
    const sizeM = last.grid.range_m / last.side;
    return { side: last.side, sizeM, cells, centresM: centresOf(cells, last.side, sizeM, last.grid.bottom_m - last.grid.range_m), ...(confidence && { confidence }) };
  }

  /**
   * Occupied cells within one block, `x + side * (y + side * z)` in the whole cube, in no particular order.
   *
   * @throws RangeError as `voxels`.
   */
  cellsIn(block: number, side: number | undefined = this.#last?.level): readonly number[] {
    const last = this.#known(side);
    const masks = this.#blocks.get(block)?.masks;
    return masks === undefined ? [] : cellsOf(block, masks, last.side);
  }

  #known(side: number | undefined): Pick<OccupancyMessage, 'level' | 'grid'> & { readonly side: number } {
    const last = this.#last;
    if (last === undefined || side === undefined || !LEVELS.includes(side) || side > last.level) throw new RangeError(`Expected a level that is known, found ${String(side)} where the finest is ${String(last?.level)}.`);
    return { ...last, side };
  }

  #read(side: number): { cells: number[]; confidence: number[] } {
    const cells: number[] = [];
    const confidence: number[] = [];
    for (const [index, block] of this.#blocks) {
      cells.push(...cellsOf(index, block.masks, side));
      confidence.push(...(block.confidence ?? []));
    }
    return { cells, confidence };
  }
}

function merge(before: Map<number, Block>, { cleared }: Pick<OccupancyMessage<string | Uint8Array>, 'cleared'>, changed: Map<number, Block>): Map<number, Block> {
  if (cleared !== undefined) for (const index of indicesOf(cleared)) before.delete(index);
  for (const [index, block] of changed) before.set(index, block);
  return before;
}

function readBlocks(message: OccupancyMessage<string | Uint8Array>): Map<number, Block> {
  if (!LEVELS.includes(message.level)) throw new OccupancyError(`Expected a level of ${LEVELS.join(', ')}, found ${String(message.level)}.`);
  const subtrees = toBytes(message.subtrees);
  const confidence = message.confidence === undefined ? undefined : toBytes(message.confidence);
  const blocks = new Map<number, Block>();
  let at = 0;
  let leaf = 0;
  for (const index of indicesOf(message.changed)) {
    const { bytes, leaves } = measure(subtrees, at, message.level);
    blocks.set(index, { masks: subtrees.slice(at, at + bytes), confidence: confidence?.slice(leaf, leaf + leaves) });
    at += bytes;
    leaf += leaves;
  }
  if (at !== subtrees.length || (confidence && leaf !== confidence.length)) {
    throw new OccupancyError(`Expected ${at} bytes of subtrees and ${leaf} of confidence, found ${subtrees.length} and ${confidence?.length ?? 'none'}.`);
  }
  return blocks;
}

/** Bytes that the masks of the block from `at` on take, and how many cells of the finest level it has. */
function measure(subtrees: Uint8Array, at: number, level: number): { bytes: number; leaves: number } {
  let bytes = 0;
  let leaves = 1;
  for (let side = BLOCKS_A_SIDE; side < level; side *= 2) {
    const masks = subtrees.subarray(at + bytes, at + bytes + leaves);
    if (masks.length < leaves) throw new OccupancyError(`Expected at least ${at + bytes + leaves} bytes of subtrees, found ${subtrees.length}.`);
    bytes += leaves;
    leaves = masks.reduce((sum, mask) => sum + childCount(mask), 0);
  }
  return { bytes, leaves };
}

/** Cells of a block at `level`, in the order of its masks. */
function cellsOf(block: number, masks: Uint8Array, level: number): number[] {
  let cells = [block];
  let at = 0;
  for (let side = BLOCKS_A_SIDE; side < level; side *= 2) cells = cells.flatMap((cell) => childrenOf(side, cell, masks[at++]!));
  return cells;
}

function ordered(read: { cells: number[]; confidence: number[] }, isFinest: boolean): { cells: Uint32Array; confidence?: Float32Array } {
  const order = read.cells.map((_, i) => i).sort((a, b) => read.cells[a]! - read.cells[b]!);
  const cells = Uint32Array.from(order, (i) => read.cells[i]!);
  return isFinest && read.confidence.length > 0 ? { cells, confidence: Float32Array.from(order, (i) => read.confidence[i]! / 255) } : { cells };
}

function centresOf(cells: Uint32Array, side: number, sizeM: number, topM: number): Float32Array {
  const centres = new Float32Array(3 * cells.length);
  cells.forEach((cell, i) => {
    centres[3 * i] = ((cell % side) + 0.5 - side / 2) * sizeM;
    centres[3 * i + 1] = topM + ((Math.floor(cell / side) % side) + 0.5) * sizeM;
    centres[3 * i + 2] = (Math.floor(cell / (side * side)) + 0.5) * sizeM;
  });
  return centres;
}

function indicesOf(bitset: string | Uint8Array): number[] {
  const bits = toBytes(bitset);
  if (bits.length !== BLOCKS / 8) throw new OccupancyError(`Expected ${BLOCKS / 8} bytes of blocks, found ${bits.length}.`);
  const indices: number[] = [];
  for (let i = 0; i < BLOCKS; i += 1) if ((bits[i >> 3]! >> (i & 7)) & 1) indices.push(i);
  return indices;
}

function toBytes(bytes: string | Uint8Array): Uint8Array {
  if (typeof bytes !== 'string') return bytes;
  try {
    return Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
  } catch {
    throw new OccupancyError('Expected base64, found something else.');
  }
}
