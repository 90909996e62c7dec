import type { PictureSet } from '../../core/picture-set.js';
import type { CandidateModel } from '../score-model.js';
import { readNetwork } from './conv-layer.js';
import { changeFigures, type ChangeFigures } from './prune-figures.js';
import { Scorer, type ScoredPictures } from './score-change.js';
import { denseStatistics, SPARSIFY_STEPS, sparsifyWith, type OnProgress, type SparsifyStep } from './sparsify.js';

export interface ComparedStep {
  readonly calibration: string;
  readonly step: SparsifyStep;
  readonly sparsity: number;
  /** Mean over layers, over the variance of the dense output, on the calibration pictures themselves. */
  readonly layer_error: number;
  /** From the dense model, on the verification pictures. */
  readonly map50_verify: ChangeFigures | null;
  readonly map_verify: ChangeFigures | null;
}

/** A difference between two calibration sets after the last step, paired over the verification pictures. */
export interface ComparedPair {
  readonly from: string;
  readonly to: string;
  readonly map50: ChangeFigures | null;
}

export interface CalibrationComparison {
  readonly steps: readonly ComparedStep[];
  readonly pairs: readonly ComparedPair[];
}

export interface ComparisonOptions {
  readonly model: CandidateModel;
  readonly sparsity: number;
  /** By name, the best expected first. */
  readonly calibrations: Readonly<Record<string, PictureSet>>;
  readonly verify: ScoredPictures;
  readonly seed?: number | undefined;
  readonly threads?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Prunes a model by each calibration set and each step of the method, and judges what comes out. */
export async function compareCalibrations({ model, sparsity, calibrations, verify, seed, threads, onProgress }: ComparisonOptions): Promise<CalibrationComparison> {
  const scorer = new Scorer(verify, threads);
  const dense = await scorer.score(model);
  const network = readNetwork(model.onnx);
  const steps: ComparedStep[] = [];
  const last = new Map<string, Awaited<ReturnType<Scorer['score']>>>();
  const total = Object.keys(calibrations).length * SPARSIFY_STEPS.length;
  for (const [name, calibration] of Object.entries(calibrations)) {
    const statistics = await denseStatistics(model, network, { calibration, seed, threads, onProgress });
    for (const step of SPARSIFY_STEPS) {
      const { onnx, layers, sparsity: reached } = sparsifyWith(model.onnx, network, statistics, { sparsity, upTo: step });
      const scored = await scorer.score({ ...model, onnx });
      last.set(name, scored);
      const change = scorer.change(dense, scored);
      steps.push({ calibration: name, step, sparsity: reached, layer_error: layers.reduce((sum, { errorAfter }) => sum + errorAfter, 0) / layers.length, map50_verify: changeFigures(change.map50), map_verify: changeFigures(change.map5095) });
      onProgress?.('compare', steps.length, total);
    }
  }
  const names = [...last.keys()];
  const pairs = names.slice(1).map((to, index) => ({ from: names[index]!, to, map50: changeFigures(scorer.change(last.get(names[index]!)!, last.get(to)!).map50) }));
  return { steps, pairs };
}
