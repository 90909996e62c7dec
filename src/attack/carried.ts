import type { Xywh } from './placement.js';

/** An object in one frame of its track. */
export interface TrackBox {
  /** Number of the frame: the track's time. */
  readonly frame: number;
  readonly xywh: Xywh;
}

/** What is worn doesn't shake as boxes do: they are smoothed over so long. */
const SMOOTHING_S = 0.15;
/** Frames beyond so many deviations weigh nothing. */
const REACH_DEVIATIONS = 3;

/**
 * The boxes of one track without the jitter of annotation: centre and size by local linear regression over time with Gaussian weights
 * (Cleveland 1979), which follows steady motion without lag, also at both ends.
 *
 * @param boxes in the order of their frames; gaps are allowed.
 */
export function smoothTrack(boxes: readonly TrackBox[], frameRateFps: number): Xywh[] {
  const deviation = SMOOTHING_S * frameRateFps;
  const frames = boxes.map(({ frame }) => frame);
  const smooth = (value: (box: Xywh) => number): number[] => {
    const values = boxes.map(({ xywh }) => value(xywh));
    return frames.map((frame) => localLine(frames, values, frame, deviation));
  };
  const x = smooth(([left, , width]) => left + width / 2);
  const y = smooth(([, top, , height]) => top + height / 2);
  // A line through few jittering sizes may end at or below nothing.
  const width = smooth((box) => box[2]).map((value, i) => Math.max(value, boxes[i]!.xywh[2] / 2));
  const height = smooth((box) => box[3]).map((value, i) => Math.max(value, boxes[i]!.xywh[3] / 2));
  return boxes.map((_, i) => [x[i]! - width[i]! / 2, y[i]! - height[i]! / 2, width[i]!, height[i]!]);
}

/** Value at `at` of the line that fits best around there. */
function localLine(times: readonly number[], values: readonly number[], at: number, deviation: number): number {
  let [weights, meanTime, meanValue] = [0, 0, 0];
  const weigh = (time: number): number => (Math.abs(time - at) <= REACH_DEVIATIONS * deviation ? Math.exp(-0.5 * ((time - at) / deviation) ** 2) : 0);
  for (let i = 0; i < times.length; i += 1) {
    const weight = weigh(times[i]!);
    weights += weight;
    meanTime += weight * times[i]!;
    meanValue += weight * values[i]!;
  }
  meanTime /= weights;
  meanValue /= weights;
  let [variance, covariance] = [0, 0];
  for (let i = 0; i < times.length; i += 1) {
    const weight = weigh(times[i]!);
    variance += weight * (times[i]! - meanTime) ** 2;
    covariance += weight * (times[i]! - meanTime) * (values[i]! - meanValue);
  }
  return variance > 0 ? meanValue + (covariance / variance) * (at - meanTime) : meanValue;
}
