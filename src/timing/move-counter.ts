import type { MoveReason, OperatingPointMove } from '../core/operating-point.js';

/** What a stream's governor did, counted over its moves. */
export class MoveCounter {
  readonly #counts = new Map<MoveReason, number>();

  add({ reason }: Pick<OperatingPointMove, 'reason'>): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  counts(): { readonly reason: MoveReason; readonly count: number }[] {
    return [...this.#counts].map(([reason, count]) => ({ reason, count }));
  }
}
