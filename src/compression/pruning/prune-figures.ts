import type { PairedChange } from '../../evaluation/bootstrap.js';
import type { LatencyPair } from './latency.js';
import type { PackageSize } from './package-size.js';
import type { PrunedModel } from './prune-model.js';

/** A change of mAP, 0 to 1; the interval is of the difference. */
export interface ChangeFigures {
  readonly before: number;
  readonly after: number;
  readonly difference: number;
  readonly ci95: readonly [low: number, high: number];
}

/** What the command prints as JSON and the lineage keeps. Names are snake_case as everywhere outside of the process. */
export interface PruneFigures {
  /** Of the convolutions' weights, 0 to 1. */
  readonly sparsity: number | null;
  /** Mean over layers of the squared difference from the dense layer's output over its variance: removed only, and mended. */
  readonly layer_error: { readonly before: number; readonly after: number; readonly reduction: number } | null;
  readonly filters: { readonly macs_before: number; readonly macs_after: number; readonly macs_reduction: number; readonly channels_before: number; readonly channels_after: number } | null;
  /** Nodes that channels could not be followed through. */
  readonly kept_by: readonly { readonly node: string; readonly why: string; readonly channels: number }[];
  readonly bytes: { readonly before: PackageSize; readonly after: PackageSize };
  readonly latency: readonly { readonly threads: number; readonly n: number; readonly median_ms_before: number; readonly median_ms_after: number; readonly speedup: number }[];
  readonly trials: readonly { readonly value: number; readonly loss_points: number }[];
  readonly map50_verify: ChangeFigures | null;
  readonly map_verify: ChangeFigures | null;
}

export function pruneFigures({ sparse, narrow, size, latency, trials, change }: PrunedModel): PruneFigures {
  return {
    sparsity: sparse?.sparsity ?? null,
    layer_error: sparse ? errorFigures(sparse.layers) : null,
    filters: narrow
      ? {
          macs_before: narrow.macsBefore,
          macs_after: narrow.macsAfter,
          macs_reduction: 1 - narrow.macsAfter / narrow.macsBefore,
          channels_before: narrow.layers.reduce((sum, { filtersBefore }) => sum + filtersBefore, 0),
          channels_after: narrow.layers.reduce((sum, { filtersAfter }) => sum + filtersAfter, 0),
        }
      : null,
    kept_by: narrow?.pinnedBy ?? [],
    bytes: size,
    latency: latency.map(latencyFigures),
    trials: trials.map(({ value, lossPoints }) => ({ value, loss_points: lossPoints })),
    map50_verify: changeFigures(change?.map50),
    map_verify: changeFigures(change?.map5095),
  };
}

export function changeFigures(change: PairedChange | null | undefined): ChangeFigures | null {
  return change ? { before: change.before, after: change.after, difference: change.difference, ci95: [change.interval.low, change.interval.high] } : null;
}

function errorFigures(layers: readonly { readonly errorBefore: number; readonly errorAfter: number }[]): { readonly before: number; readonly after: number; readonly reduction: number } {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const before = mean(layers.map(({ errorBefore }) => errorBefore));
  const after = mean(layers.map(({ errorAfter }) => errorAfter));
  return { before, after, reduction: before === 0 ? 0 : 1 - after / before };
}

function latencyFigures({ threads, n, medianMsBefore, medianMsAfter, speedup }: LatencyPair): PruneFigures['latency'][number] {
  return { threads, n, median_ms_before: medianMsBefore, median_ms_after: medianMsAfter, speedup };
}
