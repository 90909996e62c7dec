import { meanOf } from '../../evaluation/robustness/attack-figures.js';
import type { AddedLatency, DefenceWork, LatencySummary } from '../../evaluation/robustness/defence-cost.js';
import type { RegionScore } from '../../evaluation/robustness/region-score.js';
import type { RunScore } from '../../evaluation/robustness/run-score.js';
import type { Measurement, PatchMeasurement } from './measure.js';

type Json = Readonly<Record<string, unknown>>;

/**
 * The figures of a measurement as they are printed: snake case, 0 to 1, milliseconds; null for what there is nothing to measure on. The top
 * level holds means over the patches, `patches` each patch's own.
 */
export function robustnessJson({ clean, cleanDefended, controls, attacks, latency, points }: Measurement): Json {
  const control = (name: string): PatchMeasurement | undefined => controls.find((one) => one.name === name);
  const figures = attacks.map((attack) => attack.figures);
  return {
    clean: runJson(clean),
    clean_guarded: cleanDefended && { ...runJson(cleanDefended.score), flagged: cleanDefended.work.flagged, extra_passes: cleanDefended.work.extraPasses, states: cleanDefended.work.states },
    attacked: meanRunJson(figures.map(({ attacked }) => attacked)),
    guarded: meanRunJson(figures.map(({ defended }) => defended)),
    ...Object.fromEntries(['grey', 'noise'].flatMap((name) => controlJson(name, control(name)))),
    recovered: meanOf(figures.map(({ recovered }) => recovered?.share)),
    ...regionsJson(figures.map(({ regions }) => regions)),
    flagged_clean: cleanDefended?.work.flagged ?? null,
    extra_passes: meanOf(figures.map(({ work }) => work?.extraPasses)),
    extra_passes_clean: cleanDefended?.work.extraPasses ?? null,
    latency: latencyJson(latency),
    patches: attacks.map(patchJson),
    ...(points.length > 2 ? { pareto: points.map((point) => ({ defence: point.defence, clean_ap50: point.cleanAp50, attacked_ap50: point.attackedAp50, latency: latencyJson(point.latency) })) } : {}),
  };
}

function patchJson({ name, figures: { attacked, defended, recovered, regions, work } }: PatchMeasurement): Json {
  return {
    name,
    attacked: runJson(attacked),
    guarded: defended && runJson(defended),
    recovered: recovered?.share ?? null,
    recovered_interval: recovered ? [recovered.interval.low, recovered.interval.high] : null,
    ...regionsJson([regions]),
    ...workJson(work),
  };
}

function controlJson(name: string, control: PatchMeasurement | undefined): [string, Json | null][] {
  if (!control) return [[name, null], [`${name}_guarded`, null]];
  const { attacked, defended, work } = control.figures;
  return [
    [name, runJson(attacked)],
    [`${name}_guarded`, defended && { ...runJson(defended), ...workJson(work) }],
  ];
}

function runJson(score: RunScore): Json {
  return {
    ap50: score.ap50,
    ap50_interval: score.ap50Interval && [score.ap50Interval.low, score.ap50Interval.high],
    ap50_all: score.ap50All,
    per_class: score.perClass,
    images: score.images,
    boxes: score.boxes,
    detections: score.detections,
    true_positive_rate: score.truePositiveRate,
    misclassification_rate: score.misclassificationRate,
    disappearance_rate: score.disappearanceRate,
    hallucinations_per_image: score.hallucinationsPerImage,
  };
}

/** Means over patches; pictures and boxes are the same for all. Null where there is none. */
function meanRunJson(scores: readonly (RunScore | null)[]): Json | null {
  const known = scores.filter((score) => score !== null);
  const first = known[0];
  if (!first) return null;
  const mean = (figure: (score: RunScore) => number | null): number | null => meanOf(known.map(figure));
  return {
    ap50: mean(({ ap50 }) => ap50),
    ap50_all: mean(({ ap50All }) => ap50All),
    images: first.images,
    boxes: first.boxes,
    detections: mean(({ detections }) => detections),
    true_positive_rate: mean(({ truePositiveRate }) => truePositiveRate),
    misclassification_rate: mean(({ misclassificationRate }) => misclassificationRate),
    disappearance_rate: mean(({ disappearanceRate }) => disappearanceRate),
    hallucinations_per_image: mean(({ hallucinationsPerImage }) => hallucinationsPerImage),
  };
}

function regionsJson(scores: readonly (RegionScore | null)[]): Json {
  const mean = (figure: (score: RegionScore) => number | null): number | null => meanOf(scores.map((score) => score && figure(score)));
  const sum = (figure: (score: RegionScore) => number): number | null => {
    const known = scores.filter((score) => score !== null);
    return known.length === 0 ? null : known.reduce((total, score) => total + figure(score), 0);
  };
  return {
    hit_rate: mean(({ hitRate }) => hitRate),
    hit_rate_harmful: mean(({ hitRateHarmful }) => hitRateHarmful),
    region_precision: mean(({ precision }) => precision),
    region_precision_touching: mean(({ precisionTouching }) => precisionTouching),
    regions: sum(({ regions }) => regions),
    placed_patches: sum(({ patches }) => patches),
    harmful_patches: sum(({ harmfulPatches }) => harmfulPatches),
  };
}

function workJson(work: DefenceWork | null): Json {
  return { flagged: work?.flagged ?? null, extra_passes: work?.extraPasses ?? null, states: work?.states ?? null };
}

function latencyJson(latency: AddedLatency | null): Json | null {
  return latency && { ...summaryJson(latency.own), paired: summaryJson(latency.paired) };
}

function summaryJson({ n, meanMs, p50Ms, p99Ms, maxMs }: LatencySummary): Json {
  return { n, mean_ms: meanMs, p50_ms: p50Ms, p99_ms: p99Ms, max_ms: maxMs };
}
