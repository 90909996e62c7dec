import type { OffCpuRecord, ThreadShares } from './records.js';

/** A thread that wanted to run for less of the time than this holds no frame up. */
const BUSY_SHARE = 0.1;

type Kind = keyof ThreadShares;

/** `helpers` are the JavaScript engine's own threads: no frame waits for one, but they run. */
export type ThreadKind = Kind | 'helpers';

/** What one thread did between two readings. */
export interface ThreadTurn {
  readonly kind: ThreadKind;
  readonly ranMs: number;
  readonly waitedMs: number;
}

export interface Reading {
  /** Milliseconds. */
  readonly at: [number, number];
  readonly turns: readonly ThreadTurn[];
  /** Of all threads of ours, this one too. */
  readonly ranMs: number;
}

/**
 * What a window of readings says of threads that were ready and weren't let run, as `off-cpu` records tell it. Who had the processors
 * meanwhile is known for all of us and for all others, not for each moment: the blame is shared by how much each ran.
 *
 * @param othersShare of the time, how many processors others used; undefined where that isn't known
 */
export function offCpuOf(readings: readonly Reading[], othersShare: number | undefined): Omit<OffCpuRecord, 'type' | 'run'>[] {
  return readings.flatMap(({ at, turns, ranMs }) => {
    const elapsedMs = at[1] - at[0];
    // The main thread runs in short turns, and each of them is waited for.
    const of = (kind: Kind) => turns.filter((turn) => turn.kind === kind && (kind === 'main' || turn.ranMs + turn.waitedMs >= BUSY_SHARE * elapsedMs));
    const byKind = (value: (turns: readonly ThreadTurn[]) => number): ThreadShares => ({ main: value(of('main')), workers: value(of('workers')), decoder: value(of('decoder')) });
    const sum = (values: readonly ThreadTurn[], value: (turn: ThreadTurn) => number) => values.reduce((total, turn) => total + value(turn), 0);
    const waited = (values: readonly ThreadTurn[]) => sum(values, ({ waitedMs }) => waitedMs);
    const shares = byKind((own) => (waited(own) === 0 ? 0 : waited(own) / sum(own, (turn) => turn.ranMs + turn.waitedMs)));
    const decoder = Math.max(0, ...of('decoder').map(({ waitedMs }) => Math.min(1, waitedMs / elapsedMs)));
    if (shares.main === 0 && shares.workers === 0 && decoder === 0) return [];
    const record = { at, ...shares, decoder };
    if (othersShare === undefined) return [record];
    const others = othersShare * elapsedMs;
    const blame = (turn: ThreadTurn) => share(ranMs - turn.ranMs, others);
    return [{ ...record, own: byKind((own) => (waited(own) === 0 ? 0 : sum(own, (turn) => turn.waitedMs * blame(turn)) / waited(own))) }];
  });
}

/** Of two parts, the first one's share; 0 where there is neither. */
function share(part: number, rest: number): number {
  return part <= 0 ? 0 : part / (part + Math.max(0, rest));
}
