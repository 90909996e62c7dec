/** Bins over the whole symmetric range; enough that 255 levels over a thousandth of it are still told apart. */
const BINS = 8192;
const HALF = BINS / 2;

/**
 * How the values of a tensor are spread, in constant memory and one pass: bins of equal width around zero, whose width doubles (pairs
 * of bins merging exactly) whenever a value lies outside. Widths are powers of two, so that histograms of several tensors can be added.
 */
export class ValueHistogram {
  readonly #counts = new Float64Array(BINS);
  /** Values reach from -reach to reach, a power of two. */
  #reach = 2 ** -20;
  #low = Number.POSITIVE_INFINITY;
  #high = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** Smallest value seen; Infinity where none was. */
  get low(): number {
    return this.#low;
  }

  get high(): number {
    return this.#high;
  }

  get count(): number {
    return this.#count;
  }

  add(values: Float32Array): void {
    let low = this.#low;
    let high = this.#high;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    this.#low = low;
    this.#high = high;
    this.#reachTo(Math.max(Math.abs(low), Math.abs(high)));
    const counts = this.#counts;
    const perUnit = HALF / this.#reach;
    // Truncation of a positive number is a floor: the shift by HALF comes before it.
    for (const value of values) counts[(value * perUnit + HALF) | 0]! += 1;
    this.#count += values.length;
  }

  /** A histogram of the values of all of them. */
  static merged(histograms: readonly ValueHistogram[]): ValueHistogram {
    const sum = new ValueHistogram();
    const reach = Math.max(...histograms.map((one) => one.#reach));
    for (const one of histograms) {
      const copy = new ValueHistogram();
      copy.#reach = one.#reach;
      copy.#counts.set(one.#counts);
      while (copy.#reach < reach) copy.#double();
      for (let bin = 0; bin < BINS; bin += 1) sum.#counts[bin]! += copy.#counts[bin]!;
      sum.#count += one.#count;
      sum.#low = Math.min(sum.#low, one.#low);
      sum.#high = Math.max(sum.#high, one.#high);
    }
    sum.#reach = reach;
    return sum;
  }

  /** Bins that hold something, by rising value: their middles and counts. */
  occupied(): { readonly values: Float64Array; readonly counts: Float64Array; readonly width: number } {
    const width = this.#reach / HALF;
    const bins = Array.from({ length: BINS }, (_, bin) => bin).filter((bin) => this.#counts[bin]! > 0);
    // The middle of a bin lies outside of what was seen where the bin is at the edge; zero is a value of its own for a ReLU's sake.
    const middle = (bin: number): number => Math.max(this.#low, Math.min(this.#high, (bin - HALF + 0.5) * width));
    return { values: Float64Array.from(bins, middle), counts: Float64Array.from(bins, (bin) => this.#counts[bin]!), width };
  }

  #reachTo(size: number): void {
    while (Number.isFinite(size) && size >= this.#reach) this.#double();
  }

  #double(): void {
    const counts = this.#counts;
    const merged = new Float64Array(BINS);
    for (let bin = 0; bin < BINS; bin += 1) merged[((bin - HALF) >> 1) + HALF]! += counts[bin]!;
    counts.set(merged);
    this.#reach *= 2;
  }
}
