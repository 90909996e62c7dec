import type { MissingOccupancy } from '../../core/occupancy-report.js';
import type { Size } from '../../core/size.js';
import { scaleRig } from '../../core/stereo-rig.js';
import type { StereoCalibration } from '../calibration/calibration.js';
import { PairInspector } from '../pair/pair-inspector.js';
import { type Thumbnail, thumbnailOf } from '../pair/thumbnail.js';
import { planRectification, type Rectification, rectify } from '../rectify.js';

/** Makes small rectified pictures of each pair and has them inspected. */
export class PairLook {
  readonly #frameSize: Size;
  readonly #inspector: PairInspector;
  readonly #plans: readonly [left: Rectification, right: Rectification] | undefined;

  /** @param frameSize of the frames that come. */
  constructor({ rig, raw }: StereoCalibration, frameSize: Size) {
    this.#frameSize = frameSize;
    const { size } = thumbnailOf(new Uint8Array(frameSize.width * frameSize.height), frameSize);
    this.#inspector = new PairInspector(scaleRig(rig, frameSize));
    const planOf = (side: 'left' | 'right'): Rectification => planRectification({ camera: raw![side], rig: scaleRig(rig, size), side, from: size });
    this.#plans = raw && [planOf('left'), planOf('right')];
  }

  see(left: Uint8Array, right: Uint8Array, ptsUs: number): MissingOccupancy | undefined {
    // Planes are G, B, R: the green one, first, is nearest to what is seen as grey.
    const [l, r] = [left, right].map((planes, side) => rectified(thumbnailOf(planes, this.#frameSize), this.#plans?.[side])) as [Thumbnail, Thumbnail];
    const found = this.#inspector.see(l, r, ptsUs);
    return found && { code: found.code, message: found.message };
  }

  reset(): void {
    this.#inspector.reset();
  }
}

function rectified(thumbnail: Thumbnail, plan: Rectification | undefined): Thumbnail {
  if (!plan) return thumbnail;
  const pixels = new Uint8Array(thumbnail.pixels.length);
  rectify(thumbnail.pixels, plan, pixels);
  return { ...thumbnail, pixels };
}
