import type { StereoRig } from '../../core/stereo-rig.js';
import { checkPair, type PairFinding } from './check-pair.js';
import { PairWatch } from './pair-watch.js';
import type { Thumbnail } from './thumbnail.js';

/** While all is well, a pair is looked at so often: what makes a rig useless stays for longer. */
const CHECK_EVERY_US = 1_000_000;
/** A fault is over after so many pairs without it: nothing is found in a picture of a plain wall either. */
const PAIRS_TO_RECOVER = 3;

/**
 * Watches the pairs of one rig: each of them for what time shows, and one a second of presentation time for what a single pair shows. Where
 * something is wrong, every pair is looked at until it isn't any more.
 */
export class PairInspector {
  readonly #rig: StereoRig;
  #watch = new PairWatch();
  #checkedUs = -Infinity;
  #standing: PairFinding | undefined;
  #cleanPairs = 0;

  /** @param rig of the rectified pictures, at any scale. */
  constructor(rig: StereoRig) {
    this.#rig = rig;
  }

  /** @param left and `right`, rectified, of every pair in turn. @returns what is wrong with this pair or, until that is over, with one before it. */
  see(left: Thumbnail, right: Thumbnail, ptsUs: number): PairFinding | undefined {
    const overTime = this.#watch.see(left, right);
    const found = overTime ?? (this.#isDue(ptsUs) ? this.#check(left, right, ptsUs) : undefined);
    this.#cleanPairs = found ? 0 : this.#cleanPairs + 1;
    if (found) this.#standing = found;
    else if (this.#cleanPairs >= PAIRS_TO_RECOVER) this.#standing = undefined;
    return this.#standing;
  }

  /** Another recording begins, or the same one again: what was seen before says nothing of it. */
  reset(): void {
    this.#watch = new PairWatch();
    this.#checkedUs = -Infinity;
    this.#standing = undefined;
  }

  #isDue(ptsUs: number): boolean {
    return this.#standing !== undefined || ptsUs - this.#checkedUs >= CHECK_EVERY_US;
  }

  #check(left: Thumbnail, right: Thumbnail, ptsUs: number): PairFinding | undefined {
    this.#checkedUs = ptsUs;
    return checkPair(left, right, this.#rig);
  }
}
