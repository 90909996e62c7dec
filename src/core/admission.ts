/** Grants turns where several streams share what serves them: first asked, first served. */
export interface Admission {
  /** Calls back when it is this one's turn; false gives the turn back unused. Returns a function that withdraws the request. */
  request(granted: () => boolean): () => void;
}

/** A fixed number of turns, given in the order of asking: several streams that each have one request out are served in rotation. */
export class TurnQueue implements Admission {
  readonly #waiting: (() => boolean)[] = [];
  #free: number;

  /** @param turns how many may be out at once, 1 or more. */
  constructor(turns: number) {
    this.#free = turns;
  }

  request(granted: () => boolean): () => void {
    this.#waiting.push(granted);
    this.#grant();
    return () => {
      const at = this.#waiting.indexOf(granted);
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
      this.#free -= 1;
      if (!this.#waiting.shift()!()) this.#free += 1;
    }
  }
}
