import { fraction, hash, layeredNoise, speckAt, valueNoise } from './noise.js';
import type { Material } from './scene.js';

/** Width of mortar, frames and gaps, as a share of the pattern's repeat. */
const LINE = 0.08;
/** Specks and stains against the pattern's repeat. */
const SPECK_SIZE = 0.11;
const STAIN_SIZE = 3.7;

/**
 * Colour of a point of a surface.
 *
 * @param x, y, z in the thing's own frame, metres. @param u, v along the surface, metres. @param footprintM size of a pixel there.
 * @param out three numbers.
 */
export function colourAt(material: Material, x: number, y: number, z: number, u: number, v: number, footprintM: number, out: Float64Array): void {
  const { pattern, colour, second, scaleM, grain, roughness, seed } = material;
  const footprint = footprintM / scaleM;
  const isNoise = pattern === 'noise' || pattern === 'leaves';
  const noise = isNoise || grain > 0 ? layeredNoise(x / scaleM, y / scaleM, z / scaleM, footprint, roughness, seed) : 0;
  // Patterns finer than pixels are their mean.
  const seen = Math.max(0, Math.min(1, 2 - 4 * footprint));
  const share = isNoise ? bias(Math.max(0, Math.min(1, 0.5 + 0.7 * noise)), material.bias) : pattern === 'plain' ? 0 : 0.5 + seen * (shareOf(pattern, u / scaleM, v / scaleM, seed) - 0.5);
  const light = Math.max(0, (1 + grain * noise) * wearAt(material, x / scaleM, y / scaleM, z / scaleM, footprint, noise));
  out[0] = (colour[0] + (second[0] - colour[0]) * share) * light;
  out[1] = (colour[1] + (second[1] - colour[1]) * share) * light;
  out[2] = (colour[2] + (second[2] - colour[2]) * share) * light;
}

/** Moves the middle of 0 to 1 to `middle` and keeps the ends: a power's curve for the price of a division (Schlick 1994). */
function bias(value: number, middle: number): number {
  return value / ((1 / middle - 2) * (1 - value) + 1);
}

/** What specks and stains leave of the light. */
function wearAt({ speckle, dirt, seed }: Material, x: number, y: number, z: number, footprint: number, noise: number): number {
  let left = 1;
  if (speckle > 0) {
    const seen = Math.min(1, 1.5 - (2 * footprint) / SPECK_SIZE);
    if (seen > 0) left += 0.45 * seen * speckAt(x / SPECK_SIZE, y / SPECK_SIZE, z / SPECK_SIZE, speckle, seed + 31);
  }
  if (dirt > 0) left *= 1 - dirt * Math.max(0, Math.min(1, 4 * (valueNoise(x / STAIN_SIZE, y / STAIN_SIZE, z / STAIN_SIZE, seed + 47) + 0.2 * noise - 0.55)));
  return left;
}

/** How much of the second colour there is, 0 to 1. */
function shareOf(pattern: Material['pattern'], u: number, v: number, seed: number): number {
  switch (pattern) {
    case 'stripes':
      return fraction(u) < 0.5 ? 0 : 1;
    case 'checks':
      return (Math.floor(u) + Math.floor(v)) & 1;
    case 'planks':
      return fraction(u) < LINE ? 1 : 0.3 * hash(Math.floor(u), 0, 0, seed);
    case 'bricks':
      return bricks(u, v, seed);
    case 'windows':
      return windows(u, v, seed);
    case 'road':
      return road(u, v);
    case 'plain':
    case 'noise':
    case 'leaves':
      return 0;
  }
}

function bricks(u: number, v: number, seed: number): number {
  const row = Math.floor(v * 3);
  const along = u + (row & 1) * 0.5;
  if (fraction(v * 3) < 2 * LINE || fraction(along) < LINE) return 1;
  return 0.35 * hash(Math.floor(along), row, 0, seed);
}

/** Panes in a wall, some with light or a blind behind them. */
function windows(u: number, v: number, seed: number): number {
  const inU = fraction(u);
  const inV = fraction(v);
  if (inU < 0.25 || inU > 0.75 || inV < 0.2 || inV > 0.8) return 0;
  if (Math.abs(inU - 0.5) < LINE / 3) return 0.1;
  return 0.6 + 0.4 * hash(Math.floor(u), Math.floor(v), 1, seed);
}

/** A broken line in the middle and a full one at each side; u across, v along, in widths of a lane. */
function road(u: number, v: number): number {
  if (Math.abs(Math.abs(u) - 1) < 0.03) return 1;
  return Math.abs(u) < 0.025 && fraction(v / 1.5) < 0.5 ? 1 : 0;
}
