import type { FrameFormat } from '../../core/frame.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';
import type { Size } from '../../core/size.js';
import { blur, hsvColour, newCanvas, paintGradient, randomColour, type Canvas, type Colour } from './canvas.js';
import { extentOf, findCategory, randomVariant, walk, type IteratedFunctionSystem } from './iterated-function-system.js';
import { SeededRandom } from './random.js';

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
const EXTENT_POINTS = 4_000;
const LARGEST_TILT = Math.PI / 6;
/** Odd windows from 1 (none) to 15 pixels. */
const BLUR_WINDOWS = 8;
const PALETTE_COLOURS = 256;
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
  const placement = randomPlacement(canvas, system, random);
  const palette = randomPalette(random);
  const patch = Array.from({ length: PATCH_PX * PATCH_PX }, () => random.chance(0.5));
  const offsets = patch.flatMap((isSet, place) => (isSet ? [Math.floor(place / PATCH_PX) * canvas.width + (place % PATCH_PX)] : []));
  if (offsets.length === 0) offsets.push(0);
  drawPoints(canvas, system, points, placement, palette, Int32Array.from(offsets));
}

/** Turned, mirrored, at half to full size of the canvas, anywhere that keeps its middle inside. */
function randomPlacement({ width, height }: Size, system: IteratedFunctionSystem, random: SeededRandom): Placement {
  const extent = extentOf(system, EXTENT_POINTS) ?? { left: -1, top: -1, width: 2, height: 2 };
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
  return Array.from({ length: PALETTE_COLOURS }, (_, i) => {
    const at = (i / (PALETTE_COLOURS - 1)) * (stops.length - 1);
    const from = Math.min(stops.length - 2, Math.floor(at));
    return stops[from]!.map((value, channel) => value + (stops[from + 1]![channel]! - value) * (at - from)) as unknown as Colour;
  });
}

/** A point's colour comes from the maps that led to it, the last one most: parts of the fractal that are alike look alike. */
function drawPoints({ width, height, planes }: Canvas, system: IteratedFunctionSystem, points: number, { xx, xy, yx, yy, x0, y0 }: Placement, palette: readonly Colour[], offsets: Int32Array): void {
  const plane = width * height;
  const greens = Uint8Array.from(palette, ([, green]) => green);
  const blues = Uint8Array.from(palette, ([, , blue]) => blue);
  const reds = Uint8Array.from(palette, ([red]) => red);
  const mapStep = (PALETTE_COLOURS - 1) / Math.max(1, system.cumulative.length - 1);
  let tint = 0;
  walk(system, points, (x, y, map) => {
    tint = 0.5 * (tint + map * mapStep);
    const column = Math.round(xx * x + xy * y + x0) - 1;
    const row = Math.round(yx * x + yy * y + y0) - 1;
    if (column < 0 || row < 0 || column + PATCH_PX > width || row + PATCH_PX > height) return;
    const first = row * width + column;
    const colour = tint | 0;
    for (const offset of offsets) {
      const pixel = first + offset;
      planes[pixel] = greens[colour]!;
      planes[plane + pixel] = blues[colour]!;
      planes[2 * plane + pixel] = reds[colour]!;
    }
  });
}
