/*
 * The motion of one box: a Kalman filter with constant velocity on centre x, centre y, width and height.
 *
 * Nothing couples the four (the usual filters of trackers are block-diagonal, too), so each has a filter of its own with two states and
 * three covariances, which is the same and needs no matrices. The model is in continuous time: a step of any length is one prediction, and
 * two steps are the same as their sum.
 *
 * Noise is in units of the box's longer side, as in DeepSORT (Wojke et al. 2017) and ByteTrack (Zhang et al. 2022), which take 1/20 of the
 * height for positions and 1/160 a frame for velocities, at about 30 frames a second. As a rate of time the latter is 1.05 squared sides in
 * s^3. Here half of it: a person of 1.7 m changes speed by a good metre a second within a second. What the papers add to the position at each
 * frame is nearly left out (it would make frames at a low rate jump), and boxes are measured half as well: light detectors are what runs here.
 */

const AXES = 4;
const PER_AXIS = 5;
const [VALUE, VELOCITY, VARIANCE, COVARIANCE, VELOCITY_VARIANCE] = [0, 1, 2, 3, 4] as const;

/** Numbers of one filter: for each of cx, cy, width, height its value (pixels), velocity (pixels a second) and their covariances. */
export const FILTER_LENGTH = AXES * PER_AXIS;

/** Standard deviation of a measured coordinate, in sides of the box. */
const MEASUREMENT_STD = 0.1;
/** Of a new track's velocity, in sides a second: 10 times the papers' noise a frame. */
const INITIAL_VELOCITY_STD = 1.9;
/** Variance that a second adds to the position and to the velocity, in squared sides. */
const POSITION_VARIANCE_RATE = 0.005;
const VELOCITY_VARIANCE_RATE = 0.5;
/** Sizes change ten times as slowly as positions. */
const SIZE_PACE = 0.1;

const LEAST_SIDE_PX = 1;

/** A filter that has seen one box. @param xyxy corners, 4 numbers from `at` on @param out `FILTER_LENGTH` numbers */
export function startFilter(xyxy: ArrayLike<number>, at: number, out: Float64Array): void {
  const side = longerSide(xyxy[at + 2]! - xyxy[at]!, xyxy[at + 3]! - xyxy[at + 1]!);
  for (let axis = 0; axis < AXES; axis += 1) {
    const base = axis * PER_AXIS;
    out[base + VALUE] = measured(xyxy, at, axis);
    out[base + VELOCITY] = 0;
    out[base + VARIANCE] = (2 * MEASUREMENT_STD * side) ** 2;
    out[base + COVARIANCE] = 0;
    out[base + VELOCITY_VARIANCE] = (INITIAL_VELOCITY_STD * paceOf(axis) * side) ** 2;
  }
}

/**
 * Moves a filter on in time.
 *
 * @param seconds 0 or more
 * @param isSeen false: nobody knows the box just now; its size is kept, since a growing or shrinking guess would end as no box at all.
 */
export function predictFilter(filter: Float64Array, seconds: number, isSeen: boolean): void {
  const side = longerSide(filter[2 * PER_AXIS]!, filter[3 * PER_AXIS]!);
  const jitter = POSITION_VARIANCE_RATE * side * side;
  for (let axis = 0; axis < AXES; axis += 1) {
    const base = axis * PER_AXIS;
    const acceleration = VELOCITY_VARIANCE_RATE * (paceOf(axis) * side) ** 2;
    if (axis >= 2 && !isSeen) filter[base + VELOCITY] = 0;
    const covariance = filter[base + COVARIANCE]!;
    const velocityVariance = filter[base + VELOCITY_VARIANCE]!;
    filter[base + VALUE]! += filter[base + VELOCITY]! * seconds;
    // White noise as acceleration, integrated over the step (Bar-Shalom et al. 2001, 6.2.2), and white jitter of the position.
    filter[base + VARIANCE]! += 2 * covariance * seconds + velocityVariance * seconds ** 2 + (acceleration * seconds ** 3) / 3 + jitter * seconds;
    filter[base + COVARIANCE]! += velocityVariance * seconds + (acceleration * seconds ** 2) / 2;
    filter[base + VELOCITY_VARIANCE]! += acceleration * seconds;
  }
}

/**
 * Takes a measured box in.
 *
 * @param xyxy corners, 4 numbers from `at` on
 * @param doubt how many times less exactly than usual the box is thought to lie; 1 is usual
 */
export function updateFilter(filter: Float64Array, xyxy: ArrayLike<number>, at: number, doubt: number): void {
  const side = longerSide(xyxy[at + 2]! - xyxy[at]!, xyxy[at + 3]! - xyxy[at + 1]!);
  const noise = (doubt * MEASUREMENT_STD * side) ** 2;
  for (let axis = 0; axis < AXES; axis += 1) {
    const base = axis * PER_AXIS;
    const variance = filter[base + VARIANCE]!;
    const covariance = filter[base + COVARIANCE]!;
    const gain = variance / (variance + noise);
    const velocityGain = covariance / (variance + noise);
    const residual = measured(xyxy, at, axis) - filter[base + VALUE]!;
    filter[base + VALUE]! += gain * residual;
    filter[base + VELOCITY]! += velocityGain * residual;
    filter[base + VARIANCE] = (1 - gain) * variance;
    filter[base + COVARIANCE] = (1 - gain) * covariance;
    filter[base + VELOCITY_VARIANCE]! -= velocityGain * covariance;
  }
}

/** Where the box is now, as corners, from `at` on; at least a pixel wide and high. */
export function filterBox(filter: Float64Array, out: Float64Array, at: number): void {
  const halfWidth = Math.max(LEAST_SIDE_PX, filter[2 * PER_AXIS]!) / 2;
  const halfHeight = Math.max(LEAST_SIDE_PX, filter[3 * PER_AXIS]!) / 2;
  const centreX = filter[0]!;
  const centreY = filter[PER_AXIS]!;
  out[at] = centreX - halfWidth;
  out[at + 1] = centreY - halfHeight;
  out[at + 2] = centreX + halfWidth;
  out[at + 3] = centreY + halfHeight;
}

/** Of cx, cy, width, height. */
function measured(xyxy: ArrayLike<number>, at: number, axis: number): number {
  const from = xyxy[at + (axis & 1)]!;
  const to = xyxy[at + (axis & 1) + 2]!;
  return axis < 2 ? (from + to) / 2 : to - from;
}

function paceOf(axis: number): number {
  return axis < 2 ? 1 : SIZE_PACE;
}

function longerSide(width: number, height: number): number {
  return Math.max(LEAST_SIDE_PX, width, height);
}
