/**
 * A reproducible source of random numbers: the same seed gives the same sequence on every machine (sfc32, Doty-Humphrey's PractRand;
 * for pictures and sampling, nothing for secrets).
 */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed and `stream`, integers: streams of one seed are independent of each other. */
  constructor(seed: number, stream = 0) {
    this.#a = seed | 0;
    this.#b = stream | 0;
    this.#c = 0x9e3779b9 | 0;
    // The first outputs still show how alike two seeds are.
    for (let i = 0; i < 16; i += 1) this.#bits();
  }

  /** From 0 to 1, 1 excluded. */
  unit(): number {
    return (this.#bits() >>> 0) / 2 ** 32;
  }

  /** From `low` to `high`. */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  /** A whole number from 0 to `below - 1`. */
  integer(below: number): number {
    return Math.floor(this.unit() * below);
  }

  /** True with probability `share`. */
  chance(share: number): boolean {
    return this.unit() < share;
  }

  /** Mean 0, standard deviation 1 (Box and Muller 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.unit()));
    return radius * Math.cos(2 * Math.PI * this.unit());
  }

  #bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum;
  }
}
