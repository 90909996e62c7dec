import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { NO_DETECTIONS } from '../../src/core/detections.js';
import { AppError } from '../../src/core/errors.js';
import { concludeUntouched } from '../../src/guard/conclusion.js';
import type { Guard } from '../../src/guard/frame-guard.js';
import type { GuardConclusion, GuardFrame, PatchGuardOptions } from '../../src/guard/patch-guard.js';
import type { PassRequest } from '../../src/guard/passes.js';
import { SmoothingGuard } from '../../src/guard/smoothing-guard.js';
import { deferred } from '../fixtures/deferred.js';
import { FINDER_PATH, FINDER_PROFILE, guardedStream, type Kept, manifest, PLANE_BYTES, planes, startService, TAP } from './tiny-guarded.js';

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const sequenceOf = ({ ptsUs }: GuardFrame) => ptsUs / 40_000;
const confidences = (kept: readonly Kept[]) => kept.map(({ detections }) => Number((detections.confidence[0] ?? 0).toFixed(3)));
const reports = (kept: readonly Kept[]) => kept.map(({ delivered }) => delivered.result.guard!);
const BLOCK = { left: 2, top: 8, right: 14, bottom: 24 };

type Conclude = (options: PatchGuardOptions, ...of: Parameters<Guard['conclude']>) => Promise<GuardConclusion>;

/** A guard that plans nothing special and concludes as the test says. */
function concluding(conclude: Conclude, plan: (frame: GuardFrame) => Partial<PassRequest> = () => ({})): (options: PatchGuardOptions) => Guard {
  return (options) => ({
    plan: (frame) => ({ pixels: frame.pixels, fit: frame.fit, sourceSize: frame.sourceSize, fills: [], search: true, ...plan(frame) }),
    conclude: (...of) => conclude(options, ...of),
  });
}

const untouched: Conclude = (options, _frame, _request, first) => Promise.resolve(concludeUntouched(first, options.thresholds, { state: 'guarded', extraPasses: 0 }));

/** Looks at every frame once more, with a block filled, and delivers what was found then. */
const secondLook: Conclude = async ({ passes, thresholds }, _frame, request) => {
  const { response } = await passes.run({ ...request, fills: [BLOCK], search: false });
  return concludeUntouched(response, thresholds, { state: 'guarded', extraPasses: 1 });
};

