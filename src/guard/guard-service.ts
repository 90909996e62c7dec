import type { TurnQueue } from '../core/admission.js';
import { workerUrl } from '../core/worker-url.js';
import { ModelWorkers, type WorkerSettings } from '../detector/model-workers.js';
import type { GuardWorkerData } from './guard-worker.js';
import type { PassRunnerOptions } from './pass-runner.js';
import { usesFinder } from './profile.js';
import type { GuardPasses, PassRequest, PassResponse } from './passes.js';

export interface GuardServiceOptions extends WorkerSettings, PassRunnerOptions {
  /** The prepared model with the tap as an additional output. */
  readonly modelPath: string;
  /** Of the patch finder; for profiles whose search wants it. */
  readonly finderPath?: string | undefined;
}

/** The workers that run a guarded model. Streams with the same thresholds share them: each pass has its turn. */
export class GuardService implements GuardPasses {
  readonly #workers: ModelWorkers<PassRequest, PassResponse>;

  private constructor(workers: ModelWorkers<PassRequest, PassResponse>) {
    this.#workers = workers;
  }

  /** Loads the model in every worker and warms it up. @throws AppError `ERR_MODEL_CORRUPT`, `ERR_MODEL_MANIFEST`, `ERR_WORKER_DIED`; of the finder as `PatchFinder.load` */
  static async start({ manifest, modelPath, finderPath, tap, profile, thresholds, ...settings }: GuardServiceOptions): Promise<GuardService> {
    return new GuardService(
      await ModelWorkers.start<PassRequest, PassResponse>({
        ...settings,
        script: workerUrl(import.meta.url, './guard-worker.js'),
        name: `guard-${manifest.id}`,
        workerData: (threads): GuardWorkerData => ({ manifest, modelPath, threads, tuning: settings.tuning, tap, profile, thresholds, finderPath: usesFinder(profile.search) ? finderPath : undefined }),
      }),
    );
  }

  /** How many passes can be in work or waiting at a worker. */
  get capacity(): number {
    return this.#workers.capacity;
  }

  get turns(): TurnQueue {
    return this.#workers.turns;
  }

  /** Without asking for a turn: who calls has one. @throws AppError `ERR_INFERENCE_FAILED`, `ERR_WORKER_DIED`, `ERR_MODEL_OUTPUT_SHAPE` */
  run(request: PassRequest): Promise<{ readonly response: PassResponse; readonly worker: string }> {
    return this.#workers.run(request);
  }

  close(): Promise<void> {
    return this.#workers.close();
  }
}
