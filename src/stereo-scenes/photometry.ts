import type { SeededRandom } from '../core/seeded-random.js';
import type { Size } from '../core/size.js';

/** How hard a camera's picture makes it: published, so that a comparison can say what it was made on (docs/occupancy.md). */
export const RECIPES = ['clean', 'mild', 'harsh'] as const;
export type Recipe = (typeof RECIPES)[number];

/** Each camera of a pair draws its own from these; two numbers are the ends of a uniform distribution. */
export interface RecipeBounds {
  /** Of the exposure of both together against one that fits, stops, and of each against that. */
  readonly exposureStops: number;
  readonly exposureDifferenceStops: number;
  /** Of the black level, of 255. */
  readonly blackLevel: number;
  /** Exponent of the tone curve, against 1 / 2.2. */
  readonly gamma: number;
  /** Of each colour channel. */
  readonly whiteBalance: number;
  /** Standard deviation of what is read from a dark pixel, of 255; light adds its own. */
  readonly noise: readonly [number, number];
  /** Standard deviation of the lens's blur, pixels. */
  readonly blurPx: readonly [number, number];
  /** Light lost in the corners. */
  readonly vignetting: number;
  /** What rectification has left: rows that don't meet, pixels, and turned, pixels at the edge. */
  readonly rowErrorPx: number;
  readonly turnErrorPx: number;
}

export const RECIPE_BOUNDS: Readonly<Record<Recipe, RecipeBounds>> = {
  clean: { exposureStops: 0.3, exposureDifferenceStops: 0, blackLevel: 0, gamma: 0, whiteBalance: 0, noise: [0.3, 0.5], blurPx: [0.35, 0.35], vignetting: 0, rowErrorPx: 0, turnErrorPx: 0 },
  mild: { exposureStops: 0.7, exposureDifferenceStops: 0.1, blackLevel: 2, gamma: 0.03, whiteBalance: 0.03, noise: [0.5, 2], blurPx: [0.35, 0.6], vignetting: 0.1, rowErrorPx: 0.15, turnErrorPx: 0.1 },
  harsh: { exposureStops: 1.4, exposureDifferenceStops: 0.35, blackLevel: 10, gamma: 0.12, whiteBalance: 0.1, noise: [1, 7], blurPx: [0.4, 1.2], vignetting: 0.3, rowErrorPx: 0.5, turnErrorPx: 0.4 },
};

/** What one camera does to the light that it gets. */
export interface CameraDraw {
  readonly gain: readonly [r: number, g: number, b: number];
  readonly blackLevel: number;
  readonly gamma: number;
  readonly noise: number;
  readonly blurPx: number;
  readonly vignetting: number;
  readonly rowErrorPx: number;
  readonly turnErrorPx: number;
}

/** The left camera and the right one. The left one's rows are what rectification is measured by. */
export function drawCameras(recipe: Recipe, random: SeededRandom): [left: CameraDraw, right: CameraDraw] {
  const bounds = RECIPE_BOUNDS[recipe];
  const around = (reach: number) => random.uniform(-reach, reach);
  const stops = around(bounds.exposureStops);
  const camera = (isRight: boolean): CameraDraw => {
    const exposure = 2 ** (stops + around(bounds.exposureDifferenceStops));
    const channel = () => exposure * (1 + around(bounds.whiteBalance));
    return {
      gain: [channel(), channel(), channel()],
      blackLevel: around(bounds.blackLevel),
      gamma: (1 / 2.2) * (1 + around(bounds.gamma)),
      noise: random.uniform(...bounds.noise),
      blurPx: random.uniform(...bounds.blurPx),
      vignetting: random.uniform(0, bounds.vignetting),
      rowErrorPx: isRight ? around(bounds.rowErrorPx) : 0,
      turnErrorPx: isRight ? around(bounds.turnErrorPx) : 0,
    };
  };
  return [camera(false), camera(true)];
}

/** What an exposure that fits makes of the mean light: a middle grey. */
const MIDDLE_GREY = 0.2;

