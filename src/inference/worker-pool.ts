import { Worker } from 'node:worker_threads';
import { AppError, type ErrorCode } from '../core/errors.js';

/** What a worker of a pool sends back. */
export type WorkerReply<Response> =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly id: number; readonly response: Response }
  | { readonly type: 'failed'; readonly id: number | undefined; readonly code: ErrorCode; readonly message: string; readonly fix?: string | undefined };

export interface WorkerRequest<Request> {
  readonly id: number;
  readonly request: Request;
}

/** Sent to a worker instead of a request: it finishes the one that it works on and ends. */
export const END = 'end';

export interface WorkerPoolOptions {
  readonly script: URL;
  readonly size: number;
  readonly workerData: unknown;
  readonly name: string;
}

interface Pending<Response> {
  resolve(outcome: { response: Response; worker: string }): void;
  reject(error: AppError): void;
}

interface Member<Response> {
  readonly name: string;
  readonly worker: Worker;
  readonly pending: Map<number, Pending<Response>>;
  isReady: boolean;
  /** Why it ended or is about to. */
  failure: AppError | undefined;
}

/** A worker that has not ended by itself for so long after it was asked to is ended, whatever it does. */
const END_WITHIN_MS = 10_000;

/** After so many deaths without a served request between them, workers aren't replaced any more: what kills them will do so again. */
const MAX_DEATHS_IN_A_ROW = 5;

/**
 * Equal workers, each with a queue of its own; a request goes to the one with the fewest. A worker that dies fails its requests
 * (`ERR_WORKER_DIED`) and is replaced; a request that finds no other waits in the queue of the replacement.
 */
export class WorkerPool<Request, Response> {
  readonly #options: WorkerPoolOptions;
  readonly #members: Member<Response>[] = [];
  #nextId = 0;
  #deathsInARow = 0;
  /** False while the first workers load, and after `close`. */
  #replaces = false;

  private constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** Resolves when every worker is ready; rejects with the error of the first that isn't. */
  static async start<Request, Response>(options: WorkerPoolOptions): Promise<WorkerPool<Request, Response>> {
    const pool = new WorkerPool<Request, Response>(options);
    try {
      await Promise.all(Array.from({ length: options.size }, (_, i) => pool.#add(`${options.name}-${i}`)));
    } catch (error) {
      await pool.close();
      throw error;
    }
    pool.#replaces = true;
    return pool;
  }

  get size(): number {
    return this.#options.size;
  }

  /** @throws AppError of the worker, or `ERR_WORKER_DIED`. */
  run(request: Request): Promise<{ response: Response; worker: string }> {
    return new Promise((resolve, reject) => {
      const member = this.#leastLoaded();
      if (!member) {
        reject(new AppError('ERR_WORKER_DIED', `${this.#options.name}: no worker is alive`));
        return;
      }
      const id = this.#nextId++;
      member.worker.postMessage({ id, request } satisfies WorkerRequest<Request>);
      member.pending.set(id, { resolve, reject });
    });
  }

  /**
   * Ends all workers; requests in their queues fail with `ERR_WORKER_DIED`. What a worker is doing it finishes first: onnxruntime aborts the whole process where
   * its thread is ended in the middle of an inference.
   */
  async close(): Promise<void> {
    this.#replaces = false;
    await Promise.all(this.#members.splice(0).map((member) => (member.isReady ? endGently(member.worker) : member.worker.terminate())));
  }

  /** One that still loads only where no other is alive. */
  #leastLoaded(): Member<Response> | undefined {
    let best: Member<Response> | undefined;
    for (const member of this.#members) if (!best || isLessLoaded(member, best)) best = member;
    return best;
  }

  #add(name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(this.#options.script, { workerData: this.#options.workerData, name });
      const member: Member<Response> = { name, worker, pending: new Map(), isReady: false, failure: undefined };
      this.#members.push(member);
      worker.on('message', (reply: WorkerReply<Response>) => {
        if (reply.type === 'ready') {
          member.isReady = true;
          resolve();
        } else this.#answer(member, reply);
      });
      worker.on('error', (error) => (member.failure ??= new AppError('ERR_WORKER_DIED', `${name}: ${error.message}`, { cause: error })));
      worker.on('exit', (status) => {
        const error = member.failure ?? new AppError('ERR_WORKER_DIED', `${name} ended with status ${status}`);
        reject(error);
        this.#bury(member, error);
      });
    });
  }

  #answer(member: Member<Response>, reply: Exclude<WorkerReply<Response>, { type: 'ready' }>): void {
    if (reply.type === 'done') {
      this.#deathsInARow = 0;
      take(member, reply.id)?.resolve({ response: reply.response, worker: member.name });
      return;
    }
    const error = new AppError(reply.code, reply.message, reply.fix === undefined ? {} : { fix: reply.fix });
    if (reply.id !== undefined) {
      take(member, reply.id)?.reject(error);
      return;
    }
    // It could not start: its exit tells everybody who waits for it.
    member.failure = error;
    void member.worker.terminate();
  }

  #bury(member: Member<Response>, error: AppError): void {
    const at = this.#members.indexOf(member);
    if (at >= 0) this.#members.splice(at, 1);
    for (const request of member.pending.values()) request.reject(error);
    member.pending.clear();
    this.#deathsInARow += 1;
    if (!this.#replaces || this.#deathsInARow >= MAX_DEATHS_IN_A_ROW) return;
    // Where the replacement fails, its exit comes here again and its queue gets the error.
    this.#add(member.name).catch(() => undefined);
  }
}

async function endGently(worker: Worker): Promise<void> {
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const overdue = setTimeout(() => void worker.terminate(), END_WITHIN_MS);
  worker.postMessage(END);
  await ended;
  clearTimeout(overdue);
}

function isLessLoaded<Response>(a: Member<Response>, b: Member<Response>): boolean {
  return a.isReady === b.isReady ? a.pending.size < b.pending.size : a.isReady;
}

function take<Response>({ pending }: Member<Response>, id: number): Pending<Response> | undefined {
  const entry = pending.get(id);
  pending.delete(id);
  return entry;
}
