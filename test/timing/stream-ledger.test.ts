import { describe, expect, test } from 'vitest';
import type { StageTiming } from '../../src/core/result.js';
import { LossCounter } from '../../src/timing/loss-counter.js';
import { StreamLedger } from '../../src/timing/stream-ledger.js';

describe('LossCounter', () => {
  test('counts by place and reason, in all and since the last question', () => {
    const losses = new LossCounter();
    losses.add('detect', 'replaced_by_newer');
    losses.add('source', 'corrupt', 3);
    losses.add('detect', 'replaced_by_newer', 2);
    expect(losses.takeSince()).toEqual({ 'detect:replaced_by_newer': 3, 'source:corrupt': 3 });
    losses.add('source', 'corrupt');
    expect(losses.takeSince()).toEqual({ 'source:corrupt': 1 });
    expect(losses.takeSince()).toEqual({});
    expect(losses.total()).toEqual([
      { stage: 'detect', reason: 'replaced_by_newer', count: 3 },
      { stage: 'source', reason: 'corrupt', count: 4 },
    ]);
  });

  test('what was taken or asked for does not change any more', () => {
    const losses = new LossCounter();
    losses.add('detect', 'stage_busy');
    const [since, total] = [losses.takeSince(), losses.total()];
    losses.add('detect', 'stage_busy');
    expect([since, total]).toEqual([{ 'detect:stage_busy': 1 }, [{ stage: 'detect', reason: 'stage_busy', count: 1 }]]);
  });

  test('nothing lost costs no object a frame, and nobody can write into the shared one', () => {
    const losses = new LossCounter();
    expect(losses.takeSince()).toBe(losses.takeSince());
    expect(losses.takeSince()).toSatisfy(Object.isFrozen);
  });
});

function timing(stage: string, queuedMs: number, startedMs: number, endedMs: number): StageTiming {
  return { stage, queuedMs, startedMs, endedMs, eventLoopDelayMs: 0, gcMs: 0, parts: [] };
}

function deliverAt(ledger: StreamLedger, timesMs: readonly number[]): void {
  for (const nowMs of timesMs) ledger.frameDelivered([], 1, nowMs);
}

describe('StreamLedger', () => {
  test('books queue wait apart from service time, by stage in the order of the graph', () => {
    const ledger = new StreamLedger(['source', 'detect']);
    ledger.frameReceived();
    ledger.frameDelivered([timing('source', 0, 0, 2), timing('detect', 2, 5, 12)], 12.5, 12.5);
    expect(ledger.stages().map(({ stage, queue, service }) => [stage, queue.meanMs, service.meanMs])).toEqual([
      ['source', 0, 2],
      ['detect', 3, 7],
    ]);
    expect(ledger.endToEnd()).toMatchObject({ n: 1, meanMs: 12.5 });
    expect([ledger.received, ledger.delivered]).toEqual([1, 1]);
  });

  test('counts what is in flight, and knows nothing of other stages', () => {
    const ledger = new StreamLedger(['detect']);
    ledger.entered('detect');
    ledger.entered('detect');
    ledger.left('detect');
    ledger.entered('elsewhere');
    expect(ledger.stages().map(({ inFlight }) => inFlight)).toEqual([1]);
  });

  test.each<[string, number[], number, number]>([
    ['nothing delivered', [], 0, 0],
    ['one frame has no rate', [100], 100, 0],
    ['two frames 40 ms apart', [0, 40], 40, 25],
    ['25 a second for ten seconds', Array.from({ length: 251 }, (_, i) => i * 40), 10_000, 25],
    ['only the last five seconds count', [0, 1_000, 2_000, 8_000, 8_100, 8_200], 8_200, 10],
    ['a stream that stands still has no rate', [0, 40, 80], 10_000, 0],
  ])('fps: %s', (_, timesMs, nowMs, fps) => {
    const ledger = new StreamLedger([]);
    deliverAt(ledger, timesMs);
    expect(ledger.fps(nowMs)).toBeCloseTo(fps, 9);
  });

  test.each<[string, number[], number]>([
    ['nothing delivered', [], 0],
    ['one frame has no rate', [100], 0],
    ['all of them count', [0, 1_000, 2_000, 8_000], 0.375],
  ])('mean fps: %s', (_, timesMs, fps) => {
    const ledger = new StreamLedger([]);
    deliverAt(ledger, timesMs);
    expect(ledger.meanFps()).toBeCloseTo(fps, 9);
  });
});
