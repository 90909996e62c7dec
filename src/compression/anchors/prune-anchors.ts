import { AppError } from '../../core/errors.js';
import type { PictureSet } from '../../core/picture-set.js';
import { anchorMask, type AnchorsOff } from '../../detector/anchor-mask.js';
import type { CocoDataset, CocoResult } from '../../evaluation/coco-dataset.js';
import { categoryIdsOfLabels } from '../../evaluation/coco-results.js';
import type { CandidateModel } from '../score-model.js';
import { headCost, openAnchorModel, pruneAnchorModel, type AnchorModel, type ScaleWeights } from './anchor-head.js';
import { cutDecodedHead } from './decoded-head.js';
import { disagreementSlope, expectedLossPoints, LossMeter, POINTS, type LossEstimate } from './loss-estimate.js';
import { MaskScorer, meanCandidates } from './mask-score.js';
import { collectRawBoxes, type PictureBoxes } from './raw-boxes.js';
import { blendHead, recoverHead, teacherPart } from './recovery.js';
import { REFIT_DEFAULTS } from './refit.js';
import { allSets, guidedSearch, MAX_EXHAUSTIVE_ANCHORS, memoized, paretoFront, regret, type EvaluatedSet } from './search.js';
import { canRefit, collectTeacherCells, type TeacherCells } from './teacher-cells.js';
import { withViews } from './views.js';

/** Pictures with their ground truth. */
export interface ScoredPictures extends PictureSet {
  readonly truth: CocoDataset;
}

export interface PruneAnchorsOptions {
  readonly model: CandidateModel;
  /** Anchors are chosen on these. */
  readonly search: ScoredPictures;
  /** What was chosen is judged on these; nothing is decided by them. */
  readonly verify: ScoredPictures;
  /** Pictures without labels to recover with; those of `search` where absent. */
  readonly distill?: PictureSet | undefined;
  /** Points of mAP50 that may be lost, 0 or more. */
  readonly maxLossPoints: number;
  /** These anchors, whatever they cost; the search is still told. */
  readonly remove?: AnchorsOff | undefined;
  readonly recovery: boolean;
  /** How often each picture is seen by the recovery, 1 to 8. */
  readonly views: number;
  /** Of the recovery's fit. */
  readonly steps: number;
  /** Sets that the recovery is tried on. */
  readonly maxTries: number;
  /** Sets that a guided search looks at, at most. */
  readonly maxSets: number;
  readonly seed: number;
  readonly onProgress?: (phase: string, done: number, total: number) => void;
}

/** What became of one set of anchors on the pictures that it was chosen by. */
export interface Trial {
  readonly off: readonly number[];
  /** How much of the refitted layer was taken, 0 to 1; 0 is the full head's own. */
  readonly share: number;
  readonly plain: LossEstimate;
  /** Out of fold: no picture was scored by a fit that saw it, unless the fit had pictures of its own. */
  readonly recovered: LossEstimate | undefined;
  /** Expected of the better of the two. */
  readonly lossPoints: number;
  /** Expected without recovery. */
  readonly plainLossPoints: number;
}

export interface Verification {
  readonly plain: LossEstimate;
  /** With the recovery that was chosen; the same as `plain` where there is none. */
  readonly chosen: LossEstimate;
}

export interface PrunedAnchors {
  /** The model that was pruned, with its raw head. */
  readonly full: AnchorModel;
  /** Set where a decoded head was cut off: the greatest difference between its boxes and the raw head's, relative where over 1. */
  readonly cutError: number | undefined;
  /** Every set that was looked at, scored without recovery on the search pictures. */
  readonly sets: readonly EvaluatedSet[];
  readonly front: readonly EvaluatedSet[];
  readonly exhaustive: boolean;
  /** Of the guided search against the exhaustive one; undefined where the latter was too long. */
  readonly regretPoints: number | undefined;
  readonly guidedSets: number;
  readonly trials: readonly Trial[];
  /** The chosen one; undefined where no set that is cheaper keeps to the limit. */
  readonly chosen: Trial | undefined;
  readonly recovery: { readonly handedOn: number; readonly pictures: string } | undefined;
  readonly pruned: CandidateModel | undefined;
  readonly verification: Verification | undefined;
  /** Share of boxes over a threshold that no longer enter suppression, on the verification pictures. */
  readonly candidates: readonly { readonly confidenceThreshold: number; readonly before: number; readonly after: number }[];
}

