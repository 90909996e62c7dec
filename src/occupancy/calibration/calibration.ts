import type { Size } from '../../core/size.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import type { Lens } from './lens.js';
import type { Matrix3 } from './matrix3.js';

export type CalibrationFormat = 'kitti' | 'middlebury' | 'opencv' | 'camera-info';

/** Lengths of a calibration: OpenCV's are those of the board that it was made with. */
export const UNITS_M = { m: 1, cm: 0.01, mm: 0.001 } as const;
export type CalibrationUnit = keyof typeof UNITS_M;

/** The text of a file, and its name for messages. */
export interface CalibrationFile {
  readonly name: string;
  readonly text: string;
}

export interface CalibrationOptions {
  /** Of the pictures that it is for. Needed where the file says none (KITTI's `calib.txt`); otherwise its shape is compared. */
  readonly pictureSize?: Size;
  /** Of OpenCV's and ROS's lengths; metres where absent. KITTI's are metres, Middlebury's millimetres. */
  readonly unit?: CalibrationUnit;
  /** KITTI's cameras 2 and 3, or 0 and 1; colour where absent, if the file has it. */
  readonly kittiCameras?: 'colour' | 'grey';
}

/** A camera whose pictures aren't rectified. */
export interface RawCamera {
  readonly lens: Lens;
  /** Turns directions of this camera into those of the rectified one. */
  readonly rotation: Matrix3;
}

/** What a calibration says of a pair of cameras. */
export interface StereoCalibration {
  readonly format: CalibrationFormat;
  /** Of the rectified pictures, at the size that was calibrated. */
  readonly rig: StereoRig;
  /** How the cameras' own pictures become rectified ones; undefined where the format's pictures are rectified already. */
  readonly raw: { readonly left: RawCamera; readonly right: RawCamera } | undefined;
}
