import type { PictureSet } from '../../core/picture-set.js';
import { AppError } from '../../core/errors.js';
import type { PairedChanges } from '../../evaluation/bootstrap.js';
import type { CandidateModel } from '../score-model.js';
import { readNetwork } from './conv-layer.js';
import type { FilterCriterion } from './filter-saliency.js';
import { measureLatency, type LatencyPair } from './latency.js';
import { outputGains } from './output-gains.js';
import { packageSize, type PackageSize } from './package-size.js';
import { pruneFiltersWith, readerStatistics, type NarrowModel } from './prune-filters.js';
import { largestWithin, lostPoints, Scorer, type ScoredPictures, type Trial } from './score-change.js';
import { denseStatistics, sparsifyWith, type OnProgress, type SparseModel, type SparsifyStep } from './sparsify.js';

export interface PruneOptions {
  readonly model: CandidateModel;
  /** Share of weights that become zero, 0 to 1; with `maxLossPoints` the most that is tried. */
  readonly sparsity?: number | undefined;
  /** Share of multiply-accumulates that goes with whole channels, 0 to 1; with `maxLossPoints` the most that is tried. */
  readonly filters?: number | undefined;
  readonly calibration: PictureSet;
  /** How far the weights that stay make up for those that go. */
  readonly upTo?: SparsifyStep | undefined;
  readonly criterion?: FilterCriterion | undefined;
  readonly multipleOf?: number | undefined;
  /** Labelled pictures to choose by and others to judge by. */
  readonly data?: { readonly search: ScoredPictures; readonly verify: ScoredPictures } | undefined;
  /** Points of mAP50 that may be lost on the search pictures; needs `data`, and one of `sparsity` and `filters`. */
  readonly maxLossPoints?: number | undefined;
  /** Pairs of runs that latency is measured by; 0 measures nothing. */
  readonly latencyPairs: number;
  readonly seed?: number | undefined;
  readonly threads?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface PrunedModel {
  readonly onnx: Uint8Array;
  /** Undefined where it was not asked for. */
  readonly sparse: SparseModel | undefined;
  readonly narrow: NarrowModel | undefined;
  /** Values of the search under `maxLossPoints`. */
  readonly trials: readonly Trial[];
  readonly size: { readonly before: PackageSize; readonly after: PackageSize };
  /** One and two threads; of models whose channels were removed only: zeros alone make nothing faster. */
  readonly latency: readonly LatencyPair[];
  /** On the verification pictures. */
  readonly change: PairedChanges | undefined;
}

const BISECTION_STEPS = 5;

/**
 * Prunes a model: whole channels first, then weights of what is left.
 *
 * @throws AppError ERR_USAGE where nothing was asked for or nothing keeps to the loss; else as `pruneFilters` and `sparsify`.
 */
export async function pruneModel(options: PruneOptions): Promise<PrunedModel> {
  const { model, sparsity, filters, maxLossPoints, data } = options;
  if (sparsity === undefined && filters === undefined) throw new AppError('ERR_USAGE', 'Nothing to prune was asked for', { fix: 'Give --sparsity, --filters or both.' });
  if (maxLossPoints !== undefined && (!data || (sparsity !== undefined && filters !== undefined))) {
    throw new AppError('ERR_USAGE', 'A loss can be kept to for one of sparsity and filters, on labelled pictures', { fix: 'Give --data, and one of --sparsity and --filters.' });
  }
  const narrowed = filters === undefined ? undefined : await narrowing(options, filters);
  const thinned = sparsity === undefined ? undefined : await thinning(options, narrowed?.result.onnx ?? model.onnx, sparsity);
  const onnx = thinned?.result.onnx ?? narrowed!.result.onnx;
  return {
    onnx,
    sparse: thinned?.result,
    narrow: narrowed?.result,
    trials: [...(narrowed?.trials ?? []), ...(thinned?.trials ?? [])],
    size: { before: packageSize(model.onnx), after: packageSize(onnx) },
    latency: narrowed && options.latencyPairs > 0 ? await latencies(model, { ...model, onnx }, options.latencyPairs) : [],
    change: data && (await verifiedChange(options, onnx, data.verify)),
  };
}

interface Found<Result> {
  readonly result: Result;
  readonly trials: readonly Trial[];
}

async function narrowing(options: PruneOptions, filters: number): Promise<Found<NarrowModel>> {
  const { model, calibration, seed = 1, onProgress } = options;
  const network = readNetwork(model.onnx);
  const statistics = await readerStatistics(model, network, options);
  const gains = await outputGains(model, network, statistics, calibration, seed, (done, total) => onProgress?.('gains', done, total));
  return withinLoss(options, filters, (macsReduction) => pruneFiltersWith(model.onnx, statistics, { ...options, gains, macsReduction }));
}

async function thinning(options: PruneOptions, onnx: Uint8Array, sparsity: number): Promise<Found<SparseModel>> {
  const network = readNetwork(onnx);
  const statistics = await denseStatistics({ ...options.model, onnx }, network, options);
  return withinLoss(options, sparsity, (share) => sparsifyWith(onnx, network, statistics, { ...options, sparsity: share }));
}

async function withinLoss<Result extends { readonly onnx: Uint8Array }>({ model, data, maxLossPoints, threads, onProgress }: PruneOptions, limit: number, make: (value: number) => Result): Promise<Found<Result>> {
  if (maxLossPoints === undefined || !data) return { result: make(limit), trials: [] };
  const scorer = new Scorer(data.search, threads);
  const before = await scorer.score(model);
  const results = new Map<number, Result>();
  const { value, trials } = await largestWithin(limit, maxLossPoints, BISECTION_STEPS, async (candidate) => {
    results.set(candidate, make(candidate));
    const after = await scorer.score({ ...model, onnx: results.get(candidate)!.onnx });
    onProgress?.('search', results.size, BISECTION_STEPS + 1);
    return lostPoints(before, after);
  });
  const result = results.get(value);
  if (!result) {
    const least = Math.min(...trials.map((trial) => trial.lossPoints));
    throw new AppError('ERR_USAGE', `Nothing that was tried keeps to ${maxLossPoints} points: the least loss was ${least.toFixed(1)} points`, { fix: 'Allow a larger --max-loss.' });
  }
  return { result, trials };
}

async function latencies(before: CandidateModel, after: CandidateModel, pairs: number): Promise<LatencyPair[]> {
  return [await measureLatency(before, after, pairs, 1), await measureLatency(before, after, pairs, 2)];
}

async function verifiedChange({ model, threads, onProgress }: PruneOptions, onnx: Uint8Array, pictures: ScoredPictures): Promise<PairedChanges> {
  const scorer = new Scorer(pictures, threads);
  const before = await scorer.score(model, (done) => onProgress?.('judge before', done, pictures.count));
  const after = await scorer.score({ ...model, onnx }, (done) => onProgress?.('judge after', done, pictures.count));
  return scorer.change(before, after);
}
