import type { SeededRandom } from '../../core/seeded-random.js';
import type { Size } from '../../core/size.js';

/** Planes G, B, R of a picture that is being painted. */
export interface Canvas extends Size {
  readonly planes: Uint8Array;
}

export type Colour = readonly [red: number, green: number, blue: number];

export function newCanvas({ width, height }: Size): Canvas {
  return { width, height, planes: new Uint8Array(3 * width * height) };
}

/** @param hue 0 to 1 around the circle, `saturation` and `value` 0 to 1. @returns 0 to 255. */
export function hsvColour(hue: number, saturation: number, value: number): Colour {
  const channel = (offset: number): number => {
    const k = (offset + hue * 6) % 6;
    return 255 * value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}

export function randomColour(random: SeededRandom): Colour {
  return hsvColour(random.unit(), random.unit(), Math.sqrt(random.unit()));
}

/** A ramp between four corner colours. */
export function paintGradient({ width, height, planes }: Canvas, corners: readonly [Colour, Colour, Colour, Colour]): void {
  const plane = width * height;
  // Planes are G, B, R; colours red, green, blue.
  for (const [index, channel] of ([1, 2, 0] as const).entries()) {
    const [topLeft, topRight, bottomLeft, bottomRight] = corners.map((colour) => colour[channel]) as [number, number, number, number];
    for (let y = 0; y < height; y += 1) {
      const down = y / height;
      const from = topLeft + (bottomLeft - topLeft) * down;
      const step = (topRight + (bottomRight - topRight) * down - from) / width;
      const row = index * plane + y * width;
      for (let x = 0; x < width; x += 1) planes[row + x] = from + step * x;
    }
  }
}

/**
 * Gaussian blur with a window of `kernelPx` (odd, 1 leaves the picture as it is), standard deviation as OpenCV derives it from the
 * window. Edges repeat.
 */
export function blur({ width, height, planes }: Canvas, kernelPx: number): void {
  const radius = (kernelPx - 1) / 2;
  if (radius <= 0) return;
  const weights = gaussian(radius);
  const line = new Float32Array(Math.max(width, height) + 2 * radius);
  for (let plane = 0; plane < 3; plane += 1) {
    const start = plane * width * height;
    for (let y = 0; y < height; y += 1) blurLine(planes, start + y * width, 1, width, weights, line);
    for (let x = 0; x < width; x += 1) blurLine(planes, start + x, width, height, weights, line);
  }
}

function gaussian(radius: number): Float32Array {
  const sigma = 0.3 * (radius - 1) + 0.8;
  const weights = Float32Array.from({ length: radius + 1 }, (_, offset) => Math.exp(-(offset * offset) / (2 * sigma * sigma)));
  const sum = weights.reduce((total, weight, offset) => total + (offset === 0 ? weight : 2 * weight), 0);
  return weights.map((weight) => weight / sum);
}

/** Half of the window is enough: it is the same to both sides. */
function blurLine(pixels: Uint8Array, start: number, step: number, length: number, weights: Float32Array, line: Float32Array): void {
  const radius = weights.length - 1;
  for (let i = 0; i < length; i += 1) line[i + radius] = pixels[start + i * step]!;
  line.fill(line[radius]!, 0, radius);
  line.fill(line[radius + length - 1]!, radius + length, length + 2 * radius);
  for (let i = 0; i < length; i += 1) {
    const centre = i + radius;
    let sum = weights[0]! * line[centre]!;
    for (let offset = 1; offset <= radius; offset += 1) sum += weights[offset]! * (line[centre - offset]! + line[centre + offset]!);
    pixels[start + i * step] = sum + 0.5;
  }
}
