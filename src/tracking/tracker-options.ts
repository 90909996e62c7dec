import type { ByteTrackerOptions } from './byte-tracker.js';

/** How a stream is tracked, besides the threshold that its detector delivers with. Seconds are of presentation time. */
export interface TrackingOptions extends Omit<ByteTrackerOptions, 'confidenceThreshold'> {
  /** 0 to 1, of the user's confidence threshold: down to here boxes may continue a confirmed track. */
  readonly lowShare: number;
  /** So long after a confirmed track was seen, its box is delivered where it is expected; 0: only what is detected is delivered. */
  readonly coastSeconds: number;
}

/**
 * After the paper and its authors' code, as times and shares: boxes of a confidence of .6 are sure and of .7 begin tracks where nearly all
 * objects have .9 and more, and boxes down to .1 are looked at. Nothing here depends on a model or a frame rate.
 */
export const TRACKING_DEFAULTS: TrackingOptions = {
  lowShare: 0.4,
  sureShare: 0.5,
  beginShare: 0.7,
  // Two frames at 10 a second, six at 30: noise that stays for so long looks like an object to anybody.
  confirmSeconds: 0.2,
  // Who walks behind a pillar or somebody else comes out again within this.
  keepSeconds: 3,
  minIou: 0.2,
  // A detection says that something was seen. Who wants boxes that don't flicker asks for it.
  coastSeconds: 0,
};
