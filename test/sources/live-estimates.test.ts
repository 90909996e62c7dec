import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { ArrivalClock } from '../../src/sources/arrival-clock.js';
import { FrozenPicture, sampledHash } from '../../src/sources/frozen-picture.js';
import { Pacer } from '../../src/sources/pacer.js';
import { Backoff } from '../../src/sources/reconnect.js';

describe('Backoff', () => {
  const longest = { random: () => 0.999_999 };

  it('doubles up to its limit', () => {
    const backoff = new Backoff(longest);
    const spans = Array.from({ length: 9 }, () => backoff.next(0).retryInMs);
    expect(spans).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('counts attempts, and starts anew after a connection that held', () => {
    const backoff = new Backoff({ ...longest, stableMs: 1000 });
    expect([0, 0, 999, 1000, 0].map((framesForMs) => backoff.next(framesForMs).attempt)).toEqual([1, 2, 3, 1, 2]);
  });

  it('never gets past a double, however long it goes on', () => {
    const backoff = new Backoff(longest);
    for (let i = 0; i < 5000; i += 1) backoff.next(0);
    expect(backoff.next(0)).toEqual({ attempt: 5001, retryInMs: 30_000 });
  });

  it('spreads over the whole span but for a least wait', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (random) => {
        const { retryInMs } = new Backoff({ random: () => random }).next(0);
        expect(retryInMs).toBeGreaterThanOrEqual(50);
        expect(retryInMs).toBeLessThanOrEqual(500);
      }),
    );
    expect(new Backoff({ random: () => 0 }).next(0).retryInMs).toBe(50);
    expect(new Backoff({ random: () => 0.5 }).next(0).retryInMs).toBe(275);
  });
});

describe('Pacer', () => {
  test.each<[string, [ptsUs: number, nowMs: number, delayMs: number][]]>([
    ['the first frame is due, whatever its time', [[7_200_000_000, 500, 0]]],
    ['an early frame waits', [[0, 1000, 0], [40_000, 1010, 30]]],
    ['a late one does not', [[0, 1000, 0], [40_000, 1100, 0]]],
    ['being late is made up for', [[0, 1000, 0], [40_000, 1100, 0], [80_000, 1100, 0], [120_000, 1100, 20]]],
    ['a jump ahead counts anew', [[0, 1000, 0], [60_000_000, 1040, 0], [60_040_000, 1040, 40]]],
    ['a jump back counts anew', [[60_000_000, 1000, 0], [0, 1040, 0], [40_000, 1040, 40]]],
    ['a long stop counts anew', [[0, 1000, 0], [40_000, 9000, 0], [80_000, 9000, 40]]],
  ])('%s', (_, frames) => {
    const pacer = new Pacer();
    for (const [ptsUs, nowMs, delayMs] of frames) expect(pacer.delayMs(ptsUs, nowMs)).toBe(delayMs);
  });
});

