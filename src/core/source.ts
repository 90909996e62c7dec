import type { Observable } from 'rxjs';
import type { ErrorCode } from './errors.js';
import type { Frame } from './frame.js';

/**
 * `connecting` until the first frame, `running`, `stalled` (connected, but no frames), `frozen` (the same picture again and again),
 * `reconnecting` (down, will try again), `ended` (all frames were given), `failed` (gave up: files and datasets only).
 */
export type SourceState = 'connecting' | 'running' | 'stalled' | 'frozen' | 'reconnecting' | 'ended' | 'failed';

export interface SourceEvent {
  /** Wall clock. */
  readonly epochMs: number;
  readonly state: SourceState;
  /** What went wrong, where something did. */
  readonly code?: ErrorCode;
  /** For people; never holds a credential. */
  readonly message: string;
  /** While reconnecting: which attempt comes next (from 1), and in how many milliseconds. */
  readonly attempt?: number;
  readonly retryInMs?: number;
}

/** `live` frames come when they come and old ones are worthless; `lossless` frames wait for us and none may be lost. */
export type Delivery = 'live' | 'lossless';

/** Why a source dropped a frame before anyone saw it. */
export type SourceDropReason = 'pool_exhausted' | 'corrupt';

/**
 * Where frames come from.
 *
 * - `frames$` is cold: subscribing starts the source, unsubscribing stops it and everything it started (no child process outlives it).
 *   A live source never completes and never errors: it reconnects for ever and says so in `events$`. A lossless one completes after its
 *   last frame and errors with an `AppError` where it can't go on.
 * - Each frame belongs to the subscriber, who releases it.
 * - Frames lost before they were emitted are counted through `onDropped`.
 */
export interface Source {
  readonly name: string;
  readonly kind: string;
  readonly delivery: Delivery;
  /** For people: the address without user, password or token. */
  readonly location: string;
  readonly frames$: Observable<Frame>;
  /** Hot, replays the newest event. */
  readonly events$: Observable<SourceEvent>;
  /** Called for every frame that was lost inside the source. */
  onDropped: (reason: SourceDropReason, count: number) => void;
  /** Frames in all, where that is known before the end (for progress bars). */
  readonly frameCount?: number | undefined;
}
