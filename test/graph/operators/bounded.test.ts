import fc from 'fast-check';
import { from, Observable, Subject, take } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, test } from 'vitest';
import { TurnQueue } from '../../../src/core/admission.js';
import type { DropReason, Overflow } from '../../../src/core/overflow.js';
import { deferred } from '../../fixtures/deferred.js';
import { bounded, type BoundedOptions, LOST } from '../../../src/graph/operators/bounded.js';

/** Resolves in virtual time: a real promise's callbacks run in microtasks, which no virtual clock sees. */
class VirtualPromise<R> extends Promise<R> {
  readonly #schedule: (settle: () => void) => void;
  readonly #outcome: { readonly value: R } | { readonly error: unknown };

  constructor(schedule: (settle: () => void) => void, outcome: { readonly value: R } | { readonly error: unknown }) {
    super(() => undefined);
    this.#schedule = schedule;
    this.#outcome = outcome;
  }

  /** The operator calls nothing else. */
  override then<A = R, B = never>(onValue?: ((value: R) => A | PromiseLike<A>) | null, onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<A | B> {
    this.#schedule(() => {
      if ('value' in this.#outcome) void onValue?.(this.#outcome.value);
      else void onError?.(this.#outcome.error);
    });
    return new Promise<A | B>(() => undefined);
  }
}

interface Marbles {
  readonly source: string;
  readonly overflow: Overflow;
  readonly concurrency?: number;
  /** Frames of virtual time for each value; 0 is a projection that is done at once. */
  readonly service?: (value: string) => number;
  readonly unsubscribe?: string;
  readonly out: string;
  /** `value:reason`, in order. */
  readonly dropped: readonly string[];
}

/** `X` fails, `l` is lost by its projection; everything else comes out in upper case. */
function outcomeOf(value: string): string | typeof LOST | Error {
  if (value === 'x') return new Error('projection');
  return value === 'l' ? LOST : value.toUpperCase();
}

function runMarbles({ source, overflow, concurrency = 1, service = () => 3, unsubscribe, out, dropped }: Marbles): void {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  const seen: string[] = [];
  scheduler.run(({ cold, expectObservable, flush }) => {
    const project = (value: string) => {
      const outcome = outcomeOf(value);
      const frames = service(value);
      if (frames > 0) {
        return new VirtualPromise<string | typeof LOST>((settle) => scheduler.schedule(settle, frames), outcome instanceof Error ? { error: outcome } : { value: outcome });
      }
      if (outcome instanceof Error) throw outcome;
      return outcome;
    };
    const onDropped = (value: string, reason: DropReason) => seen.push(`${value}:${reason}`);
    const result$ = cold(source, undefined, new Error('source')).pipe(bounded(project, { overflow, concurrency, onDropped }));
    const values = Object.fromEntries(Array.from('abcdefgh').map((letter) => [letter, letter.toUpperCase()]));
    const error = new Error(source.includes('x') ? 'projection' : 'source');
    expectObservable(result$, unsubscribe).toBe(out, values, error);
    flush();
  });
  expect(seen).toEqual(dropped);
}

describe('policies, one in work for 3 frames of virtual time', () => {
  test.each<[string, Marbles]>([
    ['nothing comes', { source: '---|', overflow: 'latest', out: '---|', dropped: [] }],
    ['slow enough: nothing is dropped', { source: 'a---b---|', overflow: 'latest', out: '---a---b|', dropped: [] }],
    ['latest keeps the newest', { source: 'abc--d---|', overflow: 'latest', out: '---a--c--(d|)', dropped: ['b:replaced_by_newer'] }],
    ['latest in a burst', { source: '(abcd)|', overflow: 'latest', out: '---a--(d|)', dropped: ['b:replaced_by_newer', 'c:replaced_by_newer'] }],
    ['drop keeps the one that waits', { source: '(abcd)|', overflow: 'drop', out: '---a--(b|)', dropped: ['c:stage_busy', 'd:stage_busy'] }],
    ['block keeps all', { source: '(abcd)|', overflow: 'block', out: '---a--b--c--(d|)', dropped: [] }],
    ['a buffer of 2 keeps the newest two', { source: '(abcd)|', overflow: { buffer: 2 }, out: '---a--c--(d|)', dropped: ['b:buffer_full'] }],
    ['a buffer of 1 is latest under another name', { source: '(abc)|', overflow: { buffer: 1 }, out: '---a--(c|)', dropped: ['b:buffer_full'] }],
    ['a projection without waiting', { source: 'a-(bc)-|', overflow: 'latest', service: () => 0, out: 'a-(bc)-|', dropped: [] }],
    ['the end waits for what is in work', { source: 'a|', overflow: 'block', out: '---(a|)', dropped: [] }],
  ])('%s', (_, marbles) => runMarbles(marbles));
});

describe('the diagram of the operator', () => {
  const diagram = { source: 'abcd-----|', service: () => 4 };
  test.each<[string, Marbles]>([
    ['latest', { ...diagram, overflow: 'latest', out: '----a---d|', dropped: ['b:replaced_by_newer', 'c:replaced_by_newer'] }],
    ['drop', { ...diagram, overflow: 'drop', out: '----a---b|', dropped: ['c:stage_busy', 'd:stage_busy'] }],
    ['block', { ...diagram, overflow: 'block', out: '----a---b---c---(d|)', dropped: [] }],
  ])('%s', (_, marbles) => runMarbles(marbles));
});

describe('several in work', () => {
  const slowFirst = (value: string) => (value === 'a' ? 5 : 1);
  test.each<[string, Marbles]>([
    ['results leave in the order of their values', { source: '(abc)|', overflow: 'block', concurrency: 3, service: slowFirst, out: '-----(abc|)', dropped: [] }],
    ['a done one that waits to leave frees its place', { source: '(abc)|', overflow: 'block', concurrency: 2, service: slowFirst, out: '-----(abc|)', dropped: [] }],
    ['latest with two in work', { source: '(abcd)|', overflow: 'latest', concurrency: 2, service: () => 4, out: '----(ab)(d|)', dropped: ['c:replaced_by_newer'] }],
    ['drop with two in work', { source: '(abcd)|', overflow: 'drop', concurrency: 2, service: () => 4, out: '----(ab)(c|)', dropped: ['d:stage_busy'] }],
    ['a lost one holds nobody up', { source: '(lab)|', overflow: 'block', concurrency: 2, out: '---a--(b|)', dropped: [] }],
    ['all lost: only the end', { source: '(ll)|', overflow: 'block', out: '------|', dropped: [] }],
  ])('%s', (_, marbles) => runMarbles(marbles));
});

describe('errors and ends', () => {
  test.each<[string, Marbles]>([
    ['an error of the source comes after what was before it', { source: '(ab)#', overflow: 'block', out: '---a--(b#)', dropped: [] }],
    ['an error of an idle source', { source: '--#', overflow: 'latest', out: '--#', dropped: [] }],
    ['a failing projection ends it at once', { source: '(axbc)--|', overflow: 'block', out: '---a--#', dropped: ['x:stage_failed', 'b:stopped', 'c:stopped'] }],
    ['a projection that throws', { source: 'axb|', overflow: 'block', service: () => 0, out: 'a#', dropped: ['x:stage_failed'] }],
    [
      'a failure drops what was done behind it',
      { source: '(xab)|', overflow: 'block', concurrency: 3, service: (value) => (value === 'x' ? 4 : 1), out: '----#', dropped: ['x:stage_failed', 'a:stopped', 'b:stopped'] },
    ],
    [
      'what is in work beside a failure is dropped when it is done',
      { source: '(axb)---|', overflow: 'block', concurrency: 2, service: (value) => (value === 'x' ? 1 : 4), out: '-#', dropped: ['x:stage_failed', 'b:stopped', 'a:stopped'] },
    ],
    ['unsubscribed: what waits is dropped at once, what is in work when done', { source: '(ab)', overflow: 'block', out: '-', unsubscribe: '-!', dropped: ['b:stopped', 'a:stopped'] }],
    [
      'unsubscribed: what was done too early to leave is dropped, too',
      { source: '(abc)', overflow: 'block', concurrency: 2, service: (value) => (value === 'a' ? 9 : 1), out: '-', unsubscribe: '----!', dropped: ['b:stopped', 'c:stopped', 'a:stopped'] },
    ],
    ['unsubscribed: a failure that comes late is a drop, not an error', { source: 'x', overflow: 'block', out: '-', unsubscribe: '-!', dropped: ['x:stage_failed'] }],
    ['unsubscribed: a lost one has been dealt with', { source: 'l', overflow: 'block', out: '-', unsubscribe: '-!', dropped: [] }],
  ])('%s', (_, marbles) => runMarbles(marbles));

  test('a synchronous source that goes on after the end: all it gives is dropped', () => {
    const dropped: string[] = [];
    const values: string[] = [];
    const options: BoundedOptions<string> = { overflow: 'block', concurrency: 1, onDropped: (value, reason) => dropped.push(`${value}:${reason}`) };
    from('abcd').pipe(bounded((value: string) => value, options), take(2)).subscribe((value) => values.push(value));
    expect(values).toEqual(['a', 'b']);
    expect(dropped).toEqual(['c:stopped', 'd:stopped']);
  });

  test('ten thousand waiting values with a projection that is done at once need no deep stack', () => {
    const gate = deferred<number>();
    const results: number[] = [];
    const options: BoundedOptions<number> = { overflow: 'block', concurrency: 1, onDropped: () => undefined };
    const source$ = new Subject<number>();
    source$.pipe(bounded((value: number) => (value === 0 ? gate.promise : value), options)).subscribe((value) => results.push(value));
    for (let value = 0; value < 10_000; value += 1) source$.next(value);
    gate.resolve(0);
    return gate.promise.then(() => expect(results).toHaveLength(10_000));
  });

  test('unsubscribing stops the source', () => {
    let stopped = false;
    const source$ = new Observable<string>(() => () => (stopped = true));
    source$.pipe(bounded((value: string) => value, { overflow: 'block', concurrency: 1, onDropped: () => undefined })).subscribe().unsubscribe();
    expect(stopped).toBe(true);
  });
});

/** A stream of the operator with a projection that the test finishes by hand. */
class HandDriven {
  readonly source$ = new Subject<number>();
  readonly results: number[] = [];
  readonly dropped: { value: number; reason: DropReason }[] = [];
  readonly lost: number[] = [];
  readonly inWork: { value: number; finish: (result: number | typeof LOST) => Promise<void> }[] = [];
  mostInWork = 0;
  readonly #subscription;

