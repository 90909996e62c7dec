import { type Command, InvalidArgumentError } from 'commander';
import { CHEST_PLACEMENT, type PastePlacement, type Range } from '../attack/placement.js';
import { AppError } from '../core/errors.js';
import { parseInteger, parseNames } from './arguments.js';

/** How patches are put into pictures, as a command line says it. */
export interface PlacementOptions {
  readonly label: readonly string[];
  readonly side: Range;
  readonly above: number;
  readonly rotation: Range;
  readonly brightness: Range;
  readonly greyscale?: boolean;
  readonly at?: readonly [x: number, y: number];
  readonly background?: number;
  readonly seed: number;
}

const RANGE_HELP = 'or two numbers a..b to draw between';

/** Adds the options of `PlacementOptions` to a command. */
export function addPlacementOptions(command: Command): Command {
  return command
    .option('--label <names>', 'whose objects carry patches and are judged: labels with commas between', parseNames, ['person'])
    .option('--side <share>', `side of a patch as a share of the diagonal of the object's box (in the scene: of the picture's shorter side), ${RANGE_HELP}`, parseRange, CHEST_PLACEMENT.side)
    .option('--above <share>', "how far a patch lies above the middle of the box, in the box's heights", parseNumber, CHEST_PLACEMENT.above)
    .option('--rotation <degrees>', `turn of a patch, clockwise, ${RANGE_HELP}`, parseRange, CHEST_PLACEMENT.rotationDeg)
    .option('--brightness <factor>', `factor on a patch's pixels, ${RANGE_HELP}`, parseRange, CHEST_PLACEMENT.brightness)
    .option('--greyscale', 'the patches as a black and white printer gives them')
    .option('--at <x,y>', 'one patch at this place of every picture, as shares of width and height, instead of on objects', parsePlace)
    .option('--background <n>', 'so many patches at random places away from objects instead of on objects', parseInteger)
    .option('--seed <n>', 'of everything that is drawn', parseInteger, 1);
}

/** @throws AppError ERR_USAGE where two kinds of places are asked for. */
export function placementOf({ side, above, rotation, brightness, at, background }: PlacementOptions): PastePlacement {
  if (at && background !== undefined) throw new AppError('ERR_USAGE', 'Expected --at or --background but found both.');
  const look = { side, rotationDeg: rotation, brightness };
  if (at) return { on: 'scene', at, ...look };
  return background === undefined ? { on: 'objects', above, ...look } : { on: 'background', perImage: background, ...look };
}

/** `.25`, or `.15...35`, `-20..20` for numbers drawn from between. */
export function parseRange(text: string): Range {
  // Two dots part the numbers; a third belongs to the fraction after them.
  const [low, high, ...rest] = text.split(/\.\.(?!\.\.)/);
  if (high === undefined) return parseNumber(text);
  if (rest.length > 0) throw new InvalidArgumentError('Expected a number, or two as in 0.15..0.35.');
  const range: Range = [parseNumber(low!), parseNumber(high)];
  if (range[0] > range[1]) throw new InvalidArgumentError('Expected the smaller number first.');
  return range;
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a number.');
  return value;
}

function parsePlace(text: string): readonly [number, number] {
  const [x, y, ...rest] = text.split(',').map(parseNumber);
  if (x === undefined || y === undefined || rest.length > 0) throw new InvalidArgumentError('Expected two shares such as 0.5,0.4.');
  return [x, y];
}
