import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { GovernorDefinition, StageDefinition } from '../config/stream-definition.js';
import { assert } from '../core/assert.js';
import { AppError } from '../core/errors.js';
import type { FrameFormat } from '../core/frame.js';
import type { Logger } from '../core/logger.js';
import type { ModelManifest } from '../core/manifest.js';
import type { Governed } from '../core/operating-point.js';
import type { Overflow } from '../core/overflow.js';
import type { Delivery } from '../core/source.js';
import type { Stage } from '../core/stage.js';
import { anchorMask } from '../detector/anchor-mask.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import type { DetectorServiceOptions } from '../detector/detector-service.js';
import type { WorkerSettings } from '../detector/model-workers.js';
import { YoloStage } from '../detector/yolo-stage.js';
import type { DeliveryThresholds } from '../guard/passes.js';
import type { GovernedDetector } from '../governor/governed-detector.js';
import { GovernedDetectStage } from '../governor/governed-detect-stage.js';
import { HoldStage } from '../governor/hold-stage.js';
import type { InstalledModel, ModelStore } from '../model-store/store.js';
import type { TrackingOptions } from '../tracking/tracker-options.js';
import { lowThreshold, TrackerStage } from '../tracking/tracker-stage.js';
import { DEFAULT_MODEL } from './definitions.js';
import type { DetectorServices } from './detector-services.js';
import { gateOptions, makeRedundancy } from './gate-stages.js';
import { targetOf } from './governor/make-governed.js';
import { guardOptions, makeFrameGuard, type PatchGuardOptions } from './guard-stages.js';
import { parseOptions } from './stage-options.js';
import { makeOccupancy } from './stereo/make-occupancy.js';
import { occupancyOptions } from './stereo/occupancy-options.js';
import type { StereoInput } from './stereo/stereo-input.js';
import { trackerOptions } from './tracker-stages.js';

const DEFAULT_MAX_DETECTIONS = 100;
/** Id of the stage that a governor adds at the end. */
export const HOLD_STAGE = 'hold';

/** What a detector's sessions are, where neither `mode` nor the defaults will do. */
const sessionOptions = z.strictObject({
  count: z.int().min(1).max(64).optional().describe('Sessions, each in a worker of its own and with a copy of the model.'),
  threads: z.int().min(1).max(64).optional().describe('Threads within one inference.'),
  spinning: z.boolean().optional().describe('Threads that wait look for work all the time (false): a little faster where cores are idle, slower where they are not.'),
  memoryArena: z.boolean().optional().describe('Memory of tensors is kept between frames (true).'),
  optimization: z.enum(['none', 'basic', 'extended', 'all']).optional().describe('How far onnxruntime changes the graph before it runs it (all).'),
});

const yoloOptions = z.strictObject({
  model: z.string().min(1).default(DEFAULT_MODEL).describe('Id of an installed model, or a path to one.'),
  mode: z.enum(['latency', 'throughput', 'auto']).default('auto').describe('latency: all cores on one frame. throughput: a frame on each core. auto: latency for one live stream, throughput for files and for several streams.'),
  cores: z.int().min(1).max(64).optional().describe('Cores for inference; all of them unless told otherwise.'),
  confidenceThreshold: z.number().min(0).max(1).optional(),
  iouThreshold: z.number().min(0).max(1).optional(),
  maxDetections: z.int().min(1).max(1000).default(DEFAULT_MAX_DETECTIONS),
  multiLabel: z.boolean().default(false).describe('A detection for every class of a box over the threshold, not for the best one alone.'),
  anchorsOff: z
    .record(z.string().regex(/^\d+$/, 'Expected the stride of a scale'), z.array(z.int().min(0)))
    .optional()
    .describe('Anchors to switch off, by the stride of their scale: { 8: [0, 2] } are the first and the third at stride 8.'),
  session: sessionOptions.optional().describe('How the sessions are made; not with a governor, which makes its own.'),
});

export type YoloOptions = z.output<typeof yoloOptions>;

/** What stages are made with: the models, and how the machine is shared among the streams of this run. */
export interface StageMaker {
  readonly store: Pick<ModelStore, 'list' | 'resolve' | 'resolveGuarded' | 'resized' | 'resolveOccupancy'>;
  /** Where the stream's time is governed. */
  readonly governor?: GovernorDefinition | undefined;
  readonly delivery: Delivery;
  /** Whether frames come at their own times: from a camera, or from a recording that is played in real time. */
  readonly isPaced: boolean;
  readonly streamCount: number;
  readonly services: DetectorServices;
  /** Whether the source's pictures follow each other in time; asked only where something depends on it. */
  readonly isSequence: () => Promise<boolean>;
  readonly log: Logger;
  /** Of a stream with two cameras. */
  readonly stereo?: { readonly input: StereoInput; readonly isLooped: boolean } | undefined;
}

