import type { Observable } from 'rxjs';
import type { Frame, StereoFrame } from './frame.js';
import type { Delivery, SourceDropReason, SourceEvent } from './source.js';

export type StereoSide = 'left' | 'right';

/**
 * Where pairs of frames come from.
 *
 * As a `Source`: `frames$` is cold, and unsubscribing stops all that was started; a live one neither completes nor errors. Each pair
 * belongs to the subscriber, who releases it. A frame whose partner is missing is never paired with another: it is released and counted
 * through `onUnpaired`. `sequence` of the frames of a pair counts each side's own frames.
 */
export interface StereoSource {
  readonly name: string;
  readonly kind: string;
  readonly delivery: Delivery;
  /** For people: where from, without credentials. */
  readonly location: string;
  readonly frames$: Observable<StereoFrame>;
  /** Hot, replays the newest event. Unpaired frames are told with ERR_STEREO_UNPAIRED, once a second at most. */
  readonly events$: Observable<SourceEvent>;
  /** Called for every frame of a side that was lost before it could be paired. */
  onDropped: (reason: SourceDropReason, count: number, side: StereoSide) => void;
  /** Called for every frame of a side that has no partner. */
  onUnpaired: (side: StereoSide, count: number) => void;
  /**
   * Where set, before subscribing: gets the left frames without partner, in their order among the pairs, and owns them. Where the right
   * camera is dead, a live source makes them wait for a bounded time only, and a lossless one goes on without the right side and fails at the
   * left one's end. Undefined: they are released.
   */
  onLeftAlone: ((frame: Frame) => void) | undefined;
  /** Pairs in all, where that is known before the end. */
  readonly frameCount?: number | undefined;
}
