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
  worker: Worker;
  readonly pending: Map<number, Pending<Response>>;
}

/** After so many deaths a worker isn't started again: what kills it will kill it once more. */
const MAX_DEATHS = 5;

/**
 * Equal workers, each with a queue of its own; a request goes to the one with the fewest. A worker that dies fails its requests
 * (`ERR_WORKER_DIED`) and is replaced.
 */
export class WorkerPool<Request, Response> {
  readonly #options: WorkerPoolOptions;
  readonly #members: Member<Response>[] = [];
  #nextId = 0;
  #deaths = 0;
  #closed = false;

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
      member.pending.set(id, { resolve, reject });
      member.worker.postMessage({ id, request } satisfies WorkerRequest<Request>);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#members.splice(0).map(({ worker }) => worker.terminate()));
  }

  #leastLoaded(): Member<Response> | undefined {
    let best: Member<Response> | undefined;
    for (const member of this.#members) if (!best || member.pending.size < best.pending.size) best = member;
    return best;
  }

  #add(name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(this.#options.script, { workerData: this.#options.workerData, name });
      const member: Member<Response> = { name, worker, pending: new Map() };
      let failure: AppError | undefined;
      worker.on('message', (reply: WorkerReply<Response>) => {
        switch (reply.type) {
          case 'ready':
            this.#members.push(member);
            resolve();
            break;
          case 'done':
            take(member, reply.id)?.resolve({ response: reply.response, worker: name });
            break;
          case 'failed': {
            const error = new AppError(reply.code, reply.message, reply.fix === undefined ? {} : { fix: reply.fix });
            if (reply.id === undefined) reject(error);
            else take(member, reply.id)?.reject(error);
          }
        }
      });
      worker.on('error', (error) => (failure = new AppError('ERR_WORKER_DIED', `${name}: ${error.message}`, { cause: error })));
      worker.on('exit', (status) => {
        const error = failure ?? new AppError('ERR_WORKER_DIED', `${name} ended with status ${status}`);
        reject(error);
        this.#buried(member, error);
      });
    });
  }

  #buried(member: Member<Response>, error: AppError): void {
    const at = this.#members.indexOf(member);
    if (at >= 0) this.#members.splice(at, 1);
    for (const { reject } of member.pending.values()) reject(error);
    member.pending.clear();
    if (this.#closed || at < 0 || ++this.#deaths > MAX_DEATHS) return;
    // A failed replacement shows as ERR_WORKER_DIED of the next request.
    this.#add(member.name).catch(() => undefined);
  }
}

function take<Response>({ pending }: Member<Response>, id: number): Pending<Response> | undefined {
  const entry = pending.get(id);
  pending.delete(id);
  return entry;
}