/** Plain loss that recovery is expected to leave, as a share: measured on two heads (docs/anchor-pruning.md). Decides only what is tried. */
const EXPECTED_REMAINS = 0.35;
/** Sets that disagree by more tell nothing of what those that disagree little lose. */
const SLOPE_UP_TO = 25;
/** Sets below this share of the full score are not looked at more closely. */
const WORTH_A_LOOK = 0.8;
/** Shares of the refitted numbers that are tried. */
const SHARES = [0.5, 1];
/** Sets below this share of the full score are given up by the guided search. */
const MIN_SCORE_SHARE = 0.6;
/** Boxes over it count as cost: low, as where recall is wanted and suppression takes long. */
export const BOXES_THRESHOLD = 0.01;
const CANDIDATE_THRESHOLDS = [0.25, BOXES_THRESHOLD, 0.001];

/**
 * Chooses anchors that a detector can do without, cuts them out, and teaches the rest what they found.
 *
 * @throws AppError ERR_MODEL_HEAD_UNKNOWN, ERR_MODEL_UNSUPPORTED_OP, ERR_DATASET_INVALID where no label is in the dataset
 */
export async function pruneAnchors(options: PruneAnchorsOptions): Promise<PrunedAnchors> {
  const { model, search, verify, maxSets, onProgress = () => undefined } = options;
  const cut = model.manifest.head.kind === 'yolov5' ? await cutDecodedHead(model) : undefined;
  const full = openAnchorModel(cut?.model ?? model);
  // Before long work: a stride or an anchor that isn't there is a typing error.
  const wanted = options.remove && anchorMask(full.model.manifest, options.remove);
  const judge = new Judge(full, search, await collectRawBoxes(full, search, (done) => onProgress('boxes', done, search.count)));
  const searched = searchSets(full, judge, maxSets, onProgress);
  const teacher = options.recovery && canRefit(full) ? await collectTeacher(full, options) : undefined;
  const trials: Trial[] = [];
  let chosen: Trial | undefined;
  const hopeful = setsToTry(searched.sets, judge, options);
  const ladder = wanted ? [wanted] : hopeful;
  for (const [i, off] of ladder.entries()) {
    onProgress('trying', i, ladder.length);
    const trial = await tryOut(judge, off, teacher, options);
    trials.push(trial);
    if (!wanted && trial.lossPoints > options.maxLossPoints) continue;
    chosen = trial;
    break;
  }
  const made = chosen && make(full, chosen, teacher, options);
  const checked = made && chosen && (await verifyPruned(full, made.pruned, chosen, verify, onProgress));
  return { full, cutError: cut?.largestError, ...searched, trials, chosen, recovery: made?.recovery, pruned: made?.pruned, verification: checked?.verification, candidates: checked?.candidates ?? [] };
}

/** Scores models and sets on one set of pictures, beside the full head. */
class Judge {
  readonly full: AnchorModel;
  readonly pictures: ScoredPictures;
  readonly imageIds: readonly number[];
  readonly boxes: readonly PictureBoxes[];
  #slope = 0;
  readonly #scorer: MaskScorer;
  readonly #meter: LossMeter;

  constructor(full: AnchorModel, pictures: ScoredPictures, boxes: readonly PictureBoxes[]) {
    this.full = full;
    this.pictures = pictures;
    this.boxes = boxes;
    // Pictures that can't be decoded were not run: they don't count.
    this.imageIds = boxes.map(({ imageId }) => imageId);
    this.#scorer = this.#scorerOf(boxes);
    this.#meter = new LossMeter(pictures.truth, this.#scorer.results([]), this.imageIds);
  }

  map50(off: readonly number[]): number {
    return this.#scorer.score(off, this.imageIds).map50 ?? 0;
  }

  plainLoss(off: readonly number[]): LossEstimate {
    return this.#meter.estimate(this.#scorer.results(off));
  }

  lossOf(results: readonly CocoResult[]): LossEstimate {
    return this.#meter.estimate(results);
  }

