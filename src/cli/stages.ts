import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { StageDefinition } from '../config/stream-definition.js';
import { AppError } from '../core/errors.js';
import type { FrameFormat } from '../core/frame.js';
import type { Logger } from '../core/logger.js';
import type { ModelManifest } from '../core/manifest.js';
import type { Overflow } from '../core/overflow.js';
import type { Delivery } from '../core/source.js';
import type { Stage } from '../core/stage.js';
import { anchorMask } from '../detector/anchor-mask.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import type { WorkerSettings } from '../detector/model-workers.js';
import { YoloStage } from '../detector/yolo-stage.js';
import type { InstalledModel, ModelStore } from '../model-store/store.js';
import { DEFAULT_MODEL } from './definitions.js';
import type { DetectorServices } from './detector-services.js';
import { guardOptions, makeFrameGuard, type PatchGuardOptions } from './guard-stages.js';
import { parseOptions } from './stage-options.js';

const DEFAULT_MAX_DETECTIONS = 100;

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
});

export type YoloOptions = z.output<typeof yoloOptions>;

/** What stages are made with: the models, and how the machine is shared among the streams of this run. */
export interface StageMaker {
  readonly store: Pick<ModelStore, 'resolve' | 'resolveGuarded'>;
  readonly delivery: Delivery;
  readonly streamCount: number;
  readonly services: DetectorServices;
  /** Whether the source's pictures follow each other in time; asked only where something depends on it. */
  readonly isSequence: () => Promise<boolean>;
  readonly log: Logger;
}

export interface MadeStage {
  readonly id: string;
  readonly stage: Stage;
  /** The policy of the edge in front of the stage. */
  readonly overflow: Overflow;
  readonly model: InstalledModel;
}

const KINDS = ['detector.yolo', 'guard.patch'];

/**
 * The stages of a definition, in order, their models loaded.
 *
 * @throws AppError `ERR_STAGE_UNKNOWN`, `ERR_CONFIG_INVALID`, `ERR_CONFIG_UNKNOWN_KEY`, `ERR_GUARD_PROFILE_MISSING`, or what is wrong with a model.
 */
export async function makeStages(definitions: readonly StageDefinition[], maker: StageMaker): Promise<MadeStage[]> {
  checkStages(definitions);
  const made: MadeStage[] = [];
  for (const [i, definition] of definitions.entries()) {
    const next = definitions[i + 1];
    if (definition.kind !== 'detector.yolo') continue;
    if (next?.kind === 'guard.patch') made.push(...(await makeGuardedYolo(definition, next, maker)));
    else made.push(await makeYolo(definition, maker));
  }
  return made;
}

/** All that can be said of stages before a model is loaded. @throws AppError as `makeStages` */
export function checkStages(definitions: readonly StageDefinition[]): void {
  definitions.forEach((definition, i) => {
    const { id, kind, overflow } = definition;
    if (!KINDS.includes(kind)) throw new AppError('ERR_STAGE_UNKNOWN', `Stage '${id}' has the unknown kind '${kind}'`, { fix: `Known kinds: ${KINDS.join(', ')}.` });
    if (kind === 'detector.yolo') {
      parseOptions(definition, yoloOptions);
      return;
    }
    parseOptions(definition, guardOptions);
    if (definitions[i - 1]?.kind !== 'detector.yolo') {
      throw new AppError('ERR_CONFIG_INVALID', `Stage '${id}': guard.patch guards the detector right before it, and there is none`, { fix: 'Put it directly after a stage of kind detector.yolo.' });
    }
    if (overflow !== undefined) {
      throw new AppError('ERR_CONFIG_INVALID', `Stage '${id}': guard.patch takes no overflow: a frame that the detector has seen always comes to its guard`, { fix: 'Set overflow at the detector.' });
    }
  });
}

/** The policy of the edge in front of a stage. */
export function overflowOf({ kind, overflow }: StageDefinition, delivery: Delivery): Overflow {
  // No more frames than have a place at the guard's gate can come to it.
  if (kind === 'guard.patch') return 'block';
  return overflow ?? (delivery === 'live' ? 'latest' : 'block');
}

/** The picture that a model wants. */
export function formatOf({ manifest: { input } }: InstalledModel): FrameFormat {
  return { size: { width: input.width, height: input.height }, fit: input.fit, padValue: input.padValue };
}

async function makeYolo(definition: StageDefinition, maker: StageMaker): Promise<MadeStage> {
  const options = parseOptions(definition, yoloOptions);
  const overflow = overflowOf(definition, maker.delivery);
  const model = await maker.store.resolve(options.model);
  const service = await maker.services.get(model, settingsOf(options, overflow, maker, false));
  return { id: definition.id, stage: new YoloStage(service, thresholdsOf(options, model.manifest)), overflow, model };
}

/** A detector and the guard after it: two stages with one set of workers. */
async function makeGuardedYolo(detector: StageDefinition, guard: StageDefinition, maker: StageMaker): Promise<MadeStage[]> {
  const options = parseOptions(detector, yoloOptions);
  const guarding: PatchGuardOptions = parseOptions(guard, guardOptions);
  const overflow = overflowOf(detector, maker.delivery);
  const model = await maker.store.resolveGuarded(options.model, guarding.profile);
  const time = guarding.time === 'auto' ? await maker.isSequence() : guarding.time;
  const thresholds = thresholdsOf(options, model.manifest);
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

/** @param oneByOne the stream gives its frames one after the other. */
function settingsOf(options: YoloOptions, overflow: Overflow, { streamCount }: StageMaker, oneByOne: boolean): WorkerSettings {
  // `block` means that nothing may be lost, so throughput counts; but one frame at a time of one stream is faster with all cores.
  const isAlone = streamCount === 1 && (overflow !== 'block' || oneByOne);
  const mode = options.mode === 'auto' ? (isAlone ? 'latency' : 'throughput') : options.mode;
  return { mode, cores: options.cores ?? availableParallelism(), prefetch: overflow === 'block' && !(oneByOne && streamCount === 1) };
}
