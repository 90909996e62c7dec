import type { FrameFormat } from '../../core/frame.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';
import type { Size } from '../../core/size.js';
import { blur, hsvColour, newCanvas, paintGradient, randomColour, type Canvas, type Colour } from './canvas.js';
import { extentOf, findCategory, randomVariant, walk, type Extent, type IteratedFunctionSystem, type Walk } from './iterated-function-system.js';
import { SeededRandom } from '../../core/seeded-random.js';

export interface GeneratedOptions {
  /** Pictures, default 300. */
  readonly count?: number;
  /** Default 1: the same seed gives the same bytes. */
  readonly seed?: number;
}

const DEFAULT_COUNT = 300;
/** Points of a picture: 200,000 for the 320 x 320 pixels of a small detector, more for larger ones, shared by its fractals. */
const POINTS_PER_PIXEL = 200_000 / (320 * 320);
const MOST_FRACTALS = 3;
/** Categories of one seed: each costs a search, a picture only draws variants of them. */
const CATEGORIES = 48;
const LARGEST_TILT = Math.PI / 6;
/** Odd windows from 1 (none) to 15 pixels. */
const BLUR_WINDOWS = 8;
const TINTS = 255;
const PATCH_PX = 3;

/**
 * Pictures that nobody took, as calibration data where there are none: fractals of random iterated function systems in random colours
 * before a gradient, tilted, mirrored and blurred. They have edges, textures and structure of all sizes, as photographs have.
 */
export function fractalPictures({ count = DEFAULT_COUNT, seed = 1 }: GeneratedOptions = {}): PictureSet {
  const categories = lazyCategories(seed);
  return generatedPictures(`${count} fractals, seed ${seed}`, count, (size, index) => paintFractals(size, categories, new SeededRandom(seed, index)));
}

/** Each found when it is first asked for, by a stream of its own: the order doesn't matter. */
function lazyCategories(seed: number): (category: number) => IteratedFunctionSystem {
  const found = new Map<number, IteratedFunctionSystem>();
  return (category) => {
    const known = found.get(category) ?? findCategory(new SeededRandom(seed, -1 - category));
    found.set(category, known);
    return known;
  };
}

/** Planes G, B, R of one picture. */
function paintFractals(size: Size, categoryOf: (category: number) => IteratedFunctionSystem, random: SeededRandom): Uint8Array {
  const canvas = newCanvas(size);
  paintGradient(canvas, [randomColour(random), randomColour(random), randomColour(random), randomColour(random)]);
  const fractals = 1 + random.integer(MOST_FRACTALS);
  const points = Math.round((POINTS_PER_PIXEL * size.width * size.height) / fractals);
  for (let i = 0; i < fractals; i += 1) paintFractal(canvas, randomVariant(categoryOf(random.integer(CATEGORIES)), random), points, random);
  blur(canvas, 1 + 2 * random.integer(BLUR_WINDOWS));
  return canvas.planes;
}

/** A set whose pictures are made in the size that is asked for. @param paint by size and place in the set */
export function generatedPictures(description: string, count: number, paint: (size: Size, index: number) => Uint8Array): PictureSet {
  return {
    description,
    count,
    read: ({ size }: FrameFormat) => paintAll(size, count, paint),
  };
}

async function* paintAll(size: Size, count: number, paint: (size: Size, index: number) => Uint8Array): AsyncIterable<FittedPicture> {
  for (let index = 0; index < count; index += 1) {
    yield { imageId: index, pixels: paint(size, index), fit: { scaleX: 1, scaleY: 1, padX: 0, padY: 0 }, sourceSize: size };
    // Whoever else shares this thread gets a turn.
    await new Promise((resume) => setImmediate(resume));
  }
}

/** The walk in pixels of the canvas: a point (x, y) of the plane goes to (xx x + xy y + x0, yx x + yy y + y0). */
interface Placement {
  readonly xx: number;
  readonly xy: number;
  readonly yx: number;
  readonly yy: number;
  readonly x0: number;
  readonly y0: number;
}

function paintFractal(canvas: Canvas, system: IteratedFunctionSystem, points: number, random: SeededRandom): void {
  const walked = walk(system, points);
  const extent = extentOf(walked);
  const placement = randomPlacement(canvas, extent ?? { left: -1, top: -1, width: 2, height: 2 }, random);
  const palette = randomPalette(random);
  const patch = randomPatch(canvas.width, random);
  // A variant was looked at with fewer points: one in a great many still runs away here.
  if (walked) colour(canvas, stamp(canvas, walked, tintsOf(walked, system), placement, patch), palette);
}

