import { quantile, runByTurns } from '../run-by-turns.js';
import { frameDims } from './observe.js';

const QUIET_SHARE = 0.2;

/** Times of one network's inferences, milliseconds. */
export interface RunTimes {
  readonly medianMs: number;
  /** A fifth of the runs are below it: what the network takes when little else runs, for comparing many on a busy machine. */
  readonly quietMs: number;
}

/**
 * Times of one inference of each of several networks, run by turns.
 *
 * @param frame bytes that all of them take.
 * @returns in their order.
 */
export async function interleavedMs(networks: readonly Uint8Array[], frame: Uint8Array, { threads, runs }: { readonly threads: number; readonly runs: number }): Promise<RunTimes[]> {
  const timesMs = await runByTurns(networks, { frame: { dims: frameDims(networks[0]!), data: frame }, threads, runs });
  return timesMs.map((all) => ({ medianMs: quantile(all, 0.5), quietMs: quantile(all, QUIET_SHARE) }));
}
