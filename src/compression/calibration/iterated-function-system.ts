import type { SeededRandom } from '../../core/seeded-random.js';

/**
 * An iterated function system in the plane: point (x, y) goes to (a x + b y + e, c x + d y + f) by a map that is drawn anew each time.
 * Coefficients a to f of map i are at `coefficients[6 * i]`.
 */
export interface IteratedFunctionSystem {
  readonly coefficients: Float64Array;
  /** For each map, the probability of itself or one before it; the last is 1. */
  readonly cumulative: Float64Array;
}

/** The part of the plane that holds the attractor. */
export interface Extent {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const FEWEST_MAPS = 2;
const MOST_MAPS = 7;
const COEFFICIENTS = 6;
/** Pixels on a side of the canvas that the filled share is counted on, and points drawn for it. */
export const FILL_CANVAS_PX = 256;
export const FILL_POINTS = 100_000;
/** Share of the canvas that a category has to fill. */
export const LEAST_FILL = 0.2;
/** A cheap look first: most random systems run away or shrink to dust. */
const PROBE_POINTS = 3_000;
const PROBE_CANVAS_PX = 48;
/** Points that are still on their way to the attractor. */
const SETTLING_POINTS = 50;
/** Of a side; below it all points fall together. */
const LEAST_EXTENT = 1e-6;
/** Beyond it a system has run away. */
const FAR_AWAY = 1e4;
/** One coefficient of all maps is scaled by one of these: the variants of a category. */
const VARIANT_FACTORS = [0.2, 0.6, 1.4, 1.8] as const;

/** Two to seven maps with coefficients drawn evenly from -1 to 1. */
export function randomSystem(random: SeededRandom): IteratedFunctionSystem {
  const maps = FEWEST_MAPS + random.integer(MOST_MAPS - FEWEST_MAPS + 1);
  return systemOf(Float64Array.from({ length: maps * COEFFICIENTS }, () => random.uniform(-1, 1)));
}

/** Maps are drawn in proportion to the area that they map the unit square to, |ad - bc|. */
export function systemOf(coefficients: Float64Array): IteratedFunctionSystem {
  const maps = coefficients.length / COEFFICIENTS;
  const areas = Array.from({ length: maps }, (_, map) => Math.abs(coefficients[map * 6]! * coefficients[map * 6 + 3]! - coefficients[map * 6 + 1]! * coefficients[map * 6 + 2]!));
  const total = areas.reduce((sum, area) => sum + area, 0);
  const cumulative = new Float64Array(maps);
  let sum = 0;
  for (const [map, area] of areas.entries()) {
    sum += area;
    cumulative[map] = map === maps - 1 || total === 0 ? 1 : sum / total;
  }
  return { coefficients, cumulative };
}

/** A system whose attractor fills at least `LEAST_FILL` of its extent: the first one found from `random`. */
export function findCategory(random: SeededRandom): IteratedFunctionSystem {
  for (;;) {
    const system = randomSystem(random);
    if (filledShare(system, PROBE_POINTS, PROBE_CANVAS_PX) >= LEAST_FILL && filledShare(system, FILL_POINTS, FILL_CANVAS_PX) >= LEAST_FILL) return system;
  }
}

/** The category itself or one of its 24 variants; the category where the variant runs away or shrinks to dust. */
export function randomVariant(category: IteratedFunctionSystem, random: SeededRandom): IteratedFunctionSystem {
  const choice = random.integer(1 + COEFFICIENTS * VARIANT_FACTORS.length);
  if (choice === 0) return category;
  const scaled = (choice - 1) % COEFFICIENTS;
  const factor = VARIANT_FACTORS[Math.floor((choice - 1) / COEFFICIENTS)]!;
  const variant = systemOf(category.coefficients.map((value, index) => (index % COEFFICIENTS === scaled ? value * factor : value)));
  return filledShare(variant, PROBE_POINTS, PROBE_CANVAS_PX) >= LEAST_FILL ? variant : category;
}

/** Points on the attractor in the order of a walk, and the map that led to each. */
export interface Walk {
  readonly xs: Float64Array;
  readonly ys: Float64Array;
  readonly maps: Uint8Array;
}

/** @returns undefined where points run away or all fall together. */
export function extentOf(points: Walk | undefined): Extent | undefined {
  if (!points) return undefined;
  const [left, right] = rangeOf(points.xs);
  const [top, bottom] = rangeOf(points.ys);
  const [width, height] = [right - left, bottom - top];
  return width > LEAST_EXTENT && height > LEAST_EXTENT ? { left, top, width, height } : undefined;
}

function rangeOf(values: Float64Array): readonly [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** Share of the pixels of a square canvas around the attractor that a walk of `points` meets, 0 to 1. */
export function filledShare(system: IteratedFunctionSystem, points: number, canvasPx: number): number {
  const walked = walk(system, points);
  const extent = extentOf(walked);
  if (!walked || !extent) return 0;
  const canvas = new Uint8Array(canvasPx * canvasPx);
  const scaleX = (canvasPx - 1) / extent.width;
  const scaleY = (canvasPx - 1) / extent.height;
  let filled = 0;
  for (let i = 0; i < points; i += 1) {
    // Half a pixel more and cut off: rounding, for numbers that aren't negative.
    const pixel = ((walked.ys[i]! - extent.top) * scaleY + 0.5 | 0) * canvasPx + ((walked.xs[i]! - extent.left) * scaleX + 0.5 | 0);
    filled += 1 - canvas[pixel]!;
    canvas[pixel] = 1;
  }
  return filled / canvas.length;
}

/**
 * Walks over the attractor. The walk takes the same turns each time: it is the system that is random, and one extent has to hold for
 * all of it.
 *
 * @returns undefined where the walk runs away.
 */
export function walk({ coefficients, cumulative }: IteratedFunctionSystem, points: number): Walk | undefined {
  const xs = new Float64Array(points);
  const ys = new Float64Array(points);
  const maps = new Uint8Array(points);
  let state = 0x2545f491;
  let x = 0;
  let y = 0;
  for (let i = -SETTLING_POINTS; i < points; i += 1) {
    // xorshift32 in place: a call a point would be half of the time.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const choice = (state >>> 0) / 2 ** 32;
    let map = 0;
    while (cumulative[map]! <= choice) map += 1;
    const at = map * COEFFICIENTS;
    const nextX = coefficients[at]! * x + coefficients[at + 1]! * y + coefficients[at + 4]!;
    y = coefficients[at + 2]! * x + coefficients[at + 3]! * y + coefficients[at + 5]!;
    x = nextX;
    if (i < 0) continue;
    if (!(Math.abs(x) < FAR_AWAY && Math.abs(y) < FAR_AWAY)) return undefined;
    xs[i] = x;
    ys[i] = y;
    maps[i] = map;
  }
  return { xs, ys, maps };
}
