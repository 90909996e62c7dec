import type { StereoRig } from '../core/stereo-rig.js';
import type { Rotation } from './intersect.js';
import type { Scene, Vector } from './scene.js';

/** An eye of a rig: where it is and how it is turned against where it should be. */
export interface Eye {
  /** Along the rig's x axis from the left eye, metres. */
  readonly alongM: number;
  /** Column of its optical axis, pixels. */
  readonly centreX: number;
  /** Errors of the rectification, radians: nose down, clockwise. */
  readonly pitchError: number;
  readonly rollError: number;
}

export interface Camera {
  readonly width: number;
  readonly height: number;
  readonly focalPx: number;
  readonly centreX: number;
  readonly centreY: number;
  /** From the camera's axes to the world's, row by row. */
  readonly turn: Rotation;
  readonly position: Vector;
}

export function cameraOf({ pitch, roll }: Scene, { size, focalPx, centre }: StereoRig, { alongM, centreX, pitchError, rollError }: Eye): Camera {
  const rig = cameraTurn(pitch, roll);
  return { ...size, focalPx, centreX, centreY: centre.y, turn: cameraTurn(pitch + pitchError, roll + rollError), position: [rig[0] * alongM, rig[3] * alongM, rig[6] * alongM] };
}

/** Roll about the optical axis, then pitch about x. */
function cameraTurn(pitch: number, roll: number): Rotation {
  const [cp, sp, cr, sr] = [Math.cos(pitch), Math.sin(pitch), Math.cos(roll), Math.sin(roll)];
  return [cr, -sr, 0, cp * sr, cp * cr, sp, -sp * sr, -sp * cr, cp];
}
