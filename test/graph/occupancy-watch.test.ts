import { expect, test } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.js';
import type { MissingOccupancy, OccupancyReport } from '../../src/core/occupancy-report.js';
import { OccupancyWatch } from '../../src/graph/occupancy-watch.js';
import { OccupancyCounter } from '../../src/timing/occupancy-counter.js';

const report = { level: 64, computedShare: 0.2 } as OccupancyReport;
const missing = (code: ErrorCode): MissingOccupancy => ({ code, message: 'no picture' });

/** Events of pairs that come at these times. */
function told(pairs: readonly (readonly [nowMs: number, code?: ErrorCode])[]): (string | undefined)[] {
  const watch = new OccupancyWatch();
  return pairs.map(([nowMs, code]) => watch.see(code ? missing(code) : report, nowMs)).map((news) => news && (news.code ?? news.message));
}

test.each<[string, readonly (readonly [number, ErrorCode?])[], (string | undefined)[]]>([
  ['good pairs are no news', [[0], [100], [5000]], [undefined, undefined, undefined]],
  ['the first bad pair is told, those after it are not', [[0], [100, 'ERR_STEREO_SWAPPED'], [200, 'ERR_STEREO_SWAPPED'], [9000, 'ERR_STEREO_SWAPPED']], [undefined, 'ERR_STEREO_SWAPPED', undefined, undefined]],
  ['another reason is told', [[0, 'ERR_STEREO_UNPAIRED'], [1000, 'ERR_STEREO_CAMERA_DEAD']], ['ERR_STEREO_UNPAIRED', 'ERR_STEREO_CAMERA_DEAD']],
  ['so is the first good one', [[0, 'ERR_STEREO_UNPAIRED'], [2000]], ['ERR_STEREO_UNPAIRED', 'pairs tell occupied space again']],
  ['within a second nothing more is told, and after it only what still differs', [[0, 'ERR_STEREO_UNPAIRED'], [100], [200, 'ERR_STEREO_UNPAIRED'], [300], [1000]], ['ERR_STEREO_UNPAIRED', undefined, undefined, undefined, 'pairs tell occupied space again']],
])('%s', (_, pairs, expected) => {
  expect(told(pairs)).toEqual(expected);
});

test('pairs are counted by level and by what kept them from telling anything', () => {
  const counter = new OccupancyCounter();
  expect(counter.stats()).toBeUndefined();
  counter.add(missing('ERR_STEREO_UNPAIRED'));
  expect(counter.stats()).toEqual({ pairs: 0, computedShare: 0, levels: [], missing: [{ code: 'ERR_STEREO_UNPAIRED', count: 1 }] });
  counter.add({ ...report, level: 16, computedShare: 0 });
  counter.add(report);
  counter.add(missing('ERR_STEREO_UNPAIRED'));
  expect(counter.stats()).toEqual({ pairs: 2, computedShare: 0.1, levels: [{ level: 64, count: 1 }, { level: 16, count: 1 }], missing: [{ code: 'ERR_STEREO_UNPAIRED', count: 2 }] });
});
