import fc from 'fast-check';
import { from, map, type Observable, of, take } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it, test } from 'vitest';
import { Frame, type StereoFrame } from '../../../src/core/frame.js';
import { FramePool } from '../../../src/core/frame-pool.js';
import type { StereoSide } from '../../../src/core/stereo-source.js';
import { pairByPts } from '../../../src/sources/stereo/pair-by-pts.js';
import { StereoPairer } from '../../../src/sources/stereo/stereo-pairer.js';

const FORMAT = { size: { width: 1, height: 1 }, fit: 'stretch', padValue: 0 } as const;

function makeFrame(pool: FramePool, ptsUs: number, sequence = 0): Frame {
  const buffer = pool.acquire();
  if (!buffer) throw new Error('the pool of the test is too small');
  const fit = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };
  const capture = { clock: 'host', epochMs: undefined, uncertaintyMs: undefined } as const;
  return new Frame({ source: 's', sequence, ptsUs, capture, firstByteMs: 0, arrivedMs: 0, sourceSize: FORMAT.size, format: FORMAT, fit }, buffer);
}

interface Marbles {
  readonly left: string;
  readonly right: string;
  /** `*` for a pair. */
  readonly out: string;
  /** Names of the frames of each pair. */
  readonly pairs: string;
  /** Names of frames without partner are not seen: how many. */
  readonly unpaired: readonly [left: number, right: number];
  readonly unsubscribe?: string;
  readonly toleranceMs?: number;
  readonly maxWaiting?: number;
  /** Times in ms of frames; a digit `d` is `40 * d`, a letter the same as the digit of its place plus 10 ms (`b` is 50). */
  readonly times?: Readonly<Record<string, number>>;
}

function timeMs(name: string, times: Marbles['times']): number {
  const given = times?.[name];
  if (given !== undefined) return given;
  return /\d/.test(name) ? 40 * Number(name) : 40 * (name.charCodeAt(0) - 97) + 10;
}

function runMarbles({ left, right, out, pairs, unpaired, unsubscribe, toleranceMs = 12, maxWaiting, times }: Marbles): void {
  const pool = new FramePool(64, 3);
  const lost = { left: 0, right: 0 };
  const found: string[] = [];
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(({ cold, expectObservable, flush }) => {
    // A buffer is taken when the marble comes, and no sooner.
    const framesOf = (marbles: string): Observable<Frame> => cold(marbles).pipe(map((name) => makeFrame(pool, timeMs(name, times) * 1e3, name.charCodeAt(0))));
    const paired$ = pairByPts(framesOf(left), framesOf(right), {
      toleranceUs: toleranceMs * 1e3,
      onUnpaired: (side, count) => (lost[side] += count),
      ...(maxWaiting === undefined ? {} : { maxWaiting }),
    });
    const named$ = paired$.pipe(
      map((pair) => {
        found.push(String.fromCharCode(pair.left.sequence, pair.right.sequence));
        pair.release();
        return '*';
      }),
    );
    expectObservable(named$, unsubscribe).toBe(out);
    flush();
  });
  expect(found.join(' ')).toBe(pairs);
  expect([lost.left, lost.right]).toEqual(unpaired);
  expect(pool.inUse).toBe(0);
}

