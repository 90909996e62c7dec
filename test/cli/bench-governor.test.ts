import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Block, type BenchFrame, lateFrames, latencyFigures, missesAtFullSpeed, pointShares, secondMedians } from '../../src/cli/bench/governor/figures.js';
import { governorReport } from '../../src/cli/bench/governor/governor-report.js';
import { isSettling, scheduleLengthMs, speedAt, speedSchedule } from '../../src/cli/bench/governor/schedule.js';
import { sizesOf } from '../../src/cli/governor/networks.js';

const frame = (atMs: number, latencyMs: number, point?: string): BenchFrame => ({ atMs, latencyMs, readyMs: latencyMs / 2, point });
const block = (frames: readonly BenchFrame[], pipeline: Block['pipeline'] = 'governed'): Block => ({ pipeline, frames, moves: [], dropped: 0 });

describe('the schedule', () => {
  const segments = speedSchedule([100, 80, 40], 1000);

  test('goes down in steps, up and down in ramps, and up in steps', () => {
    expect(segments.map(({ kind, fromPercent, toPercent }) => `${kind} ${fromPercent} ${toPercent}`)).toEqual(['step 100 100', 'step 80 80', 'step 40 40', 'ramp 40 100', 'ramp 100 40', 'step 80 80', 'step 100 100']);
    expect(scheduleLengthMs(segments)).toBe(9000);
  });

  test.each([
    ['a step holds', 999, 100],
    ['the next begins at once', 1000, 80],
    ['halfway up a ramp', 4000, 70],
    ['after the end', 99_999, 100],
  ])('%s', (_, atMs, percent) => {
    expect(speedAt(segments, atMs)).toBeCloseTo(percent, 9);
  });

  test('every moment has a speed between the slowest and the fastest', () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 9000, noNaN: true }), (atMs) => speedAt(segments, atMs) >= 40 && speedAt(segments, atMs) <= 100));
  });

  test('settles after each step but the first, and after no ramp', () => {
    expect([0, 1000, 1499, 1500, 3100, 7100].map((atMs) => isSettling(segments, atMs, 500))).toEqual([false, true, true, false, false, true]);
  });

  test('of one speed has no ramp', () => {
    expect(speedSchedule([100], 1000)).toHaveLength(1);
  });
});

describe('the figures', () => {
  test('a second with too few frames has no median', () => {
    expect(secondMedians(block([frame(0, 1), frame(10, 3), frame(20, 2), frame(1500, 9), frame(2000, 4), frame(2001, 6), frame(2002, 5)]))).toEqual([2, undefined, 5]);
  });

  test('are computed by hand', () => {
    const segments = speedSchedule([100, 50], 1000);
    const frames = [frame(100, 10), frame(200, 10), frame(300, 10), frame(1100, 40), frame(1600, 30), frame(1700, 30)];
    expect(latencyFigures([block(frames)], segments, 25)).toEqual({
      frames: 6,
      meanMs: 130 / 6,
      // Medians 10 and 30.
      stdMs: 10,
      rangeOverMean: 1,
      // The frame at 1100 is within half a second of the step.
      deadlineMisses: 2 / 5,
    });
  });

  test('of the time until results were ready, where it is asked for', () => {
    expect(latencyFigures([block([frame(0, 60), frame(1, 40), frame(2, 20)])], speedSchedule([100], 1000), 25, 'readyMs')).toMatchObject({ meanMs: 20, deadlineMisses: 1 / 3 });
  });

  test('what is late at full speed is counted there alone', () => {
    const frames = [frame(100, 30), frame(200, 10), frame(700, 10), frame(1600, 90)];
    expect(missesAtFullSpeed([block(frames, 'fixed')], speedSchedule([100, 50], 1000), 25)).toBeCloseTo(1 / 3, 9);
  });

  test('late frames tell how long after a move they were; those right after a step are none', () => {
    const frames = [frame(100, 30), frame(300, 30), frame(400, 20), frame(1100, 90), frame(1600, 40)];
    const moves = [{ atMs: 250, from: 'a', to: 'b', reason: 'slower' }];
    const late = lateFrames([{ ...block(frames), moves }], speedSchedule([100, 50], 1000), 25);
    expect(late.map(({ atMs, speedPercent, sinceMoveMs }) => [atMs, speedPercent, sinceMoveMs])).toEqual([
      [100, 100, null],
      [300, 100, 50],
      [1600, 50, 1350],
    ]);
  });

  test('shares of points', () => {
    expect([...pointShares([block([frame(0, 1, 'a'), frame(1, 1, 'b'), frame(2, 1, 'b'), frame(3, 1)])])]).toEqual([
      ['a', 1 / 3],
      ['b', 2 / 3],
    ]);
  });
});

describe('sizes of operating points', () => {
  test.each([
    ['a square: one side and the other by turns', { width: 128, height: 128 }, 0, ['128x128', '96x128', '96x96', '64x96', '64x64']],
    ['down to a floor', { width: 128, height: 128 }, 96, ['128x128', '96x128', '96x96', '64x96']],
    ['a wide one keeps its shape about', { width: 256, height: 128 }, 200, ['256x128', '224x128', '224x96']],
  ])('%s', (_, own, floor, expected) => {
    expect(sizesOf(own, floor).map(({ width, height }) => `${width}x${height}`)).toEqual(expected);
  });
});

test('the report is a page with its plots, and says that the speed is emulated', () => {
  const segments = speedSchedule([100, 50], 1000);
  const blocks = (['fixed', 'governed'] as const).map((pipeline) => block(Array.from({ length: 60 }, (_, i) => frame(i * 80, 10 + (i % 3), pipeline === 'governed' ? 'm' : undefined)), pipeline));
  const figures = latencyFigures(blocks, segments, 25);
  const page = governorReport({
    model: 'm',
    target: '25ms',
    targetMs: 25,
    speeds: [100, 50],
    emulation: 'emulated (stretch)',
    segments,
    blocks,
    fixed: figures,
    missesAtFullSpeed: 0,
    governed: figures,
    ready: latencyFigures(blocks, segments, 25, 'readyMs'),
    points: [{ name: 'm', detectMs: 10, frameMs: 10, every: 1, ap50: 0.5, share: 1 }],
    threads: 1,
    accuracyData: 'a video',
    loadBefore: 0,
    loadAfter: 0,
    command: 'lynceus bench',
  });
  expect(page).toContain('emulated (stretch)');
  expect(page.match(/<svg/g)?.length).toBeGreaterThanOrEqual(4);
});
