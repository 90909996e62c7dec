import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AttackOptions } from '../attack/attack-options.js';
import { SEARCH_METHODS } from '../../attack/optimise/optimise-patch.js';
import { parseInteger } from '../arguments.js';
import { DEFAULT_MODEL } from '../definitions.js';
import { addPlacementOptions } from '../placement-options.js';

/** Loss grows by so much of the guard's evidence: about as much as by a score. */
const EVIDENCE_WEIGHT = 0.5;
const LARGEST_GRID = 128;

export function addAttack(program: Command): void {
  const command = program
    .command('attack')
    .description('Attack your own deployment: put a patch on objects, given or found by asking the model, and measure what it does beside grey and noise.')
    .argument('<data>', 'dataset folder (COCO, MOTChallenge, KITTI tracking), or a video with gt.txt beside it')
    .option('--model <id>', 'model id or path', DEFAULT_MODEL)
    .option('--gt <file>', "ground truth of a video in MOTChallenge's format (gt.txt beside it)")
    .option('--patch <what>', 'picture of a patch; grey; noise; or optimise: search for one', 'optimise')
    .addOption(new Option('--goal <what>', 'objects disappear, or appear where only a patch is').choices(['hide', 'appear']).default('hide'));
  addPlacementOptions(command)
    .addOption(new Option('--method <name>', 'of the search').choices(Object.keys(SEARCH_METHODS)).default('square'))
    .option('--queries <count>', 'questions to the model, in all', parseInteger, 2000)
    .option('--grid <cells>', 'colours a side that the search finds', parseGrid, 16)
    .option('--start <patch>', 'picture of a patch to begin the search with')
    .option('--adaptive', 'the attacker knows the guard: search against its evidence, too, and measure with and without it')
    .option('--evidence-weight <factor>', "of the guard's evidence against the score", Number, EVIDENCE_WEIGHT)
    .option('--profile <file>', "clean profile of the guard that counts instead of the model's own")
    .option('--out <folder>', 'where all is written (./<data>-attack); a search in it is resumed')
    .option('--force', 'overwrite attacked pictures in it')
    .option('--json', 'print JSON')
    .action(async (data: string, options: AttackOptions) => (await import('../attack/run-attack.js')).runAttack(data, options));
}

function parseGrid(text: string): number {
  const cells = parseInteger(text);
  if (cells < 2 || cells > LARGEST_GRID) throw new InvalidArgumentError(`Expected 2 to ${LARGEST_GRID} cells.`);
  return cells;
}
