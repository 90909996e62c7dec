/** Mean and variance in one pass, without keeping the samples (Welford 1962). */
export class RunningStats {
  #count = 0;
  #mean = 0;
  #sumOfSquares = 0;
  #min = Infinity;
  #max = -Infinity;

  record(value: number): void {
    this.#count += 1;
    const delta = value - this.#mean;
    this.#mean += delta / this.#count;
    this.#sumOfSquares += delta * (value - this.#mean);
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  get count(): number {
    return this.#count;
  }

  /** 0 before the first sample. */
  get mean(): number {
    return this.#mean;
  }

  /** Sample variance (n - 1); 0 below two samples. */
  get variance(): number {
    return this.#count < 2 ? 0 : this.#sumOfSquares / (this.#count - 1);
  }

  get stdDev(): number {
    return Math.sqrt(this.variance);
  }

  /** Standard deviation over mean; 0 where the mean is 0. */
  get cv(): number {
    return this.#mean === 0 ? 0 : this.stdDev / this.#mean;
  }

  get min(): number {
    return this.#count === 0 ? 0 : this.#min;
  }

  get max(): number {
    return this.#count === 0 ? 0 : this.#max;
  }
}
