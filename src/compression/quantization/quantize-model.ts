import type { FittedPicture } from '../../core/picture-set.js';
import type { ModelInput } from '../../core/manifest.js';
import type { CocoDataset } from '../../evaluation/coco-dataset.js';
import { evaluateCoco } from '../../evaluation/coco-eval.js';
import { pairedChanges, type PairedChanges } from '../../evaluation/bootstrap.js';
import { GraphEditor } from '../../onnx/graph-editor.js';
import { decodeModel } from '../../onnx/model-proto.js';
import { toInstallable } from '../../onnx/quantize/installable.js';
import { agreement, ownCategories, pseudoTruth } from './agreement.js';
import { equalizeNetwork, observeNetwork, type ObservedNetwork } from './build-variant.js';
import type { RangeMethod } from './choose-range.js';
import { detectPrepared, type CandidateModel } from '../score-model.js';
import { interleavedMs } from './latency.js';
import { findConvolutions, floatNetwork, type FloatNetwork } from './network.js';
import { decibels, noiseAt, reference } from './noise.js';
import type { Frames } from './observe.js';
import { search, type Candidate, type SearchResult } from './search.js';

/** What the search may spend of the loss that is allowed: the rest is for pictures that it didn't see. */
const SPENT_SHARE = 0.75;
/** Less gain than this is what two runs of the same network may differ by. */
const LEAST_RATIO = 1.05;
/** Share of the detections that have to be the same with graph optimisation off and on. */
const OPTIMIZATION_AGREEMENT = 0.95;
const OPTIMIZATION_PICTURES = 16;
const SQNR_FRAMES = 2;

/** Pictures with their ground truth, held in memory. */
export interface LabelledHalf {
  readonly pictures: readonly FittedPicture[];
  readonly truth: CocoDataset;
}

export interface QuantizeOptions {
  readonly calibration: Frames;
  /** Pictures that candidates are compared on; the calibration's where nothing is labelled. */
  readonly compare: { readonly pictures: readonly FittedPicture[]; readonly truth?: CocoDataset | undefined };
  /** Pictures that nothing was chosen by. */
  readonly verify?: LabelledHalf | undefined;
  /** Convolutions that stay in float, by the name of the node or of what it computes. */
  readonly exclude?: readonly string[];
  readonly target?: 'speed' | 'accuracy';
  /** Points of mAP50. */
  readonly maxLoss?: number;
  /** These three are tried and chosen where they are not given. */
  readonly method?: RangeMethod | undefined;
  readonly equalize?: boolean | undefined;
  readonly biasCorrection?: boolean | undefined;
  /** Timed runs of each candidate, and of the final comparison. */
  readonly searchRuns?: number;
  readonly runs?: number;
  readonly onProgress?: (step: string, done: number, total: number) => void;
}

export interface Speedup {
  readonly fp32Ms: number;
  readonly simplifiedMs: number;
  readonly int8Ms: number;
  /** Of today's fp32 to int8. */
  readonly ratio: number;
  readonly n: number;
}

export interface LayerFacts {
  readonly name: string;
  readonly op: string;
  /** Signal over quantization noise of what it computes, decibels. */
  readonly sqnrDb: number;
  readonly int8: boolean;
  readonly why: string;
}

/** The same network run as it is written, and as onnxruntime optimises it. */
export interface OptimizationCheck {
  readonly pictures: number;
  /** mAP50 of the optimised network with the other one's detections as labels, 0 to 1; null where it sees too little. */
  readonly agreement: number | null;
  readonly limit: number;
  readonly passed: boolean;
}

export interface QuantizeOutcome {
  readonly network: FloatNetwork;
  readonly search: SearchResult;
  readonly chosen: Candidate;
  /** Ready to be installed, with the input that its manifest has to state. */
  readonly model: { readonly onnx: Uint8Array; readonly input: ModelInput };
  readonly speedup: { readonly threads1: Speedup; readonly threads2: Speedup };
  readonly searchChange: PairedChanges | undefined;
  readonly verifyChange: PairedChanges | undefined;
  readonly layers: readonly LayerFacts[];
  readonly optimizationCheck: OptimizationCheck;
  readonly advice: 'int8' | 'fp32';
  readonly reason: string;
}

