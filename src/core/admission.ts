/** Grants turns where several streams share what serves them. */
export interface Admission {
  /**
   * Calls back when it is this one's turn; false gives the turn back unused. Returns a function that withdraws the request.
   *
   * @param asker on whose behalf: turns go to the one that had none for the longest time.
   */
  request(granted: () => boolean, asker: object): () => void;
}

interface Asking {
  readonly granted: () => boolean;
  readonly asker: object;
}

/**
 * A fixed number of turns for any number of askers, each of which has at most a few requests out. The next turn goes to the asker whose
 * last one is longest ago, and among those that had none to the first that asked. In the order of asking alone, a stream whose frames come
 * a moment before another's would be served before it each time, and get more turns wherever the last one of a round is missing.
 */
export class TurnQueue implements Admission {
  readonly #waiting: Asking[] = [];
  readonly #lastTurn = new WeakMap<object, number>();
  #turnsGiven = 0;
  #free: number;

  /** @param turns how many may be out at once, 1 or more. */
  constructor(turns: number) {
    this.#free = turns;
  }

  request(granted: () => boolean, asker: object): () => void {
    const asking: Asking = { granted, asker };
    this.#waiting.push(asking);
    this.#grant();
    return () => {
      const at = this.#waiting.indexOf(asking);
      if (at >= 0) this.#waiting.splice(at, 1);
    };
  }

  /** Gives a turn back. */
  release(): void {
    this.#free += 1;
    this.#grant();
  }

  #grant(): void {
    while (this.#free > 0 && this.#waiting.length > 0) {
      const { granted, asker } = this.#takeLongestWithout();
      this.#free -= 1;
      const before = this.#lastTurn.get(asker);
      // Set before the call: the asker may ask for its next turn in it.
      this.#lastTurn.set(asker, this.#turnsGiven);
      this.#turnsGiven += 1;
      if (granted()) continue;
      this.#free += 1;
      if (before === undefined) this.#lastTurn.delete(asker);
      else this.#lastTurn.set(asker, before);
    }
  }

  #takeLongestWithout(): Asking {
    let longest = 0;
    for (let i = 1; i < this.#waiting.length; i += 1) {
      if (this.#lastTurnOf(i) < this.#lastTurnOf(longest)) longest = i;
    }
    return this.#waiting.splice(longest, 1)[0]!;
  }

  #lastTurnOf(index: number): number {
    return this.#lastTurn.get(this.#waiting[index]!.asker) ?? -1;
  }
}
