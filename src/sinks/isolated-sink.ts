import type { Logger } from '../core/logger.js';
import { toAppError } from '../core/errors.js';
import type { OperatingPointMove } from '../core/operating-point.js';
import type { DeliveredFrame } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import type { SourceEvent } from '../core/source.js';

/**
 * Keeps a live stream alive when one of its outputs fails (a full disk): the failure is logged once, what can't be written is counted,
 * and the other sinks go on. Lossless streams don't use it: they end with the error, since their output would have a hole.
 */
export class IsolatedSink implements Sink {
  readonly kind: string;
  readonly #inner: Sink;
  readonly #log: Logger;
  #failed = false;
  #waiting = false;
  #lost = 0;

  constructor(inner: Sink, log: Logger) {
    this.kind = inner.kind;
    this.#inner = inner;
    this.#log = log;
  }

  get lost(): number {
    return this.#lost;
  }

  deliver(frame: DeliveredFrame): void {
    if (this.#waiting) {
      // A live stream doesn't wait for a slow disk, and nothing may pile up in front of it.
      this.#lost += 1;
      return;
    }
    this.#guard(() => {
      const waits = this.#inner.deliver(frame);
      if (!waits) return;
      this.#waiting = true;
      waits.catch((error: unknown) => this.#fail(error)).finally(() => (this.#waiting = false));
    });
  }

  event(stream: string, event: SourceEvent): void {
    this.#guard(() => this.#inner.event?.(stream, event));
  }

  moved(stream: string, move: OperatingPointMove): void {
    this.#guard(() => this.#inner.moved?.(stream, move));
  }

  async close(): Promise<void> {
    try {
      await this.#inner.close();
    } catch (error) {
      this.#fail(error);
    }
    if (this.#lost > 0) this.#log.error({ sink: this.kind, lost: this.#lost }, `${this.#lost} results could not be written`);
  }

  #guard(work: () => void): void {
    if (this.#failed) {
      this.#lost += 1;
      return;
    }
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(thrown: unknown): void {
    this.#lost += 1;
    if (this.#failed) return;
    this.#failed = true;
    const { code, message, fix } = toAppError(thrown, 'ERR_OUTPUT_WRITE');
    this.#log.error({ sink: this.kind, code, fix }, `${message}; the stream goes on without this output`);
  }
}
