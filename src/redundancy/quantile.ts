const BINS = 512;

/** The value below which a share of the values lies, to a 512th of their range: a few microseconds where sorting takes a hundred. 0 of none. */
export function quantileOf(values: Float32Array, share: number): number {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (!(most > least)) return values.length === 0 ? 0 : least;
  const counts = new Uint32Array(BINS);
  const scale = (BINS - 1) / (most - least);
  for (let i = 0; i < values.length; i += 1) counts[((values[i]! - least) * scale) | 0]! += 1;
  const rank = share * (values.length - 1);
  let below = 0;
  for (let bin = 0; bin < BINS; bin += 1) {
    below += counts[bin]!;
    if (below > rank) return least + (bin + 0.5) / scale;
  }
  return most;
}
