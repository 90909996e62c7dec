import { type Frame, StereoFrame } from '../../core/frame.js';
import type { StereoSide } from '../../core/stereo-source.js';

export interface StereoPairerOptions {
  /** Frames further apart than this are never a pair, microseconds. Below half the time between two frames, a frame has one partner at most. */
  readonly toleranceUs: number;
  /** A frame of this side has no partner; it has been released, or goes to `onLeftAlone`. */
  readonly onUnpaired?: (side: StereoSide, count: number) => void;
  /** Gets left frames without partner instead of their release, and owns them; called after `onUnpaired`. */
  readonly onLeftAlone?: ((frame: Frame) => void) | undefined;
  /** The time that frames are paired by, microseconds, or undefined where a frame has none; presentation time where absent. */
  readonly timeUs?: (frame: Frame) => number | undefined;
  /**
   * So many frames of a side wait for their partners, then the oldest goes unpaired: 4 where absent. `Infinity` for lossless sources,
   * whose pools bound them (each side must have its own).
   */
  readonly maxWaiting?: number;
}

interface Waiting {
  readonly frame: Frame;
  readonly timeUs: number;
  /** Which start of its side's clock the time counts from. */
  readonly timeLine: number;
}

interface Lane {
  readonly side: StereoSide;
  readonly waiting: Waiting[];
  lastUs: number;
  timeLine: number;
  /** Frames since the other side's clock started anew and this one's didn't. */
  sinceReset: number;
  ended: boolean;
}

const DEFAULT_MAX_WAITING = 4;
/** After so many left frames without any right one, the right camera is silent: nothing waits for it any more. */
const SILENT_FRAMES = 8;
/**
 * A clock that went back is usually followed by the other side's (a recording that starts again). After so many frames of both sides
 * without that it was one clock alone, and times are compared as they are. More than a pool holds, so that a side which lags behind
 * isn't taken for one that stays.
 */
const RESYNC_FRAMES = 64;

/**
 * Finds the frames of two sides that were taken at the same time.
 *
 * Each side comes in order, so the two oldest decide: within the tolerance they are a pair, otherwise the earlier one has no partner,
 * as everything later on the other side is later still. The outcome depends on the times alone, not on which side came first.
 */
export class StereoPairer {
  readonly #toleranceUs: number;
  readonly #maxWaiting: number;
  readonly #timeUs: (frame: Frame) => number | undefined;
  readonly #onUnpaired: (side: StereoSide, count: number) => void;
  readonly #onLeftAlone: ((frame: Frame) => void) | undefined;
  readonly #emit: (pair: StereoFrame) => void;
  /** Left frames since the last right one. */
  #leftInARow = 0;
  readonly #lanes: Readonly<Record<StereoSide, Lane>> = { left: newLane('left'), right: newLane('right') };

  constructor(options: StereoPairerOptions, emit: (pair: StereoFrame) => void) {
    this.#toleranceUs = options.toleranceUs;
    this.#maxWaiting = options.maxWaiting ?? DEFAULT_MAX_WAITING;
    this.#timeUs = options.timeUs ?? (({ ptsUs }) => ptsUs);
    this.#onUnpaired = options.onUnpaired ?? (() => undefined);
    this.#onLeftAlone = options.onLeftAlone;
    this.#emit = emit;
  }

  /** Takes the next frame of a side, and its ownership. */
  push(side: StereoSide, frame: Frame): void {
    const lane = this.#lanes[side];
    const timeUs = this.#timeUs(frame);
    if (timeUs === undefined) {
      this.#abandon(side, frame);
      return;
    }
    this.#leftInARow = side === 'left' ? this.#leftInARow + 1 : 0;
    this.#readClock(lane, timeUs);
    lane.waiting.push({ frame, timeUs, timeLine: lane.timeLine });
    this.#match();
    if (lane.waiting.length > this.#maxWaiting) this.#abandonOldest(lane);
    if (side === 'left' && this.#isRightSilent()) this.giveUp(frame);
  }

  /** A left frame has waited long enough, and those before it: they have no partner. Nothing where it doesn't wait any more. */
  giveUp(frame: Frame): void {
    const { left } = this.#lanes;
    const at = left.waiting.findIndex((waiting) => waiting.frame === frame);
    for (let i = 0; i <= at; i += 1) this.#abandonOldest(left);
  }

  /** No more frames of this side will come. True once both sides have ended; nothing waits any more then. */
  end(side: StereoSide): boolean {
    this.#lanes[side].ended = true;
    this.#match();
    return this.#lanes.left.ended && this.#lanes.right.ended;
  }

  /** Releases what waits, uncounted: nobody wants it any more. */
  clear(): void {
    for (const { waiting } of Object.values(this.#lanes)) for (const { frame } of waiting.splice(0)) frame.release();
  }

  /** Only who wants left frames alone wants them at once; the sides of a recording wait for each other. */
  #isRightSilent(): boolean {
    return this.#onLeftAlone !== undefined && this.#maxWaiting !== Infinity && this.#leftInARow > SILENT_FRAMES;
  }

  #readClock(lane: Lane, timeUs: number): void {
    const other = this.#lanes[otherSide(lane.side)];
    if (timeUs < lane.lastUs - this.#toleranceUs) {
      lane.timeLine += 1;
      lane.sinceReset = 0;
      other.sinceReset = 0;
    }
    lane.lastUs = timeUs;
    if (lane.timeLine === other.timeLine) return;
    lane.sinceReset += 1;
    if (Math.min(lane.sinceReset, other.sinceReset) >= RESYNC_FRAMES) this.#resync();
  }

  /** Both sides count on: their times are of one line from here on. */
  #resync(): void {
    const { left, right } = this.#lanes;
    const timeLine = Math.max(left.timeLine, right.timeLine);
    for (const lane of [left, right]) lane.timeLine = timeLine;
  }

  #match(): void {
    const { left, right } = this.#lanes;
    for (;;) {
      const [l, r] = [left.waiting[0], right.waiting[0]];
      if (l && r) this.#settle(l, r);
      else if (l && right.ended) this.#abandonOldest(left);
      else if (r && left.ended) this.#abandonOldest(right);
      else return;
    }
  }

  /** Takes at least one of the two oldest away. */
  #settle(l: Waiting, r: Waiting): void {
    const { left, right } = this.#lanes;
    const skewUs = r.timeUs - l.timeUs;
    if (l.timeLine !== r.timeLine) this.#abandonOldest(l.timeLine < r.timeLine ? left : right);
    else if (Math.abs(skewUs) > this.#toleranceUs) this.#abandonOldest(skewUs > 0 ? left : right);
    else {
      left.waiting.shift();
      right.waiting.shift();
      this.#emit(new StereoFrame(l.frame, r.frame, skewUs));
    }
  }

  #abandonOldest({ side, waiting }: Lane): void {
    const oldest = waiting.shift();
    if (oldest) this.#abandon(side, oldest.frame);
  }

  #abandon(side: StereoSide, frame: Frame): void {
    this.#onUnpaired(side, 1);
    if (side === 'left' && this.#onLeftAlone) this.#onLeftAlone(frame);
    else frame.release();
  }
}

function newLane(side: StereoSide): Lane {
  return { side, waiting: [], lastUs: -Infinity, timeLine: 0, sinceReset: 0, ended: false };
}

function otherSide(side: StereoSide): StereoSide {
  return side === 'left' ? 'right' : 'left';
}
