import { bootstrapIntervals, type BootstrapOptions, type Interval } from '../bootstrap.js';
import type { CocoDataset, CocoResult } from '../coco-dataset.js';
import { evaluateMap50 } from '../map50.js';
import { matchObjects, type ObjectMatches, type OperatingPoint } from './object-matches.js';
import type { Ranking } from '../average-precision.js';
import type { RunOutcome } from './run-outcome.js';

export interface ScoringOptions extends OperatingPoint {
  readonly truth: CocoDataset;
  readonly bootstrap?: BootstrapOptions | undefined;
}

export interface ClassAp {
  readonly label: string;
  /** Null where the dataset has no object of the class. */
  readonly ap50: number | null;
}

/**
 * One run against the ground truth. AP50 takes boxes of any score; the rates are those at the user's threshold. All are 0 to 1, null where
 * there is nothing to measure them on.
 */
export interface RunScore {
  /** Mean over the judged classes. */
  readonly ap50: number | null;
  readonly ap50Interval: Interval | null;
  /** Mean over all classes of the dataset. */
  readonly ap50All: number | null;
  /** Judged classes. */
  readonly perClass: readonly ClassAp[];
  /** Pictures that were scored, of the ground truth: lost ones count as empty. */
  readonly images: number;
  /** Objects of the judged classes in the ground truth. */
  readonly boxes: number;
  /** Boxes of the judged classes from the threshold on. */
  readonly detections: number;
  /** Share of the objects found by a box of their class. */
  readonly truePositiveRate: number | null;
  /** Share of the objects at whose place there is only a box of another class. */
  readonly misclassificationRate: number | null;
  /** Boxes of the judged classes where no object is, per picture. */
  readonly hallucinationsPerImage: number;
  /** Of the objects found in the clean run, the share that isn't found in this one; null for the clean run itself. */
  readonly disappearanceRate: number | null;
}

/** A run's score, and what further figures are made of. */
export interface ScoredRun {
  readonly score: RunScore;
  readonly matches: ObjectMatches;
  /** Of the judged classes at IoU 0.5. */
  readonly rankings: readonly (readonly Ranking[])[];
}

/** @param clean the run without attack and without defence; absent where it is this one. */
export function scoreRun(run: RunOutcome, options: ScoringOptions, clean?: ScoredRun): ScoredRun {
  const { truth, categories, bootstrap } = options;
  const judged = { ...truth, categories: truth.categories.filter(({ id }) => categories.includes(id)) };
  const results = toResults(run);
  const { map50, rankings } = evaluateMap50(judged, results);
  const matches = matchObjects(run, truth, options);
  const images = truth.images.length;
  const score: RunScore = {
    ap50: map50,
    ap50Interval: bootstrapIntervals(rankings, images, bootstrap).map50,
    ap50All: evaluateMap50(truth, results).map50,
    perClass: judged.categories.map((category) => ({ label: category.name, ap50: evaluateMap50({ ...truth, categories: [category] }, results).map50 })),
    images,
    boxes: matches.objects.length,
    detections: matches.detections,
    truePositiveRate: share(matches.found.size, matches.objects.length),
    misclassificationRate: share(matches.misclassified.size, matches.objects.length),
    hallucinationsPerImage: [...matches.hallucinations.values()].reduce((sum, boxes) => sum + boxes.length, 0) / images,
    disappearanceRate: clean ? disappearanceRate(clean.matches, matches) : null,
  };
  return { score, matches, rankings };
}

function toResults(run: RunOutcome): CocoResult[] {
  return run.flatMap(({ imageId, boxes }) =>
    boxes.flatMap(({ xyxy: [left, top, right, bottom], score, categoryId }) =>
      categoryId === undefined ? [] : [{ image_id: imageId, category_id: categoryId, bbox: [left, top, right - left, bottom - top] as const, score }],
    ),
  );
}

function disappearanceRate(clean: ObjectMatches, now: ObjectMatches): number | null {
  const gone = [...clean.found].filter((object) => !now.found.has(object)).length;
  return share(gone, clean.found.size);
}

/** Null where there is nothing to be a share of. */
export function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
