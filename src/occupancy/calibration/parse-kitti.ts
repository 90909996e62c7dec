import type { Size } from '../../core/size.js';
import { AppError } from '../../core/errors.js';
import type { CalibrationFile, CalibrationOptions, StereoCalibration } from './calibration.js';
import { badFormat, numbersFor, numbersOf } from './fields.js';
import { type Projection, rigOf, textOf } from './plausible.js';

type Numbers = ReadonlyMap<string, readonly number[] | undefined>;

/**
 * KITTI's projection matrices of the rectified cameras: `P0:` to `P3:` (object, odometry, stereo), or `P_rect_00:` to `P_rect_03:` with
 * sizes `S_rect_..` (raw data, `calib_cam_to_cam.txt`). Both files go with pictures that are rectified.
 */
export function parseKitti([file]: readonly CalibrationFile[], { pictureSize, kittiCameras }: CalibrationOptions): StereoCalibration {
  const { name, text } = file!;
  const numbers: Numbers = new Map([...text.matchAll(/^(\w+):(.*)$/gm)].map(([, key, rest]) => [key!, numbersOf(rest!)]));
  const [left, right] = camerasOf(numbers, kittiCameras);
  const size = sizeOf(numbers, left, right, pictureSize, name);
  return { format: 'kitti', rig: rigOf(projectionOf(numbers, left, name), projectionOf(numbers, right, name), size, 1, name), raw: undefined };
}

function camerasOf(numbers: Numbers, wanted: CalibrationOptions['kittiCameras']): readonly [left: number, right: number] {
  const has = (camera: number) => numbers.has(`P${camera}`) || numbers.has(`P_rect_0${camera}`);
  const isGrey = wanted === 'grey' || (wanted === undefined && !has(2) && !has(3));
  return isGrey ? [0, 1] : [2, 3];
}

function projectionOf(numbers: Numbers, camera: number, name: string): Projection {
  const key = numbers.has(`P_rect_0${camera}`) ? `P_rect_0${camera}` : `P${camera}`;
  return projectionFrom(numbersFor(name, key, numbers.get(key), [12]));
}

/** Of a 3x4 matrix, row by row. */
export function projectionFrom(matrix: readonly number[]): Projection {
  return { focalPx: { x: matrix[0]!, y: matrix[5]! }, centre: { x: matrix[2]!, y: matrix[6]! }, shift: matrix[3]! };
}

function sizeOf(numbers: Numbers, left: number, right: number, pictureSize: Size | undefined, name: string): Size {
  const [l, r] = [left, right].map((camera) => {
    const key = `S_rect_0${camera}`;
    if (!numbers.has(key)) return undefined;
    const [width, height] = numbersFor(name, key, numbers.get(key), [2]);
    return { width: width!, height: height! };
  });
  if (l && r && (l.width !== r.width || l.height !== r.height)) throw new AppError('ERR_CALIBRATION_SIZE', `${name}: expected cameras of one size but found ${textOf(l)} and ${textOf(r)}.`);
  const size = l ?? r ?? pictureSize;
  if (size) return size;
  throw badFormat(name, 'the size of the pictures is neither in the file nor known otherwise');
}
