import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type AppError, toAppError } from '../../core/errors.js';
import { GRID_LEVELS } from '../../core/voxel-grid.js';
import { cellTruth } from '../../evaluation/occupancy/cell-truth.js';
import { readDisparity } from '../../evaluation/occupancy/disparity-file.js';
import { meanScores, scoreLevels, summariseMs } from '../../evaluation/occupancy/occupancy-score.js';
import { readSetCube, type SetCube } from '../../evaluation/occupancy/set-cube.js';
import { type BrokenPair, readStereoSet, type StereoPair } from '../../evaluation/occupancy/stereo-set.js';
import { DEFAULT_OCCUPANCY_MODEL, openStore } from '../models.js';
import { print, progressBar } from '../terminal.js';
import { heightsFromAbove } from './from-above.js';
import type { ScoredPair, StereoEvaluation, StereoMethod } from './stereo-evaluation.js';
import { stereoJson } from './stereo-json.js';
import { disparityMethod, networkMethod } from './stereo-methods.js';
import type { StereoEvalOptions } from './stereo-options.js';
import { renderStereoReport } from './stereo-report.js';
import { stereoText } from './stereo-text.js';

const REPORT_FILE = 'occupancy.html';

/** `lynceus eval --format stereo`: scores what a network finds, or the disparities of a folder. @throws AppError of the data, the model or the run */
export async function evaluateStereo(folder: string, options: StereoEvalOptions): Promise<void> {
  if (options.report !== undefined) await mkdir(resolve(options.report), { recursive: true });
  const method = options.disparity === undefined ? await networkOf(options) : await disparityMethod(options.disparity);
  try {
    const evaluation = await evaluateMethod(folder, method, options);
    if (options.report !== undefined) await writeFile(join(resolve(options.report), REPORT_FILE), await renderStereoReport(evaluation, commandOf(folder, options)));
    print(options.json ? JSON.stringify(stereoJson(evaluation), null, 2) : stereoText(evaluation));
  } finally {
    await method.close();
  }
}

async function networkOf({ model, level, threads, allCells }: StereoEvalOptions): Promise<StereoMethod> {
  return networkMethod(await openStore().resolveOccupancy(model), { level, threads, isWhole: allCells ?? false });
}

async function evaluateMethod(folder: string, method: StereoMethod, options: StereoEvalOptions): Promise<StereoEvaluation> {
  const cube = await readSetCube(folder, { rangeM: options.range, bottomM: options.bottom });
  const set = await readStereoSet(folder, { assumed: options.rig, disparityScale: options.disparityScale });
  const { scored, broken } = await scorePairs(set.pairs.slice(0, options.limit), method, cube);
  const findings = scored.map(({ finding }) => finding);
  const timed = findings.filter(({ allMs }) => allMs !== undefined);
  return {
    dataset: basename(resolve(folder)),
    layout: set.layout,
    method,
    ...cube,
    isRigAssumed: scored.some(({ pair }) => pair.isRigAssumed),
    threads: options.threads,
    pairs: scored,
    broken: [...set.broken, ...broken],
    levels: meanScores(scored.map(({ scores }) => scores)),
    ms: timed.length === 0 ? undefined : { coarse: summariseMs(timed.map(({ coarseMs }) => coarseMs!)), all: summariseMs(timed.map(({ allMs }) => allMs!)) },
    computedShare: timed.length === 0 ? undefined : timed.reduce((sum, { computedShare }) => sum + computedShare!, 0) / timed.length,
    doubts: [...new Set(scored.map(({ pair }) => method.doubt(pair, cube.grid)).filter((doubt) => doubt !== undefined))],
  };
}

async function scorePairs(pairs: readonly StereoPair[], method: StereoMethod, cube: SetCube): Promise<{ scored: ScoredPair[]; broken: BrokenPair[] }> {
  const progress = progressBar(`eval ${method.name}`, pairs.length);
  const [scored, broken]: [ScoredPair[], BrokenPair[]] = [[], []];
  try {
    for (const [place, pair] of pairs.entries()) {
      try {
        scored.push(await scorePair(pair, method, cube));
      } catch (error) {
        broken.push({ id: pair.id, error: dataError(error) });
      }
      progress.update(place + 1, pair.id);
    }
  } finally {
    progress.stop();
  }
  if (scored.length === 0) throw broken[0]!.error;
  return { scored, broken };
}

/** Files are broken one by one; anything else would be so for all pairs. */
function dataError(error: unknown): AppError {
  const known = toAppError(error);
  if (known.code === 'ERR_DATASET_INVALID' || known.code === 'ERR_FILE_NOT_FOUND') return known;
  throw known;
}

async function scorePair(pair: StereoPair, method: StereoMethod, { grid, hasGaps }: SetCube): Promise<ScoredPair> {
  const truth = cellTruth(await readDisparity(pair.disparity, pair.disparityScale), pair.rig, grid, hasGaps);
  const { cells, ...finding } = await method.find(pair, grid);
  const finest = GRID_LEVELS.findLast((side) => cells[side])!;
  return {
    pair,
    scores: scoreLevels(cells, truth, grid),
    finding,
    truthFromAbove: heightsFromAbove(truth.occupied[finest], finest),
    foundFromAbove: heightsFromAbove(cells[finest]!, finest),
  };
}

function commandOf(folder: string, { model, limit, level, threads, allCells, disparity, rig, range, bottom, disparityScale }: StereoEvalOptions): string {
  const given: readonly (readonly [name: string, value: string | number | undefined])[] = [
    ['--disparity', disparity],
    ['--model', disparity === undefined && model !== DEFAULT_OCCUPANCY_MODEL ? model : undefined],
    ['--rig', rig && [rig.focalPx, rig.baselineM, ...(rig.centreShiftPx === undefined ? [] : [rig.centreShiftPx])].join(',')],
    ['--range', range],
    ['--bottom', bottom],
    ['--disparity-scale', disparityScale],
    ['--limit', limit],
    ['--level', level === 64 ? undefined : level],
    ['--threads', threads],
  ];
  return [`lynceus eval ${folder} --format stereo`, ...given.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`])), ...(allCells ? ['--all-cells'] : [])].join(' ');
}
