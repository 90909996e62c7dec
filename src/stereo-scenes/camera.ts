import type { StereoRig } from '../core/stereo-rig.js';
import { product, type Rotation } from './intersect.js';
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

/** Where a rig stands in the world and which way it looks: how far its left eye is from the origin, metres, and its turn to the right, radians. */
export interface Placement {
  readonly position: Vector;
  readonly yaw: number;
}

/** @param placement of a rig that moves; at the origin, looking ahead, where absent. */
export function cameraOf({ pitch, roll }: Scene, { size, focalPx, centre }: StereoRig, { alongM, centreX, pitchError, rollError }: Eye, placement?: Placement): Camera {
  const turned = (turn: Rotation): Rotation => (placement ? product(yawTurn(placement.yaw), turn) : turn);
  const rig = turned(cameraTurn(pitch, roll));
  const [x, y, z] = placement?.position ?? [0, 0, 0];
  return { ...size, focalPx, centreX, centreY: centre.y, turn: turned(cameraTurn(pitch + pitchError, roll + rollError)), position: [x + rig[0] * alongM, y + rig[3] * alongM, z + rig[6] * alongM] };
}

/** Pose of the left eye of a rig: takes points of its axes to the world's, 4x4, row by row. */
export function poseOf({ pitch, roll }: Scene, { position: [x, y, z], yaw }: Placement): readonly number[] {
  const [a, b, c, d, e, f, g, h, i] = product(yawTurn(yaw), cameraTurn(pitch, roll));
  return [a, b, c, x, d, e, f, y, g, h, i, z, 0, 0, 0, 1];
}

/** To the right, about the vertical axis. */
function yawTurn(yaw: number): Rotation {
  const [c, s] = [Math.cos(yaw), Math.sin(yaw)];
  return [c, 0, s, 0, 1, 0, -s, 0, c];
}

/** Roll about the optical axis, then pitch about x. */
function cameraTurn(pitch: number, roll: number): Rotation {
  const [cp, sp, cr, sr] = [Math.cos(pitch), Math.sin(pitch), Math.cos(roll), Math.sin(roll)];
  return [cr, -sr, 0, cp * sr, cp * cr, sp, -sp * sr, -sp * cr, cp];
}