describe('a pass', () => {
  const request = (pixels: Uint8Array, more: Partial<PassRequest> = {}): PassRequest => ({ pixels, fit: { scaleX: 0.5, scaleY: 0.5, padX: 0, padY: 4 }, sourceSize: { width: 64, height: 48 }, fills: [], search: true, ...more });

  test('sees the picture with its regions filled, and leaves the frame as it was', async () => {
    const service = await startService();
    const pixels = new Uint8Array(new SharedArrayBuffer(3 * 32 * 32)).fill(40);
    // A white square in the middle of the G plane, 8 by 8: the mean goes up by 215 / 16.
    for (let y = 12; y < 20; y += 1) pixels.fill(255, y * 32 + 12, y * 32 + 20);
    const before = pixels.slice();
    const [seen, filled] = await Promise.all([service.run(request(pixels)), service.run(request(pixels, { fills: [{ left: 12, top: 12, right: 20, bottom: 20 }] }))]);
    const [withSquare, without] = [seen, filled].map(({ response }) => response.detections.confidence[0]! * 255);
    expect(withSquare).toBeCloseTo(40 + 215 / 16, 1);
    expect(without).toBeCloseTo(40, 1);
    expect(pixels).toEqual(before);
  });

  test('finds what the detector nearly found, with its times in order', async () => {
    const service = await startService();
    const pixels = new Uint8Array(3 * 32 * 32);
    planes(13, 0, 4)(pixels);
    const { response, worker } = await service.run(request(pixels));
    // 13 / 255 is under the user's threshold and over the guard's, 4 / 255 is under both.
    expect(response.detections.count).toBe(1);
    expect(response.detections.confidence[0]).toBeCloseTo(13 / 255, 3);
    const { startedMs, filledMs, inferredMs, decodedMs, suppressedMs, endedMs } = response;
    const times = [startedMs, filledMs, inferredMs, decodedMs, suppressedMs, endedMs];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(worker).toBe('guard-tiny-rows-0');
  });

  test('asks the patch finder about the picture as the network saw it, where it searches and the profile wants it', async () => {
    const service = await startService({ profile: FINDER_PROFILE, finderPath: FINDER_PATH });
    const square = { left: 8, top: 8, right: 24, bottom: 24 };
    const pixels = new Uint8Array(3 * PLANE_BYTES).fill(60);
    for (let y = square.top; y < square.bottom; y += 1) [0, 255, 255].forEach((level, p) => pixels.fill(level, p * PLANE_BYTES + y * 32 + square.left, p * PLANE_BYTES + y * 32 + square.right));
    const [found, covered, notAsked] = await Promise.all([service.run(request(pixels)), service.run(request(pixels, { fills: [square] })), service.run(request(pixels, { search: false }))]);
    expect(found.response.candidates).toHaveLength(1);
    // It is as sure as it can be: 8 less the trigger.
    expect(found.response.candidates[0]).toMatchObject({ evidence: 5 });
    const { suppressedMs, finderEndedMs, endedMs } = found.response;
    expect([suppressedMs, finderEndedMs, endedMs]).toEqual([suppressedMs, finderEndedMs, endedMs].toSorted((a, b) => a! - b!));
    expect(covered.response.candidates).toEqual([]);
    expect(covered.response.finderEndedMs).toBeGreaterThan(0);
    expect(notAsked.response).not.toHaveProperty('finderEndedMs');
  });

  test('loads no finder for a profile without one, and says what is wrong with one that it needs', async () => {
    const service = await startService({ finderPath: '/nowhere/finder.onnx' });
    const { response } = await service.run(request(new Uint8Array(3 * PLANE_BYTES)));
    expect(response).not.toHaveProperty('finderEndedMs');
    await expect(startService({ profile: FINDER_PROFILE, finderPath: '/nowhere/finder.onnx' })).rejects.toMatchObject({ code: 'ERR_MODEL_CORRUPT', message: expect.stringContaining('/nowhere/finder.onnx') as string });
  });

  test('smooths the picture where that is asked for', async () => {
    const service = await startService();
    // Stripes: gradients everywhere, which smoothing darkens.
    const pixels = Uint8Array.from({ length: 3 * 32 * 32 }, (_, i) => (i % 2 === 0 ? 255 : 0));
    const [plain, smooth] = await Promise.all([service.run(request(pixels)), service.run(request(pixels, { smooth: true }))]);
    expect(plain.response.detections.confidence[0]).toBeCloseTo(0.5, 2);
    expect(smooth.response.detections.confidence[0] ?? 0).toBeLessThan(0.4);
  });
});

