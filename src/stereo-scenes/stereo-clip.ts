import { SeededRandom } from '../core/seeded-random.js';
import { cameraOf, type Placement, poseOf } from './camera.js';
import { findSurfaces } from './find-surfaces.js';
import type { Layout } from './layouts.js';
import { type CameraDraw, develop, drawCameras, exposureOf } from './photometry.js';
import { eyeOf, layOutClear, type PairRequest } from './render-pair.js';
import type { Scene, Solid, Vector } from './scene.js';
import { shade } from './shade.js';
import { car, person } from './things.js';

const THINGS = { car, person } as const;

/** Something that moves at one speed. */
export interface Mover {
  readonly thing: keyof typeof THINGS;
  /** On the ground at the beginning, and metres a second: in the world's axes, which are those of an upright camera at the origin. */
  readonly from: readonly [x: number, z: number];
  readonly velocity: readonly [x: number, z: number];
  /** Draws its looks. */
  readonly seed: number;
}

export interface ClipRequest extends Omit<PairRequest, 'isHeldOut' | 'index'> {
  readonly layout: Layout;
  readonly movers: readonly Mover[];
}

export interface ClipFrame {
  /** Red, green, blue by pixel. */
  readonly left: Uint8Array;
  readonly right: Uint8Array;
  /** Takes points of the left eye's axes to the world's: 4x4, row by row. */
  readonly pose: readonly number[];
}

/** What is drawn for the frames comes after what is drawn for the scene. */
const FRAME_STREAM = 0x20000000;

/** One scene through a rig that moves, and things that move in it. The same request gives the same frames. */
export class StereoClip {
  readonly #request: ClipRequest;
  readonly #scene: Scene;
  readonly #cameras: readonly [left: CameraDraw, right: CameraDraw];
  readonly #movers: readonly { readonly solids: readonly Solid[]; readonly velocity: Mover['velocity'] }[];
  #exposure: number | undefined;

  constructor(request: ClipRequest) {
    const random = new SeededRandom(request.seed, 0);
    this.#request = request;
    this.#cameras = drawCameras(request.recipe, random);
    this.#scene = layOutClear(request.layout, { ...request, isHeldOut: false, index: 0 }, this.#cameras[0], random).scene;
    this.#movers = request.movers.map(({ thing, from: [x, z], velocity, seed }) => ({ solids: THINGS[thing]({ x, z, groundM: request.heightM, scale: 1 }, new SeededRandom(seed, 0)), velocity }));
  }

  /** @param frame draws its noise. @param timeS since the beginning. */
  render(frame: number, timeS: number, placement: Placement): ClipFrame {
    const { rig, seed } = this.#request;
    const scene = { ...this.#scene, solids: [...this.#scene.solids, ...this.#movers.flatMap(({ solids, velocity }) => solids.map((solid) => moved(solid, velocity, timeS)))] };
    const random = new SeededRandom(seed, FRAME_STREAM + frame);
    const [left, right] = this.#cameras.map((draw, side) => {
      const camera = cameraOf(scene, rig, eyeOf(rig, draw, side === 1), placement);
      return shade(scene, camera, findSurfaces(scene, camera));
    }) as [Float32Array, Float32Array];
    // That of the first picture, for the whole clip.
    this.#exposure ??= exposureOf(left);
    return {
      left: develop(left, rig.size, this.#exposure, this.#cameras[0], random),
      right: develop(right, rig.size, this.#exposure, this.#cameras[1], random),
      pose: poseOf(scene, placement),
    };
  }
}

function moved<S extends Solid>(solid: S, [x, z]: Mover['velocity'], timeS: number): S {
  const [cx, cy, cz] = solid.centre;
  const centre: Vector = [cx + x * timeS, cy, cz + z * timeS];
  return { ...solid, centre };
}
