import { monotonicMs } from '../../core/clock.js';
import { OfflineSession } from '../../inference/offline-session.js';
import { frameDims } from './observe.js';

/** Runs before anything counts: allocation and caches. */
const WARMUP_RUNS = 3;

/**
 * Median time of one inference of each of several networks, run by turns: what else the machine does meets all of them alike.
 *
 * @param frame bytes that all of them take.
 * @returns milliseconds, in their order.
 */
export async function interleavedMs(networks: readonly Uint8Array[], frame: Uint8Array, { threads, runs }: { readonly threads: number; readonly runs: number }): Promise<number[]> {
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
  return times.map(median);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
