import { SeededRandom } from '../../src/core/seeded-random.js';
import { Controller, type Decision } from '../../src/governor/controller.js';
import { frameMsOf, type Rung } from '../../src/governor/ladder.js';
import type { Target } from '../../src/governor/target.js';

/** A machine that a controller runs on, in simulated time. */
export interface Machine {
  readonly ladder: readonly Rung[];
  readonly target: Target;
  /** What each point really costs in units of what the ladder says. */
  readonly truth?: readonly number[];
  /** Standard deviation of service times, as a share. */
  readonly noise?: number;
  readonly seed?: number;
  readonly framePeriodMs?: number;
  /** Time until a point is ready. */
  readonly prepareMs?: number;
  /** Latency beside the service. */
  readonly restMs?: number;
}

export interface Lived {
  readonly atMs: number;
  readonly point: number;
  readonly latencyMs: number;
}

export interface Run {
  readonly controller: Controller;
  readonly frames: Lived[];
  readonly moves: { readonly atMs: number; readonly decision: Decision }[];
}

/** Lives through a time with the speed that is given for each moment. */
export function live({ ladder, target, truth, noise = 0, seed = 1, framePeriodMs = 40, prepareMs = 100, restMs = 2 }: Machine, untilMs: number, speedAt: (atMs: number) => number): Run {
  const controller = new Controller(ladder, target);
  const random = new SeededRandom(seed);
  const frames: Lived[] = [];
  const moves: Run['moves'] = [];
  let active = controller.wanted;
  let ready: { atMs: number; point: number } | undefined;
  for (let atMs = 0; atMs < untilMs; atMs += framePeriodMs) {
    if (ready && ready.atMs <= atMs) {
      active = ready.point;
      ready = undefined;
    }
    const rung = ladder[active]!;
    const serviceMs = ((rung.detectMs * (truth?.[active] ?? 1)) / speedAt(atMs)) * Math.max(0.5, 1 + noise * random.normal());
    const latencyMs = serviceMs + restMs;
    frames.push({ atMs, point: active, latencyMs });
    const decision = controller.observe({ atMs, point: active, serviceMs, latencyMs });
    if (!decision) continue;
    moves.push({ atMs, decision });
    ready = { atMs: atMs + prepareMs, point: decision.to };
  }
  return { controller, frames, moves };
}

/** Rungs whose costs grow by a factor, the dearest of `topMs`. */
export function rungs(count: number, topMs: number, step = 1.1, every = 1): Rung[] {
  return Array.from({ length: count }, (_, i) => ({ name: `p${i}`, detectMs: topMs / step ** (count - 1 - i), every, accuracy: i + 1 }));
}

export { frameMsOf };
