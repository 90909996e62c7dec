/** A whole number's worth of chance, the same for the same three numbers (after Jenkins' one-at-a-time mixing). From 0 to 1, 1 excluded. */
export function hash(x: number, y: number, z: number, seed: number): number {
  let h = Math.imul(x, 374761393) ^ Math.imul(y, 668265263) ^ Math.imul(z, 2147483647) ^ Math.imul(seed, 1274126177);
  h = Math.imul(h ^ (h >>> 15), 2246822519);
  h = Math.imul(h ^ (h >>> 13), 3266489917);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

/** Value noise: chance at whole places, smooth between them. 0 to 1. */
export function valueNoise(x: number, y: number, z: number, seed: number): number {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const z0 = Math.floor(z);
  const u = smooth(x - x0);
  const v = smooth(y - y0);
  const w = smooth(z - z0);
  const near = lerp(lerp(hash(x0, y0, z0, seed), hash(x0 + 1, y0, z0, seed), u), lerp(hash(x0, y0 + 1, z0, seed), hash(x0 + 1, y0 + 1, z0, seed), u), v);
  const far = lerp(lerp(hash(x0, y0, z0 + 1, seed), hash(x0 + 1, y0, z0 + 1, seed), u), lerp(hash(x0, y0 + 1, z0 + 1, seed), hash(x0 + 1, y0 + 1, z0 + 1, seed), u), v);
  return lerp(near, far, w);
}

const OCTAVES = 5;

/**
 * Noise of several sizes, each half as large and half as strong as the one before. Those that are smaller than a pixel are left out, as a
 * lens would: they would be other noise for each eye.
 *
 * @param footprint size of a pixel in units of the coarsest noise. @returns about -1 to 1.
 */
export function layeredNoise(x: number, y: number, z: number, footprint: number, seed: number): number {
  let sum = 0;
  let strength = 1;
  let size = 1;
  for (let octave = 0; octave < OCTAVES; octave += 1) {
    const seen = Math.min(1, 1.5 - (2 * footprint) / size);
    if (seen <= 0) break;
    sum += strength * seen * (2 * valueNoise(x / size, y / size, z / size, seed + octave) - 1);
    strength *= 0.6;
    size *= 0.47;
  }
  return sum / 1.6;
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t);
}

function lerp(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}