describe('FrozenPicture', () => {
  const SIZE = 64 * 64 * 3;

  /** Feeds the same picture but for `change` at frame `at`, and returns the frames at which it was frozen. */
  function frozenAt(frames: number, options: { intervalMs?: number; change?: (pixels: Uint8Array, frame: number) => void } = {}): number[] {
    const frozen = new FrozenPicture(1000);
    const pixels = new Uint8Array(SIZE).fill(90);
    const at: number[] = [];
    for (let frame = 0; frame < frames; frame += 1) {
      options.change?.(pixels, frame);
      if (frozen.observe(pixels, frame * (options.intervalMs ?? 40))) at.push(frame);
    }
    return at;
  }

  it('needs the same picture for the whole time, and at least two looks at all of it', () => {
    expect(frozenAt(60)[0]).toBe(32);
    expect(frozenAt(60, { intervalMs: 20 })[0]).toBe(50);
    expect(frozenAt(60, { intervalMs: 1000 })[0]).toBe(32);
  });

  it('is over with the first change', () => {
    const at = frozenAt(120, { change: (pixels, frame) => frame === 60 && pixels.fill(91) });
    expect(at).toContain(59);
    expect(at).not.toContain(60);
    expect(at).not.toContain(80);
    expect(at).toContain(119);
  });

  it('sees a change of one byte anywhere, within a round', () => {
    fc.assert(
      fc.property(fc.nat(SIZE - 1), (position) => {
        const at = frozenAt(80, { change: (pixels, frame) => frame === 50 && (pixels[position]! += 1) });
        expect(at).toContain(49);
        expect(at).not.toContain(67);
      }),
      { numRuns: 200 },
    );
  });

  it('is never found in noise', () => {
    expect(frozenAt(200, { change: (pixels, frame) => (pixels[(frame * 997) % SIZE] = frame & 255) })).toEqual([]);
  });

  it('hashes part of a larger buffer by its own bytes', () => {
    const whole = new Uint8Array(64).map((_, i) => i);
    expect(sampledHash(whole.subarray(16, 48), 1)).toBe(sampledHash(whole.slice(16, 48), 1));
    expect(sampledHash(whole.subarray(16, 48), 1)).not.toBe(sampledHash(whole.subarray(0, 32), 1));
  });
});

describe('ArrivalClock', () => {
  const START = 1_700_000_000_000;

  /** Errors of the estimate for frames with the given delays (and a camera clock that runs fast by `driftPpm`). */
  function estimate(delaysMs: readonly number[], driftPpm = 0): { errorsMs: number[]; uncertaintiesMs: number[] } {
    const clock = new ArrivalClock();
    const errorsMs: number[] = [];
    const uncertaintiesMs: number[] = [];
    for (const [i, delayMs] of delaysMs.entries()) {
      const capturedMs = START + i * 40;
      const ptsUs = Math.round(i * 40_000 * (1 + driftPpm * 1e-6));
      const capture = clock.observe(ptsUs, capturedMs + delayMs);
      errorsMs.push(capture.epochMs! - capturedMs);
      uncertaintiesMs.push(capture.uncertaintyMs!);
    }
    return { errorsMs, uncertaintiesMs };
  }

  it('is late by a constant delay, and says a frame of uncertainty', () => {
    const { errorsMs, uncertaintiesMs } = estimate(Array(100).fill(80));
    for (const error of errorsMs) expect(error).toBeCloseTo(80, 3);
    expect(uncertaintiesMs[0]).toBe(500);
    expect(uncertaintiesMs.at(-1)).toBeCloseTo(40, 3);
  });

  it('keeps jitter out of the estimate and shows it in the uncertainty', () => {
    const jittered = Array.from({ length: 1000 }, (_, i) => 50 + [0, 30, 5, 60, 12][i % 5]!);
    const { errorsMs, uncertaintiesMs } = estimate(jittered);
    for (const error of errorsMs.slice(5)) expect(error).toBeCloseTo(50, 3);
    expect(uncertaintiesMs.at(-1)).toBeGreaterThan(50);
    expect(uncertaintiesMs.at(-1)).toBeLessThan(80);
  });

  it('forgets the backlog of a start', () => {
    const backlog = Array.from({ length: 10 }, (_, i) => 400 - i * 40);
    const { errorsMs, uncertaintiesMs } = estimate([...backlog, ...Array<number>(300).fill(30)]);
    expect(errorsMs.at(-1)).toBeCloseTo(30, 3);
    expect(uncertaintiesMs.at(-1)).toBeLessThan(45);
  });

  test.each([200, -200])('follows a clock that drifts by %i ppm', (driftPpm) => {
    const { errorsMs } = estimate(Array(90_000).fill(50), driftPpm); // an hour
    for (const error of errorsMs) expect(Math.abs(error - 50)).toBeLessThan(200 * 0.02 + 0.5);
  });

  it('follows a step of the delay within twenty seconds', () => {
    const { errorsMs } = estimate([...Array<number>(500).fill(50), ...Array<number>(600).fill(150)]);
    expect(errorsMs.at(-1)).toBeCloseTo(150, 3);
  });
});
