import { monotonicMs } from '../core/clock.js';
import { ByteTracker, type ByteTrackerOptions } from './byte-tracker.js';
import type { SeenBoxes } from './track.js';

/** What a detector found in one frame, down to what a tracker wants. */
export interface DetectedFrame {
  /** From 1. */
  readonly frame: number;
  readonly ptsUs: number;
  readonly detections: SeenBoxes;
}

/** A box of a confirmed track. */
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

/** Tracks a recording whose detections are known, as the stage does a stream. */
export function followFrames(frames: readonly DetectedFrame[], options: ByteTrackerOptions): FollowedFrames {
  const tracker = new ByteTracker(options);
  const boxes: FollowedBox[] = [];
  const costUs: number[] = [];
  for (const { frame, ptsUs, detections } of frames) {
    const startedMs = monotonicMs();
    const { ids, isConfirmed } = tracker.update(detections, ptsUs);
    costUs.push((monotonicMs() - startedMs) * 1e3);
    const { count, xyxy, confidence, classId } = detections;
    for (let i = 0; i < count; i += 1) {
      if (isConfirmed[i] !== 1) continue;
      boxes.push({ frame, trackId: ids[i]!, classId: classId[i]!, xyxy: [xyxy[4 * i]!, xyxy[4 * i + 1]!, xyxy[4 * i + 2]!, xyxy[4 * i + 3]!], confidence: confidence[i]! });
    }
  }
  return { boxes, costUs };
}
