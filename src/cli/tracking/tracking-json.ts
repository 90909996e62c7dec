import { basename } from 'node:path';
import type { TrackScore } from '../../evaluation/tracking/score-tracks.js';
import type { TrackingEvaluation } from './tracking-evaluation.js';

/** What `eval --format mot --json` prints. Shares are 0 to 1. */
export function trackingJson({ input, run, full, dropped }: TrackingEvaluation): Record<string, unknown> {
  return {
    dataset: basename(input.path),
    ground_truth: basename(input.truthPath),
    ...(run && {
      model: run.model,
      confidence_threshold: run.threshold,
      tracking: { low_share: run.tracking.lowShare, sure_share: run.tracking.sureShare, begin_share: run.tracking.beginShare, confirm_s: run.tracking.confirmSeconds, keep_s: run.tracking.keepSeconds, min_iou: run.tracking.minIou, coast_s: run.tracking.coastSeconds },
      tracker_us_per_frame: { mean: round1(meanOf(run.costUs)), p50: round1(quantileOf(run.costUs, 0.5)), p95: round1(quantileOf(run.costUs, 0.95)), n: run.costUs.length },
    }),
    ...scoreJson(full.score),
    ...(dropped && {
      dropped: {
        share: dropped.share,
        seed: dropped.seed,
        idf1_relative_loss: round4(1 - dropped.kept.score.idf1 / full.score.idf1),
        kept_frames: scoreJson(dropped.kept.score),
        all_frames: scoreJson(dropped.all.score),
      },
    }),
  };
}

function scoreJson(score: TrackScore): Record<string, number> {
  return {
    frames: score.frames,
    mota: round4(score.mota),
    idf1: round4(score.idf1),
    hota: round4(score.hota),
    det_a: round4(score.detA),
    ass_a: round4(score.assA),
    loc_a: round4(score.locA),
    motp: round4(score.motp),
    id_precision: round4(score.idPrecision),
    id_recall: round4(score.idRecall),
    true_positives: score.truePositives,
    false_positives: score.falsePositives,
    false_negatives: score.falseNegatives,
    id_switches: score.idSwitches,
    fragmentations: score.fragmentations,
    mostly_tracked: score.mostlyTracked,
    partly_tracked: score.partlyTracked,
    mostly_lost: score.mostlyLost,
    objects: score.objects,
    object_boxes: score.objectBoxes,
    tracks: score.tracks,
    track_boxes: score.trackBoxes,
  };
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** The value that a share of all is not greater than. */
export function quantileOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

function round4(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

function round1(value: number): number {
  return Math.round(value * 10) / 10;
}
