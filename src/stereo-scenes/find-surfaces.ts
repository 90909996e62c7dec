import type { Camera } from './camera.js';
import { boundsOf, meet, product, type Rotation, rotationOf } from './intersect.js';
import { valueNoise } from './noise.js';
import type { Scene, Solid, Vector } from './scene.js';

/** In `Surfaces.met`, where no solid is. */
export const SKY = -2;
export const GROUND = -1;

/** A solid with what is computed once for a view. */
export interface Prepared {
  readonly solid: Solid;
  /** From the world's axes to the solid's. */
  readonly rotation: Rotation;
  /** Half the sides of the box around it, in its own frame. */
  readonly half: Vector;
  readonly offsetY: number;
  /** The eye in the solid's frame. */
  readonly eye: Vector;
}

/** What the ray through the middle of each pixel meets first. */
export interface Surfaces {
  readonly solids: readonly Prepared[];
  /** Index into `solids`, `GROUND` or `SKY`. */
  readonly met: Int16Array;
  /** Along the optical axis, metres; Infinity in the sky. */
  readonly depthM: Float32Array;
}

export function findSurfaces(scene: Scene, camera: Camera): Surfaces {
  const pixels = camera.width * camera.height;
  const surfaces = { solids: scene.solids.map((solid) => prepare(solid, camera)), met: new Int16Array(pixels).fill(SKY), depthM: new Float32Array(pixels).fill(Infinity) };
  meetGround(scene.groundM, camera, surfaces);
  surfaces.solids.forEach((one, index) => meetSolid(one, index, camera, surfaces));
  return surfaces;
}

function prepare(solid: Solid, { position }: Camera): Prepared {
  const rotation = 'yaw' in solid ? rotationOf(solid.yaw, solid.tilt ?? 0) : rotationOf(0, 0);
  const [x, y, z] = [position[0] - solid.centre[0], position[1] - solid.centre[1], position[2] - solid.centre[2]];
  const [a, b, c, d, e, f, g, h, i] = rotation;
  return { solid, rotation, ...boundsOf(solid), eye: [a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z] };
}

function meetGround(groundM: number, { width, height, focalPx, centreX, centreY, turn, position }: Camera, { met, depthM }: Surfaces): void {
  const heightM = groundM - position[1];
  const across = turn[3] / focalPx;
  for (let v = 0, at = 0; v < height; v += 1) {
    const down = (turn[4] * (v - centreY)) / focalPx + turn[5];
    for (let u = 0; u < width; u += 1, at += 1) {
      const slope = down + across * (u - centreX);
      if (slope <= 1e-6) continue;
      depthM[at] = heightM / slope;
      met[at] = GROUND;
    }
  }
}

/** Where foliage has holes: noise of this size, of the thing's smaller half. */
const HOLE_SIZE = 0.22;

function meetSolid({ solid, rotation, half, offsetY, eye }: Prepared, index: number, camera: Camera, { met, depthM }: Surfaces): void {
  const { width, focalPx, centreX, centreY } = camera;
  const outline = outlineOf(solid.centre, rotation, half, offsetY, camera);
  const { kind, density = 1, material } = solid;
  const [hx, hy, hz] = half;
  const [ox, oy, oz] = eye;
  const holes = 1 / (HOLE_SIZE * Math.min(hx, hy, hz));
  const isHole = (t: number, dx: number, dy: number, dz: number): boolean =>
    valueNoise((ox + t * dx) * holes, (oy + t * dy) * holes, (oz + t * dz) * holes, material.seed + 77) > 0.25 + 0.5 * density;
  // Rays of neighbours differ by a constant, also in the solid's frame.
  const [xx, xy, xz, yx, yy, yz, zx, zy, zz] = product(rotation, camera.turn);
  for (let v = outline.top; v <= outline.bottom; v += 1) {
    const cy = (v - centreY) / focalPx;
    for (let u = outline.left; u <= outline.right; u += 1) {
      const at = v * width + u;
      if (depthM[at]! <= outline.nearM) continue;
      const cx = (u - centreX) / focalPx;
      const dx = xx * cx + xy * cy + xz;
      const dy = yx * cx + yy * cy + yz;
      const dz = zx * cx + zy * cy + zz;
      let t = meet(kind, hx, hy, hz, ox, oy, oz, dx, dy, dz, false);
      if (t >= depthM[at]!) continue;
      if (density < 1 && isHole(t, dx, dy, dz)) {
        t = meet(kind, hx, hy, hz, ox, oy, oz, dx, dy, dz, true);
        if (t >= depthM[at]! || isHole(t, dx, dy, dz)) continue;
      }
      depthM[at] = t;
      met[at] = index;
    }
  }
}

interface Outline {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  /** No point of the solid is nearer along the optical axis. */
  readonly nearM: number;
}

/** Pixels that a solid may cover: those of the box around it; all where it reaches behind the eye. */
function outlineOf(centre: Vector, [a, b, c, d, e, f, g, h, i]: Rotation, half: Vector, offsetY: number, { width, height, focalPx, centreX, centreY, turn, position }: Camera): Outline {
  const [us, vs, depths]: [number[], number[], number[]] = [[], [], []];
  for (let corner = 0; corner < 8; corner += 1) {
    const x = corner & 1 ? half[0] : -half[0];
    const y = (corner & 2 ? half[1] : -half[1]) + offsetY;
    const z = corner & 4 ? half[2] : -half[2];
    const wx = a * x + d * y + g * z + centre[0] - position[0];
    const wy = b * x + e * y + h * z + centre[1] - position[1];
    const wz = c * x + f * y + i * z + centre[2] - position[2];
    const depth = turn[2] * wx + turn[5] * wy + turn[8] * wz;
    us.push(centreX + (focalPx * (turn[0] * wx + turn[3] * wy + turn[6] * wz)) / depth);
    vs.push(centreY + (focalPx * (turn[1] * wx + turn[4] * wy + turn[7] * wz)) / depth);
    depths.push(depth);
  }
  const nearM = Math.min(...depths);
  if (nearM < 0.1) return Math.max(...depths) < 0 ? NOWHERE : { left: 0, top: 0, right: width - 1, bottom: height - 1, nearM: 0 };
  return {
    left: Math.max(0, Math.floor(Math.min(...us))),
    top: Math.max(0, Math.floor(Math.min(...vs))),
    right: Math.min(width - 1, Math.ceil(Math.max(...us))),
    bottom: Math.min(height - 1, Math.ceil(Math.max(...vs))),
    nearM,
  };
}

const NOWHERE: Outline = { left: 0, top: 0, right: -1, bottom: -1, nearM: 0 };
