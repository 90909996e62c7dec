import type { StereoRig } from '../core/stereo-rig.js';
import { boundsOf, meet, normalAt, type Rotation, rotationOf } from './intersect.js';
import { colourAt } from './materials.js';
import { layeredNoise, valueNoise } from './noise.js';
import type { Scene, Solid, Vector } from './scene.js';

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

export interface View {
  /** Red, green, blue by pixel, linear light, about 0 to 1. */
  readonly light: Float32Array;
  /** Along the optical axis, metres; Infinity in the sky. */
  readonly depthM: Float32Array;
}

const SKY = -2;
const GROUND = -1;
/** Where foliage has holes: noise of this size, of the thing's smaller half. */
const HOLE_SIZE = 0.22;

/** A solid with what is computed once for a view. */
interface Prepared {
  readonly solid: Solid;
  readonly rotation: Rotation;
  /** The eye in the solid's frame. */
  readonly eye: Vector;
  readonly holeM: number;
}

/** What an eye sees: one ray through the middle of each pixel, against the solids whose outlines cover it. */
export function renderView(scene: Scene, rig: StereoRig, eye: Eye): View {
  const { width, height } = rig.size;
  const camera = cameraOf(scene, rig, eye);
  const depthM = new Float32Array(width * height).fill(Infinity);
  const met = new Int16Array(width * height).fill(SKY);
  meetGround(scene, camera, depthM, met);
  const prepared = scene.solids.map((solid) => prepare(solid, camera));
  prepared.forEach((one, i) => meetSolid(one, i, camera, depthM, met));
  const light = new Float32Array(3 * width * height);
  shade(scene, prepared, camera, depthM, met, light);
  return { light, depthM };
}

interface Camera {
  readonly width: number;
  readonly height: number;
  readonly focalPx: number;
  readonly centreX: number;
  readonly centreY: number;
  /** From the camera's axes to the world's. */
  readonly turn: Rotation;
  readonly position: Vector;
}

function cameraOf({ pitch, roll }: Scene, { size, focalPx, centre, baselineM }: StereoRig, eye: Eye): Camera {
  const rig = cameraTurn(pitch, roll);
  const along = baselineM === 0 ? 0 : eye.alongM;
  const position: Vector = [rig[0] * along, rig[3] * along, rig[6] * along];
  return { ...size, focalPx, centreX: eye.centreX, centreY: centre.y, turn: cameraTurn(pitch + eye.pitchError, roll + eye.rollError), position };
}

/** Roll about the optical axis, then pitch about x. */
function cameraTurn(pitch: number, roll: number): Rotation {
  const [cp, sp, cr, sr] = [Math.cos(pitch), Math.sin(pitch), Math.cos(roll), Math.sin(roll)];
  return [cr, -sr, 0, cp * sr, cp * cr, sp, -sp * sr, -sp * cr, cp];
}

function prepare(solid: Solid, { position }: Camera): Prepared {
  const rotation = 'yaw' in solid ? rotationOf(solid.yaw, solid.tilt ?? 0) : rotationOf(0, 0);
  const [x, y, z] = [position[0] - solid.centre[0], position[1] - solid.centre[1], position[2] - solid.centre[2]];
  const [a, b, c, d, e, f, g, h, i] = rotation;
  const { half } = boundsOf(solid);
  return { solid, rotation, eye: [a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z], holeM: HOLE_SIZE * Math.min(...half) };
}

function meetGround({ groundM }: Scene, { width, height, focalPx, centreX, centreY, turn, position }: Camera, depthM: Float32Array, met: Int16Array): void {
  for (let v = 0, at = 0; v < height; v += 1) {
    for (let u = 0; u < width; u += 1, at += 1) {
      const down = turn[3] * ((u - centreX) / focalPx) + turn[4] * ((v - centreY) / focalPx) + turn[5];
      if (down <= 1e-6) continue;
      depthM[at] = (groundM - position[1]) / down;
      met[at] = GROUND;
    }
  }
}

