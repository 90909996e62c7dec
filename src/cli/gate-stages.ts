import { z } from 'zod';
import { AppError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Size } from '../core/size.js';
import type { Stage } from '../core/stage.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import type { WorkerSettings } from '../detector/model-workers.js';
import { YoloStage } from '../detector/yolo-stage.js';
import type { InstalledModel, ModelStore } from '../model-store/store.js';
import { FrameRedundancy, type TileDetector } from '../redundancy/frame-redundancy.js';
import { RedundancyGateStage } from '../redundancy/gate-stage.js';
import { GatedDetectStage } from '../redundancy/gated-detect-stage.js';
import type { DetectorServices } from './detector-services.js';

/** Tiles are of half the side: a quarter of the work. */
const TILE_SCALE = 0.5;
/** Sides are multiples of the coarsest stride that detectors usually have. */
const SIDE_STEP_PX = 32;

export const gateOptions = z.strictObject({
  maxAgeMs: z.number().min(0).max(60_000).default(1000).describe('No frame is further than this from an inference of the whole picture, by presentation time.'),
  maxMovedMs: z.number().min(0).max(10_000).default(500).describe('While known objects move, no frame is further than this from an inference of them; 0: boxes are never moved.'),
  maxLoss: z.number().min(0).max(1).default(0.008).describe('Share of the boxes that may be wrong for having been moved, in the mean over all frames: how often the model looks again follows from how wrong moved boxes turn out to be.'),
  minChange: z.number().min(0.5).max(50).default(3).describe('Mean change of a block of the picture that counts, grey levels. What the stream shows of noise raises it.'),
  tiles: z.boolean().default(false).describe('Where what changed fits into a part of the picture, only that is inferred; where the model can be resized.'),
});

export type RedundancyGateOptions = z.output<typeof gateOptions>;

/** What a gate is made with. */
export interface GateMaking {
  readonly options: RedundancyGateOptions;
  readonly stageId: string;
  /** The detector as it would be without a gate. */
  readonly detector: Stage;
  readonly model: InstalledModel;
  readonly thresholds: DecodeThresholds;
  readonly settings: WorkerSettings;
  readonly store: Pick<ModelStore, 'resized'>;
  readonly services: DetectorServices;
  readonly log: Logger;
}

/** The gate and the detector after it. */
export async function makeRedundancy(making: GateMaking): Promise<{ readonly gate: Stage; readonly detect: Stage }> {
  const { options, detector } = making;
  const redundancy = new FrameRedundancy({ ...options, detector, tile: options.tiles ? await makeTile(making) : undefined });
  return { gate: new RedundancyGateStage(redundancy), detect: new GatedDetectStage(redundancy) };
}

async function makeTile({ model, store, services, settings, thresholds, stageId, log }: GateMaking): Promise<TileDetector | undefined> {
  const size = tileSize(model.manifest.input);
  try {
    const resized = await store.resized(model, size);
    const service = await services.get({ ...model, ...resized }, settings);
    return { stage: new YoloStage(service, thresholds), size };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'ERR_MODEL_UNSUPPORTED_OP') throw error;
    log.info({ stage: stageId, code: error.code }, `Frames are inferred whole, without tiles: ${error.message}`);
    return undefined;
  }
}

/** Of the model for tiles: about half the side. */
export function tileSize({ width, height }: Size): Size {
  const side = (whole: number): number => Math.min(whole, Math.max(SIDE_STEP_PX, Math.round((whole * TILE_SCALE) / SIDE_STEP_PX) * SIDE_STEP_PX));
  return { width: side(width), height: side(height) };
}
