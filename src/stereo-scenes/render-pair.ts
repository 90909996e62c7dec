import { SeededRandom } from '../core/seeded-random.js';
import type { StereoRig } from '../core/stereo-rig.js';
import { type Camera, cameraOf, type Eye } from './camera.js';
import { findSurfaces, type Surfaces } from './find-surfaces.js';
import { LAYOUTS, type Layout, layOut } from './layouts.js';
import { type CameraDraw, develop, drawCameras, exposureOf, type Recipe } from './photometry.js';
import type { Scene } from './scene.js';
import { shade } from './shade.js';

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

/** A scene is laid out anew where more than this share of the picture is nearer than this part of the range: a camera within a thing. */
const MOST_NEAR = 0.1;
const NEAR_PARTS = 25;
/** And where more than this share has a disparity that 16 bits of a 256th pixel can't say: its truth would be lost. */
const MOST_BEYOND = 0.005;
const LARGEST_DISPARITY_PX = 255;
const MOST_LAYOUTS = 20;

/** The same request gives the same pair. */
export function renderPair(request: PairRequest): RenderedPair {
  const { rig, recipe, isHeldOut, seed, index } = request;
  const random = new SeededRandom(seed, isHeldOut ? -1 - index : index);
  const layout = LAYOUTS[random.integer(LAYOUTS.length)]!;
  const [left, right] = drawCameras(recipe, random);
  const { scene, camera, surfaces } = layOutClear(layout, request, left, random);
  const leftLight = shade(scene, camera, surfaces);
  const rightCamera = cameraOf(scene, rig, eyeOf(rig, right, true));
  const rightLight = shade(scene, rightCamera, findSurfaces(scene, rightCamera));
  // As cameras of a rig do: one exposure for both, by the left one's picture.
  const exposure = exposureOf(leftLight);
  return {
    layout,
    left: develop(leftLight, rig.size, exposure, left, random),
    right: develop(rightLight, rig.size, exposure, right, random),
    disparityPx: surfaces.depthM.map((depthM) => disparityOf(rig, depthM)),
  };
}

/** A scene with nothing right before the left eye; after some in vain, one without things. */
export function layOutClear(layout: Layout, { rig, rangeM, heightM, isHeldOut }: PairRequest, left: CameraDraw, random: SeededRandom): { scene: Scene; camera: Camera; surfaces: Surfaces } {
  for (let tries = 1; ; tries += 1) {
    const full = layOut(layout, { rangeM, focalShare: rig.focalPx / rig.size.width, heightM, isHeldOut }, random);
    const scene = tries < MOST_LAYOUTS ? full : { ...full, solids: [] };
    const camera = cameraOf(scene, rig, eyeOf(rig, left, false));
    const surfaces = findSurfaces(scene, camera);
    if (tries === MOST_LAYOUTS || isClear(surfaces.depthM, rig, rangeM)) return { scene, camera, surfaces };
  }
}

function isClear(depthM: Float32Array, { focalPx, baselineM, centreShiftPx }: StereoRig, rangeM: number): boolean {
  return nearShare(depthM, rangeM / NEAR_PARTS) <= MOST_NEAR && nearShare(depthM, (focalPx * baselineM) / (LARGEST_DISPARITY_PX + centreShiftPx)) <= MOST_BEYOND;
}

function nearShare(depthM: Float32Array, nearM: number): number {
  let near = 0;
  for (const depth of depthM) if (depth < nearM) near += 1;
  return near / depthM.length;
}

function disparityOf({ focalPx, baselineM, centreShiftPx }: StereoRig, depthM: number): number {
  return depthM < Infinity ? Math.max(0, (focalPx * baselineM) / depthM - centreShiftPx) : 0;
}

/** Of a rig as a camera's draw leaves it. */
export function eyeOf({ size, focalPx, centre, centreShiftPx, baselineM }: StereoRig, { rowErrorPx, turnErrorPx }: CameraDraw, isRight: boolean): Eye {
  return {
    alongM: isRight ? baselineM : 0,
    centreX: centre.x + (isRight ? centreShiftPx : 0),
    pitchError: rowErrorPx / focalPx,
    rollError: (2 * turnErrorPx) / size.width,
  };
}