describe('a guarded stream', () => {
  test("delivers the detector's findings over the user's thresholds, with a report, and counts", async () => {
    const { source, kept, stream } = guardedStream(await startService(), { decide: concluding(untouched) });
    for (const g of [204, 13, 0]) source.emit(planes(g, 0, 0));
    source.complete();
    await stream.done;
    expect(kept.map(({ detections }) => detections.count)).toEqual([1, 0, 0]);
    expect(confidences(kept)[0]).toBe(0.8);
    expect(reports(kept)[0]).toEqual({ state: 'guarded', patches: [], origins: ['untouched'], suppressed: NO_DETECTIONS, extraPasses: 0 });
    expect(stream.stats().guard).toEqual({ frames: [{ state: 'guarded', count: 3 }], patches: [], extraPasses: 0, recovered: 0, suppressed: 0 });
    expect(source.pool.inUse).toBe(0);
  });

  test('tells what each part of the first pass took, and each extra one', async () => {
    const { source, kept, stream } = guardedStream(await startService(), { decide: concluding(secondLook) });
    source.emit((pixels) => {
      planes(51, 0, 0)(pixels);
      for (let y = BLOCK.top; y < BLOCK.bottom; y += 1) pixels.fill(255, y * 32 + BLOCK.left, y * 32 + BLOCK.right);
    });
    source.complete();
    await stream.done;
    const [detect, guard] = kept[0]!.delivered.timings.slice(1);
    expect(detect!.parts.map(({ name }) => name)).toEqual(['fill', 'infer', 'decode', 'nms', 'search']);
    expect(detect!.worker).toBe('guard-tiny-rows-0');
    expect(guard!.parts.map(({ name }) => name)).toEqual(['verify']);
    expect(guard!.parts[0]!.startMs).toBeGreaterThanOrEqual(guard!.startedMs);
    expect(guard!.parts[0]!.endMs).toBeLessThanOrEqual(guard!.endedMs);
    // With the block the picture is bright enough to find something, without it isn't: what counts is the second look.
    expect(detect!.boxesBeforeNms).toBe(1);
    expect(kept[0]!.detections.count).toBe(0);
    expect(stream.stats().guard!.extraPasses).toBe(1);
  });

  test('tells what the finder took apart from the search', async () => {
    const { source, kept, stream } = guardedStream(await startService({ profile: FINDER_PROFILE, finderPath: FINDER_PATH }), { decide: concluding(untouched) });
    source.emit(planes(51, 0, 0));
    source.complete();
    await stream.done;
    const { parts } = kept[0]!.delivered.timings[1]!;
    expect(parts.map(({ name }) => name)).toEqual(['fill', 'infer', 'decode', 'nms', 'find', 'search']);
    expect(parts[4]!.endMs).toBe(parts[5]!.startMs);
  });

  test.each([
    ['one session', { mode: 'latency' as const, cores: 1 }],
    ['several sessions with a frame waiting at each', { mode: 'throughput' as const, cores: 2, prefetch: true }],
  ])('with time, is strictly sequential: %s', async (_, settings) => {
    const log: string[] = [];
    const decide = concluding(
      async (options, frame, ...rest) => {
        log.push(`first pass of ${sequenceOf(frame)} is there`);
        const conclusion = await secondLook(options, frame, ...rest);
        log.push(`concluded ${sequenceOf(frame)}`);
        return conclusion;
      },
      (frame) => {
        log.push(`plan ${sequenceOf(frame)}`);
        return {};
      },
    );
    const { source, kept, stream, guard } = guardedStream(await startService(settings), { decide, capacity: 6 });
    expect(guard.gate.room).toBe(1);
    await Promise.all([source.emitAll(25, planes(204, 0, 0)), stream.done]);
    expect(log).toEqual(upTo(25).flatMap((i) => [`plan ${i}`, `first pass of ${i} is there`, `concluded ${i}`]));
    expect(kept.map(({ sequence }) => sequence)).toEqual(upTo(25));
    expect(source.pool.inUse).toBe(0);
  });

  test('with time, gives the same results again for the same frames, whatever was learnt on the way', async () => {
    // What one frame teaches changes the next: each is filled as far as the one before it was bright.
    const learning = (options: PatchGuardOptions): Guard => {
      let bottom = 0;
      return {
        plan: ({ pixels, fit, sourceSize }) => ({ pixels, fit, sourceSize, fills: [{ left: 0, top: 1, right: 32, bottom: Math.max(2, bottom) }], search: true }),
        conclude: (_frame, _request, first) => {
          bottom = Math.round((first.detections.confidence[0] ?? 0) * 31);
          return Promise.resolve(concludeUntouched(first, options.thresholds, { state: 'guarded', extraPasses: 0 }));
        },
      };
    };
    const run = async () => {
      const { source, kept, stream } = guardedStream(await startService({ mode: 'throughput', cores: 2, prefetch: true }), { decide: learning, capacity: 6 });
      let frame = 0;
      const picture = (pixels: Uint8Array) => {
        frame += 1;
        for (let i = 0; i < pixels.length; i += 1) pixels[i] = (i * 7 + frame * 31) % 256;
      };
      await Promise.all([source.emitAll(30, picture), stream.done]);
      return kept.map(({ detections }) => Array.from(detections.confidence));
    };
    const [first, second] = [await run(), await run()];
    expect(first).toEqual(second);
    expect(new Set(first.map((row) => row.join())).size).toBeGreaterThan(5);
  });

  test('without time, has frames in work side by side, and delivers them in order', async () => {
    let inWork = 0;
    let most = 0;
    const decide = concluding(async (options, frame, ...rest) => {
      inWork += 1;
      most = Math.max(most, inWork);
      // Later frames of each four are done before the earlier ones.
      for (let turns = 4 * (3 - (sequenceOf(frame) % 4)); turns > 0; turns -= 1) await nextTurn();
      inWork -= 1;
      return untouched(options, frame, ...rest);
    });
    const service = await startService({ mode: 'throughput', cores: 2, prefetch: true });
    const { source, kept, stream, guard } = guardedStream(service, { decide, time: false, capacity: 10 });
    let value = 100;
    await Promise.all([source.emitAll(40, (pixels) => planes(value++, 0, 0)(pixels)), stream.done]);
    expect([guard.gate.room, service.capacity]).toEqual([4, 4]);
    expect(most).toBeGreaterThan(1);
    expect(kept.map(({ sequence }) => sequence)).toEqual(upTo(40));
    expect(confidences(kept).map((confidence) => Math.round(confidence * 255))).toEqual(upTo(40).map((i) => 100 + i));
    expect(source.pool.inUse).toBe(0);
  });

  test('of a camera, takes the newest frame when the guard is done, and counts those that it replaced', async () => {
    const hold = deferred<undefined>();
    const began = deferred<undefined>();
    const decide = concluding(async (options, frame, ...rest) => {
      if (sequenceOf(frame) === 0) {
        began.resolve(undefined);
        await hold.promise;
      }
      return untouched(options, frame, ...rest);
    });
    const { source, kept, stream } = guardedStream(await startService(), { decide, delivery: 'live', overflow: 'latest' });
    source.emit();
    await began.promise;
    for (let i = 0; i < 4; i += 1) source.emit();
    hold.resolve(undefined);
    source.complete();
    await stream.done;
    expect(kept.map(({ sequence }) => sequence)).toEqual([0, 4]);
    expect(stream.stats().dropped).toEqual([{ stage: 'detect', reason: 'replaced_by_newer', count: 3 }]);
    expect(source.pool.inUse).toBe(0);
  });

  test('shares its workers with another stream: neither waits for ever', async () => {
    const service = await startService();
    const streams = ['a', 'b'].map((name) => guardedStream(service, { name, decide: concluding(secondLook) }));
    await Promise.all(streams.flatMap(({ source, stream }) => [source.emitAll(20, planes(204, 0, 0)), stream.done]));
    for (const { kept, source } of streams) {
      expect(kept.map(({ sequence }) => sequence)).toEqual(upTo(20));
      expect(source.pool.inUse).toBe(0);
    }
  });

  test('with gradient smoothing in place of verification, says that it did its work without a region', async () => {
    const { source, kept, stream } = guardedStream(await startService(), { time: false, decide: ({ thresholds }) => new SmoothingGuard(thresholds) });
    source.emit((pixels) => pixels.forEach((_, i) => (pixels[i] = i % 2 === 0 ? 255 : 0)));
    source.emit(planes(204, 0, 0));
    source.complete();
    await stream.done;
    expect(confidences(kept)[0]).toBeLessThan(0.4);
    expect(confidences(kept)[1]).toBe(0.8);
    expect(reports(kept).map(({ state, extraPasses }) => [state, extraPasses])).toEqual([['guarded', 0], ['guarded', 0]]);
  });
});

