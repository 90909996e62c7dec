import type { PairedChange } from '../../evaluation/bootstrap.js';
import { graphCost } from '../../onnx/graph-cost.js';
import { decodeModel, graphOf } from '../../onnx/model-proto.js';
import { anchorName, headCost } from './anchor-head.js';
import type { MeasuredPair, MeasuredTimes } from './post-processing.js';
import { BOXES_THRESHOLD, type PrunedAnchors } from './prune-anchors.js';

/** A change of mAP50, 0 to 1; the interval is of the difference. */
export interface ChangeFigures {
  readonly before: number;
  readonly after: number;
  readonly difference: number;
  readonly ci95: readonly [low: number, high: number];
  /** The same over the objects of all classes together. */
  readonly pooled_difference: number;
}

export interface TimeFigures {
  readonly n: number;
  readonly median_ms: number;
  readonly mean_ms: number;
  readonly variance_ms2: number;
  readonly p95_ms: number;
}

/** What the command prints as JSON and the lineage keeps. Names are snake_case as everywhere outside of the process. */
export interface AnchorFigures {
  readonly head_kind: string;
  readonly anchors: readonly string[];
  /** By scale; a scale without anchors has gone. */
  readonly kept: readonly { readonly stride: number; readonly indices: readonly number[]; readonly names: readonly string[] }[];
  readonly removed: readonly string[];
  /** 0 to 1. */
  readonly head_macs_reduction: number;
  /** Of boxes over `boxes_threshold` that go into suppression, mean over the verification pictures. */
  readonly boxes_reduction: number;
  readonly boxes_threshold: number;
  /** Of anchors times cells. */
  readonly grid_boxes_reduction: number;
  readonly candidates_reduction: Readonly<Record<string, number>>;
  readonly network_macs_reduction: number | null;
  /** Of the network's MACs, before. */
  readonly head_share: number | null;
  readonly map50_search: ChangeFigures | null;
  readonly map50_verify: ChangeFigures | null;
  /** Null where there is no recovery in the model. */
  readonly without_recovery: { readonly map50_search: ChangeFigures; readonly map50_verify: ChangeFigures } | null;
  readonly recovery: { readonly share: number; readonly boxes_handed_on: number; readonly pictures: string } | null;
  /** Points of mAP50 by which the set was chosen. */
  readonly estimated_loss_points: number | null;
  readonly tried: readonly { readonly removed: readonly string[]; readonly plain_loss_points: number; readonly loss_points: number; readonly share: number }[];
  readonly search: { readonly sets: number; readonly exhaustive: boolean; readonly guided_sets: number; readonly regret_points: number | null };
  readonly decoding_cut_off: { readonly largest_error: number } | null;
  readonly post_processing: readonly { readonly confidence_threshold: number; readonly boxes_before: number; readonly boxes_after: number; readonly before: TimeFigures; readonly after: TimeFigures }[];
  readonly inference: { readonly before: TimeFigures; readonly after: TimeFigures } | null;
}

export function anchorFigures(result: PrunedAnchors, times: MeasuredPair | undefined): AnchorFigures {
  const { full, chosen, verification, pruned, recovery, trials, candidates } = result;
  const off = chosen?.off ?? [];
  const names = (indices: readonly number[]): string[] => indices.map((index) => anchorName(full.anchors[index]!));
  const whole = headCost(full);
  const left = headCost(full, off);
  const networkAfter = pruned && graphCost(graphOf(decodeModel(pruned.onnx))).macs;
  const onSearch = chosen && (chosen.recovered ?? chosen.plain);
  const counted = candidates.find(({ confidenceThreshold }) => confidenceThreshold === BOXES_THRESHOLD);
  const reduction = ({ before, after }: { readonly before: number; readonly after: number }): number => (before === 0 ? 0 : 1 - after / before);
  return {
    head_kind: full.model.manifest.head.kind,
    anchors: names(full.anchors.map(({ index }) => index)),
    kept: full.scales.map(({ stride }, scaleIndex) => {
      const kept = full.anchors.filter((anchor) => anchor.scaleIndex === scaleIndex && !off.includes(anchor.index));
      return { stride, indices: kept.map(({ inScale }) => inScale), names: kept.map(anchorName) };
    }),
    removed: names(off),
    head_macs_reduction: 1 - left.macs / whole.macs,
    boxes_reduction: counted ? reduction(counted) : 0,
    boxes_threshold: BOXES_THRESHOLD,
    grid_boxes_reduction: 1 - left.boxes / whole.boxes,
    candidates_reduction: Object.fromEntries(candidates.map((one) => [String(one.confidenceThreshold), reduction(one)])),
    network_macs_reduction: networkAfter !== undefined && full.networkMacs !== undefined ? 1 - networkAfter / full.networkMacs : null,
    head_share: full.networkMacs === undefined ? null : whole.macs / full.networkMacs,
    map50_search: onSearch ? changeOf(onSearch.map50, onSearch.pooled) : null,
    map50_verify: verification ? changeOf(verification.chosen.map50, verification.chosen.pooled) : null,
    without_recovery: chosen && recovery && verification ? { map50_search: changeOf(chosen.plain.map50, chosen.plain.pooled), map50_verify: changeOf(verification.plain.map50, verification.plain.pooled) } : null,
    recovery: recovery && chosen ? { share: chosen.share, boxes_handed_on: recovery.handedOn, pictures: recovery.pictures } : null,
    estimated_loss_points: chosen?.lossPoints ?? null,
    tried: trials.map((trial) => ({ removed: names(trial.off), plain_loss_points: trial.plainLossPoints, loss_points: trial.lossPoints, share: trial.share })),
    search: { sets: result.sets.length, exhaustive: result.exhaustive, guided_sets: result.guidedSets, regret_points: result.regretPoints ?? null },
    decoding_cut_off: result.cutError === undefined ? null : { largest_error: result.cutError },
    post_processing: (times?.postProcessing ?? []).map((one) => ({ confidence_threshold: one.confidenceThreshold, boxes_before: one.boxesBefore, boxes_after: one.boxesAfter, before: timeOf(one.before), after: timeOf(one.after) })),
    inference: times ? { before: timeOf(times.inference.before), after: timeOf(times.inference.after) } : null,
  };
}

function changeOf({ before, after, difference, interval }: PairedChange, pooled: PairedChange): ChangeFigures {
  return { before, after, difference, ci95: [interval.low, interval.high], pooled_difference: pooled.difference };
}

function timeOf({ n, medianMs, meanMs, varianceMs2, p95Ms }: MeasuredTimes): TimeFigures {
  return { n, median_ms: medianMs, mean_ms: meanMs, variance_ms2: varianceMs2, p95_ms: p95Ms };
}
