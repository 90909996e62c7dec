import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { median } from '../../src/core/median.js';
import { live, rungs } from './machine.js';

const LADDER = rungs(14, 18, 1.12);
const TARGET = { kind: 'latency', ms: 25 } as const;
const late = (frames: readonly { latencyMs: number }[]) => frames.filter(({ latencyMs }) => latencyMs > TARGET.ms).length / frames.length;

describe('steps and ramps', () => {
  test('begins at the best point that fits', () => {
    expect(live({ ladder: LADDER, target: TARGET }, 1000, () => 1).moves).toEqual([]);
    expect(live({ ladder: LADDER, target: TARGET }, 1000, () => 1).controller.wanted).toBe(LADDER.length - 1);
  });

  test.each([80, 60, 40])('a step to %i % is answered within three frames, in one move', (percent) => {
    const { moves, frames } = live({ ladder: LADDER, target: TARGET }, 6000, (atMs) => (atMs < 2000 ? 1 : percent / 100));
    expect(moves[0]!.decision.reason).toBe('breach');
    expect(moves[0]!.atMs).toBeLessThanOrEqual(2000 + 2 * 40);
    expect(late(frames.filter(({ atMs }) => atMs > 2500))).toBe(0);
    expect(moves.length).toBeLessThanOrEqual(3);
  });

  test('a step back to full speed leads back to the best point, after a few frames', () => {
    const { controller, moves } = live({ ladder: LADDER, target: TARGET }, 8000, (atMs) => (atMs < 2000 || atMs >= 4000 ? 1 : 0.4));
    expect(controller.wanted).toBe(LADDER.length - 1);
    const up = moves.find(({ atMs }) => atMs >= 4000)!;
    expect(up.decision.reason).toBe('faster');
    expect(up.atMs).toBeLessThanOrEqual(4000 + 6 * 40);
  });

  test('a ramp is followed with no frame late', () => {
    const { frames } = live({ ladder: LADDER, target: TARGET, noise: 0.01 }, 12_000, (atMs) => (atMs < 6000 ? 1 - (0.6 * atMs) / 6000 : 0.4 + (0.6 * (atMs - 6000)) / 6000));
    expect(late(frames)).toBeLessThan(0.01);
  });

  test('every second has its usual latency before results are held, through steps and ramps', () => {
    const speed = (atMs: number) => [1, 0.8, 0.6, 0.4, 0.6, 0.8, 1][Math.floor(atMs / 5000)] ?? 1;
    const { frames } = live({ ladder: LADDER, target: TARGET, noise: 0.02 }, 35_000, speed);
    for (let second = 0; second < 35; second += 1) {
      const of = frames.filter(({ atMs }) => Math.floor(atMs / 1000) === second).map(({ latencyMs }) => latencyMs);
      expect(median(of)).toBeLessThan(TARGET.ms * 0.92);
    }
  });

  test('a network that is loaded beside frames is no slowness of the machine', () => {
    const { controller } = live({ ladder: LADDER, target: TARGET }, 1000, () => 1);
    const top = LADDER.length - 1;
    for (let i = 0; i < 40; i += 1) {
      expect(controller.observe({ atMs: 1000 + 40 * i, point: top, serviceMs: 24, latencyMs: 26, isDisturbed: true })).toBeUndefined();
    }
    // But far too late is far too late.
    const decisions = [0, 1, 2].map((i) => controller.observe({ atMs: 3000 + 40 * i, point: top, serviceMs: 45, latencyMs: 47, isDisturbed: true }));
    expect(decisions.map((decision) => decision?.reason)).toEqual([undefined, 'breach', undefined]);
  });

  test('the refuge is in time at two fifths of the speed', () => {
    const { controller } = live({ ladder: LADDER, target: TARGET }, 1000, () => 1);
    expect(2 + LADDER[controller.refuge]!.detectMs * 2.5).toBeLessThan(TARGET.ms);
    expect(controller.refuge).toBeLessThan(controller.wanted);
  });

  test('says once that the floor is reached and frames are late all the same', () => {
    const { moves } = live({ ladder: rungs(3, 20), target: TARGET }, 10_000, (atMs) => (atMs < 1000 ? 1 : 0.2));
    expect(moves.filter(({ decision }) => decision.reason === 'floor')).toHaveLength(1);
  });

  test('a hint of another speed moves with the first frame that has time to be looked at', () => {
    const { controller } = live({ ladder: LADDER, target: TARGET }, 1000, () => 1);
    controller.setSpeedHint(3_200_000);
    controller.setSpeedHint(1_600_000);
    const sample = { atMs: 1000, point: LADDER.length - 1, serviceMs: 20, latencyMs: 22 };
    // The frame was worked on before the CPU slowed down: the hint alone makes it a breach.
    const decision = controller.observe(sample);
    expect(decision?.to).toBeLessThan(LADDER.length - 1);
  });
});

describe('at a constant speed', () => {
  const machine = fc.record({
    speed: fc.double({ min: 0.35, max: 1.2, noNaN: true }),
    noise: fc.double({ min: 0, max: 0.03, noNaN: true }),
    seed: fc.integer(),
    truth: fc.array(fc.double({ min: 0.92, max: 1.08, noNaN: true }), { minLength: LADDER.length, maxLength: LADDER.length }),
    prepareMs: fc.integer({ min: 0, max: 300 }),
  });

  test('it comes to rest, whatever the figures have wrong', () => {
    fc.assert(
      fc.property(machine, ({ speed, ...others }) => {
        const { moves } = live({ ladder: LADDER, target: TARGET, ...others }, 120_000, () => speed);
        // After the first half minute: a retried step now and then, never to and fro.
        expect(moves.filter(({ atMs }) => atMs > 30_000).length).toBeLessThanOrEqual(8);
      }),
      { numRuns: 60 },
    );
  });

  test('it moves seldom where every frame takes another time', () => {
    fc.assert(
      fc.property(fc.integer(), fc.double({ min: 0.4, max: 1, noNaN: true }), (seed, speed) => {
        const { moves } = live({ ladder: LADDER, target: TARGET, noise: 0.25, seed }, 120_000, () => speed);
        expect(moves.filter(({ atMs }) => atMs > 60_000).length).toBeLessThanOrEqual(45);
      }),
      { numRuns: 40 },
    );
  });

  test('it rests where frames are in time, and not far below what would fit', () => {
    fc.assert(
      fc.property(machine, ({ speed, truth, ...others }) => {
        const { frames } = live({ ladder: LADDER, target: TARGET, truth, ...others }, 60_000, () => speed);
        const settled = frames.filter(({ atMs }) => atMs > 20_000);
        const cheapestMs = 2 + (LADDER[0]!.detectMs * truth[0]!) / speed;
        if (cheapestMs < TARGET.ms * 0.8) expect(late(settled)).toBeLessThan(0.05);
        const point = settled.at(-1)!.point;
        const threeUp = Math.min(LADDER.length - 1, point + 3);
        if (threeUp === point + 3) expect(2 + (LADDER[threeUp]!.detectMs * truth[threeUp]!) / speed).toBeGreaterThan(TARGET.ms * 0.82 * 0.95);
      }),
      { numRuns: 60 },
    );
  });
});

test('a rate is held by the mean of inferred and moved frames', () => {
  const ladder = [
    { name: 'half', detectMs: 40, every: 2, accuracy: 1 },
    { name: 'all', detectMs: 40, every: 1, accuracy: 2 },
  ];
  const { controller } = live({ ladder, target: { kind: 'rate', ms: 50 } }, 4000, (atMs) => (atMs < 2000 ? 1 : 0.7));
  expect(controller.wanted).toBe(0);
});