/** Factor that brings a picture's light to a middle grey on average. */
export function exposureOf(light: Float32Array): number {
  let sum = 0;
  for (const value of light) sum += Math.min(1, value);
  return MIDDLE_GREY / Math.max(1e-3, sum / light.length);
}

/**
 * Blurs light, makes it a picture and adds noise.
 *
 * @param light red, green, blue by pixel, linear; changed. @param exposure factor to it, of both cameras.
 * @returns red, green, blue by pixel, 8 bits each.
 */
export function develop(light: Float32Array, size: Size, exposure: number, camera: CameraDraw, random: SeededRandom): Uint8Array {
  const { width, height } = size;
  blur(light, size, camera.blurPx);
  const { gain, blackLevel, noise, vignetting } = camera;
  const tone = toneCurve(camera);
  const out = new Uint8ClampedArray(light.length);
  const falloff = (4 * vignetting) / (width * width + height * height);
  const draws = normals(random);
  for (let y = 0, at = 0; y < height; y += 1) {
    const rowLit = exposure * (1 - falloff * (y - height / 2) ** 2);
    for (let x = 0; x < width; x += 1) {
      const lit = rowLit - exposure * falloff * (x - width / 2) ** 2;
      for (let c = 0; c < 3; c += 1, at += 1) {
        const root = Math.sqrt(Math.min(1, light[at]! * gain[c]! * lit));
        // Photons come by chance too: the noise of light grows with its root, the tone curve evens it out.
        out[at] = tone[(root * TONES + 0.5) | 0]! + blackLevel + noise * (0.7 + 0.3 * root) * draws[(at * 7 + (at >> 11)) & NORMALS_MASK]!;
      }
    }
  }
  return new Uint8Array(out.buffer);
}

const TONES = 4096;

/** Of 255, by the root of light: by that the curve is nearly straight, and a table does for a power. */
function toneCurve({ gamma }: CameraDraw): Float32Array {
  return Float32Array.from({ length: TONES + 1 }, (_, root) => 255 * (root / TONES) ** (2 * gamma));
}

const NORMALS_MASK = (1 << 16) - 1;

/** Enough of them to be read all over a picture without a pattern that could be matched. */
function normals(random: SeededRandom): Float32Array {
  return Float32Array.from({ length: NORMALS_MASK + 1 }, () => random.normal());
}

/** Gaussian, in place: along rows into a second picture, and back along columns. */
function blur(light: Float32Array, { width, height }: Size, sigmaPx: number): void {
  const kernel = gaussian(sigmaPx);
  const row = 3 * width;
  const rows = new Float32Array(light.length);
  for (let start = 0; start < light.length; start += row) blurRow(light, start, row, kernel, rows);
  light.fill(0);
  const radius = (kernel.length - 1) / 2;
  for (let y = 0; y < height; y += 1) {
    for (let k = 0; k < kernel.length; k += 1) addRow(rows, row * Math.max(0, Math.min(height - 1, y + k - radius)), kernel[k]!, light, row * y, row);
  }
}

/** Weights of a sum of 1, from one end to the other. */
function gaussian(sigmaPx: number): Float64Array {
  const radius = Math.ceil(2.5 * sigmaPx);
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigmaPx ** 2)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function blurRow(from: Float32Array, start: number, length: number, kernel: Float64Array, to: Float32Array): void {
  const reach = 3 * ((kernel.length - 1) / 2);
  for (let i = 0; i < length; i += 1) {
    let sum = 0;
    const isInside = i >= reach && i < length - reach;
    for (let k = 0, at = i - reach; k < kernel.length; k += 1, at += 3) {
      sum += kernel[k]! * from[start + (isInside ? at : at < 0 ? i % 3 : at < length ? at : length - 3 + (i % 3))]!;
    }
    to[start + i] = sum;
  }
}

function addRow(from: Float32Array, fromStart: number, weight: number, to: Float32Array, toStart: number, length: number): void {
  for (let i = 0; i < length; i += 1) to[toStart + i]! += weight * from[fromStart + i]!;
}
