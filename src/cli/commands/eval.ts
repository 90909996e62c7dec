import { type Command, Option } from 'commander';
import { AppError } from '../../core/errors.js';
import { parseFraction, parseInteger, parseNames, parsePositive, parseSeconds } from '../arguments.js';
import type { CocoEvalOptions } from '../coco/eval-coco.js';
import { DEFAULT_MODEL } from '../definitions.js';
import { DEFAULT_OCCUPANCY_MODEL } from '../models.js';
import { addPlacementOptions } from '../placement-options.js';
import type { RobustnessOptions } from '../robustness/eval-robustness.js';
import { parseLevel, parseRig } from '../stereo/stereo-options.js';
import type { StereoEvalOptions } from '../stereo/stereo-options.js';
import type { TrackingEvalOptions } from '../tracking/eval-tracking.js';

/** Low, so that the whole precision-recall curve is there: a higher one cuts its tail off. */
const EVALUATION_CONFIDENCE = 0.001;

export function addEval(program: Command): void {
  const command = program
    .command('eval')
    .description('Score a model on a dataset as COCO does: mAP50, mAP50-95, by class and by size, with confidence intervals. With --attack or --guard: how it stands adversarial patches. With --format mot: how well it and the tracker follow people. With --format stereo: how well an occupancy network finds occupied space.')
    .argument('<dataset>', 'folder: COCO, MOTChallenge or KITTI tracking; with --attack, --guard or --format mot also a video with gt.txt beside it; with --format stereo pairs as KITTI or Middlebury has them')
    .addOption(new Option('--format <what>', 'coco scores boxes, mot scores tracks, stereo scores occupied cells').choices(['coco', 'mot', 'stereo']).default('coco'))
    .option('--model <id>', 'model id or path', DEFAULT_MODEL)
    .option('--confidence <0..1>', 'confidence threshold', parseFraction, EVALUATION_CONFIDENCE)
    .option('--iou <0..1>', "threshold of non-maximum suppression (the model's own)", parseFraction)
    .option('--best-class', 'one class a box, the best; otherwise every class over the threshold counts, as usual for COCO')
    .option('--results <file>', 'coco: write the detections there, in the format of COCO results (without --attack and --guard); mot: score the tracks in it, in the format of MOTChallenge')
    .option('--json', 'print JSON')
    .optionsGroup('Boxes (--format coco):')
    .option('--classes <names>', 'score these classes alone, commas between', parseNames)
    .option('--against <id>', 'another model on the same pictures: what the first is better and worse by, with intervals of the difference')
    .optionsGroup('Tracks (--format mot):')
    .option('--drop <0..1>', 'also: what is left when so many frames are dropped at random (--seed)', parseFraction)
    .option('--low-share <0..1>', 'of the threshold: down to here boxes continue a track (0.4)', parseFraction)
    .option('--sure-share <0..1>', 'of what the model says of objects that it sees well: boxes over it are associated first (0.5)', parseFraction)
    .option('--begin-share <0..1>', 'of the same: boxes over it begin tracks (0.7)', parseFraction)
    .option('--confirm <time>', 'a track that is seen over so long is confirmed (0.2s)', parseSeconds)
    .option('--keep <time>', "a track that isn't seen is kept for so long (3s)", parseSeconds)
    .option('--coast <time>', 'so long after a track was seen, its box is delivered where it is expected (0s)', parseSeconds)
    .option('--min-iou <0..1>', 'least overlap of a box with where its track is expected (0.2)', parseFraction)
    .option('--write-tracks <file>', 'write the tracks in the format of MOTChallenge')
    .optionsGroup('Stereo pairs (--format stereo):')
    .option('--limit <n>', 'pairs at most', parseInteger)
    .option('--level <cells>', 'finest level that is asked for: 8, 16, 32 or 64 cells a side', parseLevel, 64)
    .option('--threads <n>', 'threads within one inference', parseInteger, 2)
    .option('--all-cells', 'compute every cell of the finer levels, also where the coarse part found nothing')
    .option('--disparity <folder>', 'score the disparities of another method instead: PNG of 16 bits (256ths of a pixel) or PFM, named as the pairs')
    .option('--rig <focal,baseline>', 'what to assume where there is no calibration: pixels, metres, and after another comma how many columns the right axis lies further right', parseRig)
    .option('--range <metres>', "edge of the cube (the set's own, else 32)", parsePositive)
    .option('--bottom <metres>', 'lower face of the cube below the camera (a 32nd of the range)', Number)
    .option('--disparity-scale <n>', 'values a pixel of true disparities of 8 bits (by layout and size)', parsePositive)
    .optionsGroup('Under attack:')
    .option('--attack <patch>', 'the picture of a patch, or a folder of them: attack the dataset and measure')
    .addOption(new Option('--guard <what>', 'the guard (the default with --attack), no defence, or local gradient smoothing as a baseline').choices(['on', 'off', 'lgs']))
    .option('--no-time', 'each frame of a recording by itself, as unrelated pictures are measured anyhow')
    .option('--pareto', 'compare all defences, by robustness and time')
    .option('--threshold <0..1>', "from which score on a user acts on a box (the model's own)", parseFraction)
    .option('--profile <file>', "a clean profile (guard.json) that counts instead of the model's own")
    .option('--gt <file>', 'ground truth of a video as MOTChallenge writes it (gt.txt beside it)')
    .option('--report <folder>', 'write a page with plots and pictures');
  addPlacementOptions(command).action(evaluateWhatIsAsked);
}

type EvalOptions = CocoEvalOptions & RobustnessOptions & TrackingEvalOptions & Omit<StereoEvalOptions, 'model'> & { readonly format: 'coco' | 'mot' | 'stereo' };

async function evaluateWhatIsAsked(data: string, options: EvalOptions, command: Command): Promise<void> {
  if (options.format !== 'coco' && (options.attack !== undefined || options.guard !== undefined || options.pareto)) {
    throw new AppError('ERR_USAGE', `Expected --format ${options.format} without --attack, --guard and --pareto`);
  }
  if (options.format === 'stereo') {
    const { evaluateStereo } = await import('../stereo/eval-stereo.js');
    return evaluateStereo(data, command.getOptionValueSource('model') === 'default' ? { ...options, model: DEFAULT_OCCUPANCY_MODEL } : options);
  }
  if (options.format === 'mot') {
    const { evaluateTracking } = await import('../tracking/eval-tracking.js');
    return evaluateTracking(data, options);
  }
  if (options.attack === undefined && options.guard === undefined && !options.pareto) {
    const { evaluateCocoSet } = await import('../coco/eval-coco.js');
    return evaluateCocoSet(data, options);
  }
  const { evaluateRobustness } = await import('../robustness/eval-robustness.js');
  return evaluateRobustness(data, options);
}
