import { addedVariance, type AddedVariance, sharesOf, type Split, splitVariance, type VarianceSplit } from './covariance.js';
import { causeMs, type ContentCost, type DecomposedFrame, decomposeRun, sumOf } from './decompose.js';
import { describe, type Description } from './describe.js';
import { analyseEffects, type EffectAnalysis } from './effects.js';
import { CAUSES, type Cause, PERSPECTIVE_OF, type Perspective, PERSPECTIVES } from './perspectives.js';
import { fitTrimmed, type TrimmedFit } from './predictor.js';
import type { RunRecord, StudyRecording, StudyRun } from './records.js';
import { explainTail, type TailGap } from './tail.js';

/** Shares of a variance, seen in three ways; each sums to 1. */
export interface VarianceShares {
  readonly byStage: Readonly<Record<string, number>>;
  readonly byCause: Readonly<Record<string, number>>;
  readonly byPerspective: Readonly<Record<string, number>>;
}

/** All runs of one configuration. */
export interface ConfigurationFigures {
  readonly perspective: RunRecord['perspective'];
  readonly levels: Readonly<Record<string, string>>;
  readonly runs: number;
  readonly total: Description;
  /** Within runs, ms². */
  readonly varianceMs2: number;
  readonly shares: VarianceShares;
  /** Mean time, milliseconds. */
  readonly meanByStage: Readonly<Record<string, number>>;
  readonly meanByCause: Readonly<Record<string, number>>;
  /** Undefined below 100 frames. */
  readonly tail: TailGap | undefined;
  readonly fps: number;
  readonly dropped: number;
  /** Of the control group's quota, over all runs; undefined where the system doesn't say. */
  readonly throttledMs: number | undefined;
  readonly stolenMs: number | undefined;
}

export interface PerspectiveFigures {
  readonly perspective: Perspective;
  readonly configurations: readonly ConfigurationFigures[];
  readonly effects: EffectAnalysis;
}

export interface InjectionFigures {
  readonly without: ConfigurationFigures;
  readonly with: ConfigurationFigures;
  /** ms² */
  readonly addedVarianceMs2: number;
  /** Undefined where no variance was added. */
  readonly shares: VarianceShares | undefined;
}

export interface PostProcessingFit extends TrimmedFit {
  /** Empty where the recording doesn't say. */
  readonly model: string;
}

export interface StudyFigures {
  readonly perspectives: readonly PerspectiveFigures[];
  readonly injection: InjectionFigures | undefined;
  /** Milliseconds of decoding and suppression by boxes before it, of the model with most frames. */
  readonly postProcessing: PostProcessingFit | undefined;
  readonly frames: number;
}

/** A line through fewer frames, or through frames whose boxes explain less, charges nothing to content. */
const LEAST_R2 = 0.05;
const FEWEST_FRAMES = 30;

/** Everything that the report and `--json` say, from what was recorded. Pure: the same recording gives the same figures. */
export function analyse({ header, runs }: StudyRecording): StudyFigures {
  const fits = new ContentFits(runs);
  const decomposed = new Map(runs.map((run) => [run.run, decomposeRun(run, fits.costOf(run))]));
  const figuresOf = (of: readonly StudyRun[]) => configurationFigures(of, decomposed, header.seed);
  const perspectives = PERSPECTIVES.flatMap((perspective): PerspectiveFigures[] => {
    const own = runs.filter((run) => run.perspective === perspective);
    if (own.length === 0) return [];
    const observations = own.flatMap(({ run, levels }) => decomposed.get(run)!.map(({ totalMs }) => ({ levels, value: totalMs })));
    const factors = [...new Set(own.flatMap(({ levels }) => Object.keys(levels)))];
    return [{ perspective, configurations: groupByLevels(own).map(figuresOf), effects: analyseEffects(observations, factors) }];
  });
  return {
    perspectives,
    injection: injectionFigures(runs, decomposed, header.seed),
    postProcessing: fits.overall,
    frames: runs.reduce((sum, { frames }) => sum + frames.length, 0),
  };
}

/** Frames of a recording, split over stages and causes: for drawings. */
export function decomposeAll({ runs }: StudyRecording): { readonly run: StudyRun; readonly frames: readonly DecomposedFrame[] }[] {
  const fits = new ContentFits(runs);
  return runs.map((run) => ({ run, frames: decomposeRun(run, fits.costOf(run)) }));
}

/** Runs with equal levels, in the order of these. */
function groupByLevels(runs: readonly StudyRun[]): StudyRun[][] {
  const groups = new Map<string, StudyRun[]>();
  for (const run of runs) {
    const key = JSON.stringify(Object.entries(run.levels).sort());
    const group = groups.get(key);
    if (group) group.push(run);
    else groups.set(key, [run]);
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })).map(([, group]) => group);
}

/** The model of a run; empty where the recording doesn't say. */
export function modelOf({ model, levels }: StudyRun): string {
  return model ?? levels['model'] ?? '';
}

/** What a box costs in post-processing, learnt per model: another model has another decoder. */
class ContentFits {
  readonly overall: PostProcessingFit | undefined;
  readonly #byModel = new Map<string, TrimmedFit | undefined>();