export interface MadeStage {
  readonly id: string;
  readonly stage: Stage;
  /** The policy of the edge in front of the stage. */
  readonly overflow: Overflow;
  /** Of a detector, or of what is around one. */
  readonly model?: InstalledModel | undefined;
  /** Name of its own model, where it is no detector's. */
  readonly detail?: string;
  /** Of a governed detector. */
  readonly governed?: Governed;
}

/**
 * A detector and what is around it, in this order. They are made together: a guard shares its detector's workers, and a tracker wants
 * boxes that its detector would not deliver.
 */
interface DetectorChain {
  /** `gate.redundancy`: which frames the detector needn't see. */
  readonly gate?: StageDefinition;
  readonly detector: StageDefinition;
  readonly guard?: StageDefinition;
  readonly tracker?: StageDefinition;
}

/** What is to be known of a kind of stage before one is made. */
interface StageKind {
  readonly options: z.ZodObject;
  /** The part that it has in its chain; `alone` where it stands beside chains. */
  readonly part: keyof DetectorChain | 'alone';
  /** It has to stand directly after one of these kinds; what is said where it doesn't. */
  readonly after?: { readonly kinds: readonly string[]; readonly fault: string; readonly fix: string };
  /** The same of what has to come directly after it. */
  readonly before?: StageKind['after'];
  /** Where no policy may be set, since every frame has to come through: why. */
  readonly noOverflow?: string;
}

/** In the order of a chain. */
const KINDS: Readonly<Record<string, StageKind>> = {
  'gate.redundancy': {
    part: 'gate',
    options: gateOptions,
    before: { kinds: ['detector.yolo'], fault: 'spares the detector right after it work, and there is none', fix: 'Put it directly before a stage of kind detector.yolo.' },
    noOverflow: 'it looks at every frame that comes in; frames wait at the detector',
  },
  'detector.yolo': { part: 'detector', options: yoloOptions },
  'guard.patch': {
    part: 'guard',
    options: guardOptions,
    after: { kinds: ['detector.yolo'], fault: 'guards the detector right before it, and there is none', fix: 'Put it directly after a stage of kind detector.yolo.' },
    noOverflow: 'a frame that the detector has seen always comes to its guard',
  },
  'tracker.byte': {
    part: 'tracker',
    options: trackerOptions,
    after: {
      kinds: ['detector.yolo', 'guard.patch'],
      fault: 'follows what the detector before it finds, and there is none',
      fix: 'Put it directly after a stage of kind detector.yolo, or after the guard.patch of one.',
    },
    noOverflow: 'a frame that the detector has seen always comes to its tracker',
  },
  'occupancy.stereo': { part: 'alone', options: occupancyOptions },
};

/**
 * The stages of a definition, in order, their models loaded.
 *
 * @throws AppError `ERR_STAGE_UNKNOWN`, `ERR_CONFIG_INVALID`, `ERR_CONFIG_UNKNOWN_KEY`, `ERR_GUARD_PROFILE_MISSING`, or what is wrong with a model.
 */
export async function makeStages(definitions: readonly StageDefinition[], maker: StageMaker): Promise<MadeStage[]> {
  checkStages(definitions, maker.governor, maker.stereo !== undefined);
  const made: MadeStage[] = [];
  for (const chain of chainsOf(definitions)) made.push(...('alone' in chain ? [await makeAlone(chain.alone, maker)] : await makeChain(chain, maker)));
  return [...made, ...holding(definitions, made, maker)];
}

/** What keeps results until the governor's target; frames that nobody paces are worked on as fast as they can be. */
function holding(definitions: readonly StageDefinition[], made: readonly MadeStage[], { governor, isPaced }: StageMaker): MadeStage[] {
  const target = governor && governor.hold !== false && isPaced ? targetOf(governor) : undefined;
  if (target?.kind !== 'latency') return [];
  const id = definitions.some((definition) => definition.id === HOLD_STAGE) ? `governor-${HOLD_STAGE}` : HOLD_STAGE;
  return [{ id, stage: new HoldStage(target.ms), overflow: 'block', model: made.find(({ model }) => model)?.model }];
}

