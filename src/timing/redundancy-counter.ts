import type { RedundancyReport } from '../core/redundancy-report.js';
import type { RedundancyStats } from '../core/stream-view.js';

/** What a stream's redundancy gate spared, counted over its frames. */
export class RedundancyCounter {
  readonly #frames = new Map<string, { readonly action: RedundancyReport['action']; readonly reason: string; count: number }>();
  #count = 0;
  #inferredShare = 0;

  add({ action, reason, inferredShare }: RedundancyReport): void {
    const key = `${action}:${reason}`;
    const known = this.#frames.get(key);
    if (known) known.count += 1;
    else this.#frames.set(key, { action, reason, count: 1 });
    this.#count += 1;
    this.#inferredShare += inferredShare;
  }

  /** Undefined where no frame came from a gate. */
  stats(): RedundancyStats | undefined {
    if (this.#count === 0) return undefined;
    const frames = [...this.#frames.values()].map((entry) => ({ ...entry }));
    const avoided = frames.reduce((sum, { action, count }) => sum + (action === 'reused' || action === 'moved' ? count : 0), 0);
    return { frames, avoidedInferences: avoided, avoidedWorkShare: 1 - this.#inferredShare / this.#count };
  }
}
