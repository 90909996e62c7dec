/**
 * Exact Euclidean distance of each cell to the nearest set one (Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions,
 * 2012): a lower envelope of parabolas along each axis in turn.
 *
 * @param cells `side` cells a side, counted x, then y, then z.
 * @returns squared distances between centres, in cells; `Infinity` everywhere where no cell is set.
 */
export function squaredDistances(cells: Uint8Array, side: number): Float64Array {
  const out = Float64Array.from(cells, (cell) => (cell === 0 ? Infinity : 0));
  const line: Line = { values: new Float64Array(side), places: new Int32Array(side), limits: new Float64Array(side + 1) };
  for (const step of [1, side, side * side]) {
    for (let cell = 0; cell < out.length; cell += 1) {
      // First cells of lines along this axis.
      if (Math.floor(cell / step) % side === 0) transformLine(out, cell, step, side, line);
    }
  }
  return out;
}

interface Line {
  /** What was there. */
  readonly values: Float64Array;
  /** Where the parabolas of the envelope stand, */
  readonly places: Int32Array;
  /** and from where on each is the lowest. */
  readonly limits: Float64Array;
}

function transformLine(out: Float64Array, start: number, step: number, side: number, { values, places, limits }: Line): void {
  let last = -1;
  for (let q = 0; q < side; q += 1) {
    values[q] = out[start + q * step]!;
    if (values[q] === Infinity) continue;
    let from = -Infinity;
    while (last >= 0) {
      const p = places[last]!;
      from = (values[q]! + q * q - values[p]! - p * p) / (2 * (q - p));
      if (from > limits[last]!) break;
      last -= 1;
      from = -Infinity;
    }
    last += 1;
    places[last] = q;
    limits[last] = from;
  }
  if (last < 0) return;
  for (let q = 0, k = 0; q < side; q += 1) {
    while (k < last && limits[k + 1]! < q) k += 1;
    const p = places[k]!;
    out[start + q * step] = (q - p) * (q - p) + values[p]!;
  }
}
