import { AppError } from '../../core/errors.js';
import type { Size } from '../../core/size.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import { distort, type Lens, type Point } from './lens.js';

/** Focal length by picture width: from 136 degrees of view down to 5. */
const FOCAL_SHARE = { least: 0.2, most: 12 };
/** From the two eyes of an endoscope to those of a ship. Outside of it a unit was mistaken. */
const BASELINE_M = { least: 0.002, most: 5 };
/** How far rounding lets the two cameras of a rectified pair differ, as a share and in pixels. */
const SAME_FOCAL = 0.01;
const SAME_ROW_PX = 1;
/** Pictures that were scaled have the calibration's shape but for rounding. */
const SAME_SHAPE = 0.02;
/** Numbers of coefficients that the model has. */
const COEFFICIENTS = [0, 4, 5, 8];

/** What a projection matrix says of one rectified camera. */
export interface Projection {
  readonly focalPx: Point;
  readonly centre: Point;
  /** Fourth entry of its first row: focal length times where it stands left of the origin. */
  readonly shift: number;
}

/**
 * The rig of two rectified cameras.
 *
 * @param unitM metres a unit of the calibration.
 * @throws AppError ERR_CALIBRATION_LENS, ERR_CALIBRATION_BASELINE
 */
export function rigOf(left: Projection, right: Projection, size: Size, unitM: number, name: string): StereoRig {
  const focalPx = left.focalPx.x;
  for (const [what, other] of [['vertical of the left camera', left.focalPx.y], ['of the right camera', right.focalPx.x]] as const) {
    if (!(Math.abs(other - focalPx) <= SAME_FOCAL * focalPx)) throw badLens(name, `expected one focal length for a rectified pair but found ${focalPx} and, ${what}, ${other}`);
  }
  if (!(Math.abs(left.centre.y - right.centre.y) <= SAME_ROW_PX)) throw badLens(name, `expected the optical axes of a rectified pair in the same row but found ${left.centre.y} and ${right.centre.y}`);
  return checkRig({ size, focalPx, centre: left.centre, centreShiftPx: right.centre.x - left.centre.x, baselineM: ((left.shift - right.shift) / focalPx) * unitM }, name);
}

/** The rig itself, where it is plausible. @throws AppError ERR_CALIBRATION_LENS, ERR_CALIBRATION_BASELINE, ERR_CALIBRATION_SIZE */
export function checkRig(rig: StereoRig, name: string): StereoRig {
  const { size, focalPx, centre, centreShiftPx, baselineM } = rig;
  checkSize(size, name);
  checkFocal({ x: focalPx, y: focalPx }, centre, size, name);
  if (!(Math.abs(centreShiftPx) < size.width)) throw badLens(name, `expected the optical axes less than ${size.width} pixels apart but found ${centreShiftPx}`);
  checkBaseline(baselineM, name);
  return rig;
}

/** @throws AppError ERR_CALIBRATION_LENS, ERR_CALIBRATION_DISTORTION, ERR_CALIBRATION_SIZE */
export function checkLens(lens: Lens, name: string): Lens {
  checkSize(lens.size, name);
  checkFocal(lens.focalPx, lens.centre, lens.size, name);
  const { distortion } = lens;
  if (!COEFFICIENTS.includes(distortion.length)) throw badDistortion(name, `expected ${COEFFICIENTS.join(', ')} coefficients but found ${distortion.length}`);
  const folds = foldOf(lens);
  if (folds !== undefined) throw badDistortion(name, `the distortion ${distortion.join(' ')} folds the picture over at ${Math.round(folds)} pixels from its centre`);
  return lens;
}

/** @throws AppError ERR_CALIBRATION_SIZE where pictures aren't those of the calibration, scaled. */
export function checkShape(pictures: Size, calibrated: Size, name: string): void {
  const ratio = (pictures.width * calibrated.height) / (pictures.height * calibrated.width);
  if (Math.abs(ratio - 1) <= SAME_SHAPE) return;
  throw new AppError('ERR_CALIBRATION_SIZE', `${name}: expected pictures of the shape ${textOf(calibrated)} but found ${textOf(pictures)}.`, { fix: 'Take the calibration of these pictures; cropped ones have another.' });
}

export function textOf({ width, height }: Size): string {
  return `${width} x ${height}`;
}

function checkSize({ width, height }: Size, name: string): void {
  if (Number.isInteger(width) && Number.isInteger(height) && Math.min(width, height) >= 2) return;
  throw new AppError('ERR_CALIBRATION_SIZE', `${name}: expected a picture size of 2 x 2 pixels and more but found ${width} x ${height}.`);
}

function checkFocal(focalPx: Point, centre: Point, { width, height }: Size, name: string): void {
  for (const focal of [focalPx.x, focalPx.y]) {
    const share = focal / width;
    if (!(share >= FOCAL_SHARE.least && share <= FOCAL_SHARE.most)) {
      throw badLens(name, `expected a focal length of ${FOCAL_SHARE.least * width} to ${FOCAL_SHARE.most * width} pixels for pictures ${width} wide but found ${focal}`);
    }
  }
  if (centre.x >= 0 && centre.x < width && centre.y >= 0 && centre.y < height) return;
  throw badLens(name, `expected the optical axis within the picture of ${textOf({ width, height })} but found ${centre.x}, ${centre.y}`);
}

function checkBaseline(baselineM: number, name: string): void {
  const { least, most } = BASELINE_M;
  if (baselineM >= least && baselineM <= most) return;
  const swapped = baselineM <= -least && baselineM >= -most;
  throw new AppError('ERR_CALIBRATION_BASELINE', `${name}: expected cameras ${least} to ${most} m apart, the left one on the left, but found ${baselineM} m.`, {
    fix: swapped ? 'Left and right are swapped: exchange them.' : baselineM === 0 ? 'The calibration has no baseline: calibrate both cameras together.' : 'Say which unit the calibration is in.',
  });
}

/** Distance from the centre, pixels, at which growing angles stop to come further out; undefined where that is beyond the picture's nearer edges. */
function foldOf({ size, focalPx, distortion }: Lens): number | undefined {
  const edge = Math.max(size.width / focalPx.x, size.height / focalPx.y) / 2;
  const STEPS = 256;
  let seen = 0;
  // Barrel distortion shows an angle nearer: four times the edge is beyond what a lens of this model can show at it.
  for (let step = 1; step <= 4 * STEPS && seen < edge; step += 1) {
    const next = distort({ distortion: distortion.map((k, i) => (i === 2 || i === 3 ? 0 : k)) }, { x: (step / STEPS) * edge, y: 0 }).x;
    if (!(next > seen)) return seen * focalPx.x;
    seen = next;
  }
  return undefined;
}

function badLens(name: string, message: string): AppError {
  return new AppError('ERR_CALIBRATION_LENS', `${name}: ${message}.`, { fix: 'Check that the calibration is of these cameras, or calibrate again.' });
}

function badDistortion(name: string, message: string): AppError {
  return new AppError('ERR_CALIBRATION_DISTORTION', `${name}: ${message}.`, { fix: 'Calibrate with 4, 5 or 8 coefficients and a board in all corners of the picture.' });
}