  constructor(overflow: Overflow, concurrency: number, admission?: TurnQueue) {
    const onDropped = (value: number, reason: DropReason) => this.dropped.push({ value, reason });
    const project = (value: number) => this.#start(value, () => admission?.release());
    this.#subscription = this.source$.pipe(bounded(project, { overflow, concurrency, onDropped, admission })).subscribe((value) => this.results.push(value));
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }

  #start(value: number, done: () => void): Promise<number | typeof LOST> {
    const { promise, resolve } = deferred<number | typeof LOST>();
    const entry = {
      value,
      finish: async (result: number | typeof LOST) => {
        this.inWork.splice(this.inWork.indexOf(entry), 1);
        if (result === LOST) this.lost.push(value);
        done();
        resolve(result);
        await promise;
      },
    };
    this.inWork.push(entry);
    this.mostInWork = Math.max(this.mostInWork, this.inWork.length);
    return promise;
  }
}

describe('admission: streams that share what serves them', () => {
  test('one stream with a free turn each time is served again and again', async () => {
    const stream = new HandDriven('latest', 1, new TurnQueue(1));
    for (let value = 0; value < 5; value += 1) {
      stream.source$.next(value);
      await stream.inWork[0]!.finish(value);
    }
    expect(stream.results).toEqual([0, 1, 2, 3, 4]);
  });

  test('three streams at overload are served in rotation, each with its newest frame', async () => {
    const turns = new TurnQueue(1);
    const streams = [new HandDriven('latest', 2, turns), new HandDriven('latest', 2, turns), new HandDriven('latest', 2, turns)];
    for (let value = 0; value < 30; value += 1) {
      for (const { source$ } of streams) source$.next(value);
      const busy = streams.filter(({ inWork }) => inWork.length > 0);
      expect(busy).toHaveLength(1);
      await busy[0]!.inWork[0]!.finish(value);
    }
    const counts = streams.map(({ results }) => results.length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(counts.reduce((sum, count) => sum + count)).toBe(30);
  });

  test('the frame that is taken is the newest when the turn comes', async () => {
    const turns = new TurnQueue(1);
    const [first, second] = [new HandDriven('latest', 1, turns), new HandDriven('latest', 1, turns)];
    first.source$.next(1);
    second.source$.next(10);
    second.source$.next(11);
    expect(second.inWork).toHaveLength(0);
    await first.inWork[0]!.finish(1);
    expect(second.inWork.map(({ value }) => value)).toEqual([11]);
    expect(second.dropped).toEqual([{ value: 10, reason: 'replaced_by_newer' }]);
  });

  test('a stopped stream withdraws its request and the next one gets the turn', async () => {
    const turns = new TurnQueue(1);
    const [first, second, third] = [new HandDriven('latest', 1, turns), new HandDriven('latest', 1, turns), new HandDriven('latest', 1, turns)];
    first.source$.next(1);
    second.source$.next(2);
    third.source$.next(3);
    second.stop();
    await first.inWork[0]!.finish(1);
    expect(second.inWork).toHaveLength(0);
    expect(second.dropped).toEqual([{ value: 2, reason: 'stopped' }]);
    expect(third.inWork.map(({ value }) => value)).toEqual([3]);
  });
});

type Step = { kind: 'arrive' } | { kind: 'finish'; which: number } | { kind: 'lose'; which: number } | { kind: 'stop' };

const overflows = fc.oneof(
  fc.constantFrom<Overflow>('latest', 'drop', 'block'),
  fc.integer({ min: 1, max: 4 }).map((buffer): Overflow => ({ buffer })),
);
const which = fc.nat({ max: 7 });
const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: fc.constant<Step>({ kind: 'arrive' }) },
    { weight: 10, arbitrary: which.map((at): Step => ({ kind: 'finish', which: at })) },
    { weight: 2, arbitrary: which.map((at): Step => ({ kind: 'lose', which: at })) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'stop' }) },
  ),
  { maxLength: 60 },
);

