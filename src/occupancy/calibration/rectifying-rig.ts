import { AppError } from '../../core/errors.js';
import type { StereoCalibration } from './calibration.js';
import { type Lens, type Point, undistort } from './lens.js';
import { axisOf, lengthOf, type Matrix3, multiply, rotationOf, transpose, turn, type Vector3 } from './matrix3.js';
import { rigOf } from './plausible.js';

/** Two cameras and how they stand to each other: `right = rotation * left + translation` of a point's coordinates. */
export interface CameraPair {
  readonly left: Lens;
  readonly right: Lens;
  readonly rotation: Matrix3;
  readonly translation: Vector3;
  /** Metres a unit of the translation. */
  readonly unitM: number;
}

/**
 * Turns both cameras so that their rows meet: each by half of what is between them, then both together until the baseline is the x axis
 * (Bouguet's method). One focal length and one centre for both: the mean focal length, and what the corners of both see is in the middle.
 * OpenCV's `stereoRectify` gives the same with `alpha` -1.
 *
 * @throws AppError ERR_CALIBRATION_BASELINE where one camera stands above the other, and what `rigOf` throws.
 */
export function rectifyingRig({ left, right, rotation, translation, unitM }: CameraPair, name: string): Pick<StereoCalibration, 'rig' | 'raw'> {
  const [x, y, z] = axisOf(rotation);
  const half = rotationOf([-x / 2, -y / 2, -z / 2]);
  const between = turn(half, translation);
  if (Math.abs(between[1]) > Math.abs(between[0])) {
    throw new AppError('ERR_CALIBRATION_BASELINE', `${name}: expected cameras side by side but found one above the other (${between.join(', ')}).`);
  }
  const level = rotationOf(axisToX(between));
  const rotations = { left: multiply(level, transpose(half)), right: multiply(level, half) };
  const focal = (left.focalPx.y + right.focalPx.y) / 2;
  const middles = [middleOf(left, rotations.left), middleOf(right, rotations.right)];
  const { width, height } = left.size;
  const centre = { x: (width - 1) / 2 - (focal * (middles[0]!.x + middles[1]!.x)) / 2, y: (height - 1) / 2 - (focal * (middles[0]!.y + middles[1]!.y)) / 2 };
  const focalPx = { x: focal, y: focal };
  const rig = rigOf({ focalPx, centre, shift: 0 }, { focalPx, centre, shift: Math.sign(between[0]) * lengthOf(translation) * focal }, left.size, unitM, name);
  return { rig, raw: { left: { lens: left, rotation: rotations.left }, right: { lens: right, rotation: rotations.right } } };
}

/** The rotation, as an axis, that brings a direction onto the x axis, whichever end is nearer. */
function axisToX([x, y, z]: Vector3): Vector3 {
  const towards = x < 0 ? -1 : 1;
  const across = Math.hypot(y, z);
  if (across === 0) return [0, 0, 0];
  const angle = Math.atan2(across, Math.abs(x));
  return [0, (towards * z * angle) / across, (-towards * y * angle) / across];
}

/** Mean of the corners at depth 1, as the rectified camera sees them. */
function middleOf(lens: Lens, rotation: Matrix3): Point {
  const { size, focalPx, centre } = lens;
  const corners = [[0, 0], [size.width - 1, 0], [0, size.height - 1], [size.width - 1, size.height - 1]] as const;
  const seen = corners.map(([u, v]) => {
    const { x, y } = undistort(lens, { x: (u - centre.x) / focalPx.x, y: (v - centre.y) / focalPx.y });
    const [rx, ry, rz] = turn(rotation, [x, y, 1]);
    return { x: rx / rz, y: ry / rz };
  });
  const mean = (of: (point: Point) => number) => seen.reduce((sum, point) => sum + of(point), 0) / seen.length;
  return { x: mean((point) => point.x), y: mean((point) => point.y) };
}
