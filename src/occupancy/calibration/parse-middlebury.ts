import type { CalibrationFile, StereoCalibration } from './calibration.js';
import { numbersFor, numbersOf } from './fields.js';
import { type Projection, rigOf } from './plausible.js';

/**
 * Middlebury's `calib.txt` (2014 and later): `cam0=[f 0 cx; 0 f cy; 0 0 1]`, `cam1`, `doffs` (the columns of the axes' difference),
 * `baseline` in millimetres, `width`, `height`. Depth is `baseline * f / (disparity + doffs)`.
 */
export function parseMiddlebury([file]: readonly CalibrationFile[]): StereoCalibration {
  const { name, text } = file!;
  const values = new Map([...text.matchAll(/^\s*(\w+)\s*=\s*\[?([^\]\n]*)\]?\s*$/gm)].map(([, key, value]) => [key!, numbersOf(value!)]));
  const get = (key: string, count: number) => numbersFor(name, key, values.get(key), [count]);
  const [width, height, baseline] = ['width', 'height', 'baseline'].map((key) => get(key, 1)[0]!) as [number, number, number];
  const left = cameraOf(get('cam0', 9), 0);
  const right = cameraOf(get('cam1', 9), -baseline * left.focalPx.x);
  const rig = rigOf(left, right, { width, height }, 1e-3, name);
  // Stated apart, since the axes may be rounded.
  return { format: 'middlebury', rig: values.has('doffs') ? { ...rig, centreShiftPx: get('doffs', 1)[0]! } : rig, raw: undefined };
}

function cameraOf(matrix: readonly number[], shift: number): Projection {
  return { focalPx: { x: matrix[0]!, y: matrix[4]! }, centre: { x: matrix[2]!, y: matrix[5]! }, shift };
}