function roomOf(overflow: Overflow): number {
  if (typeof overflow === 'object') return overflow.buffer;
  return overflow === 'block' ? Infinity : 1;
}

async function finishOne({ inWork }: HandDriven, at: number, result?: typeof LOST): Promise<void> {
  const entry = inWork[at % Math.max(1, inWork.length)];
  await entry?.finish(result ?? entry.value);
}

describe('any interleaving of arrivals, completions, losses and a stop', () => {
  test.each([
    ['without turns', false],
    ['with a shared number of turns', true],
  ])('%s: every value comes out in order, is lost or is dropped, once', async (_, withTurns) => {
    await fc.assert(
      fc.asyncProperty(overflows, fc.integer({ min: 1, max: 4 }), steps, async (overflow, concurrency, script) => {
        const stream = new HandDriven(overflow, concurrency, withTurns ? new TurnQueue(2) : undefined);
        let arrived = 0;
        for (const step of script) {
          if (step.kind === 'stop') {
            stream.stop();
            break;
          }
          if (step.kind === 'arrive') stream.source$.next(arrived++);
          else await finishOne(stream, step.which, step.kind === 'lose' ? LOST : undefined);
          expect(stream.inWork.length).toBeLessThanOrEqual(concurrency);
        }
        while (stream.inWork.length > 0) await finishOne(stream, 0);

        const ends = [...stream.results, ...stream.dropped.map(({ value }) => value), ...stream.lost].sort((a, b) => a - b);
        expect(ends).toEqual(Array.from({ length: arrived }, (_unused, value) => value));
        expect(stream.results).toEqual([...stream.results].sort((a, b) => a - b));
        expect(stream.mostInWork).toBeLessThanOrEqual(concurrency);
      }),
      { numRuns: 300 },
    );
  });

  test('never more wait than there is room for', async () => {
    await fc.assert(
      fc.asyncProperty(overflows, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 20 }), async (overflow, concurrency, burst) => {
        const stream = new HandDriven(overflow, concurrency);
        for (let value = 0; value < burst; value += 1) stream.source$.next(value);
        const waiting = burst - stream.inWork.length - stream.dropped.length;
        expect(waiting).toBe(Math.min(roomOf(overflow), Math.max(0, burst - concurrency)));
        // Nothing was dropped that there was room for, and the newest stays (but with `drop`, whose point it is).
        if (overflow !== 'drop' && burst > 0) expect(stream.dropped.map(({ value }) => value)).not.toContain(burst - 1);
        while (stream.inWork.length > 0) await finishOne(stream, 0);
        expect(stream.results).toHaveLength(burst - stream.dropped.length);
      }),
    );
  });
});
