import { assert } from '../core/assert.js';
import { monotonicMs } from '../core/clock.js';

/**
 * An emulated CPU speed, in memory that workers share: a study changes it while they run, and it counts from the next step on.
 *
 * What takes a worker `t` of computing at the machine's own speed is made to take `t * 100 / percent`, by sleeping for the rest. That is how
 * a lower clock shows in work that is bound by computing; memory, decoding, the main thread and the source keep their speed, which is why
 * every figure that was measured so is to be labelled as emulated.
 */
export class EmulatedSpeed {
  /** One number: percent of the machine's own speed, in hundredths. Goes to workers with their data. */
  readonly shared: SharedArrayBuffer;
  readonly #hundredths: Int32Array;

  /** @param percent 1 to 100. */
  constructor(percent = 100) {
    this.shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    this.#hundredths = new Int32Array(this.shared);
    this.percent = percent;
  }

  get percent(): number {
    return Atomics.load(this.#hundredths, 0) / 100;
  }

  set percent(percent: number) {
    assert(percent >= 1 && percent <= 100, `a speed is 1 to 100 percent, got ${percent}`);
    Atomics.store(this.#hundredths, 0, Math.round(percent * 100));
  }
}

/** Tells the time at the end of a step that began at `startMs`; where a speed is emulated it waits first. Steps of one name are alike. */
export type StepClock = (startMs: number, step: string) => number;

/** Times of a step that are remembered: what it takes where nothing interrupts it is the shortest of them. */
const REMEMBERED = 64;

/**
 * The clock of a worker. Blocks its thread while it stretches a step, as slower computing would.
 *
 * @param shared of an `EmulatedSpeed`; without one nothing is stretched.
 */
export function createStepClock(shared: SharedArrayBuffer | undefined): StepClock {
  if (!shared) return monotonicMs;
  const hundredths = new Int32Array(shared);
  const sleeper = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const times = new Map<string, number[]>();
  return (startMs, step) => {
    const own = times.get(step) ?? [];
    times.set(step, [...own.slice(1 - REMEMBERED), monotonicMs() - startMs]);
    // Waiting for a core while others compute gets no longer with a lower clock: only the computing is stretched.
    const computedMs = Math.min(...times.get(step)!);
    const restMs = computedMs * (1e4 / Atomics.load(hundredths, 0) - 1);
    if (restMs > 0) Atomics.wait(sleeper, 0, 0, restMs);
    return monotonicMs();
  };
}