describe('pairByPts', () => {
  const cases: Record<string, Marbles> = {
    'frames of equal times are pairs, whoever comes first': {
      left: '--0--1-----2|',
      right: '---0-1---2--|',
      out: '---*-*-----*|',
      pairs: '00 11 22',
      unpaired: [0, 0],
    },
    'within the tolerance too': { left: '0-1-2|', right: 'a-b-c|', out: '*-*-*|', pairs: '0a 1b 2c', unpaired: [0, 0] },
    'beyond the tolerance never': { left: '0-1-2|', right: 'a-b-c|', toleranceMs: 9, out: '-----|', pairs: '', unpaired: [3, 3] },
    'exactly at the tolerance': { left: '0|', right: 'a|', toleranceMs: 10, out: '*|', pairs: '0a', unpaired: [0, 0] },
    'a frame that is missing on the right costs its partner only': { left: '0-1-2-3|', right: '0---2-3|', out: '*---*-*|', pairs: '00 22 33', unpaired: [1, 0] },
    'one that is missing on the left too': { left: '0---2-3|', right: '0-1-2-3|', out: '*---*-*|', pairs: '00 22 33', unpaired: [0, 1] },
    'a side that lags is waited for': { left: '0123|', right: '---0123|', out: '---****|', pairs: '00 11 22 33', unpaired: [0, 0] },
    'but for so many frames only': { left: '01234|', right: '-----01234|', maxWaiting: 2, out: '--------**|', pairs: '33 44', unpaired: [3, 3] },
    'the end of one side is not the end: the others are counted': { left: '01|', right: '0-1-2-3-|', out: '*-*-----|', pairs: '00 11', unpaired: [0, 2] },
    'what waits for a side that ends has waited for nothing': { left: '0-1-2-|', right: '0-|', out: '*-----|', pairs: '00', unpaired: [2, 0] },
    'an empty side': { left: '|', right: '-0-1|', out: '----|', pairs: '', unpaired: [0, 2] },
    'an error is passed on, and what waits is released': { left: '0-1-#', right: '0----1-2|', out: '*---#', pairs: '00', unpaired: [0, 0] },
    'what waits is released when nobody wants it any more': { left: '0-1-2-3-', right: '0-------', unsubscribe: '-----!', out: '*---', pairs: '00', unpaired: [0, 0] },
    'both sides start again': { left: '0-1-0-1-|', right: '0-1-0-1-|', out: '*-*-*-*-|', pairs: '00 11 00 11', unpaired: [0, 0] },
    'one starts again sooner: it waits for the other': { left: '0120---1-|', right: '0---12-01|', out: '*---**-**|', pairs: '00 11 22 00 11', unpaired: [0, 0] },
    'a frame that is lost where they start again is not paired across it': { left: '0-1---0-1|', right: '0-1-2-0-1|', out: '*-*---*-*|', pairs: '00 11 00 11', unpaired: [0, 1] },
    'one side alone starts again: nothing is paired across': { left: '5-6-7-8-|', right: '5-6-0-1-|', out: '*-*-----|', pairs: '55 66', unpaired: [2, 2] },
    'even where its times meet those of the other by chance': { left: '5-6-7-----8|', right: '5-6-0-7-8-9|', out: '*-*--------|', pairs: '55 66', unpaired: [2, 4] },
    'times that go back within the tolerance are jitter': { left: '0-1-x-3|', right: '0-1-2-3|', times: { x: 35 }, out: '*-*---*|', pairs: '00 11 33', unpaired: [1, 1] },
  };
  test.each(Object.entries(cases))('%s', (_, marbles) => runMarbles(marbles));

  it('after a clock alone was set back, times are compared as they are once both sides have gone on', () => {
    const pool = new FramePool(1000, 3);
    const pairs: StereoFrame[] = [];
    const lost = { left: 0, right: 0 };
    const pairer = new StereoPairer({ toleranceUs: 10_000, onUnpaired: (side) => (lost[side] += 1) }, (pair) => pairs.push(pair));
    const clock = { left: 0, right: 500_000 }; // the right one is half a second ahead
    const step = (): void => {
      for (const side of ['left', 'right'] as const) pairer.push(side, makeFrame(pool, (clock[side] += 40_000)));
    };
    for (let i = 0; i < 20; i += 1) step();
    clock.right = clock.left;
    for (let i = 0; i < 80; i += 1) step();
    pairer.clear();
    expect(pairs.length).toBeGreaterThanOrEqual(80 - 64 - 4);
    expect(pairs.every(({ skewUs }) => skewUs === 0)).toBe(true);
    expect(lost.left).toBeGreaterThanOrEqual(20);
    for (const pair of pairs) pair.release();
    expect(pool.inUse).toBe(0);
  });

  it('pairs by whatever time is asked for; a frame without one has no partner', () => {
    const pool = new FramePool(8, 3);
    const lost: string[] = [];
    const skews: number[] = [];
    const times = new Map([[1, 100], [2, undefined], [3, 107]]);
    pairByPts(from([makeFrame(pool, 0, 1), makeFrame(pool, 0, 2)]), of(makeFrame(pool, 9e9, 3)), {
      toleranceUs: 10,
      timeUs: ({ sequence }) => times.get(sequence),
      onUnpaired: (side) => lost.push(side),
    }).subscribe((pair) => {
      skews.push(pair.skewUs);
      pair.release();
    });
    expect(skews).toEqual([7]);
    expect(lost).toEqual(['left']);
    expect(pool.inUse).toBe(0);
  });

  it('sources that emit while they are subscribed stop at once', () => {
    const pool = new FramePool(8, 3);
    const both$ = (): Observable<Frame> => from([0, 1, 2]).pipe(map((i) => makeFrame(pool, i * 40_000)));
    pairByPts(both$(), both$(), { toleranceUs: 0 }).pipe(take(1)).subscribe((pair) => pair.release());
    expect(pool.inUse).toBe(0);
  });

  const rising = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 30 }).map((steps) => steps.reduce<number[]>((times, step) => [...times, (times.at(-1) ?? 0) + step], []));

  it('does not depend on which side comes first, loses no frame and pairs none twice', () => {
    fc.assert(
      fc.property(rising, rising, fc.integer({ min: 0, max: 30 }), fc.array(fc.boolean(), { maxLength: 80 }), (left, right, tolerance, order) => {
        const [inTurn, asOrdered] = [run(left, right, tolerance, []), run(left, right, tolerance, order)];
        expect(asOrdered).toEqual(inTurn);
        const { pairs, lost } = asOrdered;
        expect(pairs.length + lost.left).toBe(left.length);
        expect(pairs.length + lost.right).toBe(right.length);
        for (const [l, r] of pairs) expect(Math.abs(l - r)).toBeLessThanOrEqual(tolerance);
        expect(pairs).toEqual([...pairs].sort(([a], [b]) => a - b));
      }),
    );
  });

  it('finds every pair that there is, where the tolerance is below half the time between frames', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ jitter: fc.integer({ min: -9, max: 9 }), sides: fc.constantFrom('both', 'left', 'right') }), { maxLength: 40 }), (moments) => {
        const left = moments.flatMap(({ sides }, i) => (sides === 'right' ? [] : [i * 40 + 100]));
        const right = moments.flatMap(({ sides, jitter }, i) => (sides === 'left' ? [] : [i * 40 + 100 + jitter]));
        const expected = moments.flatMap(({ sides, jitter }, i) => (sides === 'both' ? [[i * 40 + 100, i * 40 + 100 + jitter]] : []));
        expect(run(left, right, 9, []).pairs).toEqual(expected);
      }),
    );
  });

  it('holds no more frames than it was told, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ side: fc.constantFrom<StereoSide>('left', 'right'), time: fc.integer({ min: 0, max: 2000 }) }), { maxLength: 300 }), fc.integer({ min: 1, max: 5 }), (frames, maxWaiting) => {
        const pool = new FramePool(2 * 5 + 2, 3);
        let [paired, lost] = [0, 0];
        const pairer = new StereoPairer({ toleranceUs: 20, maxWaiting, onUnpaired: (_, count) => (lost += count) }, (pair) => {
          paired += 2;
          pair.release();
        });
        for (const { side, time } of frames) {
          pairer.push(side, makeFrame(pool, time));
          expect(pool.inUse).toBeLessThanOrEqual(2 * maxWaiting);
        }
        pairer.end('left');
        expect(pairer.end('right')).toBe(true);
        expect(paired + lost).toBe(frames.length);
        expect(pool.inUse).toBe(0);
      }),
    );
  });
});