describe('a frame that the guard fails on passes unguarded, with the reason', () => {
  const odd = (frame: GuardFrame) => sequenceOf(frame) % 2 === 1;
  const failure = new AppError('ERR_INTERNAL', 'a fault in the guard');
  const failingOnOdd = (conclude: Conclude): Conclude => (options, frame, ...rest) => (odd(frame) ? conclude(options, frame, ...rest) : untouched(options, frame, ...rest));

  test.each<[string, (options: PatchGuardOptions) => Guard, number]>([
    ['its conclusion is rejected', concluding(failingOnOdd(() => Promise.reject(failure))), 0],
    ['its conclusion throws', concluding(failingOnOdd(() => { throw failure; })), 0],
    ['its conclusion is rejected after an extra pass', concluding(failingOnOdd(async ({ passes }, _frame, request) => {
      await passes.run({ ...request, search: false });
      throw failure;
    })), 1],
    ['its plan throws', concluding(untouched, (frame) => {
      if (odd(frame)) throw failure;
      return {};
    }), 0],
  ])('%s', async (_, decide, extraPasses) => {
    const told: string[] = [];
    const { source, kept, stream } = guardedStream(await startService(), { decide, onUnguarded: ({ code, message }) => told.push(`${code}: ${message}`) });
    await Promise.all([source.emitAll(6, planes(204, 0, 0)), stream.done]);
    expect(kept.map(({ sequence }) => sequence)).toEqual(upTo(6));
    expect(confidences(kept)).toEqual([0.8, 0.8, 0.8, 0.8, 0.8, 0.8]);
    expect(reports(kept)[1]).toEqual({ state: 'unguarded', reason: 'ERR_INTERNAL', patches: [], origins: ['untouched'], suppressed: NO_DETECTIONS, extraPasses });
    expect(stream.stats().guard).toMatchObject({ frames: [{ state: 'guarded', count: 3 }, { state: 'unguarded', reason: 'ERR_INTERNAL', count: 3 }], extraPasses: 3 * extraPasses });
    expect(stream.stats().dropped).toEqual([]);
    expect(told).toEqual(new Array(3).fill('ERR_INTERNAL: a fault in the guard'));
    expect(source.pool.inUse).toBe(0);
  });

  test('the tap is not there: detections are as good as ever', async () => {
    const { source, kept, stream } = guardedStream(await startService({ tap: { ...TAP, output: 'elsewhere' } }), { decide: concluding(untouched) });
    await Promise.all([source.emitAll(2, planes(204, 0, 0)), stream.done]);
    expect(confidences(kept)).toEqual([0.8, 0.8]);
    expect(reports(kept).map(({ state, reason }) => [state, reason])).toEqual([['unguarded', 'ERR_MODEL_OUTPUT_SHAPE'], ['unguarded', 'ERR_MODEL_OUTPUT_SHAPE']]);
  });

  test('its worker dies while it verifies', async () => {
    const service = await startService();
    const decide = concluding(async ({ passes }, _frame, request) => {
      const pass = passes.run({ ...request, search: false });
      await Promise.all([service.close(), pass]);
      throw new Error('the pass came back from the dead');
    });
    const { source, kept, stream } = guardedStream(service, { decide });
    source.emit(planes(204, 0, 0));
    source.complete();
    await stream.done;
    expect(confidences(kept)).toEqual([0.8]);
    expect(reports(kept)[0]).toMatchObject({ state: 'unguarded', reason: 'ERR_WORKER_DIED' });
    expect(source.pool.inUse).toBe(0);
  });
});

