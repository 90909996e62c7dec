import type { PairedChange } from '../../evaluation/bootstrap.js';
import type { QuantizeOutcome, Speedup } from './quantize-model.js';

/** Change of a figure, points. */
export interface ChangeFigures {
  readonly before: number;
  readonly after: number;
  /** Of the difference. */
  readonly ci95: readonly [low: number, high: number];
}

/** What `--json` prints and the lineage keeps. */
export interface QuantizationFigures {
  readonly speedup: { readonly threads1: SpeedupFigures; readonly threads2: SpeedupFigures };
  readonly map50_search: ChangeFigures | null;
  readonly map50_verify: ChangeFigures | null;
  readonly map_verify: ChangeFigures | null;
  readonly size_bytes: { readonly before: number; readonly after: number };
  readonly layers: readonly { readonly name: string; readonly op: string; readonly sqnr_db: number | null; readonly int8: boolean; readonly why: string }[];
  readonly optimization_check: { readonly pictures: number; readonly agreement: number | null; readonly limit: number; readonly passed: boolean };
  readonly method: { readonly ranges: string; readonly equalized: boolean; readonly bias_correction: boolean };
  readonly trials: readonly { readonly ranges: string; readonly equalized: boolean; readonly bias_correction: boolean; readonly disagreement: number }[];
  readonly candidates: readonly { readonly name: string; readonly int8_convolutions: number; readonly ratio: number; readonly loss: number; readonly map50_loss: number | null; readonly disagreement: number | null; readonly head_sqnr_db: number }[];
  readonly chosen: string;
  readonly advice: 'int8' | 'fp32';
  readonly reason: string;
}

export interface SpeedupFigures {
  readonly fp32_ms: number;
  readonly fp32_simplified_ms: number;
  readonly int8_ms: number;
  readonly ratio: number;
  readonly n: number;
}

export function quantizationFigures(outcome: QuantizeOutcome, bytesBefore: number): QuantizationFigures {
  const { search, chosen, speedup, searchChange, verifyChange, optimizationCheck, layers } = outcome;
  return {
    speedup: { threads1: speedupFigures(speedup.threads1), threads2: speedupFigures(speedup.threads2) },
    map50_search: change(searchChange?.map50),
    map50_verify: change(verifyChange?.map50),
    map_verify: change(verifyChange?.map5095),
    size_bytes: { before: bytesBefore, after: outcome.model.onnx.length },
    layers: layers.map(({ name, op, sqnrDb, int8, why }) => ({ name, op, sqnr_db: Number.isFinite(sqnrDb) ? rounded(sqnrDb, 1) : null, int8, why })),
    optimization_check: { ...optimizationCheck, agreement: optimizationCheck.agreement === null ? null : rounded(optimizationCheck.agreement, 4) },
    method: way(search.chosenTrial),
    trials: search.trials.map((trial) => ({ ...way(trial), disagreement: rounded(trial.disagreement, 2) })),
    candidates: search.candidates.map((one) => ({
      name: one.name,
      int8_convolutions: one.integer.size,
      ratio: rounded(one.ratio, 3),
      loss: rounded(one.loss, 2),
      map50_loss: one.map50Loss === undefined ? null : rounded(one.map50Loss, 2),
      disagreement: one.disagreement === undefined ? null : rounded(one.disagreement, 2),
      head_sqnr_db: rounded(-10 * Math.log10(Math.max(one.headNoise, 1e-12)), 1),
    })),
    chosen: chosen.name,
    advice: outcome.advice,
    reason: outcome.reason,
  };
}

function way({ method, equalized, biasCorrection }: { readonly method: string; readonly equalized: boolean; readonly biasCorrection: boolean }): QuantizationFigures['method'] {
  return { ranges: method, equalized, bias_correction: biasCorrection };
}

function speedupFigures({ fp32Ms, simplifiedMs, int8Ms, ratio, n }: Speedup): SpeedupFigures {
  return { fp32_ms: rounded(fp32Ms, 2), fp32_simplified_ms: rounded(simplifiedMs, 2), int8_ms: rounded(int8Ms, 2), ratio: rounded(ratio, 3), n };
}

function change(of: PairedChange | null | undefined): ChangeFigures | null {
  if (!of) return null;
  const points = (value: number): number => rounded(100 * value, 2);
  return { before: points(of.before), after: points(of.after), ci95: [points(of.interval.low), points(of.interval.high)] };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