interface Outcome {
  readonly pairs: [number, number][];
  readonly lost: Record<StereoSide, number>;
}

/** Pairs two lists of times; `order` says which side comes next (true: left), then they take turns. */
function run(left: readonly number[], right: readonly number[], tolerance: number, order: readonly boolean[]): Outcome {
  const pool = new FramePool(left.length + right.length + 2, 3);
  const outcome: Outcome = { pairs: [], lost: { left: 0, right: 0 } };
  const options = { toleranceUs: tolerance, maxWaiting: Infinity, onUnpaired: (side: StereoSide) => (outcome.lost[side] += 1) };
  const pairer = new StereoPairer(options, (pair) => {
    outcome.pairs.push([pair.left.ptsUs, pair.right.ptsUs]);
    pair.release();
  });
  const queues = { left: [...left], right: [...right] };
  const next = (side: StereoSide): void => {
    const time = queues[side].shift();
    if (time !== undefined) pairer.push(side, makeFrame(pool, time));
  };
  for (const isLeft of order) next(isLeft ? 'left' : 'right');
  while (queues.left.length + queues.right.length > 0) for (const side of ['left', 'right'] as const) next(side);
  pairer.end('right');
  pairer.end('left');
  expect(pool.inUse).toBe(0);
  return outcome;
}
