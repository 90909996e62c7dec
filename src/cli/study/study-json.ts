import type { ConfigurationFigures, StudyFigures, VarianceShares } from '../../study/analyse.js';
import type { Description, Estimate } from '../../study/describe.js';
import type { StudyRecording } from '../../study/records.js';

const DIGITS = 4;

/** What `--json` prints. Times in milliseconds, intervals of 95 %. */
export function studyJson({ header, notes }: StudyRecording, figures: StudyFigures): object {
  const { perspectives, injection, postProcessing, frames } = figures;
  return {
    input: header.input,
    seed: header.seed,
    frames,
    ...(injection
      ? {
          injections: header.injections,
          added_variance: injection.shares
            ? { ms2: round(injection.addedVarianceMs2), by_stage: roundAll(injection.shares.byStage), by_factor: roundAll(injection.shares.byPerspective), by_cause: roundAll(injection.shares.byCause) }
            : { ms2: round(injection.addedVarianceMs2), by_stage: null, by_factor: null, by_cause: null },
          without: configurationJson(injection.without),
          with: configurationJson(injection.with),
        }
      : {}),
    ...(perspectives.length === 0
      ? {}
      : {
          perspectives: perspectives.map(({ perspective, configurations, effects }) => ({
            perspective,
            effects: effects.effects.map(({ name, etaSquared, degreesOfFreedom }) => ({ factor: name, eta_squared: round(etaSquared), df: degreesOfFreedom })),
            unexplained: round(effects.residualShare),
            balanced: effects.isBalanced,
            configurations: configurations.map(configurationJson),
          })),
        }),
    post_processing: postProcessing
      ? { n: postProcessing.n, ms_per_box: Number(postProcessing.slope.toPrecision(4)), intercept_ms: round(postProcessing.intercept), r2: round(postProcessing.r2), residual_sd_ms: round(postProcessing.residualDeviation), mean_relative_error: round(postProcessing.meanRelativeError), outliers: postProcessing.outliers }
      : null,
    notes,
    machine: header.machine,
  };
}

function configurationJson({ levels, runs, total, varianceMs2, shares, meanByStage, meanByCause, tail, fps, dropped, throttledMs, stolenMs }: ConfigurationFigures): object {
  return {
    levels,
    runs,
    latency_ms: descriptionJson(total),
    variance_ms2: round(varianceMs2),
    shares: sharesJson(shares),
    mean_ms_by_stage: roundAll(meanByStage),
    mean_ms_by_cause: roundAll(meanByCause),
    tail: tail ? { n: tail.n, p50: round(tail.p50Ms), p99: round(tail.p99Ms), gap_ms: round(tail.gapMs), gap_ms_by_cause: roundAll(tail.byPart) } : null,
    fps: round(fps),
    dropped,
    throttled_ms: throttledMs === undefined ? null : round(throttledMs),
    stolen_ms: stolenMs === undefined ? null : round(stolenMs),
  };
}

function sharesJson({ byStage, byCause, byPerspective }: VarianceShares): object {
  return { by_stage: roundAll(byStage), by_factor: roundAll(byPerspective), by_cause: roundAll(byCause) };
}

function descriptionJson({ n, mean, deviation, cv, min, max, range, p50, p95, p99, p999 }: Description): object {
  const tail = (estimate: Estimate | undefined) => (estimate ? estimateJson(estimate) : null);
  return { n, mean: estimateJson(mean), sd: estimateJson(deviation), cv: estimateJson(cv), min: round(min), max: round(max), range: round(range), p50: estimateJson(p50), p95: tail(p95), p99: tail(p99), p99_9: tail(p999) };
}

function estimateJson({ value, low, high }: Estimate): object {
  return { value: round(value), low: round(low), high: round(high) };
}

function round(value: number): number {
  return Number(value.toFixed(DIGITS));
}

function roundAll(values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, round(value)]));
}
