import type { Solid, Vector } from './scene.js';

/** Rotation from the world to a thing, row by row. */
export type Rotation = readonly [number, number, number, number, number, number, number, number, number];

/** World to thing: about the vertical axis, then about its own x axis. */
export function rotationOf(yaw: number, tilt: number): Rotation {
  const [cy, sy, ct, st] = [Math.cos(yaw), Math.sin(yaw), Math.cos(tilt), Math.sin(tilt)];
  return [cy, 0, -sy, st * sy, ct, st * cy, ct * sy, -st, ct * cy];
}

/** Half the sides of the box around a solid, in its own frame, and where the box's middle lies against `centre` (y down). */
export function boundsOf(solid: Solid): { readonly half: Vector; readonly offsetY: number } {
  switch (solid.kind) {
    case 'box':
      return { half: solid.half, offsetY: 0 };
    case 'ellipsoid':
      return { half: solid.radii, offsetY: 0 };
    case 'cylinder':
      return { half: [solid.radius, solid.halfHeight, solid.radius], offsetY: 0 };
    case 'cone':
      return { half: [solid.radius, solid.height / 2, solid.radius], offsetY: -solid.height / 2 };
  }
}

/** Nearer than this to the eye nothing is seen, metres. */
const NEAR_M = 0.05;

/**
 * How far along a ray a solid is met, in lengths of `d`; both in the solid's own frame. Infinity where it isn't, or only behind the eye.
 *
 * @param hx, hy, hz half the sides of the box around it. Numbers instead of the solid: this is done some millions of times for a picture.
 * @param isFar the second meeting instead of the first: what is behind a hole in it.
 */
export function meet(kind: Solid['kind'], hx: number, hy: number, hz: number, ox: number, oy: number, oz: number, dx: number, dy: number, dz: number, isFar: boolean): number {
  switch (kind) {
    case 'box':
      return meetBox(hx, hy, hz, ox, oy, oz, dx, dy, dz, isFar);
    case 'ellipsoid':
      return meetSphere(ox / hx, oy / hy, oz / hz, dx / hx, dy / hy, dz / hz, isFar);
    case 'cylinder':
      return meetCylinder(hx, hy, ox, oy, oz, dx, dy, dz, isFar);
    case 'cone':
      return meetCone(hx, 2 * hy, ox, oy, oz, dx, dy, dz, isFar);
  }
}

/** By slabs (Kay and Kajiya 1986). */
function meetBox(hx: number, hy: number, hz: number, ox: number, oy: number, oz: number, dx: number, dy: number, dz: number, isFar: boolean): number {
  const ix = 1 / dx;
  const iy = 1 / dy;
  const iz = 1 / dz;
  const x1 = (-hx - ox) * ix;
  const x2 = (hx - ox) * ix;
  const y1 = (-hy - oy) * iy;
  const y2 = (hy - oy) * iy;
  const z1 = (-hz - oz) * iz;
  const z2 = (hz - oz) * iz;
  const near = Math.max(Math.min(x1, x2), Math.min(y1, y2), Math.min(z1, z2));
  const far = Math.min(Math.max(x1, x2), Math.max(y1, y2), Math.max(z1, z2));
  return near <= far ? choose(near, far, isFar) : Infinity;
}

/** Of radius 1. */
function meetSphere(ox: number, oy: number, oz: number, dx: number, dy: number, dz: number, isFar: boolean): number {
  return solve(dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz, ox * ox + oy * oy + oz * oz - 1, isFar);
}

function meetCylinder(radius: number, halfHeight: number, ox: number, oy: number, oz: number, dx: number, dy: number, dz: number, isFar: boolean): number {
  const side = solve(dx * dx + dz * dz, ox * dx + oz * dz, ox * ox + oz * oz - radius * radius, isFar);
  if (Math.abs(oy + side * dy) <= halfHeight) return side;
  const lid = ((dy > 0 === isFar ? halfHeight : -halfHeight) - oy) / dy;
  const x = ox + lid * dx;
  const z = oz + lid * dz;
  return lid > NEAR_M && x * x + z * z <= radius * radius ? lid : Infinity;
}

/** Tip at `-height`, base at 0. */
function meetCone(radius: number, height: number, ox: number, oy: number, oz: number, dx: number, dy: number, dz: number, isFar: boolean): number {
  const k = (radius / height) ** 2;
  const y = oy + height;
  const a = dx * dx + dz * dz - k * dy * dy;
  const b = ox * dx + oz * dz - k * y * dy;
  const c = ox * ox + oz * oz - k * y * y;
  const first = solve(a, b, c, isFar);
  if (onCone(first, y, dy, height)) return first;
  const second = solve(a, b, c, !isFar);
  return onCone(second, y, dy, height) ? second : Infinity;
}

function onCone(t: number, y: number, dy: number, height: number): boolean {
  const at = y + t * dy;
  return t < Infinity && at >= 0 && at <= height;
}

/** Of a t² + 2 b t + c = 0. */
function solve(a: number, b: number, c: number, isFar: boolean): number {
  const under = b * b - a * c;
  if (under < 0) return Infinity;
  const root = Math.sqrt(under);
  const one = (-b - root) / a;
  const other = (-b + root) / a;
  return choose(Math.min(one, other), Math.max(one, other), isFar);
}

/** An eye within a thing sees its inside. */
function choose(near: number, far: number, isFar: boolean): number {
  if (near > NEAR_M && !isFar) return near;
  return far > NEAR_M ? far : Infinity;
}

/** Normal where a solid is met, in its own frame, pointing out of it, of any length. @param out three numbers. */
export function normalAt(kind: Solid['kind'], hx: number, hy: number, hz: number, x: number, y: number, z: number, out: Float64Array): void {
  switch (kind) {
    case 'box': {
      const ax = Math.abs(x) / hx;
      const ay = Math.abs(y) / hy;
      const az = Math.abs(z) / hz;
      const most = Math.max(ax, ay, az);
      out[0] = ax === most ? Math.sign(x) : 0;
      out[1] = ay === most && ax !== most ? Math.sign(y) : 0;
      out[2] = az === most && ax !== most && ay !== most ? Math.sign(z) : 0;
      return;
    }
    case 'ellipsoid':
      out[0] = x / (hx * hx);
      out[1] = y / (hy * hy);
      out[2] = z / (hz * hz);
      return;
    case 'cylinder': {
      const isLid = Math.abs(y) > hy * 0.9999;
      out[0] = isLid ? 0 : x;
      out[1] = isLid ? Math.sign(y) : 0;
      out[2] = isLid ? 0 : z;
      return;
    }
    case 'cone': {
      const around = Math.hypot(x, z) || 1;
      out[0] = x / around;
      out[1] = -hx / (2 * hy);
      out[2] = z / around;
    }
  }
}

/** First `b`, then `a`. */
export function product(a: Rotation, b: Rotation): Rotation {
  const cell = (row: number, column: number) => a[3 * row]! * b[column]! + a[3 * row + 1]! * b[column + 3]! + a[3 * row + 2]! * b[column + 6]!;
  return [cell(0, 0), cell(0, 1), cell(0, 2), cell(1, 0), cell(1, 1), cell(1, 2), cell(2, 0), cell(2, 1), cell(2, 2)];
}
