import { SeededRandom } from '../core/seeded-random.js';
import type { Size } from '../core/size.js';

/** How hard a camera's picture makes it: published, so that a comparison can say what it was made on (docs/occupancy.md). */
export const RECIPES = ['clean', 'mild', 'harsh'] as const;
export type Recipe = (typeof RECIPES)[number];

/** Each camera of a pair draws its own from these; two numbers are the ends of a uniform distribution. */
export interface RecipeBounds {
  /** Of the exposure of both together, stops, and of each against that. */
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
  clean: { exposureStops: 0.2, exposureDifferenceStops: 0, blackLevel: 0, gamma: 0, whiteBalance: 0, noise: [0.3, 0.5], blurPx: [0.35, 0.35], vignetting: 0, rowErrorPx: 0, turnErrorPx: 0 },
  mild: { exposureStops: 0.4, exposureDifferenceStops: 0.1, blackLevel: 2, gamma: 0.03, whiteBalance: 0.03, noise: [0.5, 2], blurPx: [0.35, 0.6], vignetting: 0.1, rowErrorPx: 0.15, turnErrorPx: 0.1 },
  harsh: { exposureStops: 0.8, exposureDifferenceStops: 0.35, blackLevel: 10, gamma: 0.12, whiteBalance: 0.1, noise: [1, 7], blurPx: [0.4, 1.2], vignetting: 0.3, rowErrorPx: 0.5, turnErrorPx: 0.4 },
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

/** Blurs light, makes it a picture and adds noise. @param light changed. @returns red, green, blue by pixel, 8 bits each. */
export function develop(light: Float32Array, size: Size, camera: CameraDraw, random: SeededRandom): Uint8Array {
  const { width, height } = size;
  blur(light, size, camera.blurPx);
  const { gain, blackLevel, gamma, noise, vignetting } = camera;
  const out = new Uint8Array(light.length);
  const corner = (width * width + height * height) / 4;
  const draws = normals(random);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const dark = 1 - (vignetting * ((x - width / 2) ** 2 + (y - height / 2) ** 2)) / corner;
      for (let c = 0; c < 3; c += 1, at += 1) {
        const lit = Math.min(1, light[at]! * gain[c]! * dark);
        // Photons come by chance too: the noise of light grows with its root, the tone curve evens it out.
        const value = 255 * lit ** gamma + blackLevel + noise * (0.7 + 0.3 * Math.sqrt(lit)) * draws[(at * 7 + (at >> 11)) & NORMALS_MASK]!;
        out[at] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
  }
  return out;
}

const NORMALS_MASK = (1 << 16) - 1;

/** Enough of them to be read all over a picture without a pattern that could be matched. */
function normals(random: SeededRandom): Float32Array {
  return Float32Array.from({ length: NORMALS_MASK + 1 }, () => random.normal());
}

/** Gaussian, in place, by rows and by columns. */
function blur(light: Float32Array, { width, height }: Size, sigmaPx: number): void {
  const radius = Math.ceil(2.5 * sigmaPx);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigmaPx ** 2)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const kernel = weights.map((weight) => weight / sum);
  const line = new Float32Array(3 * Math.max(width, height));
  for (let y = 0; y < height; y += 1) blurLine(light, 3 * y * width, 3, width, kernel, radius, line);
  for (let x = 0; x < width; x += 1) blurLine(light, 3 * x, 3 * width, height, kernel, radius, line);
}

function blurLine(light: Float32Array, start: number, step: number, count: number, kernel: readonly number[], radius: number, line: Float32Array): void {
  for (let i = 0; i < count; i += 1) {
    let [r, g, b] = [0, 0, 0];
    for (let k = -radius; k <= radius; k += 1) {
      const at = start + step * Math.max(0, Math.min(count - 1, i + k));
      const weight = kernel[k + radius]!;
      r += weight * light[at]!;
      g += weight * light[at + 1]!;
      b += weight * light[at + 2]!;
    }
    line[3 * i] = r;
    line[3 * i + 1] = g;
    line[3 * i + 2] = b;
  }
  for (let i = 0; i < count; i += 1) for (let c = 0; c < 3; c += 1) light[start + step * i + c] = line[3 * i + c]!;
}
