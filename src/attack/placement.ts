import { AppError } from '../core/errors.js';
import { SeededRandom } from '../core/seeded-random.js';
import type { Size } from '../core/size.js';

/** One number, or the two that it is drawn between, evenly. */
export type Range = number | readonly [low: number, high: number];

/** How a patch is held and lit. */
interface Look {
  /** Degrees, clockwise as seen. */
  readonly rotationDeg: Range;
  /** Factor on its pixels: 1 as it is, .6 in the shade. */
  readonly brightness: Range;
}

/** On every object, as on a shirt. */
export interface ObjectPlacement extends Look {
  readonly on: 'objects';
  /** Side of the square, as a share of the diagonal of the object's box. */
  readonly side: Range;
  /** How far above the middle of the box its centre lies, in heights of the box. */
  readonly above: number;
}

/** At one place of the picture, the same in all: a poster. */
export interface ScenePlacement extends Look {
  readonly on: 'scene';
  /** Centre, as shares of the picture's width and height. */
  readonly at: readonly [x: number, y: number];
  /** Side of the square, as a share of the picture's shorter side. */
  readonly side: Range;
}

/** At random places away from objects: one place in a recording, places of its own for each unrelated picture. */
export interface BackgroundPlacement extends Look {
  readonly on: 'background';
  readonly perImage: number;
  /** Side of the square, as a share of the picture's shorter side. */
  readonly side: Range;
}

export type PastePlacement = ObjectPlacement | ScenePlacement | BackgroundPlacement;

/** On the chest of a person: what published patches were tried with. */
export const CHEST_PLACEMENT: ObjectPlacement = { on: 'objects', side: 0.25, above: 0.08, rotationDeg: 0, brightness: 1 };

/** A patch as it lies in one picture: a square, pixels from the left top corner of the picture. */
export interface PlacedPatch {
  readonly centreX: number;
  readonly centreY: number;
  readonly sidePx: number;
  readonly rotationDeg: number;
  readonly brightness: number;
}

/** Left, top, width, height in pixels. */
export type Xywh = readonly [left: number, top: number, width: number, height: number];

/** What is drawn once for a patch and stays with it. */
export interface DrawnLook {
  readonly side: number;
  readonly rotationDeg: number;
  readonly brightness: number;
}

/** Numbers for streams of randomness, so that an object's draw doesn't hang on how many came before. */
const STREAM_FACTOR = 0x9e3779b1;

/** @throws AppError ERR_USAGE naming what is out of range. */
export function checkPlacement(placement: PastePlacement): void {
  const [leastSide, mostSide] = bounds(placement.side);
  if (!(leastSide > 0 && mostSide <= 1)) throw usage('side', 'a share over 0 and up to 1', placement.side);
  const [darkest, brightest] = bounds(placement.brightness);
  if (!(darkest >= 0 && brightest <= 4)) throw usage('brightness', 'a factor from 0 to 4', placement.brightness);
  if (!bounds(placement.rotationDeg).every((degrees) => Math.abs(degrees) <= 360)) throw usage('rotation', 'degrees from -360 to 360', placement.rotationDeg);
  if (placement.on === 'scene' && !placement.at.every((share) => share >= 0 && share <= 1)) throw usage('at', 'shares of width and height from 0 to 1', placement.at);
  if (placement.on === 'background' && !(Number.isInteger(placement.perImage) && placement.perImage >= 1)) throw usage('perImage', 'a whole number of 1 or more', placement.perImage);
  if (placement.on === 'objects' && !(Math.abs(placement.above) <= 1)) throw usage('above', 'a share of the height from -1 to 1', placement.above);
}

/** Draws what the placement leaves open. The same `seed` and `identity` (an object, a track) give the same look. */
export function drawLook({ side, rotationDeg, brightness }: PastePlacement, seed: number, identity: number): DrawnLook {
  const random = new SeededRandom(seed, Math.imul(identity + 1, STREAM_FACTOR));
  return { side: draw(side, random), rotationDeg: draw(rotationDeg, random), brightness: draw(brightness, random) };
}

/** A square of `side` times the box's diagonal, centred `above` box heights over the middle of the box. */
export function placeOnBox([left, top, width, height]: Xywh, above: number, { side, rotationDeg, brightness }: DrawnLook): PlacedPatch {
  return { centreX: left + width / 2, centreY: top + height / 2 - above * height, sidePx: side * Math.hypot(width, height), rotationDeg, brightness };
}

/** @param at shares of the picture */
export function placeInScene({ width, height }: Size, at: readonly [number, number], { side, rotationDeg, brightness }: DrawnLook): PlacedPatch {
  return { centreX: at[0] * width, centreY: at[1] * height, sidePx: side * Math.min(width, height), rotationDeg, brightness };
}

/** Corners in pixels, x and y in turn, clockwise from the patch's own left top. */
export function patchPolygon({ centreX, centreY, sidePx, rotationDeg }: PlacedPatch): number[] {
  const half = sidePx / 2;
  const [cos, sin] = [Math.cos((rotationDeg * Math.PI) / 180), Math.sin((rotationDeg * Math.PI) / 180)];
  return [[-half, -half], [half, -half], [half, half], [-half, half]].flatMap(([x, y]) => [centreX + x! * cos - y! * sin, centreY + x! * sin + y! * cos]);
}

/** The upright box around what of the patch lies in the picture; undefined where that is less than a pixel. */
export function patchBounds(placed: PlacedPatch, { width, height }: Size): [left: number, top: number, right: number, bottom: number] | undefined {
  const polygon = patchPolygon(placed);
  const xs = polygon.filter((_, i) => i % 2 === 0);
  const ys = polygon.filter((_, i) => i % 2 === 1);
  const [left, top] = [Math.max(0, Math.min(...xs)), Math.max(0, Math.min(...ys))];
  const [right, bottom] = [Math.min(width, Math.max(...xs)), Math.min(height, Math.max(...ys))];
  return right - left >= 1 && bottom - top >= 1 ? [left, top, right, bottom] : undefined;
}

function draw(range: Range, random: SeededRandom): number {
  const [low, high] = bounds(range);
  // Drawn also where nothing is open: opening one range leaves the others their numbers.
  const share = random.unit();
  return low + (high - low) * share;
}

function bounds(range: Range): readonly [number, number] {
  return typeof range === 'number' ? [range, range] : range;
}

function usage(name: string, expected: string, found: unknown): AppError {
  return new AppError('ERR_USAGE', `Expected ${expected} for the ${name} of a patch but found ${JSON.stringify(found)}.`);
}
