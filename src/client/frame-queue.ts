/**
 * What an async iterator hasn't been asked for yet: at most `capacity` items, the oldest go first where it overflows.
 * One consumer.
 */
export class FrameQueue<T> implements AsyncIterableIterator<T> {
  /** Items that the consumer was too slow for. */
  skipped = 0;
  readonly #capacity: number;
  readonly #items: T[] = [];
  readonly #onReturn: () => void;
  #waiting: { resolve(result: IteratorResult<T>): void; reject(error: Error): void } | undefined;
  #end: { readonly error: Error | undefined } | undefined;

  constructor(capacity: number, onReturn: () => void) {
    this.#capacity = capacity;
    this.#onReturn = onReturn;
  }

  push(item: T): void {
    if (this.#waiting) {
      this.#waiting.resolve({ done: false, value: item });
      this.#waiting = undefined;
      return;
    }
    if (this.#items.length === this.#capacity) {
      this.#items.shift();
      this.skipped += 1;
    }
    this.#items.push(item);
  }

  /** What is queued is still given; then the iteration ends, or throws. */
  end(error: Error | undefined): void {
    this.#end ??= { error };
    if (this.#waiting === undefined) return;
    if (error) this.#waiting.reject(error);
    else this.#waiting.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#end?.error) return Promise.reject(this.#end.error);
    if (this.#end) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  return(): Promise<IteratorResult<T>> {
    this.#onReturn();
    this.end(undefined);
    this.#items.length = 0;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
