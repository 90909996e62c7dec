import type { Camera } from './camera.js';
import { GROUND, type Prepared, SKY, type Surfaces } from './find-surfaces.js';
import { normalAt } from './intersect.js';
import { colourAt } from './materials.js';
import { layeredNoise } from './noise.js';
import type { Scene } from './scene.js';
import { GroundShadows } from './shadows.js';

/** Numbers of the pixel that is shaded: written over and over, because arguments that are no whole numbers cost memory each. */
interface Scratch {
  readonly colour: Float64Array;
  readonly normal: Float64Array;
  readonly mirrored: Float64Array;
  /** Of the ray, in the world's axes. */
  readonly direction: Float64Array;
  /** What it meets, in the world's axes, metres. */
  readonly point: Float64Array;
}

/**
 * Lambert's light, a mirrored sky where a surface is glossy, and soft shadows on the ground under things.
 *
 * @returns red, green, blue by pixel, linear light, about 0 to 1.
 */
export function shade(scene: Scene, { width, height, focalPx, centreX, centreY, turn, position }: Camera, { solids, met, depthM }: Surfaces): Float32Array {
  const light = new Float32Array(3 * width * height);
  const shadows = new GroundShadows(solids, scene.groundM, scene.sun);
  const three = () => new Float64Array(3);
  const scratch: Scratch = { colour: three(), normal: three(), mirrored: three(), direction: three(), point: three() };
  const { colour, direction, point } = scratch;
  for (let v = 0, at = 0; v < height; v += 1) {
    const cy = (v - centreY) / focalPx;
    for (let u = 0; u < width; u += 1, at += 1) {
      const cx = (u - centreX) / focalPx;
      const depth = depthM[at]!;
      for (let axis = 0; axis < 3; axis += 1) {
        direction[axis] = turn[3 * axis]! * cx + turn[3 * axis + 1]! * cy + turn[3 * axis + 2]!;
        point[axis] = position[axis]! + depth * direction[axis]!;
      }
      const index = met[at]!;
      const strength = index === SKY ? skyAt(scene, direction, colour) : index === GROUND ? shadeGround(scene, shadows, depth / focalPx, scratch) : shadeSolid(scene, solids[index]!, depth / focalPx, scratch);
      for (let c = 0; c < 3; c += 1) light[3 * at + c] = colour[c]! * strength;
    }
  }
  return light;
}

/** Sets the ground's colour. @returns how much light it gets. */
function shadeGround({ ground, ambient, direct, sun }: Scene, shadows: GroundShadows, pixelM: number, { colour, direction, point }: Scratch): number {
  const x = point[0]!;
  const z = point[2]!;
  const [dx, dy, dz] = [direction[0]!, direction[1]!, direction[2]!];
  // At a flat angle a pixel is long. Both eyes see the same rows of it, so that what is too fine along it needn't go, as it must across.
  const slant = Math.min(4, Math.sqrt(dx * dx + dy * dy + dz * dz) / Math.max(dy, 1e-3));
  colourAt(ground, x, 0, z, x, z, pixelM * Math.sqrt(slant), colour);
  return ambient + direct * Math.max(0, -sun[1]) * shadows.litAt(x, z);
}

/** Sets the colour of a solid's point. @returns how much light it gets. */
function shadeSolid(scene: Scene, { solid: { kind, centre, material }, rotation, half }: Prepared, pixelM: number, scratch: Scratch): number {
  const { colour, normal, direction, point } = scratch;
  const x = point[0]! - centre[0];
  const y = point[1]! - centre[1];
  const z = point[2]! - centre[2];
  const lx = rotation[0] * x + rotation[1] * y + rotation[2] * z;
  const ly = rotation[3] * x + rotation[4] * y + rotation[5] * z;
  const lz = rotation[6] * x + rotation[7] * y + rotation[8] * z;
  normalAt(kind, half[0], half[1], half[2], lx, ly, lz, normal);
  const mx = normal[0]!;
  const my = normal[1]!;
  const mz = normal[2]!;
  const length = Math.sqrt(mx * mx + my * my + mz * mz) || 1;
  colourAt(material, lx, ly, lz, Math.abs(mx) > Math.abs(mz) ? lz : lx, Math.abs(my) > 0.7 * length ? lz : ly, pixelM, colour);
  const nx = (rotation[0] * mx + rotation[3] * my + rotation[6] * mz) / length;
  const ny = (rotation[1] * mx + rotation[4] * my + rotation[7] * mz) / length;
  const nz = (rotation[2] * mx + rotation[5] * my + rotation[8] * mz) / length;
  // What is seen from within or through a hole is lit on that side.
  const side = nx * direction[0]! + ny * direction[1]! + nz * direction[2]! > 0 ? -1 : 1;
  normal[0] = side * nx;
  normal[1] = side * ny;
  normal[2] = side * nz;
  if (material.gloss > 0) mirror(scene, material.gloss, scratch);
  const { sun, ambient, direct } = scene;
  return ambient * (0.75 - 0.25 * normal[1]) + direct * Math.max(0, side * (nx * sun[0] + ny * sun[1] + nz * sun[2]));
}

/** Lays the sky and the sun's glare over the colour. */
function mirror(scene: Scene, gloss: number, { colour, normal, mirrored, direction }: Scratch): void {
  const [dx, dy, dz] = [direction[0]!, direction[1]!, direction[2]!];
  const length = Math.sqrt(dx * dx + dy * dy + dz * dz);
  const facing = (2 * (dx * normal[0]! + dy * normal[1]! + dz * normal[2]!)) / length;
  for (let axis = 0; axis < 3; axis += 1) mirrored[axis] = direction[axis]! / length - facing * normal[axis]!;
  const glare = Math.max(0, mirrored[0]! * scene.sun[0] + mirrored[1]! * scene.sun[1] + mirrored[2]! * scene.sun[2]) ** 40;
  skyAt(scene, mirrored, mirrored);
  for (let c = 0; c < 3; c += 1) colour[c] = colour[c]! * (1 - gloss) + gloss * (mirrored[c]! + 2 * glare);
}

/** Sets the sky's colour in a direction. @param out may be `direction`. @returns 1: it needs no light. */
function skyAt({ sky: { zenith, horizon, clouds, seed } }: Scene, direction: Float64Array, out: Float64Array): number {
  const [x, y, z] = [direction[0]!, direction[1]!, direction[2]!];
  const up = Math.max(0, -y / Math.sqrt(x * x + y * y + z * z));
  const cloud = clouds > 0 && up > 0.01 ? clouds * Math.max(0, layeredNoise((1.5 * x) / (up + 0.15), 0, (1.5 * z) / (up + 0.15), 0.02, 0.6, seed)) : 0;
  const height = Math.sqrt(up);
  for (let c = 0; c < 3; c += 1) out[c] = Math.min(1.2, horizon[c]! + (zenith[c]! - horizon[c]!) * height + cloud);
  return 1;
}
