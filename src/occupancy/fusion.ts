import { assert } from '../core/assert.js';
import type { GridLevel, VoxelGrid } from '../core/voxel-grid.js';
import { composeMotions, isRigid, moveGrid, NO_MOTION, splitMotion, type RigidMotion } from './ego-motion.js';

/** Log odds are natural logarithms of p / (1 - p); 0 is unknown. */
export interface FusionOptions {
  /** Added where a cell is seen occupied: more than 0. .85 is p = .7 (Hornung et al. 2013, "OctoMap"). */
  readonly hit: number;
  /** Added where a cell is seen free: less than 0. -.4 is p = .4. */
  readonly miss: number;
  /** Bounds of what is believed: the upper one decides how long it takes to clear. -2 and 3.5 are p = .12 and .97. */
  readonly least: number;
  readonly most: number;
  /** A cell with more than this is occupied: from 0 to less than `hit`, so that one sighting is enough. .2 is p = .55. */
  readonly occupiedAbove: number;
  /** Time in which the log odds of a cell that isn't seen halve, seconds; `Infinity` never forgets. */
  readonly halfLifeS: number;
}

export const FUSION_DEFAULTS: FusionOptions = { hit: 0.85, miss: -0.4, least: -2, most: 3.5, occupiedAbove: 0.2, halfLifeS: 1 };

/** What one frame saw. */
export interface Sighting {
  /** One byte a cell, not 0 where it is seen occupied; goes before `free`. */
  readonly occupied: Uint8Array;
  /** One byte a cell, not 0 where it is seen free: see `markFreeSpace`. Cells that are in neither aren't seen. */
  readonly free: Uint8Array;
  /** Since the sighting before, seconds of presentation time; 0 for the first. */
  readonly elapsedS: number;
  /** From this frame's axes to those of the one before, where the camera moves and somebody knows how. */
  readonly motion?: RigidMotion;
}

/** What rounding of 32-bit floats may add up to, in frames. */
const ROUNDING_FRAMES = 1e-3;

/** In so many frames that see it free, a cell is cleared, whatever was seen before. */
export function framesToClear({ most, miss, occupiedAbove }: FusionOptions): number {
  return Math.floor((most - occupiedAbove) / -miss + ROUNDING_FRAMES) + 1;
}

/** After so long without a look at it, a cell isn't occupied any more, whatever was seen before; milliseconds. */
export function timeToForgetMs({ most, occupiedAbove, halfLifeS }: FusionOptions): number {
  return 1000 * halfLifeS * Math.max(0, Math.log2(most / occupiedAbove));
}

/**
 * Occupied space over time: log odds of every cell of one level, clamped, forgotten where nobody looks, and moved with the camera.
 *
 * Cells decay before a sighting counts. A cell that is seen free is cleared within `framesToClear` frames.
 */
export class OccupancyFusion {
  readonly #grid: VoxelGrid;
  readonly #side: GridLevel;
  readonly #options: FusionOptions;
  #logOdds: Float32Array;
  #spare: Float32Array;
  #motion: RigidMotion = NO_MOTION;

  constructor(grid: VoxelGrid, side: GridLevel, options: Partial<FusionOptions> = {}) {
    const all = { ...FUSION_DEFAULTS, ...options };
    const { hit, miss, least, most, occupiedAbove, halfLifeS } = all;
    assert(miss < 0 && least <= 0 && occupiedAbove >= 0 && occupiedAbove < Math.min(hit, most) && halfLifeS > 0, 'log odds of fusion are in order');
    this.#grid = grid;
    this.#side = side;
    this.#options = all;
    this.#logOdds = new Float32Array(side ** 3);
    this.#spare = new Float32Array(side ** 3);
  }

  /** Log odds of every cell, 0 where nothing is known. Belongs to the fusion; holds until the next sighting. */
  get logOdds(): Float32Array {
    return this.#logOdds;
  }

  /** A cell with more log odds than this is occupied. */
  get occupiedAbove(): number {
    return this.#options.occupiedAbove;
  }

  see({ occupied, free, elapsedS, motion }: Sighting): void {
    if (motion) this.#move(motion);
    const { hit, miss, least, most, halfLifeS } = this.#options;
    // A time line that goes back tells nothing of how old a cell is.
    const kept = 2 ** (-Math.max(0, elapsedS) / halfLifeS);
    const logOdds = this.#logOdds;
    for (let cell = 0; cell < logOdds.length; cell += 1) {
      const seen = occupied[cell] !== 0 ? hit : free[cell] !== 0 ? miss : 0;
      logOdds[cell] = Math.min(most, Math.max(least, logOdds[cell]! * kept + seen));
    }
  }

  /** Indices of occupied cells, ascending, and how sure each is: its probability in 255ths. */
  occupied(): { readonly cells: Uint32Array; readonly confidence: Uint8Array } {
    const cells: number[] = [];
    const logOdds = this.#logOdds;
    const { occupiedAbove } = this.#options;
    for (let cell = 0; cell < logOdds.length; cell += 1) if (logOdds[cell]! > occupiedAbove) cells.push(cell);
    const confidence = Uint8Array.from(cells, (cell) => Math.round(255 / (1 + Math.exp(-logOdds[cell]!))));
    return { cells: Uint32Array.from(cells), confidence };
  }

  /** Forgets all: after a jump of time, or a camera that was moved. */
  reset(): void {
    this.#logOdds.fill(0);
    this.#motion = NO_MOTION;
  }

  #move(motion: RigidMotion): void {
    assert(isRigid(motion), 'a motion turns and shifts, and nothing else');
    const { now, later } = splitMotion(composeMotions(this.#motion, motion), this.#grid, this.#side);
    this.#motion = later;
    if (now === undefined) return;
    moveGrid(this.#logOdds, this.#grid, this.#side, now, this.#spare);
    [this.#logOdds, this.#spare] = [this.#spare, this.#logOdds];
  }
}