/** All that can be said of stages before a model is loaded. @throws AppError as `makeStages` */
export function checkStages(definitions: readonly StageDefinition[], governor?: GovernorDefinition, isStereo = false): void {
  if (governor) checkGovernor(definitions);
  checkCameras(definitions, governor, isStereo);
  definitions.forEach((definition, i) => {
    const kind = kindOf(definition);
    parseOptions(definition, kind.options);
    checkNeighbour(definition, definitions[i - 1], kind.after);
    checkNeighbour(definition, definitions[i + 1], kind.before);
    if (kind.part === 'guard' && definitions[i - 2]?.kind === 'gate.redundancy') throw gateWithGuard(definition);
    if (kind.noOverflow !== undefined && definition.overflow !== undefined) {
      throw new AppError('ERR_CONFIG_INVALID', `Stage '${definition.id}': ${definition.kind} takes no overflow: ${kind.noOverflow}`, { fix: 'Set overflow at the detector.' });
    }
  });
}

/** The guard's memory and budget count on seeing every frame, and a patch that was filled would stay in boxes that are kept. */
function gateWithGuard({ id, kind }: StageDefinition): AppError {
  return new AppError('ERR_CONFIG_INVALID', `Stage '${id}': ${kind} has to see every frame, and the gate.redundancy before its detector leaves frames out`, {
    fix: 'Use one of the two in a chain.',
  });
}

/** What goes with two cameras, and what doesn't: frames of a stereo stream have the size of its pictures, not that of a detector. */
function checkCameras(definitions: readonly StageDefinition[], governor: GovernorDefinition | undefined, isStereo: boolean): void {
  const occupancy = definitions.filter(({ kind }) => kind === 'occupancy.stereo');
  if (!isStereo) {
    if (occupancy[0]) throw new AppError('ERR_CONFIG_INVALID', `Stage '${occupancy[0].id}': occupancy.stereo needs two cameras, and the source has one`, { fix: 'Use a source of kind stereo.' });
    return;
  }
  if (occupancy.length > 1) throw new AppError('ERR_CONFIG_INVALID', `Stage '${occupancy[1]!.id}': a stream has one map of occupied space, and this is a second occupancy.stereo`, { fix: 'Make a stream of each.' });
  const guard = definitions.find(({ kind }) => kind === 'guard.patch');
  if (!guard && !governor) return;
  throw new AppError('ERR_CONFIG_INVALID', `${guard ? `Stage '${guard.id}': guard.patch` : 'A governor'} works on frames of its model's size, and those of a stereo source have the size of the pictures`, {
    fix: 'Run the left camera as a stream of its own.',
  });
}

/** What a governor can be around, for now. */
function checkGovernor(definitions: readonly StageDefinition[]): void {
  const detectors = definitions.filter(({ kind }) => kind === 'detector.yolo');
  if (detectors.length !== 1) {
    throw new AppError('ERR_CONFIG_INVALID', `A governor keeps the time of one detector, and the stream has ${detectors.length}`, { fix: 'Make a stream of each detector.' });
  }
  if (detectors[0]!.options?.['session'] !== undefined) {
    throw new AppError('ERR_CONFIG_INVALID', `Stage '${detectors[0]!.id}': a governor makes the sessions of its networks itself`, { fix: 'Leave out governor, or session.' });
  }
  const guard = definitions.find(({ kind }) => kind === 'guard.patch');
  if (!guard) return;
  throw new AppError('ERR_CONFIG_INVALID', `Stage '${guard.id}': guard.patch watches the features of one network, and a governed stream has several`, { fix: 'Leave out governor, or the guard.' });
}

function kindOf({ id, kind }: StageDefinition): StageKind {
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (!known) throw new AppError('ERR_STAGE_UNKNOWN', `Stage '${id}' has the unknown kind '${kind}'`, { fix: `Known kinds: ${Object.keys(KINDS).join(', ')}.` });
  return known;
}

function checkNeighbour({ id, kind }: StageDefinition, neighbour: StageDefinition | undefined, wanted: StageKind['after']): void {
  if (!wanted || (neighbour && wanted.kinds.includes(neighbour.kind))) return;
  throw new AppError('ERR_CONFIG_INVALID', `Stage '${id}': ${kind} ${wanted.fault}`, { fix: wanted.fix });
}

