import { expect, test } from 'vitest';
import { summaryText } from '../../src/cli/summary.js';
import { fakeStream } from '../server/fixture.js';

test('what a tracker did is a line of the summary, for streams that have one', () => {
  const stream = fakeStream('yard');
  expect(summaryText(stream.stats())).not.toContain('tracks');
  expect(summaryText({ ...stream.stats(), tracks: { now: 2, confirmed: 5, idsGiven: 9 } })).toContain('tracks: 2 in the newest frame, 5 since the start');
});

test('what a guard did is a line of the summary, for streams that have one', () => {
  const stream = fakeStream('yard');
  stream.delivered = 4;
  expect(summaryText(stream.stats())).not.toContain('guard');
  stream.guard = { frames: [{ state: 'guarded', count: 3 }, { state: 'unguarded', reason: 'ERR_WORKER_DIED', count: 1 }], patches: [{ verdict: 'adversarial', action: 'filled', count: 2 }, { verdict: 'benign', action: 'none', count: 1 }], extraPasses: 3, recovered: 2, suppressed: 1 };
  expect(summaryText(stream.stats()).split('\n')[1]).toBe(
    'guard: frames 3 guarded, 1 unguarded (ERR_WORKER_DIED); 3 extra passes (0.750 a frame); regions 2 adversarial and filled, 1 benign; boxes 2 recovered, 1 suppressed',
  );
});