/**
 * Quantizes a model after training: observes it on calibration frames, finds by measurement what to compute in integers, and measures
 * what comes out on pictures that nothing was chosen by.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP, ERR_USAGE (a name in `exclude`), ERR_INFERENCE_FAILED
 */
export async function quantizeModel(candidate: CandidateModel, options: QuantizeOptions): Promise<QuantizeOutcome> {
  const { calibration, compare, maxLoss = 1, target = 'speed', onProgress = () => undefined, searchRuns = 15, runs = 41 } = options;
  const network = floatNetwork(candidate);
  const exclude = findConvolutions(network, options.exclude ?? []);
  const starts = await observeStarts(network, options);
  const { manifest } = candidate;
  const found = await search(network, starts, { manifest, calibration, ...compare, exclude, method: options.method, biasCorrection: options.biasCorrection, latencyRuns: searchRuns, onProgress });
  const chosen = choose(found.candidates, target, maxLoss);
  onProgress('verification', 0, 1);
  const model = toInstallable(chosen.onnx, manifest.input);
  const speedup = { threads1: await speedupOf(network, chosen, calibration, 1, runs), threads2: await speedupOf(network, chosen, calibration, 2, runs) };
  const searchChange = compare.truth && (await changeOn(candidate, network, chosen, { pictures: compare.pictures, truth: compare.truth }));
  const verifyChange = options.verify && (await changeOn(candidate, network, chosen, options.verify));
  const optimizationCheck = await checkOptimization(candidate, chosen, (options.verify ?? compare).pictures.slice(0, OPTIMIZATION_PICTURES));
  const layers = await layersOf(network, found, chosen, exclude, calibration.slice(0, SQNR_FRAMES));
  return { network, search: found, chosen, model, speedup, searchChange, verifyChange, layers, optimizationCheck, ...advise(speedup, chosen, maxLoss, optimizationCheck) };
}

async function observeStarts(network: FloatNetwork, { calibration, equalize, onProgress = () => undefined }: QuantizeOptions): Promise<ObservedNetwork[]> {
  let runs = 0;
  const onRun = (): void => onProgress('calibration', (runs += 1), calibration.length);
  const plain = await observeNetwork(network, calibration, onRun);
  if (equalize === false) return [plain];
  const equalized = await equalizeNetwork(plain, calibration, onRun);
  if (!equalized) return [plain];
  return equalize ? [equalized] : [plain, equalized];
}

/** `speed`: the fastest within the loss. `accuracy`: the least loss that still is a gain. Where nothing is within it, the least loss. */
export function choose(candidates: readonly Candidate[], target: 'speed' | 'accuracy', maxLoss: number): Candidate {
  const leastLoss = (of: readonly Candidate[]): Candidate => of.reduce((best, one) => (one.loss < best.loss ? one : best));
  const gains = candidates.filter(({ ratio }) => ratio >= LEAST_RATIO);
  if (target === 'accuracy') return leastLoss(gains.length > 0 ? gains : candidates);
  const within = candidates.filter(({ loss }) => loss <= maxLoss * SPENT_SHARE);
  if (within.length > 0) return within.reduce((best, one) => (one.ratio > best.ratio ? one : best));
  return leastLoss(candidates);
}

function advise({ threads1: { ratio, fp32Ms, int8Ms }, threads2 }: QuantizeOutcome['speedup'], { loss }: Candidate, maxLoss: number, check: OptimizationCheck): Pick<QuantizeOutcome, 'advice' | 'reason'> {
  const times = `${fp32Ms.toFixed(1)} ms in fp32, ${int8Ms.toFixed(1)} ms in INT8 (one thread)`;
  if (!check.passed) return { advice: 'fp32', reason: `onnxruntime computes something else with optimisation on: only ${(100 * check.agreement!).toFixed(1)} % of the detections agree` };
  if (ratio < LEAST_RATIO) return { advice: 'fp32', reason: `INT8 does not pay on this machine: ${times}, ${ratio.toFixed(2)} times` };
  if (threads2.ratio < 1) return { advice: 'fp32', reason: `INT8 does not pay on this machine with two threads: ${threads2.fp32Ms.toFixed(1)} ms in fp32, ${threads2.int8Ms.toFixed(1)} ms in INT8` };
  if (loss > maxLoss) return { advice: 'fp32', reason: `the loss of about ${loss.toFixed(1)} points of mAP50 is over the limit of ${maxLoss}` };
  return { advice: 'int8', reason: `${ratio.toFixed(2)} times faster: ${times}, at about ${Math.max(0, loss).toFixed(1)} points of mAP50` };
}

