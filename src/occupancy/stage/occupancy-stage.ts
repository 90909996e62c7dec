import { type Admission, TurnQueue } from '../../core/admission.js';
import { AppError, toAppError } from '../../core/errors.js';
import type { Frame } from '../../core/frame.js';
import type { MissingOccupancy, OccupancyReport } from '../../core/occupancy-report.js';
import type { FrameResult } from '../../core/result.js';
import type { Size } from '../../core/size.js';
import type { Stage, StageContext } from '../../core/stage.js';
import type { GridLevel } from '../../core/voxel-grid.js';
import { checkShape } from '../calibration/plausible.js';
import type { CameraPath } from '../camera-path.js';
import type { NetworkResponse } from './network-worker.js';
import type { OccupancyService } from './occupancy-service.js';

export interface OccupancyStageOptions {
  /** The finest level that is asked for. */
  readonly level: GridLevel;
  /** Finer levels are only computed while so much time lasts, milliseconds of the network's work; all of them where absent. */
  readonly budgetMs?: number | undefined;
  /** Keep a pair waiting at each worker of the network, so that none idles; off where freshness counts more. */
  readonly prefetch: boolean;
  /** Of the pictures that the rig was calibrated with. */
  readonly calibratedSize: Size;
  /** Pairs of one pass of a recording, where that is known: after them it starts again. */
  readonly passLength?: number | undefined;
  /** Of a recording, where the camera was. */
  readonly path?: CameraPath | undefined;
}

/** Frames that the map may be behind the network. */
const MAP_LAG = 2;
/** Without a right picture for so long, the right camera is dead: before, a frame was lost. */
const DEAD_AFTER_US = 1_000_000;

/**
 * Where something is solid, of frames that carry their partner: adds `occupancy`. A frame whose pair is of no use gets the reason instead, and
 * goes on all the same; what is known of space stays.
 */
export class OccupancyStage implements Stage {
  readonly kind = 'occupancy.stereo';
  readonly concurrency: number;
  readonly #service: OccupancyService;
  readonly #options: OccupancyStageOptions;
  readonly #turns: TurnQueue;
  /** Settled when all frames before have been given to the map. */
  #before: Promise<unknown> = Promise.resolve();
  /** Of the newest frame that came with a partner, or of the first one. */
  #pairedUs: number | undefined;
  #mapped: { readonly ptsUs: number; readonly pass: number } | undefined;

  constructor(service: OccupancyService, options: OccupancyStageOptions) {
    const turns = service.sessions * (options.prefetch ? 2 : 1);
    this.#service = service;
    this.#options = options;
    this.#turns = new TurnQueue(turns);
    this.concurrency = turns + MAP_LAG;
  }

  /** Frames are taken when the network has time for them, though the map still works on those before. */
  get admission(): Admission {
    return this.#turns;
  }

  async process(input: FrameResult, context: StageContext): Promise<FrameResult> {
    const before = this.#before;
    let handOn: () => void = () => undefined;
    this.#before = new Promise<void>((resolve) => (handOn = resolve));
    try {
      return { ...input, occupancy: await this.#look(input, before, handOn, context) };
    } catch (error) {
      // The rest of the graph goes on with the left picture, whatever became of the pair.
      const { code, message } = toAppError(error, 'ERR_STAGE_FAILED');
      return { ...input, occupancy: { code, message } };
    } finally {
      void before.then(handOn);
    }
  }

  close(): Promise<void> {
    return this.#service.close();
  }

  async #look(input: FrameResult, before: Promise<unknown>, handOn: () => void, context: StageContext): Promise<OccupancyReport | MissingOccupancy> {
    const found = await this.#infer(input.frame, context);
    if ('code' in found) return found;
    await before;
    // In the worker's queue from here on: the next frame may follow.
    const mapped = this.#map(input, found);
    handOn();
    const { response } = await mapped;
    context.part('map', response.startedMs, response.endedMs);
    return response.occupancy;
  }

  /** The network's turn ends with the network. */
  async #infer(frame: Frame, context: StageContext): Promise<NetworkResponse | MissingOccupancy> {
    try {
      const { right } = frame;
      const fault = this.#faultOf(frame);
      if (!right || fault) return fault ?? this.#unpaired(frame);
      const { level, budgetMs } = this.#options;
      const { response, worker } = await this.#service.infer({ left: frame.pixels, right: right.pixels, level, budgetMs });
      context.serviceStarted(response.startedMs);
      for (const { name, startMs, endMs } of response.spans) context.part(name, startMs, endMs);
      context.servedBy(worker);
      return response;
    } finally {
      this.#turns.release();
    }
  }

  #faultOf({ right, sourceSize, ptsUs }: Frame): MissingOccupancy | undefined {
    if (!right) return undefined;
    this.#pairedUs = ptsUs;
    const [l, r] = [sourceSize, right.sourceSize];
    if (l.width !== r.width || l.height !== r.height) {
      return { code: 'ERR_STEREO_SIZES', message: `the left picture has ${l.width} x ${l.height} pixels, the right one ${r.width} x ${r.height}` };
    }
    return shapeFault(sourceSize, this.#options.calibratedSize);
  }

  #unpaired({ ptsUs }: Frame): MissingOccupancy {
    this.#pairedUs ??= ptsUs;
    if (ptsUs - this.#pairedUs < DEAD_AFTER_US) return { code: 'ERR_STEREO_UNPAIRED', message: 'the right camera gave no picture of this moment' };
    return { code: 'ERR_STEREO_CAMERA_DEAD', message: 'the right camera has given no picture for a second and more' };
  }

  #map({ frame, detections }: FrameResult, { level, cells, computedShare }: NetworkResponse): ReturnType<OccupancyService['see']> {
    const { right, ptsUs, sequence, sourceSize } = frame;
    const { passLength = Infinity, path } = this.#options;
    const pass = passLength === Infinity ? 0 : Math.floor(sequence / passLength);
    const last = this.#mapped;
    this.#mapped = { ptsUs, pass };
    const pose = path?.poseAt(passLength === Infinity ? sequence : sequence % passLength, ptsUs);
    const boxes = detections && { count: detections.count, xyxy: detections.xyxy };
    return this.#service.see({
      left: frame.pixels,
      right: right!.pixels,
      sighting: { level, cells, computedShare, ptsUs, pose, boxes, sourceSize },
      isRestart: last !== undefined && (ptsUs < last.ptsUs || pass !== last.pass),
    });
  }
}

function shapeFault(pictures: Size, calibrated: Size): MissingOccupancy | undefined {
  try {
    checkShape(pictures, calibrated, 'calibration');
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { code: error.code, message: error.message };
  }
}
