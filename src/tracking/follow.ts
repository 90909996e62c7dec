import { monotonicMs } from '../core/clock.js';
import type { Size } from '../core/size.js';
import { ByteTracker, type ByteTrackerOptions } from './byte-tracker.js';
import { coastedBoxes } from './coasted-boxes.js';
import type { SeenBoxes } from './track.js';

/** What a detector found in one frame, down to what a tracker wants. */
export interface DetectedFrame {
  /** From 1. */
  readonly frame: number;
  readonly ptsUs: number;
  /** Of the picture, pixels. */
  readonly sourceSize: Size;
  readonly detections: SeenBoxes;
}

/** A box of a confirmed track, seen or coasted. */
export interface FollowedBox {
  readonly frame: number;
  readonly trackId: number;
  readonly classId: number;
  readonly xyxy: readonly [number, number, number, number];
  readonly confidence: number;
}

export interface FollowedFrames {
  readonly boxes: readonly FollowedBox[];
  /** Of each frame, microseconds of the tracker. */
  readonly costUs: readonly number[];
}

/** As of the tracker and its stage. */
export interface FollowOptions extends ByteTrackerOptions {
  readonly coastSeconds: number;
}

/** Tracks a recording whose detections are known, as the stage does a stream. */
export function followFrames(frames: readonly DetectedFrame[], options: FollowOptions): FollowedFrames {
  const tracker = new ByteTracker(options);
  const boxes: FollowedBox[] = [];
  const costUs: number[] = [];
  for (const { frame, ptsUs, sourceSize, detections } of frames) {
    const startedMs = monotonicMs();
    const { ids, isConfirmed } = tracker.update(detections, ptsUs);
    costUs.push((monotonicMs() - startedMs) * 1e3);
    const { count, xyxy, confidence, classId } = detections;
    for (let i = 0; i < count; i += 1) {
      if (isConfirmed[i] !== 1) continue;
      boxes.push({ frame, trackId: ids[i]!, classId: classId[i]!, xyxy: [xyxy[4 * i]!, xyxy[4 * i + 1]!, xyxy[4 * i + 2]!, xyxy[4 * i + 3]!], confidence: confidence[i]! });
    }
    if (options.coastSeconds > 0) for (const coasted of coastedBoxes(tracker.coasting(options.coastSeconds), sourceSize)) boxes.push({ frame, ...coasted });
  }
  return { boxes, costUs };
}
