import { AppError } from '../../core/errors.js';
import type { CalibrationFile, CalibrationOptions, RawCamera, StereoCalibration } from './calibration.js';
import { UNITS_M } from './calibration.js';
import { badFormat, type Fields, isFields, numberFor, numbersFor, yamlFields } from './fields.js';
import { IDENTITY, isRotation } from './matrix3.js';
import { projectionFrom } from './parse-kitti.js';
import { checkLens, type Projection, rigOf, textOf } from './plausible.js';

interface CameraInfo extends RawCamera {
  readonly projection: Projection;
}

/** Of the message and of the files of `camera_calibration`: both have the same model. */
const MODELS = ['plumb_bob', 'rational_polynomial'];

/** Two `camera_info` of ROS, left and right: as calibration tools write them (`camera_matrix: {data}`), or as messages (`K`, `D`, `R`, `P`; in ROS 2 small letters). */
export function parseCameraInfo(files: readonly CalibrationFile[], { unit = 'm' }: CalibrationOptions): StereoCalibration {
  const [left, right] = files.map(readCameraInfo);
  if (!left || !right || files.length > 2) throw badFormat(files[0]!.name, `expected two files of camera_info, left and right, but found ${files.length}`);
  const name = files[1]!.name;
  const [l, r] = [left.lens.size, right.lens.size];
  if (l.width !== r.width || l.height !== r.height) throw new AppError('ERR_CALIBRATION_SIZE', `${name}: expected cameras of one size but found ${textOf(l)} and ${textOf(r)}.`);
  return { format: 'camera-info', rig: rigOf(left.projection, right.projection, l, UNITS_M[unit], name), raw: { left, right } };
}

function readCameraInfo({ name, text }: CalibrationFile): CameraInfo {
  const fields = yamlFields(name, text);
  const numbers = (key: string, letter: string, counts: readonly number[]) => numbersFor(name, key, dataOf(fields, key, letter), counts);
  const model = fields['distortion_model'] ?? MODELS[0];
  if (!MODELS.includes(model as string)) throw new AppError('ERR_CALIBRATION_DISTORTION', `${name}: expected a distortion model of ${MODELS.join(' or ')} but found ${JSON.stringify(model)}.`);
  const k = numbers('camera_matrix', 'K', [9]);
  const size = { width: numberFor(name, 'image_width', fields['image_width'] ?? fields['width']), height: numberFor(name, 'image_height', fields['image_height'] ?? fields['height']) };
  const distortion = numbers('distortion_coefficients', 'D', [0, 4, 5, 8]);
  const lens = checkLens({ size, focalPx: { x: k[0]!, y: k[4]! }, centre: { x: k[2]!, y: k[5]! }, distortion }, name);
  const rotation = dataOf(fields, 'rectification_matrix', 'R') === undefined ? IDENTITY : numbers('rectification_matrix', 'R', [9]);
  if (!isRotation(rotation)) throw badFormat(name, 'expected a rotation for rectification_matrix');
  return { lens, rotation, projection: projectionFrom(numbers('projection_matrix', 'P', [12])) };
}

function dataOf(fields: Fields, key: string, letter: string): unknown {
  const value = fields[key] ?? fields[letter] ?? fields[letter.toLowerCase()];
  return isFields(value) ? value['data'] : value;
}
