import { monotonicMs } from '../core/clock.js';
import { SeededRandom } from '../core/seeded-random.js';
import { mainThreadTimes } from './thread-times.js';

/** Objects that live through a few collections: copying them is what makes collections long. */
const SURVIVORS = 40_000;

/**
 * Lets garbage collections hold up the main thread, which has to call: bursts of allocation whose objects live just long enough to be
 * copied. Bursts compute for `blockMs` and come at random, every `everyMs` on average. Where the thread isn't let run meanwhile, a burst
 * takes longer, as any work would (Linux; elsewhere that time is part of it).
 *
 * @returns ends the storm.
 */
export function startGcStorm({ blockMs, everyMs, seed }: { readonly blockMs: number; readonly everyMs: number; readonly seed: number }): () => void {
  const random = new SeededRandom(seed, 1);
  let kept: object[] = [];
  const times = mainThreadTimes();
  let timer: NodeJS.Timeout;
  const burst = (): void => {
    times?.advance();
    let untilMs = monotonicMs() + blockMs;
    while (monotonicMs() < untilMs) {
      if (kept.length > SURVIVORS) kept = [];
      for (let i = 0; i < 1000; i += 1) kept.push({ values: [i, i + 1], next: kept[i] });
      untilMs += times?.advance()?.waitedMs ?? 0;
    }
    schedule();
  };
  const schedule = (): void => {
    timer = setTimeout(burst, random.uniform(0, 2 * (everyMs - blockMs)));
  };
  schedule();
  return () => {
    clearTimeout(timer);
    times?.close();
  };
}
