/** Something that waits for a client. */
export interface Pending {
  /** 0 for what conflates: it is encoded when its turn comes. */
  readonly bytes: number;
}

export interface OutboxBounds {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/**
 * What waits for one client, bounded in every way.
 *
 * Three lines: answers to the client's own messages go first; what conflates has one place for each key (a newer one takes the place of
 * the older, and keeps its turn); what must all be sent waits in order. The last two take turns, so that neither starves the other.
 */
export class Outbox<P extends Pending> {
  readonly #bounds: OutboxBounds;
  readonly #answers: P[] = [];
  readonly #latest = new Map<string, P>();
  readonly #all: P[] = [];
  #allBytes = 0;
  #latestIsNext = true;

  constructor(bounds: OutboxBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#answers.length + this.#latest.size + this.#all.length;
  }

  /** Whether something waits in the place of `key`. */
  has(key: string): boolean {
    return this.#latest.has(key);
  }

  /** False where too many answers wait already: a client that asks and never reads. */
  answer(pending: P): boolean {
    if (this.#answers.length >= this.#bounds.maxMessages) return false;
    this.#answers.push(pending);
    return true;
  }

  /** Puts `pending` in the place of its key and returns what it replaced. */
  putLatest(key: string, pending: P): P | undefined {
    const replaced = this.#latest.get(key);
    this.#latest.set(key, pending);
    return replaced;
  }

  /** Lines up; false where the bounds are reached (nothing is kept of it then). */
  push(pending: P): boolean {
    if (this.#all.length >= this.#bounds.maxMessages || this.#allBytes + pending.bytes > this.#bounds.maxBytes) return false;
    this.#all.push(pending);
    this.#allBytes += pending.bytes;
    return true;
  }

  /** Takes out what goes next, or undefined where nothing waits. */
  take(): P | undefined {
    const answer = this.#answers.shift();
    if (answer !== undefined) return answer;
    this.#latestIsNext = !this.#latestIsNext;
    return this.#latestIsNext ? (this.#takeLatest() ?? this.#takeFirst()) : (this.#takeFirst() ?? this.#takeLatest());
  }

  /** Takes out the answers that wait, oldest first. */
  takeAnswers(): P[] {
    return this.#answers.splice(0);
  }

  /** Forgets what waits under keys that `belongs` is true for. */
  forget(belongs: (key: string) => boolean): void {
    for (const key of this.#latest.keys()) if (belongs(key)) this.#latest.delete(key);
  }

  clear(): void {
    this.#answers.length = 0;
    this.#latest.clear();
    this.#all.length = 0;
    this.#allBytes = 0;
  }

  #takeLatest(): P | undefined {
    for (const [key, pending] of this.#latest) {
      this.#latest.delete(key);
      return pending;
    }
    return undefined;
  }

  #takeFirst(): P | undefined {
    const first = this.#all.shift();
    if (first !== undefined) this.#allBytes -= first.bytes;
    return first;
  }
}
