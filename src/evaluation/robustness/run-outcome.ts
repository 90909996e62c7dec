import type { GuardReport } from '../../core/guard-report.js';

/** A box that a run delivered. */
export interface FoundBox {
  /** Left, top, right, bottom in pixels of the source picture. */
  readonly xyxy: readonly [number, number, number, number];
  /** 0 to 1. */
  readonly score: number;
  /** Undefined where the dataset has no category of the model's label. */
  readonly categoryId: number | undefined;
  /** True where a guard found it behind a patch. */
  readonly recovered?: boolean;
}

/** What one run made of one picture. */
export interface PictureOutcome {
  readonly imageId: number;
  readonly boxes: readonly FoundBox[];
  /** Absent where the run had no defence. */
  readonly guard?: Pick<GuardReport, 'state' | 'reason' | 'patches' | 'extraPasses'>;
  /** What the picture cost in the stages of the stream, without waiting; milliseconds. */
  readonly serviceMs: number;
  /** The part of it that is the defence's: all but the one inference that every picture costs and the reading of its outputs. */
  readonly defenceMs: number;
}

/** One model with one defence over all pictures of a dataset, in their order. Pictures that were lost are missing. */
export type RunOutcome = readonly PictureOutcome[];

/** Where an attack put a patch. */
export interface PlacedPatch {
  readonly imageId: number;
  /** Around the patch, in pixels of the source picture. */
  readonly xyxy: readonly [number, number, number, number];
  /** Place of the object that carries it in the annotations of the ground truth; undefined where it lies in the scene. */
  readonly carrier: number | undefined;
}

/** A box of COCO (left, top, width, height) by its corners. */
export function xywhToXyxy([left, top, width, height]: readonly [number, number, number, number]): [number, number, number, number] {
  return [left, top, left + width, top + height];
}

/** Intersection over union of two boxes by their corners, any unit; 0 where they don't meet. */
export function iouOf(a: readonly number[], b: readonly number[]): number {
  const shared = intersectionOf(a, b);
  return shared === 0 ? 0 : shared / (areaOf(a) + areaOf(b) - shared);
}

/** Area that two boxes share, by their corners. */
export function intersectionOf(a: readonly number[], b: readonly number[]): number {
  const width = Math.min(a[2]!, b[2]!) - Math.max(a[0]!, b[0]!);
  const height = Math.min(a[3]!, b[3]!) - Math.max(a[1]!, b[1]!);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Area of a box by its corners. */
export function areaOf([left, top, right, bottom]: readonly number[]): number {
  return (right! - left!) * (bottom! - top!);
}
