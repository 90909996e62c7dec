import type { CalibrationFile, CalibrationOptions, StereoCalibration } from './calibration.js';
import { badFormat } from './fields.js';
import { parseCameraInfo } from './parse-camera-info.js';
import { parseKitti } from './parse-kitti.js';
import { parseMiddlebury } from './parse-middlebury.js';
import { parseOpencv } from './parse-opencv.js';
import { checkShape } from './plausible.js';

/**
 * Reads the calibration of a stereo rig; the format is known by its text.
 *
 * @param files one of KITTI (`calib.txt` of the object and odometry sets, `calib_cam_to_cam.txt`), Middlebury (`calib.txt` of 2014 and
 * later) or OpenCV (a FileStorage as YAML; also two of them, `intrinsics.yml` and `extrinsics.yml`); or two of ROS (`camera_info`), left first.
 * @throws AppError ERR_CALIBRATION_FORMAT, _SIZE, _LENS, _DISTORTION, _BASELINE: what is wrong or can't be true.
 */
export function parseCalibration(files: readonly CalibrationFile[], options: CalibrationOptions = {}): StereoCalibration {
  const parse = FORMATS.find(({ mark }) => files.length > 0 && files.every(({ text }) => mark.test(text)))?.parse;
  if (!parse) throw badFormat(files.map(({ name }) => name).join(' and ') || 'calibration', 'expected a calibration of KITTI, Middlebury, OpenCV or ROS but found none of their keys');
  const calibration = parse(files, options);
  if (options.pictureSize) checkShape(options.pictureSize, calibration.rig.size, files[0]!.name);
  return calibration;
}

interface Format {
  /** What every file of the format has. */
  readonly mark: RegExp;
  readonly parse: (files: readonly CalibrationFile[], options: CalibrationOptions) => StereoCalibration;
}

/** OpenCV before KITTI: both have a `P1:`. */
const FORMATS: readonly Format[] = [
  { mark: /^%YAML:1\.0|!!opencv-matrix/, parse: parseOpencv },
  { mark: /^\s*cam0\s*=/m, parse: parseMiddlebury },
  { mark: /^P(?:[0-3]|_rect_0[0-3]):/m, parse: parseKitti },
  { mark: /^\s*(?:camera_matrix|projection_matrix|[kKpP])\s*:/m, parse: parseCameraInfo },
];
