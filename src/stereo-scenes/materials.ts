import { hash, layeredNoise } from './noise.js';
import type { Material } from './scene.js';

/** Width of mortar, frames and gaps, as a share of the pattern's repeat. */
const LINE = 0.08;

/**
 * Colour of a point of a surface.
 *
 * @param x, y, z in the thing's own frame, metres. @param u, v along the surface, metres. @param footprintM size of a pixel there.
 * @param out three numbers.
 */
export function colourAt({ pattern, colour, second, scaleM, grain, seed }: Material, x: number, y: number, z: number, u: number, v: number, footprintM: number, out: Float64Array): void {
  const footprint = footprintM / scaleM;
  // Patterns finer than pixels are their mean.
  const seen = Math.max(0, Math.min(1, 2 - 4 * footprint));
  const share = pattern === 'plain' ? 0 : 0.5 + seen * (shareOf(pattern, u / scaleM, v / scaleM, seed) - 0.5);
  const noise = pattern === 'noise' || pattern === 'leaves' || grain > 0 ? layeredNoise(x / scaleM, y / scaleM, z / scaleM, footprint, seed) : 0;
  const mixed = pattern === 'noise' || pattern === 'leaves' ? Math.max(0, Math.min(1, 0.5 + 0.8 * noise)) : share;
  const light = 1 + grain * noise;
  for (let c = 0; c < 3; c += 1) out[c] = Math.max(0, (colour[c]! + (second[c]! - colour[c]!) * mixed) * light);
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
    default:
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

function fraction(value: number): number {
  return value - Math.floor(value);
}
