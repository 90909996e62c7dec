/** What was dropped where and why, in all and since somebody last asked. */
export class LossCounter {
  readonly #total = new Map<string, { stage: string; reason: string; count: number }>();
  #since: Record<string, number> = {};
  #lostSince = false;

  add(stage: string, reason: string, count = 1): void {
    const key = `${stage}:${reason}`;
    const entry = this.#total.get(key);
    if (entry) entry.count += count;
    else this.#total.set(key, { stage, reason, count });
    this.#since[key] = (this.#since[key] ?? 0) + count;
    this.#lostSince = true;
  }

  /** Drops by `stage:reason` since the last call. */
  takeSince(): Readonly<Record<string, number>> {
    if (!this.#lostSince) return NOTHING_LOST;
    const since = this.#since;
    this.#since = {};
    this.#lostSince = false;
    return since;
  }

  total(): readonly { stage: string; reason: string; count: number }[] {
    return [...this.#total.values()].map((entry) => ({ ...entry }));
  }
}

const NOTHING_LOST: Readonly<Record<string, number>> = Object.freeze({});