/** Of stages that are checked: each detector with the stages around it, and those that stand alone. */
function chainsOf(definitions: readonly StageDefinition[]): (DetectorChain | { readonly alone: StageDefinition })[] {
  const chains: (DetectorChain | { readonly alone: StageDefinition })[] = [];
  let gate: StageDefinition | undefined;
  for (const definition of definitions) {
    const { part } = kindOf(definition);
    if (part === 'alone') chains.push({ alone: definition });
    else if (part === 'gate') gate = definition;
    else if (part === 'detector') {
      chains.push({ ...(gate && { gate }), detector: definition });
      gate = undefined;
    } else chains.push({ ...(chains.pop() as DetectorChain), [part]: definition });
  }
  return chains;
}

/** The policy of the edge in front of a stage. */
export function overflowOf({ kind, overflow }: StageDefinition, delivery: Delivery): Overflow {
  // No more frames can come than the first stage of the chain has let in.
  if (KINDS[kind]?.noOverflow !== undefined) return 'block';
  return overflow ?? (delivery === 'live' ? 'latest' : 'block');
}

/** The picture that a model wants. */
export function formatOf({ manifest: { input } }: InstalledModel): FrameFormat {
  return { size: { width: input.width, height: input.height }, fit: input.fit, padValue: input.padValue };
}

async function makeAlone(definition: StageDefinition, { stereo, store, delivery, streamCount, services }: StageMaker): Promise<MadeStage> {
  assert(stereo, 'stages were checked: an occupancy stage has two cameras');
  const overflow = overflowOf(definition, delivery);
  const { stage, model } = await makeOccupancy(definition, { ...stereo, overflow, streamCount, resolve: (id) => store.resolveOccupancy(id) });
  services.keep(stage);
  return { id: definition.id, stage, overflow, detail: model.manifest.id };
}

/** The stages of one chain, in order. */
async function makeChain({ gate, detector, guard, tracker }: DetectorChain, maker: StageMaker): Promise<MadeStage[]> {
  const tracking = tracker && (await trackingOf(tracker, maker));
  const made = await (guard ? makeGuardedYolo(detector, guard, tracking, maker) : makeYolo(detector, { gate, tracking }, maker));
  const model = made[0]?.model;
  if (!tracker || !tracking || !model) return made;
  const { confidenceThreshold } = thresholdsOf(parseOptions(detector, yoloOptions), model.manifest);
  return [...made, { id: tracker.id, stage: new TrackerStage({ ...tracking, confidenceThreshold }), overflow: overflowOf(tracker, maker.delivery), model }];
}

async function trackingOf(tracker: StageDefinition, maker: StageMaker): Promise<TrackingOptions> {
  await checkSequence(tracker, 'follows objects from frame to frame', maker);
  return parseOptions(tracker, trackerOptions);
}

async function checkSequence({ id, kind }: StageDefinition, does: string, { isSequence }: StageMaker): Promise<void> {
  if (await isSequence()) return;
  throw new AppError('ERR_CONFIG_INVALID', `Stage '${id}': ${kind} ${does}, and the source's pictures are unrelated`, {
    fix: 'Where they are frames of a recording, set frameRateFps at the source.',
  });
}

/** What is around a detector without a guard. */
interface AroundYolo {
  readonly gate: StageDefinition | undefined;
  readonly tracking: TrackingOptions | undefined;
}

async function makeYolo(definition: StageDefinition, { gate, tracking }: AroundYolo, maker: StageMaker): Promise<MadeStage[]> {
  if (gate) await checkSequence(gate, 'keeps boxes from frame to frame', maker);
  const options = parseOptions(definition, yoloOptions);
  const overflow = overflowOf(definition, maker.delivery);
  const model = await maker.store.resolve(options.model);
  const settings = settingsOf(options, overflow, maker, false);
  const { keepConfidence, ...delivered } = forTracking(thresholdsOf(options, model.manifest), tracking);
  const thresholds: DecodeThresholds = { ...delivered, confidenceThreshold: keepConfidence ?? delivered.confidenceThreshold };
  const governed = maker.governor && (await makeGoverned({ governor: maker.governor, model, options, thresholds, overflow }, maker));
  const detector = governed?.stage ?? new YoloStage(await maker.services.get(model, settings, framesOf(maker)), thresholds);
  const made: MadeStage = { id: definition.id, stage: detector, overflow, model, ...(governed && { governed: governed.detector }) };
  if (!gate) return [made];
  const gateSettings = parseOptions(gate, gateOptions);
  // The model for tiles would be one more, which nobody governs; and tiles are cut of frames that have the model's size.
  const gated = await makeRedundancy({ options: governed || maker.stereo ? { ...gateSettings, tiles: false } : gateSettings, stageId: gate.id, detector, model, thresholds, settings, ...maker });
  return [
    { id: gate.id, stage: gated.gate, overflow: overflowOf(gate, maker.delivery), model },
    { ...made, stage: gated.detect },
  ];
}

