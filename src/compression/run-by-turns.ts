import { monotonicMs } from '../core/clock.js';
import { OfflineSession } from '../inference/offline-session.js';

/** Runs before anything counts: allocation and caches. */
const WARMUP_RUNS = 5;

export interface TurnsOptions {
  /** The bytes that all networks take, and their shape. */
  readonly frame: { readonly dims: readonly number[]; readonly data: Uint8Array };
  /** Within one inference. */
  readonly threads: number;
  /** That count, of each. */
  readonly runs: number;
}

/**
 * Times of inferences of several prepared networks, run by turns, each round the other way round: what else the machine does meets all of
 * them alike.
 *
 * @returns milliseconds, in the order of the networks and of their runs.
 */
export async function runByTurns(networks: readonly Uint8Array[], { frame, threads, runs }: TurnsOptions): Promise<number[][]> {
  const sessions: OfflineSession[] = [];
  const timesMs = networks.map((): number[] => []);
  try {
    for (const network of networks) sessions.push(await OfflineSession.create(network, { threads }));
    const order = sessions.map((session, index) => ({ session, index }));
    const feed = { type: 'uint8', ...frame };
    for (let run = -WARMUP_RUNS; run < runs; run += 1) {
      for (const { session, index } of run % 2 === 0 ? order : order.toReversed()) {
        const startMs = monotonicMs();
        await session.run({ [session.inputNames[0]!]: feed });
        if (run >= 0) timesMs[index]!.push(monotonicMs() - startMs);
      }
    }
  } finally {
    for (const session of sessions) await session.release();
  }
  return timesMs;
}

/** Between neighbours by linear interpolation; `share` .5 is the median. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (high - low) * (position - below);
}
