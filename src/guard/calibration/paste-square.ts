import type { SeededRandom } from '../../core/seeded-random.js';
import type { Size } from '../../core/size.js';
import type { InputRegion } from '../region.js';

/** Colours of a square that is pasted in: planes G, B, R of `side * side` bytes. */
export interface Texture {
  readonly isGrey: boolean;
  readonly side: number;
  readonly planes: Uint8Array;
}

const TEXTURE_SIDE = 48;
const MAX_ROTATION_RAD = (20 * Math.PI) / 180;

/**
 * Something that could be on a patch as far as its looks go: a piece of another picture, stripes, or blots; nearly half of them
 * without colour. Nothing in it is made to fool a detector: what a patch does is for the verification to find out.
 */
export function randomTexture(random: SeededRandom, picture: Uint8Array, size: Size): Texture {
  const kind = random.unit();
  const planes = new Uint8Array(3 * TEXTURE_SIDE * TEXTURE_SIDE);
  if (kind < 0.5) cutOut(planes, random, picture, size);
  else if (kind < 0.85) blots(planes, random, 3 + random.integer(14));
  else stripes(planes, random);
  const isGrey = random.chance(0.45);
  adjust(planes, random, isGrey);
  return { side: TEXTURE_SIDE, planes, isGrey };
}

/**
 * Draws a texture as a rotated, dimmed square into a picture, bilinear, in place.
 *
 * @returns the upright rectangle around what was drawn; undefined where it would not lie inside of the picture.
 */
export function pasteSquare(planes: Uint8Array, size: Size, texture: Texture, centre: { readonly x: number; readonly y: number }, sidePx: number, random: SeededRandom): InputRegion | undefined {
  const angle = random.chance(0.5) ? 0 : random.uniform(-MAX_ROTATION_RAD, MAX_ROTATION_RAD);
  const brightness = random.uniform(0.55, 1.1);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const reach = (sidePx / 2) * (Math.abs(cos) + Math.abs(sin));
  const region = { left: Math.round(centre.x - reach), top: Math.round(centre.y - reach), right: Math.round(centre.x + reach), bottom: Math.round(centre.y + reach) };
  if (region.left < 0 || region.top < 0 || region.right > size.width || region.bottom > size.height) return undefined;
  const plane = size.width * size.height;
  const scale = (texture.side - 1) / sidePx;
  for (let y = region.top; y < region.bottom; y += 1) {
    for (let x = region.left; x < region.right; x += 1) {
      const dx = x + 0.5 - centre.x;
      const dy = y + 0.5 - centre.y;
      const u = (dx * cos + dy * sin + sidePx / 2) * scale;
      const v = (dy * cos - dx * sin + sidePx / 2) * scale;
      if (u < 0 || v < 0 || u > texture.side - 1 || v > texture.side - 1) continue;
      for (let p = 0; p < 3; p += 1) planes[p * plane + y * size.width + x] = Math.min(255, brightness * sample(texture, p, u, v));
    }
  }
  return region;
}

function sample({ side, planes }: Texture, plane: number, u: number, v: number): number {
  const x = Math.min(side - 2, Math.floor(u));
  const y = Math.min(side - 2, Math.floor(v));
  const at = plane * side * side + y * side + x;
  const top = planes[at]! + (planes[at + 1]! - planes[at]!) * (u - x);
  const bottom = planes[at + side]! + (planes[at + side + 1]! - planes[at + side]!) * (u - x);
  return top + (bottom - top) * (v - y);
}

/** A square of a picture, shrunk to the texture. */
function cutOut(planes: Uint8Array, random: SeededRandom, picture: Uint8Array, { width, height }: Size): void {
  const side = Math.floor(random.uniform(0.15, 0.6) * Math.min(width, height));
  const left = random.integer(width - side);
  const top = random.integer(height - side);
  fillTexture(planes, (plane, x, y) => picture[plane * width * height + (top + Math.floor((y * side) / TEXTURE_SIDE)) * width + left + Math.floor((x * side) / TEXTURE_SIDE)]!);
}

/** Random colours on a coarse grid, smoothly joined. */
function blots(planes: Uint8Array, random: SeededRandom, grid: number): void {
  const colours = Array.from({ length: 3 * (grid + 1) * (grid + 1) }, () => 255 * random.unit());
  fillTexture(planes, (plane, x, y) => {
    const u = (x * grid) / TEXTURE_SIDE;
    const v = (y * grid) / TEXTURE_SIDE;
    const [i, j] = [Math.floor(u), Math.floor(v)];
    const at = (row: number, column: number): number => colours[(plane * (grid + 1) + row) * (grid + 1) + column]!;
    const top = at(j, i) + (at(j, i + 1) - at(j, i)) * (u - i);
    const bottom = at(j + 1, i) + (at(j + 1, i + 1) - at(j + 1, i)) * (u - i);
    return top + (bottom - top) * (v - j);
  });
}

function stripes(planes: Uint8Array, random: SeededRandom): void {
  const angle = random.uniform(0, Math.PI);
  const period = random.uniform(4, 20);
  const colours = Array.from({ length: 6 }, () => 255 * random.unit());
  fillTexture(planes, (plane, x, y) => {
    const phase = ((x * Math.cos(angle) + y * Math.sin(angle)) / period) % 1;
    return colours[plane + (phase < 0 ? phase + 1 : phase) * 2 < plane + 1 ? plane : plane + 3]!;
  });
}

function fillTexture(planes: Uint8Array, colourOf: (plane: number, x: number, y: number) => number): void {
  for (let plane = 0, at = 0; plane < 3; plane += 1) {
    for (let y = 0; y < TEXTURE_SIDE; y += 1) for (let x = 0; x < TEXTURE_SIDE; x += 1, at += 1) planes[at] = colourOf(plane, x, y);
  }
}

/** Contrast, and grey if wanted. */
function adjust(planes: Uint8Array, random: SeededRandom, isGrey: boolean): void {
  const contrast = random.uniform(0.5, 1.2);
  const pixels = TEXTURE_SIDE * TEXTURE_SIDE;
  for (let i = 0; i < pixels; i += 1) {
    const grey = (planes[i]! + planes[i + pixels]! + planes[i + 2 * pixels]!) / 3;
    for (let p = 0; p < 3; p += 1) {
      const value = isGrey ? grey : planes[i + p * pixels]!;
      planes[i + p * pixels] = Math.max(0, Math.min(255, 128 + contrast * (value - 128)));
    }
  }
}
