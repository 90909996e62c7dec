import type { CocoDataset, CocoResult } from '../../evaluation/coco-dataset.js';
import type { FittedPicture } from '../../core/picture-set.js';
import { evaluateCoco } from '../../evaluation/coco-eval.js';
import { agreement, ownCategories, pseudoTruth } from './agreement.js';
import { buildVariant, withoutIslands, type ObservedNetwork, type Variant, type VariantOptions } from './build-variant.js';
import { detectPrepared, type CandidateModel } from '../score-model.js';
import { interleavedMs } from './latency.js';
import type { ConvolutionFacts, FloatNetwork } from './network.js';
import { noiseAt, reference, type Reference } from './noise.js';
import { RANGE_METHODS, type RangeMethod } from './choose-range.js';
import type { Frames } from './observe.js';

/** Frames that sensitivity is measured on: it is a sum over some hundred thousand values of each. */
const SENSITIVITY_FRAMES = 3;
/** Pictures that ways of quantizing are compared on. */
const TRIAL_PICTURES = 32;
/** Convolutions left in float by noise when ways of quantizing are compared: the worst ones would drown the others. */
const TRIAL_FLOAT = 4;
/** How many convolutions stay in float, from candidate to candidate. */
const FLOAT_COUNTS = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48];
/** Cost of any convolution beside its multiply-accumulates, as a share of the network: what its tensors and its call cost. */
const BASE_SHARE = 0.005;
/** Points of mAP50 for a noise of 1 at the heads: for networks that see too little in the calibration pictures to be compared by detections. */
const POINTS_PER_NOISE = 15;

export interface SearchOptions {
  readonly manifest: CandidateModel['manifest'];
  readonly calibration: Frames;
  /** What candidates are compared on. */
  readonly pictures: readonly FittedPicture[];
  /** Of these pictures, where they are labelled. */
  readonly truth?: CocoDataset | undefined;
  /** Convolutions that stay in float. */
  readonly exclude: readonly string[];
  /** Undefined: the one that agrees best with the float network. */
  readonly method: RangeMethod | undefined;
  readonly biasCorrection: boolean | undefined;
  readonly latencyRuns: number;
  readonly onProgress: (step: string, done: number, total: number) => void;
}

/** How much a convolution on bytes alone disturbs the heads. */
export interface Sensitivity extends ConvolutionFacts {
  /** Noise over signal at the head that suffers most. */
  readonly noise: number;
}

/** One way to divide the network into bytes and floats, measured. */
export interface Candidate extends Variant {
  readonly name: string;
  readonly integer: ReadonlySet<string>;
  readonly ms: number;
  /** Time of the float network over this one's. */
  readonly ratio: number;
  readonly headNoise: number;
  /** Points of mAP50 lost against the float network's own detections; undefined where it sees too little. */
  readonly disagreement: number | undefined;
  /** Points of mAP50 lost on labels. */
  readonly map50Loss: number | undefined;
  /** What the loss is taken to be: labels and agreement together. */
  readonly loss: number;
}

export interface Trial extends VariantOptions {
  readonly equalized: boolean;
  readonly disagreement: number;
}

export interface SearchResult {
  readonly observed: ObservedNetwork;
  readonly trials: readonly Trial[];
  readonly chosenTrial: Trial;
  readonly sensitivities: readonly Sensitivity[];
  readonly candidates: readonly Candidate[];
  readonly floatMs: number;
  /** The simplified float network beside the one of today. */
  readonly simplifiedMs: number;
}

/** How near variants come to the float network. */
class Judge {
  readonly #options: SearchOptions;
  readonly #categories: CocoDataset['categories'];
  readonly #heads: Reference;
  readonly #pseudo: CocoDataset | undefined;
  readonly #floatMap50: number | undefined;

  private constructor(options: SearchOptions, heads: Reference, results: readonly CocoResult[]) {
    this.#options = options;
    this.#categories = options.truth?.categories ?? ownCategories(options.manifest.labels);
    this.#heads = heads;
    this.#pseudo = pseudoTruth(options.manifest, this.#categories, options.pictures, results);
    this.#floatMap50 = options.truth && (evaluateCoco(options.truth, results).metrics.map50 ?? undefined);
  }

