import type { GuardReport } from '../core/guard-report.js';
import type { GuardStats } from '../core/stream-view.js';

/** What a stream's guard did, counted over its frames. */
export class GuardCounter {
  readonly #frames = new Map<string, { state: GuardReport['state']; reason?: string; count: number }>();
  readonly #patches = new Map<string, { verdict: GuardStats['patches'][number]['verdict']; action: GuardStats['patches'][number]['action']; count: number }>();
  #extraPasses = 0;
  #recovered = 0;
  #suppressed = 0;

  add({ state, reason, patches, origins, suppressed, extraPasses }: GuardReport): void {
    count(this.#frames, `${state}:${reason ?? ''}`, { state, ...(reason === undefined ? {} : { reason }) });
    for (const { verdict, action } of patches) count(this.#patches, `${verdict}:${action}`, { verdict, action });
    this.#extraPasses += extraPasses;
    for (const origin of origins) if (origin === 'recovered') this.#recovered += 1;
    this.#suppressed += suppressed.count;
  }

  /** Undefined where no frame came from a guard. */
  stats(): GuardStats | undefined {
    if (this.#frames.size === 0) return undefined;
    return {
      frames: [...this.#frames.values()].map((entry) => ({ ...entry })),
      patches: [...this.#patches.values()].map((entry) => ({ ...entry })),
      extraPasses: this.#extraPasses,
      recovered: this.#recovered,
      suppressed: this.#suppressed,
    };
  }
}

function count<Entry extends object>(counts: Map<string, Entry & { count: number }>, key: string, entry: Entry): void {
  const known = counts.get(key);
  if (known) known.count += 1;
  else counts.set(key, { ...entry, count: 1 });
}
