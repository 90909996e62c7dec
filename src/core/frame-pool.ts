import { assert } from './assert.js';

/** A slot of a pool: pixels in shared memory, so that a worker reads them without a copy on the main thread. */
export interface PooledBuffer {
  readonly bytes: Uint8Array;
  /** Gives the slot back. Once only. */
  free(): void;
}

/**
 * A fixed number of equal buffers, allocated once.
 *
 * The pool is also the backpressure of the graph: a lossless source reads on only when `acquire` gives it a buffer, a live one drops
 * the frame for which there is none. Nothing after it can therefore grow without bound.
 */
export class FramePool {
  readonly capacity: number;
  readonly bytesPerBuffer: number;
  readonly #free: number[];
  readonly #slots: Uint8Array[];
  readonly #waiting: (() => void)[] = [];

  /** @param capacity buffers, at least 2: one being filled, one being worked on. */
  constructor(capacity: number, bytesPerBuffer: number) {
    assert(Number.isInteger(capacity) && capacity >= 2, `a pool needs at least 2 buffers, got ${capacity}`);
    assert(Number.isInteger(bytesPerBuffer) && bytesPerBuffer > 0, `a buffer needs at least a byte, got ${bytesPerBuffer}`);
    this.capacity = capacity;
    this.bytesPerBuffer = bytesPerBuffer;
    // One block a slot: a worker that gets one by postMessage shares it and never sees its neighbours.
    this.#slots = Array.from({ length: capacity }, () => new Uint8Array(new SharedArrayBuffer(bytesPerBuffer)));
    this.#free = this.#slots.map((_, index) => capacity - 1 - index);
  }

  get inUse(): number {
    return this.capacity - this.#free.length;
  }

  /** A buffer, or undefined where all are in use. */
  acquire(): PooledBuffer | undefined {
    const index = this.#free.pop();
    if (index === undefined) return undefined;
    let held = true;
    return {
      bytes: this.#slots[index]!,
      free: () => {
        assert(held, 'a frame buffer was freed twice');
        held = false;
        this.#free.push(index);
        this.#waiting.shift()?.();
      },
    };
  }

  /** Calls back once, when the next buffer is freed (or never). Returns a function that withdraws the wish. */
  onceFree(callback: () => void): () => void {
    this.#waiting.push(callback);
    return () => {
      const at = this.#waiting.indexOf(callback);
      if (at >= 0) this.#waiting.splice(at, 1);
    };
  }
}
