import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { StageDefinition } from '../config/stream-definition.js';
import { AppError } from '../core/errors.js';
import type { FrameFormat } from '../core/frame.js';
import type { Overflow } from '../core/overflow.js';
import type { Stage } from '../core/stage.js';
import { anchorMask } from '../detector/anchor-mask.js';
import { type DetectorMode, DetectorService } from '../detector/detector-service.js';
import { YoloStage } from '../detector/yolo-stage.js';
import type { InstalledModel } from '../model-store/store.js';
import { DEFAULT_MODEL } from './definitions.js';

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
  resolveModel(idOrPath: string): Promise<InstalledModel>;
  /** The policy of the edge in front of the stage: `block` means that nothing may be lost, so throughput counts. */
  readonly overflow: Overflow;
  readonly streamCount: number;
  readonly services: DetectorServices;
}

export interface MadeStage {
  readonly stage: Stage;
  readonly model: InstalledModel;
}

/** The kinds of stages that a definition may name. */
const STAGES: Readonly<Record<string, (definition: StageDefinition, maker: StageMaker) => Promise<MadeStage>>> = {
  'detector.yolo': makeYolo,
};

/** @throws AppError `ERR_STAGE_UNKNOWN`, `ERR_CONFIG_INVALID`, or what is wrong with the model. */
export function makeStage(definition: StageDefinition, maker: StageMaker): Promise<MadeStage> {
  const make = STAGES[definition.kind];
  if (!make) {
    throw new AppError('ERR_STAGE_UNKNOWN', `Stage '${definition.id}' has the unknown kind '${definition.kind}'`, { fix: `Known kinds: ${Object.keys(STAGES).join(', ')}.` });
  }
  return make(definition, maker);
}

/** The picture that a model wants. */
export function formatOf({ manifest: { input } }: InstalledModel): FrameFormat {
  return { size: { width: input.width, height: input.height }, fit: input.fit, padValue: input.padValue };
}

async function makeYolo(definition: StageDefinition, maker: StageMaker): Promise<MadeStage> {
  const options = parseOptions(definition);
  const model = await maker.resolveModel(options.model);
  const mode = options.mode === 'auto' ? autoMode(maker) : options.mode;
  const service = await maker.services.get(model, { mode, cores: options.cores ?? availableParallelism(), prefetch: maker.overflow === 'block' });
  const { defaults } = model.manifest;
  const stage = new YoloStage(service, {
    confidenceThreshold: options.confidenceThreshold ?? defaults.confidenceThreshold,
    iouThreshold: options.iouThreshold ?? defaults.iouThreshold,
    maxDetections: options.maxDetections,
    multiLabel: options.multiLabel,
    ...(options.anchorsOff && { anchorsOff: anchorMask(model.manifest, options.anchorsOff) }),
  });
  return { stage, model };
}

function parseOptions({ id, options = {} }: StageDefinition): YoloOptions {
  const checked = yoloOptions.safeParse(options);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  const where = [`stage '${id}'`, ...issue.path.map(String)].join(', ');
  const code = issue.code === 'unrecognized_keys' ? 'ERR_CONFIG_UNKNOWN_KEY' : 'ERR_CONFIG_INVALID';
  throw new AppError(code, `${where}: ${issue.message}`, { fix: `Options of detector.yolo: ${Object.keys(yoloOptions.shape).join(', ')}.` });
}

function autoMode({ overflow, streamCount }: StageMaker): DetectorMode {
  return overflow !== 'block' && streamCount === 1 ? 'latency' : 'throughput';
}

interface ServiceSettings {
  readonly mode: DetectorMode;
  readonly cores: number;
  readonly prefetch: boolean;
}

/** Detector services by model and settings, so that streams with the same ones share the workers. */
export class DetectorServices {
  readonly #services = new Map<string, Promise<DetectorService>>();

  get({ manifest, preparedPath }: InstalledModel, settings: ServiceSettings): Promise<DetectorService> {
    const key = [preparedPath, settings.mode, settings.cores, settings.prefetch].join('|');
    const known = this.#services.get(key);
    if (known) return known;
    const service = DetectorService.start({ manifest, modelPath: preparedPath, ...settings });
    this.#services.set(key, service);
    return service;
  }

  async close(): Promise<void> {
    const services = await Promise.allSettled(this.#services.values());
    await Promise.all(services.map(async (outcome) => (outcome.status === 'fulfilled' ? outcome.value.close() : undefined)));
  }
}
