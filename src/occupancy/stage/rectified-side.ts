import type { Size } from '../../core/size.js';
import { scaleRig } from '../../core/stereo-rig.js';
import type { StereoCalibration } from '../calibration/calibration.js';
import { planRectification, type Rectification, rectify } from '../rectify.js';

/** Rectifies the pictures of one camera into a buffer of its own. */
export class RectifiedSide {
  readonly #plan: Rectification;
  readonly #planes: Uint8Array;

  /** @param calibration of cameras whose pictures are to be rectified. @param frameSize of the frames that come. */
  constructor({ rig, raw }: StereoCalibration, side: 'left' | 'right', frameSize: Size) {
    this.#plan = planRectification({ camera: raw![side], rig: scaleRig(rig, frameSize), side, from: frameSize });
    this.#planes = new Uint8Array(3 * frameSize.width * frameSize.height);
  }

  /** Holds until the next call. */
  rectify(planes: Uint8Array): Uint8Array {
    rectify(planes, this.#plan, this.#planes);
    return this.#planes;
  }
}