function meetSolid({ solid, rotation, eye, holeM }: Prepared, index: number, camera: Camera, depthM: Float32Array, met: Int16Array): void {
  const { width, focalPx, centreX, centreY, turn } = camera;
  const [left, top, right, bottom] = outlineOf(solid, rotation, camera);
  const [a, b, c, d, e, f, g, h, i] = rotation;
  const [ox, oy, oz] = eye;
  const density = solid.density ?? 1;
  for (let v = top; v <= bottom; v += 1) {
    const cy = (v - centreY) / focalPx;
    for (let u = left; u <= right; u += 1) {
      const cx = (u - centreX) / focalPx;
      const wx = turn[0] * cx + turn[1] * cy + turn[2];
      const wy = turn[3] * cx + turn[4] * cy + turn[5];
      const wz = turn[6] * cx + turn[7] * cy + turn[8];
      const dx = a * wx + b * wy + c * wz;
      const dy = d * wx + e * wy + f * wz;
      const dz = g * wx + h * wy + i * wz;
      const at = v * width + u;
      let depth = meet(solid, ox, oy, oz, dx, dy, dz, false);
      if (depth >= depthM[at]!) continue;
      if (density < 1 && isHole(solid, density, holeM, ox + depth * dx, oy + depth * dy, oz + depth * dz)) {
        depth = meet(solid, ox, oy, oz, dx, dy, dz, true);
        if (depth >= depthM[at]! || isHole(solid, density, holeM, ox + depth * dx, oy + depth * dy, oz + depth * dz)) continue;
      }
      depthM[at] = depth;
      met[at] = index;
    }
  }
}

function isHole({ material }: Solid, density: number, sizeM: number, x: number, y: number, z: number): boolean {
  return valueNoise(x / sizeM, y / sizeM, z / sizeM, material.seed + 77) > 0.25 + 0.5 * density;
}

/** Pixels that a solid may cover: of the box around it; all where it reaches behind the eye. */
function outlineOf(solid: Solid, [a, b, c, d, e, f, g, h, i]: Rotation, { width, height, focalPx, centreX, centreY, turn, position }: Camera): [left: number, top: number, right: number, bottom: number] {
  const { half, offsetY } = boundsOf(solid);
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let corner = 0; corner < 8; corner += 1) {
    const x = corner & 1 ? half[0] : -half[0];
    const y = (corner & 2 ? half[1] : -half[1]) + offsetY;
    const z = corner & 4 ? half[2] : -half[2];
    const wx = a * x + d * y + g * z + solid.centre[0] - position[0];
    const wy = b * x + e * y + h * z + solid.centre[1] - position[1];
    const wz = c * x + f * y + i * z + solid.centre[2] - position[2];
    const depth = turn[2] * wx + turn[5] * wy + turn[8] * wz;
    if (depth < 0.1) return [0, 0, width - 1, height - 1];
    const u = centreX + (focalPx * (turn[0] * wx + turn[3] * wy + turn[6] * wz)) / depth;
    const v = centreY + (focalPx * (turn[1] * wx + turn[4] * wy + turn[7] * wz)) / depth;
    [left, top, right, bottom] = [Math.min(left, u), Math.min(top, v), Math.max(right, u), Math.max(bottom, v)];
  }
  return [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top)), Math.min(width - 1, Math.ceil(right)), Math.min(height - 1, Math.ceil(bottom))];
}

/** Lambert's light, a mirrored sky where a surface is glossy, and soft shadows on the ground under things. */
function shade(scene: Scene, prepared: readonly Prepared[], { width, height, focalPx, centreX, centreY, turn, position }: Camera, depthM: Float32Array, met: Int16Array, light: Float32Array): void {
  const { sun, ambient, direct, ground, groundM } = scene;
  const shadows = prepared.map(({ solid }) => shadowOf(solid, groundM, sun));
  const colour = new Float64Array(3);
  const normal = new Float64Array(3);
  for (let v = 0, at = 0; v < height; v += 1) {
    for (let u = 0; u < width; u += 1, at += 1) {
      const cx = (u - centreX) / focalPx;
      const cy = (v - centreY) / focalPx;
      const wx = turn[0] * cx + turn[1] * cy + turn[2];
      const wy = turn[3] * cx + turn[4] * cy + turn[5];
      const wz = turn[6] * cx + turn[7] * cy + turn[8];
      const index = met[at]!;
      const depth = depthM[at]!;
      if (index === SKY) {
        skyAt(scene, wx, wy, wz, colour);
        light.set(colour, 3 * at);
        continue;
      }
      const x = position[0] + depth * wx;
      const y = position[1] + depth * wy;
      const z = position[2] + depth * wz;
      const footprintM = depth / focalPx;
      let strength: number;
      if (index === GROUND) {
        // At a flat angle a pixel is long.
        const slant = Math.min(12, Math.hypot(wx, wy, wz) / Math.max(wy, 1e-3));
        colourAt(ground, x, 0, z, x, z, footprintM * Math.sqrt(slant), colour);
        strength = ambient + direct * Math.max(0, -sun[1]) * litAt(shadows, x, z);
      } else {
        strength = shadeSolid(prepared[index]!, scene, [x, y, z], [wx, wy, wz], footprintM, colour, normal);
      }
      for (let c = 0; c < 3; c += 1) light[3 * at + c] = colour[c]! * strength;
    }
  }
}

