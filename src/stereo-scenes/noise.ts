/** A whole number's worth of chance, the same for the same three numbers (multiply, shift and add by turns). From 0 to 1, 1 excluded. */
export function hash(x: number, y: number, z: number, seed: number): number {
  let h = Math.imul(x, 374761393) ^ Math.imul(y, 668265263) ^ Math.imul(z, 2147483647) ^ Math.imul(seed, 1274126177);
  h = Math.imul(h ^ (h >>> 15), 2246822519);
  h = Math.imul(h ^ (h >>> 13), 3266489917);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

/** Chance at whole places, of 255, repeated every 64: looked up, because hashing took a third of a picture's time. */
const SIDE = 64;
const LAST = SIDE - 1;
const LATTICE = Uint8Array.from({ length: SIDE ** 3 }, (_, i) => 256 * hash(i & LAST, (i >> 6) & LAST, i >> 12, 1));

/** Where in the lattice the noise of a seed begins: three numbers of six bits in one. */
function beginOf(seed: number): number {
  return Math.imul(seed + 1, 0x9e3779b1) >>> 12;
}

/** Value noise: chance at whole places, smooth between them. 0 to 1. */
export function valueNoise(x: number, y: number, z: number, seed: number): number {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const z0 = Math.floor(z);
  const begin = beginOf(seed);
  const left = (x0 + begin) & LAST;
  const right = (left + 1) & LAST;
  const row = (y0 + (begin >> 6)) & LAST;
  const layer = (z0 + (begin >> 12)) & LAST;
  const top = row << 6;
  const bottom = ((row + 1) & LAST) << 6;
  const near = layer << 12;
  const far = ((layer + 1) & LAST) << 12;
  const u = smooth(x - x0);
  const v = smooth(y - y0);
  const nearTop = lerp(LATTICE[near | top | left]!, LATTICE[near | top | right]!, u);
  const nearBottom = lerp(LATTICE[near | bottom | left]!, LATTICE[near | bottom | right]!, u);
  const farTop = lerp(LATTICE[far | top | left]!, LATTICE[far | top | right]!, u);
  const farBottom = lerp(LATTICE[far | bottom | left]!, LATTICE[far | bottom | right]!, u);
  return lerp(lerp(nearTop, nearBottom, v), lerp(farTop, farBottom, v), smooth(z - z0)) / 255;
}

const MOST_OCTAVES = 9;
/** Of the coarsest octave: what is weaker isn't worth its time. */
const LEAST_STRENGTH = 0.04;
/** Of one octave to the one before. Not a half: then their lattices would meet again and again. */
const FINER = 0.47;

/**
 * Noise of several sizes, each about half as large as the one before. Those that are smaller than a pixel are left out, as a lens would:
 * they would be other noise for each eye.
 *
 * @param footprint size of a pixel in units of the coarsest noise.
 * @param roughness strength of an octave to the one before, 0 to 1, 1 excluded.
 * @returns about -1 to 1.
 */
export function layeredNoise(x: number, y: number, z: number, footprint: number, roughness: number, seed: number): number {
  let sum = 0;
  let strength = 1;
  let size = 1;
  for (let octave = 0; octave < MOST_OCTAVES && strength > LEAST_STRENGTH; octave += 1) {
    const seen = 1.5 - (2 * footprint) / size;
    if (seen <= 0) break;
    sum += strength * Math.min(1, seen) * (2 * valueNoise(x / size, y / size, z / size, seed + octave) - 1);
    strength *= roughness;
    size *= FINER;
  }
  // The octaves' strengths add up as squares, so that rough noise isn't stronger than smooth noise.
  return 1.2 * sum * Math.sqrt(1 - roughness * roughness);
}

/**
 * Round specks, one a cell of size 1 at most.
 *
 * @param share of the cells that have one, 0 to 1.
 * @returns -1 in a dark speck, 1 in a light one, 0 between them.
 */
export function speckAt(x: number, y: number, z: number, share: number, seed: number): number {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const z0 = Math.floor(z);
  const chance = hash(x0, y0, z0, seed);
  if (chance >= share) return 0;
  const part = (1024 * chance) / share;
  const radius = 0.2 + 0.25 * fraction(part);
  const off = (fraction(8 * part) - 0.5) * (1 - 2 * radius);
  const far = (x - x0 - 0.5 - off) ** 2 + (y - y0 - 0.5 + off) ** 2 + (z - z0 - 0.5) ** 2;
  if (far > radius * radius) return 0;
  return part & 1 ? 1 : -1;
}

export function fraction(value: number): number {
  return value - Math.floor(value);
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t);
}

function lerp(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}