/** Of a stereo stream: its frames aren't made for the detector, whose workers scale them. */
function framesOf({ stereo }: StageMaker): Pick<DetectorServiceOptions, 'frameSize' | 'isFrameWhole'> {
  return stereo ? { frameSize: stereo.input.format.size, isFrameWhole: true } : {};
}

/** What a governed detector is made of. */
interface GovernedYolo extends Pick<MadeStage, 'overflow'> {
  readonly model: InstalledModel;
  readonly governor: GovernorDefinition;
  readonly options: YoloOptions;
  readonly thresholds: DecodeThresholds;
}

/** Works on one frame at a time with all cores, unless told otherwise: that is what keeps a latency, and what moves boxes from frame to frame. */
async function makeGoverned({ governor, model, options, thresholds, overflow }: GovernedYolo, { services, store, log }: StageMaker): Promise<{ readonly stage: Stage; readonly detector: GovernedDetector }> {
  const settings: WorkerSettings = { mode: options.mode === 'auto' ? 'latency' : options.mode, cores: options.cores ?? availableParallelism(), prefetch: false };
  const detector = await services.getGoverned({ governor, store, model, format: formatOf(model), settings, thresholds, countsWaiting: overflow !== 'block', log });
  return { stage: new GovernedDetectStage(detector, thresholds), detector };
}

/** A detector and the guard after it: two stages with one set of workers. */
async function makeGuardedYolo(detector: StageDefinition, guard: StageDefinition, tracking: TrackingOptions | undefined, maker: StageMaker): Promise<MadeStage[]> {
  const options = parseOptions(detector, yoloOptions);
  const guarding: PatchGuardOptions = parseOptions(guard, guardOptions);
  const overflow = overflowOf(detector, maker.delivery);
  const model = await maker.store.resolveGuarded(options.model, guarding.profile);
  const time = guarding.time === 'auto' ? await maker.isSequence() : guarding.time;
  const thresholds = forTracking(thresholdsOf(options, model.manifest), tracking);
  const service = await maker.services.getGuarded(model, thresholds, settingsOf(options, overflow, maker, time));
  const { detect, verify } = makeFrameGuard(service, { options: guarding, profile: model.profile, thresholds, time, log: maker.log, stageId: guard.id });
  return [
    { id: detector.id, stage: detect, overflow, model },
    { id: guard.id, stage: verify, overflow: overflowOf(guard, maker.delivery), model },
  ];
}

function thresholdsOf(options: YoloOptions, manifest: ModelManifest): DecodeThresholds {
  return {
    confidenceThreshold: options.confidenceThreshold ?? manifest.defaults.confidenceThreshold,
    iouThreshold: options.iouThreshold ?? manifest.defaults.iouThreshold,
    maxDetections: options.maxDetections,
    multiLabel: options.multiLabel,
    ...(options.anchorsOff && { anchorsOff: anchorMask(manifest, options.anchorsOff) }),
  };
}

/** A tracker also wants boxes that the user doesn't. */
function forTracking(thresholds: DecodeThresholds, tracking: TrackingOptions | undefined): DeliveryThresholds {
  return tracking ? { ...thresholds, keepConfidence: lowThreshold({ ...tracking, ...thresholds }) } : thresholds;
}

/** What the workers of a detector are where its stream is alone and nothing is around the detector. @throws AppError as `checkStages` */
export function workerSettingsOf(detector: StageDefinition, delivery: Delivery): WorkerSettings {
  return settingsOf(parseOptions(detector, yoloOptions), overflowOf(detector, delivery), { streamCount: 1 }, false);
}

/** @param oneByOne the stream gives its frames one after the other. */
function settingsOf(options: YoloOptions, overflow: Overflow, { streamCount }: Pick<StageMaker, 'streamCount'>, oneByOne: boolean): WorkerSettings {
  // `block` means that nothing may be lost, so throughput counts; but one frame at a time of one stream is faster with all cores.
  const isAlone = streamCount === 1 && (overflow !== 'block' || oneByOne);
  const mode = options.mode === 'auto' ? (isAlone ? 'latency' : 'throughput') : options.mode;
  const { count, threads, ...tuning } = options.session ?? {};
  return {
    mode,
    cores: options.cores ?? availableParallelism(),
    prefetch: overflow === 'block' && !(oneByOne && streamCount === 1),
    ...(options.session && { sessions: count, threads, tuning }),
  };
}
