import { monotonicMs } from '../../core/clock.js';
import { OfflineSession } from '../../inference/offline-session.js';
import { frameDims } from './observe.js';

/** Runs before anything counts: allocation and caches. */
const WARMUP_RUNS = 3;
const QUIET_SHARE = 0.2;

/** Times of one network's inferences, milliseconds. */
export interface RunTimes {
  readonly medianMs: number;
  /** A fifth of the runs are below it: what the network takes when little else runs, for comparing many on a busy machine. */
  readonly quietMs: number;
}

/**
 * Times of one inference of each of several networks, run by turns: what else the machine does meets all of them alike.
 *
 * @param frame bytes that all of them take.
 * @returns in their order.
 */
export async function interleavedMs(networks: readonly Uint8Array[], frame: Uint8Array, { threads, runs }: { readonly threads: number; readonly runs: number }): Promise<RunTimes[]> {
  const sessions: OfflineSession[] = [];
  const times = networks.map((): number[] => []);
  try {
    for (const network of networks) sessions.push(await OfflineSession.create(network, { threads }));
    for (let run = -WARMUP_RUNS; run < runs; run += 1) {
      for (const [index, session] of sessions.entries()) {
        const startMs = monotonicMs();
        await session.run({ [session.inputNames[0]!]: { type: 'uint8', dims: frameDims(networks[index]!), data: frame } });
        if (run >= 0) times[index]!.push(monotonicMs() - startMs);
      }
    }
  } finally {
    for (const session of sessions) await session.release();
  }
  return times.map((all) => ({ medianMs: quantile(all, 0.5), quietMs: quantile(all, QUIET_SHARE) }));
}

/** Between neighbours by linear interpolation. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (high - low) * (position - below);
}