async function speedupOf(network: FloatNetwork, chosen: Candidate, calibration: Frames, threads: number, runs: number): Promise<Speedup> {
  const [fp32Ms, simplifiedMs, int8Ms] = (await interleavedMs([network.prepared, network.onnx, chosen.onnx], calibration[0]!, { threads, runs })).map(({ medianMs }) => medianMs) as [number, number, number];
  return { fp32Ms, simplifiedMs, int8Ms, ratio: fp32Ms / int8Ms, n: runs };
}

async function changeOn({ manifest }: CandidateModel, network: FloatNetwork, chosen: Candidate, { pictures, truth }: LabelledHalf): Promise<PairedChanges> {
  const [before, after] = [await detectPrepared(manifest, network.prepared, pictures, truth.categories), await detectPrepared(manifest, chosen.onnx, pictures, truth.categories)];
  const [first, second] = [before, after].map((results) => evaluateCoco(truth, results).rankings) as [ReturnType<typeof evaluateCoco>['rankings'], ReturnType<typeof evaluateCoco>['rankings']];
  return pairedChanges(first, second, pictures.length);
}

async function checkOptimization({ manifest }: CandidateModel, chosen: Candidate, pictures: readonly FittedPicture[]): Promise<OptimizationCheck> {
  const categories = ownCategories(manifest.labels);
  const plain = await detectPrepared(manifest, chosen.onnx, pictures, categories, { optimization: 'none' });
  const optimised = await detectPrepared(manifest, chosen.onnx, pictures, categories);
  const truth = pseudoTruth(manifest, categories, pictures, plain);
  const share = truth ? agreement(truth, optimised) : null;
  return { pictures: pictures.length, agreement: share, limit: OPTIMIZATION_AGREEMENT, passed: share === null || share >= OPTIMIZATION_AGREEMENT };
}

async function layersOf(network: FloatNetwork, { sensitivities, observed }: SearchResult, chosen: Candidate, exclude: readonly string[], frames: Frames): Promise<LayerFacts[]> {
  const quantized = new GraphEditor(decodeModel(chosen.onnx));
  const nodes = new GraphEditor(decodeModel(network.onnx)).nodes;
  const isKept = (name: string): boolean => quantized.producerOf(name) !== undefined;
  const layers = network.convolutions.map(({ name }) => ({ name, compared: [name, ...readersOf(nodes, name)].find(isKept) }));
  const comparable = [...new Set(layers.flatMap(({ compared }) => compared ?? []))];
  // The equalized network, where it is one: its channels are the quantized one's.
  const noise = await noiseAt(chosen.onnx, await reference(observed.onnx, comparable, frames));
  const byName = new Map(sensitivities.map((one) => [one.name, one]));
  return layers.map(({ name, compared }) => {
    const int8 = chosen.integer.has(name);
    const sensitivity = byName.get(name);
    const alone = sensitivity ? `alone ${decibels(sensitivity.noise).toFixed(1)} dB at the heads` : '';
    return { name, op: 'Conv', sqnrDb: compared === undefined ? Number.NaN : decibels(noise.get(compared)!), int8, why: exclude.includes(name) ? 'excluded' : whyOf(int8, sensitivity?.isHead ?? false, alone) };
  });
}

function whyOf(int8: boolean, isHead: boolean, alone: string): string {
  if (int8) return alone;
  return isHead ? `head kept in float, ${alone}` : `kept in float, ${alone}`;
}

/** What is computed from a tensor: behind a ReLU that became part of the bytes, the convolution's own result is gone. */
function readersOf(nodes: readonly { readonly input?: string[] | null; readonly output?: string[] | null }[], tensor: string): string[] {
  return nodes.filter(({ input }) => input?.[0] === tensor).flatMap(({ output }) => output ?? []);
}