describe('a frame that the detector fails on', () => {
  test('is lost and counted as without a guard, and gives its place to the next', async () => {
    const service = await startService({ manifest: { ...manifest, head: { ...manifest.head, output: 'boxes' } } });
    const { source, stream } = guardedStream(service, { decide: concluding(untouched), capacity: 3 });
    await Promise.all([source.emitAll(8), stream.done]);
    expect(stream.stats()).toMatchObject({ delivered: 0, dropped: [{ stage: 'detect', reason: 'ERR_MODEL_OUTPUT_SHAPE', count: 8 }] });
    expect(stream.stats()).not.toHaveProperty('guard');
    expect(source.pool.inUse).toBe(0);
  });

  test('since the workers were closed under it, leaves none behind', async () => {
    const service = await startService();
    const { source, stream } = guardedStream(service, { decide: concluding(untouched) });
    for (let i = 0; i < 3; i += 1) source.emit();
    await service.close();
    source.complete();
    await stream.done;
    const { delivered, dropped } = stream.stats();
    expect(delivered + dropped.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(source.pool.inUse).toBe(0);
  });
});

test('a stream that is stopped while its guard verifies delivers that frame and what the detector has', async () => {
  const hold = deferred<undefined>();
  const began = deferred<undefined>();
  const decide = concluding(async (options, ...rest) => {
    began.resolve(undefined);
    await hold.promise;
    return secondLook(options, ...rest);
  });
  const { source, kept, stream } = guardedStream(await startService(), { decide });
  for (let i = 0; i < 3; i += 1) source.emit(planes(204, 0, 0));
  await began.promise;
  const stopped = stream.stop();
  hold.resolve(undefined);
  await stopped;
  expect(kept.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
  expect([source.pool.inUse, source.subscribers]).toEqual([0, 0]);
});
