import { describe, expect, test } from 'vitest';
import { GuardCounter } from '../../src/timing/guard-counter.js';
import { StreamLedger } from '../../src/timing/stream-ledger.js';
import { fakeGuardReport } from '../server/fixture.js';

describe('what a guard did', () => {
  test('is nothing to speak of before its first frame', () => {
    expect(new GuardCounter().stats()).toBeUndefined();
    expect(new StreamLedger(['detect']).guard.stats()).toBeUndefined();
  });

  test('is counted by state and reason, by verdict and action, in passes and boxes', () => {
    const counter = new GuardCounter();
    counter.add(fakeGuardReport());
    counter.add(fakeGuardReport({ origins: ['untouched', 'recovered', 'recovered'], extraPasses: 2 }));
    counter.add(fakeGuardReport({ state: 'degraded', reason: 'budget', patches: [], origins: [], extraPasses: 0 }));
    counter.add(fakeGuardReport({ state: 'degraded', reason: 'budget', patches: [], origins: [], extraPasses: 0 }));
    expect(counter.stats()).toEqual({
      frames: [
        { state: 'guarded', count: 2 },
        { state: 'degraded', reason: 'budget', count: 2 },
      ],
      patches: [
        { verdict: 'benign', action: 'none', count: 2 },
        { verdict: 'adversarial', action: 'filled', count: 2 },
      ],
      extraPasses: 3,
      recovered: 3,
      suppressed: 4,
    });
  });

  test('does not change any more once it was asked for', () => {
    const counter = new GuardCounter();
    counter.add(fakeGuardReport());
    const stats = counter.stats()!;
    counter.add(fakeGuardReport());
    expect(stats.frames).toEqual([{ state: 'guarded', count: 1 }]);
    expect(stats.patches.map(({ count }) => count)).toEqual([1, 1]);
  });
});
