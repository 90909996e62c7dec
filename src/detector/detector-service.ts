import { TurnQueue } from '../core/admission.js';
import type { Frame } from '../core/frame.js';
import type { ModelManifest } from '../core/manifest.js';
import { workerUrl } from '../core/worker-url.js';
import { WorkerPool } from '../inference/worker-pool.js';
import type { DecodeThresholds } from './decoder.js';
import type { DetectorWorkerData, DetectRequest, DetectResponse } from './detector-worker.js';

/** How a machine's cores are used: all of them for one frame after the other, or one for each of several frames. */
export type DetectorMode = 'latency' | 'throughput';

export interface DetectorServiceOptions {
  readonly manifest: ModelManifest;
  /** The prepared model. */
  readonly modelPath: string;
  readonly mode: DetectorMode;
  /** Cores to use in all: `latency` makes one session of so many threads, `throughput` so many sessions of one. */
  readonly cores: number;
  /** Keep a frame waiting at each worker, so that none idles between frames; off where freshness counts more. */
  readonly prefetch: boolean;
}

/**
 * A loaded model and the workers that run it. Streams share it: each asks for a turn, and turns are given in the order of asking.
 */
export class DetectorService {
  readonly manifest: ModelManifest;
  /** How many frames can be in work or waiting at a worker. */
  readonly capacity: number;
  readonly turns: TurnQueue;
  readonly #pool: WorkerPool<DetectRequest, DetectResponse>;

  private constructor(manifest: ModelManifest, pool: WorkerPool<DetectRequest, DetectResponse>, capacity: number) {
    this.manifest = manifest;
    this.#pool = pool;
    this.capacity = capacity;
    this.turns = new TurnQueue(capacity);
  }

  /** Loads the model in every worker and warms it up. @throws AppError `ERR_MODEL_CORRUPT`, `ERR_MODEL_MANIFEST`, `ERR_WORKER_DIED` */
  static async start({ manifest, modelPath, mode, cores, prefetch }: DetectorServiceOptions): Promise<DetectorService> {
    const sessions = mode === 'latency' ? 1 : cores;
    const workerData: DetectorWorkerData = { manifest, modelPath, threads: mode === 'latency' ? cores : 1 };
    const pool = await WorkerPool.start<DetectRequest, DetectResponse>({
      script: workerUrl(import.meta.url, './detector-worker.js'),
      size: sessions,
      workerData,
      name: `detector-${manifest.id}`,
    });
    return new DetectorService(manifest, pool, sessions * (prefetch ? 2 : 1));
  }

  /** Runs the model on a frame that the caller keeps until the promise settles. @throws AppError `ERR_INFERENCE_FAILED`, `ERR_WORKER_DIED` */
  detect(frame: Frame, thresholds: DecodeThresholds): Promise<{ response: DetectResponse; worker: string }> {
    return this.#pool.run({ pixels: frame.pixels, fit: frame.fit, sourceSize: frame.sourceSize, thresholds });
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