/** Which of the three by three pixels around a point are drawn, as offsets in a row-major picture; one at least. */
function randomPatch(width: number, random: SeededRandom): Int32Array {
  const isSet = Array.from({ length: PATCH_PX * PATCH_PX }, () => random.chance(0.5));
  const offsets = isSet.flatMap((set, place) => (set ? [Math.floor(place / PATCH_PX) * width + (place % PATCH_PX)] : []));
  return Int32Array.from(offsets.length > 0 ? offsets : [0]);
}

/** Turned, mirrored, at half to full size of the canvas, anywhere that keeps its middle inside. */
function randomPlacement({ width, height }: Size, extent: Extent, random: SeededRandom): Placement {
  const share = random.uniform(0.5, 1);
  const scaleX = ((random.chance(0.5) ? -1 : 1) * share * width) / extent.width;
  const scaleY = ((random.chance(0.5) ? -1 : 1) * share * height) / extent.height;
  const tilt = random.uniform(-LARGEST_TILT, LARGEST_TILT);
  const [cos, sin] = [Math.cos(tilt), Math.sin(tilt)];
  const middleX = width * (0.5 + (1 - share) * random.uniform(-0.5, 0.5));
  const middleY = height * (0.5 + (1 - share) * random.uniform(-0.5, 0.5));
  const centreX = (extent.left + extent.width / 2) * scaleX;
  const centreY = (extent.top + extent.height / 2) * scaleY;
  return {
    xx: cos * scaleX,
    xy: -sin * scaleY,
    yx: sin * scaleX,
    yy: cos * scaleY,
    x0: middleX - cos * centreX + sin * centreY,
    y0: middleY - sin * centreX - cos * centreY,
  };
}

/** A ramp through three colours of alike hue, or of none. */
function randomPalette(random: SeededRandom): readonly Colour[] {
  const hue = random.unit();
  const spread = random.uniform(0.05, 0.5);
  const stops = Array.from({ length: 3 }, (_, stop) => hsvColour((hue + spread * (stop - 1) + 1) % 1, random.unit(), random.uniform(0.1, 1)));
  return Array.from({ length: TINTS }, (_, i) => {
    const at = (i / (TINTS - 1)) * (stops.length - 1);
    const from = Math.min(stops.length - 2, Math.floor(at));
    return stops[from]!.map((value, channel) => value + (stops[from + 1]![channel]! - value) * (at - from)) as unknown as Colour;
  });
}

/** A point's tint, 1 to 255, comes from the maps that led to it, the last one most: parts of the fractal that are alike look alike. */
function tintsOf({ maps }: Walk, system: IteratedFunctionSystem): Uint8Array {
  const step = (TINTS - 1) / Math.max(1, system.cumulative.length - 1);
  const tints = new Uint8Array(maps.length);
  let tint = 0;
  for (let i = 0; i < maps.length; i += 1) {
    tint = 0.5 * (tint + maps[i]! * step);
    tints[i] = 1 + tint;
  }
  return tints;
}

/** Tints by pixel, 0 where nothing was drawn: one plane to write at random places instead of three. */
function stamp({ width, height }: Size, { xs, ys }: Walk, tints: Uint8Array, { xx, xy, yx, yy, x0, y0 }: Placement, offsets: Int32Array): Uint8Array {
  const stamped = new Uint8Array(width * height);
  for (let i = 0; i < tints.length; i += 1) {
    const column = Math.round(xx * xs[i]! + xy * ys[i]! + x0) - 1;
    const row = Math.round(yx * xs[i]! + yy * ys[i]! + y0) - 1;
    if (column < 0 || row < 0 || column + PATCH_PX > width || row + PATCH_PX > height) continue;
    const first = row * width + column;
    for (let k = 0; k < offsets.length; k += 1) stamped[first + offsets[k]!] = tints[i]!;
  }
  return stamped;
}

function colour({ planes }: Canvas, stamped: Uint8Array, palette: readonly Colour[]): void {
  // Planes are G, B, R; colours red, green, blue.
  for (const [index, channel] of ([1, 2, 0] as const).entries()) {
    const levels = Uint8Array.from(palette, (entry) => entry[channel]);
    const start = index * stamped.length;
    for (let i = 0; i < stamped.length; i += 1) if (stamped[i]! > 0) planes[start + i] = levels[stamped[i]! - 1]!;
  }
}
