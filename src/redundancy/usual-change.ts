import type { BlockGrid } from './block-grid.js';
import { quantileOf } from './quantile.js';

/** This share of the blocks shows noise alone, whatever moves in the picture. */
const NOISE_QUANTILE = 0.2;
/** Weight of a new frame in what is usual: of the whole picture, of a block that shows noise, of one that changed and meant nothing. */
const PICTURE_TRUST = 0.1;
const BLOCK_TRUST = 0.05;
const CLUTTER_TRUST = 0.3;
/** More is never taken for noise, grey levels: a picture that moves as a whole must not become usual. */
const MOST_USUAL = 6;
/** Noise is about the same everywhere: the blocks at the lower quantile show at least so much of what those at the upper one do. A picture that moves is far from that. */
const UPPER_QUANTILE = 0.8;
const EVENNESS = 0.6;
/** A change is so many times what is usual. The mean of 16 cells of noise stays below 1.7 times its own mean in a million blocks. */
const FACTOR = 2.5;
/** A block alone has to change so many times as much: what is real has neighbours that change a little, too. */
const ALONE_FACTOR = 1.7;
const NEIGHBOUR_SHARE = 0.5;

/** What changes from frame to frame although nothing happens: noise of the sensor and of compression, leaves, flickering lamps; learnt from the stream itself. */
export class UsualChange {
  readonly #grid: BlockGrid;
  readonly #minChange: number;
  readonly #usual: Float32Array;
  #noise = 0;
  #framesLearnt = 0;

  /** @param minChange of a block, grey levels: less is no change in any stream. */
  constructor(grid: BlockGrid, minChange: number) {
    this.#grid = grid;
    this.#minChange = minChange;
    this.#usual = new Float32Array(grid.columns * grid.rows);
  }

  /** Mean absolute difference of cells by noise alone, grey levels. */
  get noise(): number {
    return this.#noise;
  }

  /** The blocks that have changed more than is usual. */
  changed(differences: Float32Array): Uint8Array {
    const { columns, rows } = this.#grid;
    const noise = this.#framesLearnt === 0 && isEven(differences) ? noiseOf(differences) : this.#noise;
    const over = differences.map((difference, block) => difference / this.#threshold(block, noise));
    const mask = new Uint8Array(differences.length);
    for (let block = 0; block < mask.length; block += 1) {
      if (over[block]! <= 1) continue;
      const column = block % columns;
      const row = (block - column) / columns;
      const beside = Math.max(column > 0 ? over[block - 1]! : 0, column < columns - 1 ? over[block + 1]! : 0, row > 0 ? over[block - columns]! : 0, row < rows - 1 ? over[block + columns]! : 0);
      if (beside > NEIGHBOUR_SHARE || over[block]! > ALONE_FACTOR) mask[block] = 1;
    }
    return mask;
  }

  /** Learns from a frame that was compared. @param changed of `changed`. @param meantNothing blocks that changed and where the model found nothing; none where it wasn't asked. */
  learn(differences: Float32Array, changed: Uint8Array, meantNothing?: Uint8Array): void {
    this.#learnNoise(noiseOf(differences));
    for (let block = 0; block < changed.length; block += 1) {
      const trust = changed[block] === 0 ? BLOCK_TRUST : meantNothing?.[block] === 1 ? CLUTTER_TRUST : 0;
      this.#usual[block]! += trust * (Math.min(MOST_USUAL, differences[block]!) - this.#usual[block]!);
    }
  }

  /** Learns from a frame that has changed all over: it may have become dark, and the noise with it. */
  learnOutbreak(differences: Float32Array): void {
    if (isEven(differences)) this.#learnNoise(noiseOf(differences));
  }

  #learnNoise(noise: number): void {
    this.#framesLearnt += 1;
    this.#noise += Math.max(PICTURE_TRUST, 1 / this.#framesLearnt) * (noise - this.#noise);
  }

  #threshold(block: number, noise: number): number {
    return Math.max(this.#minChange, FACTOR * Math.max(noise, this.#usual[block]!));
  }
}

function isEven(differences: Float32Array): boolean {
  return quantileOf(differences, NOISE_QUANTILE) >= EVENNESS * quantileOf(differences, UPPER_QUANTILE);
}

function noiseOf(differences: Float32Array): number {
  return Math.min(MOST_USUAL, quantileOf(differences, NOISE_QUANTILE));
}
