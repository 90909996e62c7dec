import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { AppError, type ErrorCode } from '../core/errors.js';
import { workerUrl } from '../core/worker-url.js';

export type LatencyRequest =
  | { readonly kind: 'load'; readonly modelPath: string; readonly threads: number }
  | { readonly kind: 'run'; readonly session: number; readonly settleRuns: number; readonly runs: number };

export type LatencyAnswer =
  | { readonly kind: 'loaded'; readonly session: number }
  | { readonly kind: 'ran'; readonly samplesUs: readonly number[] }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

/** Inferences after another network had the caches, before the clock starts. */
const SETTLE_RUNS = 2;

/** Sessions side by side in a worker thread, with the settings that streams have; one of them runs at a time. */
export class LatencyBench {
  readonly #worker = new Worker(workerUrl(import.meta.url, './latency-worker.js'));

  /** @returns a number to run it by. @throws AppError ERR_MODEL_CORRUPT */
  async load(modelPath: string, threads: number): Promise<number> {
    const answer = await this.#ask({ kind: 'load', modelPath, threads });
    return answer.kind === 'loaded' ? answer.session : Number.NaN;
  }

  /** Microseconds of each of `runs` inferences in a row. @throws AppError ERR_INFERENCE_FAILED */
  async run(session: number, runs: number): Promise<readonly number[]> {
    const answer = await this.#ask({ kind: 'run', session, settleRuns: SETTLE_RUNS, runs });
    return answer.kind === 'ran' ? answer.samplesUs : [];
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask(request: LatencyRequest): Promise<LatencyAnswer> {
    this.#worker.postMessage(request);
    const [answer] = (await once(this.#worker, 'message')) as [LatencyAnswer];
    if (answer.kind === 'failed') throw new AppError(answer.code, answer.message);
    return answer;
  }
}
