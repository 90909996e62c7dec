import { AppError } from '../../core/errors.js';
import type { Size } from '../../core/size.js';
import { type CalibrationFile, type CalibrationOptions, type StereoCalibration, UNITS_M } from './calibration.js';
import { badFormat, type Fields, isFields, numbersFor, yamlFields } from './fields.js';
import type { Lens } from './lens.js';
import { isRotation, type Vector3 } from './matrix3.js';
import { projectionFrom } from './parse-kitti.js';
import { checkLens, rigOf } from './plausible.js';
import { rectifyingRig } from './rectifying-rig.js';

/** Of the model's 14 coefficients the last six (thin prism, tilt) are only read where they are 0. */
const READ_COEFFICIENTS = 8;
const SIZE_KEYS = ['image_size', 'imageSize', 'size', 'img_size'];

/**
 * OpenCV's FileStorage with the names of its own stereo calibration: `M1 D1 M2 D2 R T`, or `R1 R2 P1 P2` instead of `R T`, in one file
 * or two. Of a file with both, `R1 R2 P1 P2` count.
 */
export function parseOpencv(files: readonly CalibrationFile[], { unit = 'm', pictureSize }: CalibrationOptions): StereoCalibration {
  const name = files.map((file) => file.name).join(' and ');
  const fields: Fields = Object.assign({}, ...files.map((file) => yamlFields(file.name, file.text.replace(/^%YAML:1\.0\s*/, '')))) as Fields;
  const size = sizeOf(fields, pictureSize, name);
  const numbers = (key: string, counts: readonly number[]) => numbersFor(name, key, dataOf(fields[key]), counts);
  const rotation = (key: string) => {
    const matrix = numbers(key, [9]);
    if (!isRotation(matrix)) throw badFormat(name, `expected a rotation for ${key}`);
    return matrix;
  };
  const lens = (number: 1 | 2): Lens => {
    const m = numbers(`M${number}`, [9]);
    const distortion = shortened(numbers(`D${number}`, [4, 5, 8, 12, 14]), name);
    return checkLens({ size, focalPx: { x: m[0]!, y: m[4]! }, centre: { x: m[2]!, y: m[5]! }, distortion }, `${name}, camera ${number}`);
  };
  const [left, right] = [lens(1), lens(2)];
  if (['R1', 'R2', 'P1', 'P2'].every((key) => fields[key] !== undefined)) {
    const [p1, p2] = [projectionFrom(numbers('P1', [12])), projectionFrom(numbers('P2', [12]))];
    return { format: 'opencv', rig: rigOf(p1, p2, size, UNITS_M[unit], name), raw: { left: { lens: left, rotation: rotation('R1') }, right: { lens: right, rotation: rotation('R2') } } };
  }
  return { format: 'opencv', ...rectifyingRig({ left, right, rotation: rotation('R'), translation: numbers('T', [3]) as unknown as Vector3, unitM: UNITS_M[unit] }, name) };
}

function dataOf(value: unknown): unknown {
  return isFields(value) ? value['data'] : value;
}

function shortened(coefficients: readonly number[], name: string): readonly number[] {
  if (coefficients.slice(READ_COEFFICIENTS).every((value) => value === 0)) return coefficients.slice(0, READ_COEFFICIENTS);
  throw new AppError('ERR_CALIBRATION_DISTORTION', `${name}: expected a distortion without thin prisms and tilt but found ${coefficients.join(' ')}.`, { fix: 'Calibrate with 4, 5 or 8 coefficients.' });
}

function sizeOf(fields: Fields, pictureSize: Size | undefined, name: string): Size {
  const given: unknown = SIZE_KEYS.map((key) => dataOf(fields[key])).find((value) => value !== undefined) ?? (fields['image_width'] === undefined ? undefined : [fields['image_width'], fields['image_height']]);
  if (given !== undefined) {
    const [width, height] = numbersFor(name, 'the picture size', given, [2]);
    return { width: width!, height: height! };
  }
  if (pictureSize) return pictureSize;
  throw badFormat(name, 'the size of the pictures is neither in the file nor known otherwise');
}
