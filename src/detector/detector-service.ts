import type { TurnQueue } from '../core/admission.js';
import type { Frame } from '../core/frame.js';
import type { ModelManifest } from '../core/manifest.js';
import type { Size } from '../core/size.js';
import type { ModelFile } from '../inference/create-session.js';
import { workerUrl } from '../core/worker-url.js';
import type { DecodeThresholds } from './decoder.js';
import type { DetectorModel } from './detector-session.js';
import type { DetectRequest, DetectResponse } from './detector-worker.js';
import { ModelWorkers, type WorkerSettings } from './model-workers.js';

export type { DetectorMode } from './model-workers.js';

/** The file is that of the prepared model. */
export type DetectorServiceOptions = WorkerSettings & ModelFile & {
  readonly manifest: ModelManifest;
  /** Of the frames that come, where it isn't the model's own: they are scaled to it. */
  readonly frameSize?: Size | undefined;
  /** True: they are whole pictures, which the workers fit into the input as the model has it; else they are fitted already, at another size. */
  readonly isFrameWhole?: boolean | undefined;
  /** Of an `EmulatedSpeed`: for studies alone. */
  readonly emulatedSpeed?: SharedArrayBuffer | undefined;
};

/**
 * A loaded model and the workers that run it. Streams share it: each asks for a turn, and turns are given in the order of asking.
 */
export class DetectorService {
  readonly manifest: ModelManifest;
  readonly #workers: ModelWorkers<DetectRequest, DetectResponse>;

  private constructor(manifest: ModelManifest, workers: ModelWorkers<DetectRequest, DetectResponse>) {
    this.manifest = manifest;
    this.#workers = workers;
  }

  /** Loads the model in every worker and warms it up. @throws AppError `ERR_MODEL_CORRUPT`, `ERR_MODEL_MANIFEST`, `ERR_WORKER_DIED` */
  static async start({ manifest, modelPath, modelBytes, frameSize, isFrameWhole, emulatedSpeed, ...settings }: DetectorServiceOptions): Promise<DetectorService> {
    const file: ModelFile = modelPath === undefined ? { modelBytes } : { modelPath };
    const workers = await ModelWorkers.start<DetectRequest, DetectResponse>({
      ...settings,
      script: workerUrl(import.meta.url, './detector-worker.js'),
      name: `detector-${manifest.id}`,
      workerData: (threads): DetectorModel => ({ ...file, manifest, threads, tuning: settings.tuning, frameSize, isFrameWhole, emulatedSpeed }),
    });
    return new DetectorService(manifest, workers);
  }

  /** How many frames can be in work or waiting at a worker. */
  get capacity(): number {
    return this.#workers.capacity;
  }

  get turns(): TurnQueue {
    return this.#workers.turns;
  }

  /** Runs the model on a frame that the caller keeps until the promise settles. @throws AppError `ERR_INFERENCE_FAILED`, `ERR_WORKER_DIED` */
  detect(frame: Frame, thresholds: DecodeThresholds): Promise<{ response: DetectResponse; worker: string }> {
    return this.#workers.run({ pixels: frame.pixels, fit: frame.fit, sourceSize: frame.sourceSize, thresholds });
  }

  close(): Promise<void> {
    return this.#workers.close();
  }
}
