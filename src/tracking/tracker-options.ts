import type { ByteTrackerOptions } from './byte-tracker.js';

/** How a stream is tracked, besides the threshold that its detector delivers with. Seconds are of presentation time. */
export interface TrackingOptions extends Omit<ByteTrackerOptions, 'confidenceThreshold'> {
  /** 0 to 1, of the user's confidence threshold: down to here boxes may continue a confirmed track. */
  readonly lowShare: number;
}

/**
 * From the paper and its authors' code, as times and shares: tracks are kept for 30 frames at 30 a second, and boxes begin at a
 * confidence of .1 where .25 is delivered. Nothing here depends on a model or a frame rate.
 */
export const TRACKING_DEFAULTS: TrackingOptions = {
  lowShare: 0.4,
  // Two frames at 10 a second, six at 30: noise that stays for so long looks like an object to anybody.
  confirmSeconds: 0.2,
  keepSeconds: 1,
  minIou: 0.2,
};