  static async create(network: FloatNetwork, options: SearchOptions): Promise<Judge> {
    const categories = options.truth?.categories ?? ownCategories(options.manifest.labels);
    const results = await detectPrepared(options.manifest, network.prepared, options.pictures, categories);
    const heads = await reference(network.onnx, network.heads, options.calibration.slice(0, SENSITIVITY_FRAMES));
    return new Judge(options, heads, results);
  }

  /** Noise over signal at the head that suffers most. */
  async headNoise(onnx: Uint8Array): Promise<number> {
    return Math.max(...(await noiseAt(onnx, this.#heads)).values());
  }

  /** Points; by noise where the network sees too little. */
  async trialLoss(onnx: Uint8Array): Promise<number> {
    const pictures = this.#options.pictures.slice(0, TRIAL_PICTURES);
    const pseudo = this.#pseudo;
    if (!pseudo) return POINTS_PER_NOISE * (await this.headNoise(onnx));
    const results = await detectPrepared(this.#options.manifest, onnx, pictures, this.#categories);
    const ids = new Set(pictures.map(({ imageId }) => imageId));
    return 100 * (1 - agreement({ ...pseudo, images: pseudo.images.filter(({ id }) => ids.has(id)), annotations: pseudo.annotations.filter(({ image_id }) => ids.has(image_id)) }, results));
  }

  async losses(onnx: Uint8Array): Promise<Pick<Candidate, 'headNoise' | 'disagreement' | 'map50Loss'>> {
    const headNoise = await this.headNoise(onnx);
    const { manifest, pictures, truth } = this.#options;
    const results = await detectPrepared(manifest, onnx, pictures, this.#categories);
    const after = truth && this.#floatMap50 !== undefined ? evaluateCoco(truth, results).metrics.map50 : null;
    return {
      headNoise,
      disagreement: this.#pseudo && 100 * (1 - agreement(this.#pseudo, results)),
      map50Loss: after === null ? undefined : 100 * (this.#floatMap50! - after),
    };
  }
}

/**
 * Finds what to compute in integers, by measurement: how each convolution alone disturbs the answer, then candidates that leave the
 * worst of them in float, each with its time and its loss.
 *
 * @param starts the network as it is, and equalized where that is possible and wanted.
 */
export async function search(network: FloatNetwork, starts: readonly ObservedNetwork[], options: SearchOptions): Promise<SearchResult> {
  const judge = await Judge.create(network, options);
  const wanted = network.convolutions.filter(({ name }) => !options.exclude.includes(name));
  const sensitivities = await measureSensitivities(starts[0]!, wanted, judge, options);
  const ranked = rankByPrice(network, sensitivities);
  const { trials, observed, chosenTrial } = await compareWays(starts, ranked, judge, options);
  // Equalization moves noise from layer to layer: what the order is by has to be measured on the network that is quantized.
  const order = observed === starts[0] ? ranked : rankByPrice(network, await measureSensitivities(observed, wanted, judge, options));
  const plans = plansOf(network, order);
  const built = plans.map(({ name, integer }) => ({ name, integer, ...buildVariant(observed, integer, chosenTrial) }));
  const [floatMs, simplifiedMs, ...times] = await interleavedMs([network.prepared, network.onnx, ...built.map(({ onnx }) => onnx)], options.calibration[0]!, { threads: 1, runs: options.latencyRuns }).then((all) => all.map(({ quietMs }) => quietMs));
  const measured: Omit<Candidate, 'loss'>[] = [];
  for (const [index, variant] of built.entries()) {
    options.onProgress('candidates', index, built.length);
    measured.push({ ...variant, ms: times[index]!, ratio: floatMs! / times[index]!, ...(await judge.losses(variant.onnx)) });
  }
  return { observed, trials, chosenTrial, sensitivities: order, candidates: estimateLosses(measured), floatMs: floatMs!, simplifiedMs: simplifiedMs! };
}

async function measureSensitivities(observed: ObservedNetwork, convolutions: readonly ConvolutionFacts[], judge: Judge, { onProgress }: SearchOptions): Promise<Sensitivity[]> {
  const measured: Sensitivity[] = [];
  for (const [index, facts] of convolutions.entries()) {
    onProgress('sensitivity', index, convolutions.length);
    const { onnx } = buildVariant(observed, new Set([facts.name]), { method: 'percentile', biasCorrection: false });
    measured.push({ ...facts, noise: await judge.headNoise(onnx) });
  }
  return measured;
}

/** Most noise for the least computing first. */
function rankByPrice({ convolutions }: FloatNetwork, sensitivities: readonly Sensitivity[]): Sensitivity[] {
  const total = convolutions.reduce((sum, { macs }) => sum + macs, 0);
  const price = ({ noise, macs }: Sensitivity): number => noise / (macs / total + BASE_SHARE);
  return sensitivities.toSorted((a, b) => price(b) - price(a));
}

/** Tries the ways to choose ranges, to equalize and to correct biases, as far as the options leave them open. */
async function compareWays(starts: readonly ObservedNetwork[], ranked: readonly Sensitivity[], judge: Judge, options: SearchOptions): Promise<Pick<SearchResult, 'trials' | 'observed' | 'chosenTrial'>> {
  const integer = withoutIslands(starts[0]!.network, new Set(ranked.filter(({ isHead }) => !isHead).slice(TRIAL_FLOAT).map(({ name }) => name)));
  const methods = options.method ? [options.method] : RANGE_METHODS;
  const trials: (Trial & { readonly observed: ObservedNetwork })[] = [];
  const attempt = async (observed: ObservedNetwork, way: VariantOptions): Promise<void> => {
    options.onProgress('ways', trials.length, methods.length + starts.length);
    trials.push({ ...way, equalized: observed.equalizedLinks > 0, observed, disagreement: await judge.trialLoss(buildVariant(observed, integer, way).onnx) });
  };
  const best = (): (typeof trials)[number] => trials.reduce((least, one) => (one.disagreement < least.disagreement ? one : least));
  for (const method of methods) await attempt(starts.at(-1)!, { method, biasCorrection: options.biasCorrection ?? false });
  for (const observed of starts.slice(0, -1)) await attempt(observed, { method: best().method, biasCorrection: options.biasCorrection ?? false });
  if (options.biasCorrection === undefined) await attempt(best().observed, { method: best().method, biasCorrection: true });
  const { observed, ...chosenTrial } = best();
  return { trials: trials.map(({ observed: _, ...trial }) => trial), observed, chosenTrial };
}

/** From everything on bytes to little of it; heads apart, whose bytes tie where floats didn't. */
function plansOf(network: FloatNetwork, ranked: readonly Sensitivity[]): { readonly name: string; readonly integer: ReadonlySet<string> }[] {
  const inner = ranked.filter(({ isHead }) => !isHead).map(({ name }) => name);
  const heads = ranked.filter(({ isHead }) => isHead).map(({ name }) => name);
  const counts = FLOAT_COUNTS.filter((count) => count < inner.length);
  const plans = counts.map((count) => ({ name: `heads and ${count} more in float`, integer: withoutIslands(network, new Set(inner.slice(count))) }));
  const withHeads = counts.filter((count) => count <= 4 && count % 2 === 0).map((count) => ({ name: `${count} in float`, integer: withoutIslands(network, new Set([...inner.slice(count), ...heads])) }));
  const seen = new Set<string>();
  return [...withHeads, ...plans].filter(({ integer }) => {
    const key = [...integer].sort().join();
    return integer.size > 0 && !seen.has(key) && seen.add(key);
  });
}

/**
 * Labels are kind to a candidate by luck, on few pictures by a point or two; agreement with the float network isn't, but counts changes
 * for the better as losses, too. On unseen pictures the truth lay between the two, so their mean is what is believed.
 */
export function estimateLosses(measured: readonly Omit<Candidate, 'loss'>[]): Candidate[] {
  return measured.map((one) => {
    const apart = one.disagreement ?? POINTS_PER_NOISE * one.headNoise;
    return { ...one, loss: one.map50Loss === undefined ? apart : (one.map50Loss + apart) / 2 };
  });
}