/** Sets the colour of a solid's point. @returns how much light it gets. */
function shadeSolid({ solid, rotation: [a, b, c, d, e, f, g, h, i] }: Prepared, scene: Scene, [x, y, z]: Vector, [wx, wy, wz]: Vector, footprintM: number, colour: Float64Array, normal: Float64Array): number {
  const { sun, ambient, direct } = scene;
  const [rx, ry, rz] = [x - solid.centre[0], y - solid.centre[1], z - solid.centre[2]];
  const lx = a * rx + b * ry + c * rz;
  const ly = d * rx + e * ry + f * rz;
  const lz = g * rx + h * ry + i * rz;
  normalAt(solid, lx, ly, lz, normal);
  const length = Math.hypot(normal[0]!, normal[1]!, normal[2]!) || 1;
  const [mx, my, mz] = [normal[0]! / length, normal[1]! / length, normal[2]! / length];
  const along = Math.abs(mx) > Math.abs(mz) ? lz : lx;
  colourAt(solid.material, lx, ly, lz, along, Math.abs(my) > 0.7 ? lz : ly, footprintM, colour);
  let nx = a * mx + d * my + g * mz;
  let ny = b * mx + e * my + h * mz;
  let nz = c * mx + f * my + i * mz;
  // What is seen from within or through a hole is lit on that side.
  if (nx * wx + ny * wy + nz * wz > 0) [nx, ny, nz] = [-nx, -ny, -nz];
  const { gloss } = solid.material;
  if (gloss > 0) mirror(scene, [wx, wy, wz], [nx, ny, nz], gloss, colour);
  return ambient * (0.75 - 0.25 * ny) + direct * Math.max(0, nx * sun[0] + ny * sun[1] + nz * sun[2]);
}

function mirror(scene: Scene, [wx, wy, wz]: Vector, [nx, ny, nz]: Vector, gloss: number, colour: Float64Array): void {
  const length = Math.hypot(wx, wy, wz);
  const facing = (2 * (wx * nx + wy * ny + wz * nz)) / length;
  const [rx, ry, rz] = [wx / length - facing * nx, wy / length - facing * ny, wz / length - facing * nz];
  const mirrored = new Float64Array(3);
  skyAt(scene, rx, ry, rz, mirrored);
  const glare = Math.max(0, rx * scene.sun[0] + ry * scene.sun[1] + rz * scene.sun[2]) ** 40;
  for (let c = 0; c < 3; c += 1) colour[c] = colour[c]! * (1 - gloss) + gloss * (mirrored[c]! + 2 * glare);
}

function skyAt({ sky: { zenith, horizon, clouds, seed } }: Scene, x: number, y: number, z: number, out: Float64Array): void {
  const up = Math.max(0, -y / Math.hypot(x, y, z));
  const cloud = clouds > 0 && up > 0.01 ? clouds * Math.max(0, layeredNoise((1.5 * x) / (up + 0.15), 0, (1.5 * z) / (up + 0.15), 0.02, seed)) : 0;
  for (let c = 0; c < 3; c += 1) out[c] = Math.min(1.2, horizon[c]! + (zenith[c]! - horizon[c]!) * Math.sqrt(up) + cloud);
}

interface Shadow {
  readonly x: number;
  readonly z: number;
  readonly radiusM: number;
  readonly strength: number;
}

/** A blob under a thing, moved away from the sun by half its height. */
function shadowOf(solid: Solid, groundM: number, sun: Vector): Shadow {
  const { half, offsetY } = boundsOf(solid);
  const middleM = groundM - solid.centre[1] - offsetY;
  const reach = Math.min(3, 1 / Math.max(0.2, -sun[1]));
  const radiusM = Math.max(half[0], half[2]);
  return { x: solid.centre[0] - sun[0] * middleM * reach, z: solid.centre[2] - sun[2] * middleM * reach, radiusM: radiusM * 1.15, strength: Math.min(1, half[1] / radiusM) * (solid.density ?? 1) };
}

/** Share of the sun's light that comes to a place on the ground. */
function litAt(shadows: readonly Shadow[], x: number, z: number): number {
  let lit = 1;
  for (const { x: sx, z: sz, radiusM, strength } of shadows) {
    const far = ((x - sx) ** 2 + (z - sz) ** 2) / (radiusM * radiusM);
    if (far < 1) lit = Math.min(lit, 1 - strength * Math.min(1, 3 * (1 - far)));
  }
  return lit;
}
