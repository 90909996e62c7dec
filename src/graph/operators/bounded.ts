import { Observable, type OperatorFunction, type Subscriber } from 'rxjs';
import type { Admission } from '../../core/admission.js';
import type { DropReason, Overflow } from '../../core/overflow.js';

export interface BoundedOptions<T> {
  readonly overflow: Overflow;
  /** How many values are projected at once. Results leave in the order of their values all the same. */
  readonly concurrency: number;
  /** Takes over every value that has no result: release its buffer here. */
  readonly onDropped: (value: T, reason: DropReason) => void;
  readonly admission?: Admission | undefined;
}

/** A projection of this result is skipped: the projection itself has dealt with its value. */
export const LOST = Symbol('lost');

type Projection<T, R> = (value: T) => R | typeof LOST | Promise<R | typeof LOST>;

/**
 * Projects values with a bounded number in work and a stated policy for those that wait; results leave in order.
 *
 * RxJS has no such operator: `mergeMap` and `concatMap` queue without bound, `exhaustMap` keeps the stale value. Every value comes out as
 * a result, is lost by its projection, or is handed to `onDropped` once, also on error and unsubscribe; a result that comes after the end
 * is handed to `onDropped` with its value. An error of the source is passed on after what came before it has been delivered, an error of
 * the projection at once.
 *
 *     source     abcd-----|
 *     project    x---y|
 *     'latest'   ----y---y|          (a and d; b and c were replaced)
 *     'drop'     ----y---y|          (a and b; c and d were refused)
 *     'block'    ----y---y---y---(y|)
 */
export function bounded<T, R>(project: Projection<T, R>, options: BoundedOptions<T>): OperatorFunction<T, R> {
  return (source) =>
    new Observable((subscriber) => {
      const work = new BoundedWork(project, options, subscriber);
      subscriber.add(() => work.close());
      subscriber.add(source.subscribe(work));
    });
}

interface Entry<T, R> {
  readonly value: T;
  /** Absent while its projection runs. */
  outcome?: { readonly result: R | typeof LOST };
}

class BoundedWork<T, R> {
  readonly #project: Projection<T, R>;
  readonly #options: BoundedOptions<T>;
  readonly #policy: Policy;
  readonly #out: Subscriber<R>;
  readonly #waiting: T[] = [];
  /** In the order of their values; the head leaves first. */
  readonly #inWork: Entry<T, R>[] = [];
  #running = 0;
  #sourceEnd: { readonly error?: unknown } | undefined;
  #closed = false;
  #isStarting = false;
  #hasAsked = false;
  #withdraw: (() => void) | undefined;

  constructor(project: Projection<T, R>, options: BoundedOptions<T>, out: Subscriber<R>) {
    this.#project = project;
    this.#options = options;
    this.#policy = policyOf(options.overflow);
    this.#out = out;
  }

  next(value: T): void {
    // A synchronous source outlives our teardown.
    if (this.#closed) {
      this.#options.onDropped(value, 'stopped');
      return;
    }
    this.#waiting.push(value);
    this.#startWaiting();
    if (this.#waiting.length > this.#policy.room) this.#options.onDropped(this.#policy.victim(this.#waiting), this.#policy.reason);
  }

  error(error: unknown): void {
    this.#sourceEnd = { error };
    this.#finish();
  }

  complete(): void {
    this.#sourceEnd = {};
    this.#finish();
  }

  /** Drops what waits and what was done too early to leave; what is in work is dropped when it is done. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#hasAsked) this.#withdraw?.();
    for (const value of this.#waiting.splice(0)) this.#options.onDropped(value, 'stopped');
    for (const entry of this.#inWork.splice(0)) this.#dropIfDone(entry);
  }

  #startWaiting(): void {
    // A projection that is done at once comes back here: the loop goes on below it, not deeper in the stack.
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (this.#canStart() && !this.#hasAsked) {
      if (this.#options.admission) this.#ask(this.#options.admission);
      else this.#run(this.#waiting.shift()!);
    }
    this.#isStarting = false;
  }

  #canStart(): boolean {
    return !this.#closed && this.#waiting.length > 0 && this.#running < this.#options.concurrency;
  }

  #ask(admission: Admission): void {
    this.#hasAsked = true;
    this.#withdraw = admission.request(() => {
      this.#hasAsked = false;
      if (!this.#canStart()) return false;
      // The newest that waits is taken now, not the one that was there when we asked.
      this.#run(this.#waiting.shift()!);
      this.#startWaiting();
      return true;
    }, this);
  }

  #run(value: T): void {
    const entry: Entry<T, R> = { value };
    this.#inWork.push(entry);
    this.#running += 1;
    let result: ReturnType<Projection<T, R>>;
    try {
      result = this.#project(value);
    } catch (error) {
      this.#fail(entry, error);
      return;
    }
    if (result instanceof Promise) {
      result.then(
        (settled) => this.#settle(entry, settled),
        (error: unknown) => this.#fail(entry, error),
      );
    } else this.#settle(entry, result);
  }

  #settle(entry: Entry<T, R>, result: R | typeof LOST): void {
    this.#running -= 1;
    entry.outcome = { result };
    if (this.#closed) {
      this.#dropIfDone(entry);
      return;
    }
    this.#startWaiting();
    this.#emitInOrder();
  }

  #fail(entry: Entry<T, R>, error: unknown): void {
    this.#running -= 1;
    this.#options.onDropped(entry.value, 'stage_failed');
    if (this.#closed) return;
    this.#inWork.splice(this.#inWork.indexOf(entry), 1);
    this.close();
    this.#out.error(error);
  }

  #emitInOrder(): void {
    while (this.#inWork[0]?.outcome) {
      const { result } = this.#inWork.shift()!.outcome!;
      if (result !== LOST) this.#out.next(result);
    }
    this.#finish();
  }

  #finish(): void {
    if (this.#closed || !this.#sourceEnd || this.#inWork.length > 0 || this.#waiting.length > 0) return;
    if ('error' in this.#sourceEnd) this.#out.error(this.#sourceEnd.error);
    else this.#out.complete();
  }

  #dropIfDone({ value, outcome }: Entry<T, R>): void {
    if (outcome && outcome.result !== LOST) this.#options.onDropped(value, 'stopped');
  }
}

interface Policy {
  /** How many may wait. */
  readonly room: number;
  /** Takes out the one to drop. */
  victim<T>(waiting: T[]): T;
  readonly reason: DropReason;
}

function policyOf(overflow: Overflow): Policy {
  const oldest = <T>(waiting: T[]): T => waiting.shift()!;
  const newest = <T>(waiting: T[]): T => waiting.pop()!;
  if (typeof overflow === 'object') return { room: overflow.buffer, victim: oldest, reason: 'buffer_full' };
  switch (overflow) {
    case 'latest':
      return { room: 1, victim: oldest, reason: 'replaced_by_newer' };
    case 'drop':
      return { room: 1, victim: newest, reason: 'stage_busy' };
    case 'block':
      // The source's pool is the bound: it has no buffer for more.
      return { room: Infinity, victim: newest, reason: 'buffer_full' };
  }
}
