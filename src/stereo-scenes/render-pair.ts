import { SeededRandom } from '../core/seeded-random.js';
import type { StereoRig } from '../core/stereo-rig.js';
import { LAYOUTS, type Layout, layOut } from './layouts.js';
import { type CameraDraw, develop, drawCameras, type Recipe } from './photometry.js';
import { type Eye, renderView } from './render-view.js';

export interface PairRequest {
  readonly rig: StereoRig;
  /** How far the rig is to see, metres. */
  readonly rangeM: number;
  /** Of the left eye over the ground, metres. */
  readonly heightM: number;
  readonly recipe: Recipe;
  /** With shapes that training sets never have. */
  readonly isHeldOut: boolean;
  readonly seed: number;
  /** Number of the pair in its set: pairs of one seed are independent of each other. */
  readonly index: number;
}

export interface RenderedPair {
  readonly layout: Layout;
  /** Red, green, blue by pixel. */
  readonly left: Uint8Array;
  readonly right: Uint8Array;
  /** Of the left picture, exact, by pixel; 0 in the sky. */
  readonly disparityPx: Float32Array;
}

/** The same request gives the same pair. */
export function renderPair({ rig, rangeM, heightM, recipe, isHeldOut, seed, index }: PairRequest): RenderedPair {
  const random = new SeededRandom(seed, index);
  const layout = LAYOUTS[random.integer(LAYOUTS.length)]!;
  const scene = layOut(layout, { rangeM, heightM, isHeldOut }, random);
  const [left, right] = drawCameras(recipe, random);
  const leftView = renderView(scene, rig, eyeOf(rig, left, false));
  const rightView = renderView(scene, rig, eyeOf(rig, right, true));
  return {
    layout,
    left: develop(leftView.light, rig.size, left, random),
    right: develop(rightView.light, rig.size, right, random),
    disparityPx: leftView.depthM.map((depthM) => disparityOf(rig, depthM)),
  };
}

function disparityOf({ focalPx, baselineM, centreShiftPx }: StereoRig, depthM: number): number {
  return depthM < Infinity ? Math.max(0, (focalPx * baselineM) / depthM - centreShiftPx) : 0;
}

function eyeOf({ size, focalPx, centre, centreShiftPx, baselineM }: StereoRig, { rowErrorPx, turnErrorPx }: CameraDraw, isRight: boolean): Eye {
  return {
    alongM: isRight ? baselineM : 0,
    centreX: centre.x + (isRight ? centreShiftPx : 0),
    pitchError: rowErrorPx / focalPx,
    rollError: (2 * turnErrorPx) / size.width,
  };
}
