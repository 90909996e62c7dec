/** So many inferences in a row because of what was seen, before it is looked less often. */
const PATIENCE_FRAMES = 8;
/** Frames that aren't looked at between two looks: twice as many from look to look, up to this. */
const MOST_UNSEEN_FRAMES = 32;
/** And never for longer, presentation time. */
const MOST_UNSEEN_MS = 500;
/** A look takes two frames: what has become still shows in two that follow each other. */
const LOOK_FRAMES = 2;

/**
 * How often the gate looks, where looking has been of no use: a scene that changes as a whole is inferred frame by frame, and looking at each
 * would be work for nothing. A frame that isn't looked at is inferred. That the scene is still again is noticed `MOST_UNSEEN_MS` and two frames later at the latest.
 */
export class LookPace {
  #uselessInARow = 0;
  /** Frames that are left out between two looks now; 0: every frame is looked at. */
  #pause = 0;
  #unseenLeft = 0;
  #lookLeft = 0;
  #unseenSinceUs = 0;

  /** For each frame, in order: whether to look at it. @param ptsUs presentation time. */
  isDue(ptsUs: number): boolean {
    if (this.#pause === 0) return true;
    if (this.#lookLeft === 0) this.#beginPause(ptsUs);
    const unseenMs = (ptsUs - this.#unseenSinceUs) / 1e3;
    // A clock that was set back says nothing of how long it is.
    if (this.#unseenLeft > 0 && unseenMs >= 0 && unseenMs < MOST_UNSEEN_MS) {
      this.#unseenLeft -= 1;
      return false;
    }
    this.#unseenLeft = 0;
    this.#lookLeft -= 1;
    return true;
  }

  /** A frame was compared, much of it has changed, and it had to be inferred for that. */
  useless(): void {
    this.#uselessInARow += 1;
    if (this.#uselessInARow < PATIENCE_FRAMES) return;
    this.#pause = this.#pause === 0 ? 1 : Math.min(MOST_UNSEEN_FRAMES, 2 * this.#pause);
  }

  /** A frame was compared and little has changed, or it could do without an inference. */
  useful(): void {
    this.#uselessInARow = 0;
    this.#pause = 0;
    this.#unseenLeft = 0;
    this.#lookLeft = 0;
  }

  #beginPause(ptsUs: number): void {
    this.#unseenLeft = this.#pause;
    this.#lookLeft = LOOK_FRAMES;
    this.#unseenSinceUs = ptsUs;
  }
}
