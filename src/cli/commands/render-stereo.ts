import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Size } from '../../core/size.js';
import { RECIPES } from '../../stereo-scenes/photometry.js';
import { RIGS } from '../../stereo-scenes/rigs.js';
import { parseInteger, parseSize } from '../arguments.js';
import type { RenderStereoOptions } from '../render-stereo/run-render-stereo.js';

/** Of the numbers in a file's name, and of the seeds that are told apart. */
const MOST_PAIRS = 1_000_000;
const SIDES: readonly [least: number, most: number] = [32, 4096];

export function addRenderStereo(program: Command): void {
  program
    .command('render-stereo')
    .description("Render stereo pairs with exact disparity from a seed, in KITTI 2015's folders, with a sheet to look at.")
    .requiredOption('--out <folder>', 'where the pairs are written: new or empty')
    .option('--count <pairs>', 'how many', parseCount, 100)
    .option('--seed <number>', 'the same seed gives the same files', parseInteger, 1)
    .addOption(new Option('--rig <name>', 'focal length, baseline, height and range (driving; rover where held out)').choices(Object.keys(RIGS)))
    .addOption(new Option('--recipe <name>', 'what the cameras do to the light; mixed draws one for each pair').choices([...RECIPES, 'mixed']).default('mixed'))
    .option('--held-out', 'a test set: with shapes that no training set has, and scenes of other random numbers')
    .option('--size <pixels>', 'of each picture', parsePictureSize, { width: 880, height: 400 })
    .option('--force', 'overwrite the pairs in the folder')
    .option('--json', 'print JSON')
    .action(async (options: RenderStereoOptions) => (await import('../render-stereo/run-render-stereo.js')).runRenderStereo(options));
}

function parseCount(text: string): number {
  const count = parseInteger(text);
  if (count < 1 || count > MOST_PAIRS) throw new InvalidArgumentError(`Expected 1 to ${MOST_PAIRS} pairs.`);
  return count;
}

function parsePictureSize(text: string): Size {
  const size = parseSize(text);
  const [least, most] = SIDES;
  if (Math.min(size.width, size.height) < least || Math.max(size.width, size.height) > most) throw new InvalidArgumentError(`Expected sides of ${least} to ${most} pixels.`);
  return size;
}
