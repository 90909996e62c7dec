/** Pixels that contribute to one of the output, with their shares. */
interface Contribution {
  readonly first: number;
  readonly weights: Float64Array;
}

/** The bilinear kernel, widened by the factor when shrinking so that no pixel is left out: what ffmpeg and Pillow call bilinear. */
function contributions(from: number, to: number): Contribution[] {
  const scale = from / to;
  const radius = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.ceil(centre - radius - 0.5));
    const last = Math.min(from - 1, Math.floor(centre + radius - 0.5));
    const weights = Float64Array.from({ length: last - first + 1 }, (__, k) => Math.max(0, 1 - Math.abs(first + k + 0.5 - centre) / radius));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Interleaved RGB bytes, stretched; rounded once, at the end. */
export function resizeRgb(pixels: Uint8Array, from: { width: number; height: number }, to: { width: number; height: number }): Uint8Array {
  const columns = contributions(from.width, to.width);
  const rows = Array.from({ length: from.height }, (_, y) => resizeRow(pixels, y * from.width * 3, columns));
  const resized = new Uint8Array(to.width * to.height * 3);
  const line = new Float32Array(to.width * 3);
  contributions(from.height, to.height).forEach(({ first, weights }, y) => {
    // Stored as bytes: half is added, the rest is cut off.
    line.fill(0.5);
    weights.forEach((weight, k) => addRow(line, rows[first + k]!, weight));
    resized.set(line, y * line.length);
  });
  return resized;
}

function resizeRow(pixels: Uint8Array, rowAt: number, columns: readonly Contribution[]): Float32Array {
  const row = new Float32Array(columns.length * 3);
  for (let x = 0; x < columns.length; x += 1) {
    const { first, weights } = columns[x]!;
    let [red, green, blue] = [0, 0, 0];
    for (let k = 0, at = rowAt + first * 3; k < weights.length; k += 1, at += 3) {
      red += weights[k]! * pixels[at]!;
      green += weights[k]! * pixels[at + 1]!;
      blue += weights[k]! * pixels[at + 2]!;
    }
    row[x * 3] = red;
    row[x * 3 + 1] = green;
    row[x * 3 + 2] = blue;
  }
  return row;
}

function addRow(line: Float32Array, row: Float32Array, weight: number): void {
  for (let i = 0; i < line.length; i += 1) line[i]! += weight * row[i]!;
}
