import { TurnQueue } from '../core/admission.js';
import type { SessionTuning } from '../inference/session-tuning.js';
import { WorkerPool } from '../inference/worker-pool.js';

/** How a machine's cores are used: all of them for one frame after the other, or one for each of several frames. */
export type DetectorMode = 'latency' | 'throughput';

/** How many workers there are and what each may use. */
export interface WorkerSettings {
  readonly mode: DetectorMode;
  /** Cores to use in all: `latency` makes one session of so many threads, `throughput` so many sessions of one. */
  readonly cores: number;
  /** Keep a frame waiting at each worker, so that none idles between frames; off where freshness counts more. */
  readonly prefetch: boolean;
  /** Sessions, each in a worker of its own, and threads of each; as `mode` and `cores` say where absent. */
  readonly sessions?: number | undefined;
  readonly threads?: number | undefined;
  readonly tuning?: SessionTuning | undefined;
}

/** How many sessions there are and how many threads each has. */
export function layoutOf({ mode, cores, sessions, threads }: Pick<WorkerSettings, 'mode' | 'cores' | 'sessions' | 'threads'>): { readonly sessions: number; readonly threads: number } {
  const usual = mode === 'latency' ? { sessions: 1, threads: cores } : { sessions: cores, threads: 1 };
  return { sessions: sessions ?? usual.sessions, threads: threads ?? usual.threads };
}

export interface ModelWorkersOptions extends WorkerSettings {
  readonly script: URL;
  readonly name: string;
  /** What a worker of so many threads is started with. */
  readonly workerData: (threads: number) => unknown;
}

/** Workers that run one model for any number of streams: each asks for a turn, and turns are given in the order of asking. */
export class ModelWorkers<Request, Response> {
  /** How many frames can be in work or waiting at a worker. */
  readonly capacity: number;
  readonly turns: TurnQueue;
  readonly #pool: WorkerPool<Request, Response>;

  private constructor(pool: WorkerPool<Request, Response>, capacity: number) {
    this.#pool = pool;
    this.capacity = capacity;
    this.turns = new TurnQueue(capacity);
  }

  /** Resolves when every worker is ready. @throws AppError of the first that isn't */
  static async start<Request, Response>({ script, name, workerData, prefetch, ...settings }: ModelWorkersOptions): Promise<ModelWorkers<Request, Response>> {
    const { sessions, threads } = layoutOf(settings);
    const pool = await WorkerPool.start<Request, Response>({ script, size: sessions, workerData: workerData(threads), name });
    return new ModelWorkers(pool, sessions * (prefetch ? 2 : 1));
  }

  /** @throws AppError of the worker, or `ERR_WORKER_DIED` */
  run(request: Request): Promise<{ response: Response; worker: string }> {
    return this.#pool.run(request);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