  constructor(runs: readonly StudyRun[]) {
    const points = new Map<string, { x: number[]; y: number[] }>();
    for (const run of runs) {
      const key = modelOf(run);
      const own = points.get(key) ?? { x: [], y: [] };
      points.set(key, own);
      for (const frame of decomposeRun(run, () => 0)) {
        if (frame.boxesBeforeNms === undefined || frame.postMs === undefined) continue;
        own.x.push(frame.boxesBeforeNms);
        own.y.push(frame.postMs);
      }
    }
    for (const [key, { x, y }] of points) this.#byModel.set(key, x.length < FEWEST_FRAMES ? undefined : fitTrimmed(x, y));
    const [model = ''] = [...points].sort(([, a], [, b]) => b.x.length - a.x.length).map(([key]) => key);
    const largest = this.#byModel.get(model);
    this.overall = largest && { ...largest, model };
  }

  costOf(run: StudyRun): ContentCost {
    const fit = this.#byModel.get(modelOf(run));
    if (!fit || fit.r2 < LEAST_R2 || fit.slope <= 0) return () => 0;
    return (boxes) => fit.slope * boxes;
  }
}

function configurationFigures(runs: readonly StudyRun[], decomposed: ReadonlyMap<number, readonly DecomposedFrame[]>, seed: number): ConfigurationFigures {
  const first = runs[0]!;
  const groups = runs.map(({ run }) => decomposed.get(run)!);
  const frames = groups.flat();
  const stages = splitVariance(groups.map((group) => group.map(byStage)));
  const causes = splitVariance(groups.map((group) => group.map(byCause)));
  const sum = (pick: (run: StudyRun) => number | undefined) => runs.reduce<number | undefined>((total, run) => (total === undefined ? undefined : addKnown(total, pick(run))), 0);
  return {
    perspective: first.perspective,
    levels: first.levels,
    runs: runs.length,
    total: describe(groups.map((group) => group.map(({ totalMs }) => totalMs)), { seed }),
    varianceMs2: stages.varianceMs2,
    shares: { byStage: sharesOf(stages), byCause: sharesOf(causes), byPerspective: toPerspectives(sharesOf(causes)) },
    meanByStage: meanParts(frames.map(byStage)),
    meanByCause: meanParts(frames.map(byCause)),
    tail: explainTail(frames.map(byCause)),
    fps: runs.reduce((total, { end }) => total + end.fps, 0) / runs.length,
    dropped: runs.reduce((total, { end }) => total + Object.values(end.dropped).reduce((all, count) => all + count, 0), 0),
    throttledMs: sum(({ end }) => end.throttledMs),
    stolenMs: sum(({ end }) => end.stolenMs),
  };
}

function addKnown(total: number, value: number | undefined): number | undefined {
  return value === undefined ? undefined : total + value;
}

function injectionFigures(runs: readonly StudyRun[], decomposed: ReadonlyMap<number, readonly DecomposedFrame[]>, seed: number): InjectionFigures | undefined {
  const own = runs.filter(({ perspective }) => perspective === 'injection');
  const without = own.filter(({ levels }) => levels['injection'] === 'none');
  const with_ = own.filter(({ levels }) => levels['injection'] !== 'none');
  if (without.length === 0 || with_.length === 0) return undefined;
  const variance = (of: readonly StudyRun[], split: (frame: DecomposedFrame) => Split): VarianceSplit => splitVariance(of.map(({ run }) => decomposed.get(run)!.map(split)));
  const added = (split: (frame: DecomposedFrame) => Split): AddedVariance => addedVariance(variance(without, split), variance(with_, split));
  const [stages, causes] = [added(byStage), added(byCause)];
  return {
    without: configurationFigures(without, decomposed, seed),
    with: configurationFigures(with_, decomposed, seed),
    addedVarianceMs2: stages.addedMs2,
    shares: stages.shares && causes.shares ? { byStage: stages.shares, byCause: causes.shares, byPerspective: toPerspectives(causes.shares) } : undefined,
  };
}

export function byStage({ totalMs, components }: DecomposedFrame): Split {
  return { totalMs, parts: Object.fromEntries([...components.keys()].map((stage) => [stage, sumOf(components, stage)])) };
}

export function byCause(frame: DecomposedFrame): Split {
  return { totalMs: frame.totalMs, parts: Object.fromEntries(CAUSES.map((cause) => [cause, causeMs(frame, cause)])) };
}

function toPerspectives(shares: Readonly<Record<string, number>>): Record<string, number> {
  if (Object.keys(shares).length === 0) return {};
  const sums: Record<string, number> = Object.fromEntries(PERSPECTIVES.map((perspective) => [perspective, 0]));
  for (const [cause, share] of Object.entries(shares)) sums[PERSPECTIVE_OF[cause as Cause]]! += share;
  return sums;
}

function meanParts(frames: readonly Split[]): Record<string, number> {
  const names = [...new Set(frames.flatMap(({ parts }) => Object.keys(parts)))];
  return Object.fromEntries(names.map((name) => [name, frames.reduce((sum, { parts }) => sum + (parts[name] ?? 0), 0) / frames.length]));
}