  /**
   * What each set will lose on other pictures, roughly: the mean of what it loses here and of what its disagreement with the full head
   * predicts. Learns from the same sets what disagreement means.
   */
  outlook(sets: readonly EvaluatedSet[]): { readonly set: EvaluatedSet; readonly lossPoints: number }[] {
    const samples = sets.map((set) => {
      const results = this.#scorer.results(set.off);
      return { set, lossPoints: this.#meter.pooledLoss(results), disagreementPoints: this.#meter.disagreement(results) };
    });
    this.#slope = disagreementSlope(samples.filter(({ disagreementPoints }) => disagreementPoints < SLOPE_UP_TO));
    return samples.map(({ set, lossPoints, disagreementPoints }) => ({ set, lossPoints: (lossPoints + this.#slope * disagreementPoints) / 2 }));
  }

  lossPoints(estimate: LossEstimate): number {
    return expectedLossPoints(estimate, this.#slope);
  }

  /** @param imageIds which pictures' detections are wanted */
  async detections(model: CandidateModel, imageIds?: ReadonlySet<number>): Promise<CocoResult[]> {
    const boxes = await collectRawBoxes(openAnchorModel(model), imageIds ? only(this.pictures, imageIds) : this.pictures);
    return this.#scorerOf(boxes).results([]);
  }

  #scorerOf(boxes: readonly PictureBoxes[]): MaskScorer {
    const { labels, defaults, id } = this.full.model.manifest;
    const categoryIds = categoryIdsOfLabels(labels, this.pictures.truth.categories);
    if (categoryIds.every((category) => category === undefined)) {
      throw new AppError('ERR_DATASET_INVALID', `No label of ${id} is a category of ${this.pictures.description}`, { fix: 'Give a dataset with the classes that the model finds.' });
    }
    return new MaskScorer(boxes, this.pictures.truth, categoryIds, defaults.iouThreshold);
  }
}

/** A part of a set of pictures; those that aren't wanted are decoded, not run. */
function only(pictures: PictureSet, imageIds: ReadonlySet<number>): PictureSet {
  return {
    description: pictures.description,
    count: imageIds.size,
    async *read(format) {
      for await (const picture of pictures.read(format)) if (imageIds.has(picture.imageId)) yield picture;
    },
  };
}

function searchSets(full: AnchorModel, judge: Judge, maxSets: number, onProgress: NonNullable<PruneAnchorsOptions['onProgress']>): Pick<PrunedAnchors, 'sets' | 'front' | 'exhaustive' | 'regretPoints' | 'guidedSets'> {
  const anchorCount = full.anchors.length;
  const exhaustive = anchorCount <= MAX_EXHAUSTIVE_ANCHORS;
  const total = exhaustive ? 2 ** anchorCount - 1 : maxSets;
  let done = 0;
  const whole = headCost(full);
  const candidates = meanCandidates(judge.boxes, anchorCount, BOXES_THRESHOLD);
  const allCandidates = sumOf(candidates);
  const evaluate = memoized((off) => {
    onProgress('search', (done += 1), total);
    const { macs } = headCost(full, off);
    const boxes = candidates.reduce((sum, mean, anchor) => sum + (off.includes(anchor) ? 0 : mean), 0);
    return { off, map50: judge.map50(off), macs, boxes, cost: (macs / whole.macs + boxes / Math.max(allCandidates, Number.EPSILON)) / 2 };
  });
  const guided = guidedSearch(evaluate, { anchorCount, minMap50: MIN_SCORE_SHARE * judge.map50([]), maxSets });
  const sets = exhaustive ? [...allSets(anchorCount)].map(evaluate) : guided;
  return { sets, front: paretoFront(sets), exhaustive, regretPoints: exhaustive ? regret(sets, guided) * POINTS : undefined, guidedSets: guided.length };
}

async function collectTeacher(full: AnchorModel, { distill, search, views, seed, onProgress }: PruneAnchorsOptions): Promise<TeacherCells> {
  const seen = withViews(distill ?? search, views);
  return collectTeacherCells(full, seen, seed, (done) => onProgress?.('teacher', done, seen.count));
}

/** Cheapest first: sets that might keep to the limit, the cheapest of which is taken. Every one beats all cheaper ones in what it may lose. */
function setsToTry(sets: readonly EvaluatedSet[], judge: Judge, { recovery, maxLossPoints, maxTries }: PruneAnchorsOptions): (readonly number[])[] {
  const least = WORTH_A_LOOK * judge.map50([]);
  const looked = judge.outlook(sets.filter(({ off, map50 }) => off.length > 0 && map50 >= least));
  const lossOf = new Map(looked.map(({ set, lossPoints }) => [set.off.join(), lossPoints]));
  const ladder = paretoFront(looked.map(({ set, lossPoints }) => ({ ...set, map50: -lossPoints })));
  const remains = recovery ? EXPECTED_REMAINS : 1;
  const hopeful = ladder.filter(({ off }) => remains * lossOf.get(off.join())! <= maxLossPoints);
  const tried = hopeful.slice(0, maxTries);
  // Where recovery disappoints, one that hardly needs it.
  const modest = hopeful.slice(maxTries).find(({ off }) => lossOf.get(off.join())! <= maxLossPoints);
  return [...tried, ...(modest ? [modest] : [])].map(({ off }) => off);
}

async function tryOut(judge: Judge, off: readonly number[], teacher: TeacherCells | undefined, options: PruneAnchorsOptions): Promise<Trial> {
  const plain = judge.plainLoss(off);
  const plainLossPoints = judge.lossPoints(plain);
  const none = { off, share: 0, plain, recovered: undefined, lossPoints: plainLossPoints, plainLossPoints };
  if (!teacher) return none;
  const fits = crossFits(judge, off, teacher, options);
  let best: Trial = none;
  for (const share of SHARES) {
    const results: CocoResult[] = [];
    for (const { recovered, imageIds } of fits) {
      const pruned = pruneAnchorModel(judge.full, off, blendHead(judge.full, off, recovered, share));
      results.push(...(await judge.detections(pruned, imageIds)));
    }
    const estimate = judge.lossOf(results);
    const lossPoints = judge.lossPoints(estimate);
    if (lossPoints < best.lossPoints) best = { off, share, plain, recovered: estimate, lossPoints, plainLossPoints };
  }
  return best;
}

/** Fits and the pictures that each may be judged by. */
function crossFits(judge: Judge, off: readonly number[], teacher: TeacherCells, { distill, views, steps, seed }: PruneAnchorsOptions): { recovered: ReturnType<typeof recoverHead>; imageIds: ReadonlySet<number> }[] {
  if (distill) return [{ recovered: recoverHead(judge.full, teacher, off, { steps, seed }), imageIds: new Set(judge.imageIds) }];
  return [0, 1].map((fold) => ({
    recovered: recoverHead(judge.full, teacherPart(teacher, views, (picture) => picture % 2 !== fold), off, { steps, seed }),
    imageIds: new Set(judge.imageIds.filter((_, picture) => picture % 2 === fold)),
  }));
}

/** The chosen set for good: fitted on all pictures there are for it. */
function make(full: AnchorModel, { off, share }: Trial, teacher: TeacherCells | undefined, { steps, seed }: PruneAnchorsOptions): { pruned: CandidateModel; recovery: PrunedAnchors['recovery'] } {
  if (!teacher || share === 0) return { pruned: pruneAnchorModel(full, off), recovery: undefined };
  const recovered = recoverHead(full, teacher, off, { steps, seed });
  const weights: ReadonlyMap<number, ScaleWeights> = blendHead(full, off, recovered, share);
  return { pruned: pruneAnchorModel(full, off, weights), recovery: { handedOn: recovered.handedOn, pictures: teacher.description } };
}

async function verifyPruned(full: AnchorModel, pruned: CandidateModel, { off, share }: Trial, verify: ScoredPictures, onProgress: NonNullable<PruneAnchorsOptions['onProgress']>): Promise<{ verification: Verification; candidates: PrunedAnchors['candidates'] }> {
  const judge = new Judge(full, verify, await collectRawBoxes(full, verify, (done) => onProgress('verifying', done, verify.count)));
  const plain = judge.plainLoss(off);
  const after = await collectRawBoxes(openAnchorModel(pruned), verify);
  const chosen = share === 0 ? plain : judge.lossOf(await judge.detections(pruned));
  const candidates = CANDIDATE_THRESHOLDS.map((confidenceThreshold) => ({ confidenceThreshold, before: meanOver(judge.boxes, confidenceThreshold), after: meanOver(after, confidenceThreshold) }));
  return { verification: { plain, chosen }, candidates };

  function meanOver(boxes: readonly PictureBoxes[], confidenceThreshold: number): number {
    return sumOf(meanCandidates(boxes, full.anchors.length, confidenceThreshold));
  }
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

export const PRUNE_DEFAULTS = { maxLossPoints: 0.5, views: 8, steps: REFIT_DEFAULTS.steps, maxTries: 4, maxSets: 600, seed: 1 } as const;
