import { Observable, type OperatorFunction } from 'rxjs';
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

/**
 * Projects values with a bounded number in work and a stated policy for those that wait; results leave in order.
 *
 * RxJS has no such operator: `mergeMap` and `concatMap` queue without bound, `exhaustMap` keeps the stale value. Every value is projected
 * or handed to `onDropped`, also on error and unsubscribe; a result that comes after the unsubscribe is handed to `onDropped` with
 * its value. An error of the source is passed on after what came before it has been delivered.
 *
 *     source     a-b-c-d-|
 *     project    x--y|
 *     'latest'   ---y--y|     (a and d; b and c were replaced)
 *     'drop'     ---y--y|     (a and b; c and d were refused)
 *     'block'    ---y--y--y--y|
 */
export function bounded<T, R>(
  project: (value: T) => R | typeof LOST | Promise<R | typeof LOST>,
  { overflow, concurrency, onDropped, admission }: BoundedOptions<T>,
): OperatorFunction<T, R> {
  const policy = policyOf(overflow);
  return (source) =>
    new Observable((subscriber) => {
      const waiting: T[] = [];
      /** In the order of their values; the head leaves first. */
      const inWork: { value: T; done: boolean; result: R | typeof LOST | undefined }[] = [];
      let running = 0;
      let sourceEnd: { error?: unknown } | undefined;
      let withdraw: (() => void) | undefined;

      const finish = () => {
        if (!sourceEnd || inWork.length > 0 || waiting.length > 0) return;
        if ('error' in sourceEnd) subscriber.error(sourceEnd.error);
        else subscriber.complete();
      };

      const emitInOrder = () => {
        while (inWork[0]?.done) {
          const { value, result } = inWork.shift()!;
          if (result === LOST) continue;
          if (subscriber.closed) onDropped(value, 'stopped');
          else subscriber.next(result as R);
        }
        finish();
      };

      const run = (value: T) => {
        const entry: (typeof inWork)[number] = { value, done: false, result: undefined };
        inWork.push(entry);
        running += 1;
        const settle = (result: R | typeof LOST) => {
          entry.result = result;
          entry.done = true;
          running -= 1;
          startWaiting();
          emitInOrder();
        };
        const fail = (error: unknown) => {
          running -= 1;
          inWork.splice(inWork.indexOf(entry), 1);
          onDropped(value, 'stage_failed');
          subscriber.error(error);
        };
        try {
          const result = project(value);
          if (result instanceof Promise) result.then(settle, fail);
          else settle(result);
        } catch (error) {
          fail(error);
        }
      };

      const startWaiting = () => {
        if (subscriber.closed || running >= concurrency || waiting.length === 0) return;
        if (!admission) {
          run(waiting.shift()!);
          startWaiting();
        } else if (!withdraw) {
          withdraw = admission.request(() => {
            withdraw = undefined;
            if (subscriber.closed || waiting.length === 0) return false;
            // The newest that waits is taken now, not the one that was there when we asked.
            run(waiting.shift()!);
            startWaiting();
            return true;
          });
        }
      };

      subscriber.add(() => {
        withdraw?.();
        for (const value of waiting.splice(0)) onDropped(value, 'stopped');
      });
      subscriber.add(
        source.subscribe({
          next: (value) => {
            // A synchronous source outlives our teardown.
            if (subscriber.closed) return onDropped(value, 'stopped');
            waiting.push(value);
            startWaiting();
            if (waiting.length > policy.room) onDropped(policy.victim(waiting), policy.reason);
          },
          error: (error: unknown) => {
            sourceEnd = { error };
            finish();
          },
          complete: () => {
            sourceEnd = {};
            finish();
          },
        }),
      );
    });
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
