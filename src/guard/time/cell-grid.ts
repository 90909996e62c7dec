import type { Size } from '../../core/size.js';

/** Samples along a side of a cell at most: what they miss of a large cell, the smoothing makes up for. */
const MAX_SAMPLES = 2;
/** A bilinear sample sees two pixels. */
const PIXELS_A_SAMPLE = 2;

/** A grid of cells over the picture, in pixels with fractions; pixel `i` covers `i` to `i + 1`. */
export interface CellGrid {
  readonly centreX: number;
  readonly centreY: number;
  /** Size of a cell. */
  readonly pitchX: number;
  readonly pitchY: number;
  readonly columns: number;
  readonly rows: number;
}

/**
 * Samples the picture in a grid of cells: each is the mean of one to four bilinear samples, by its size, smoothed with its neighbours (1 2 1 along both
 * axes): a small patch is finer than the pixels that show it, so what they show changes with every fraction of a pixel that it moves; what the
 * smoothing leaves changes little. Beyond the border the picture goes on as it ends.
 *
 * @param planes three planes of `size` bytes each.
 * @param out three planes of `rows * columns` levels; written all over.
 */
export function sampleGrid(planes: Uint8Array, size: Size, { centreX, centreY, pitchX, pitchY, columns, rows }: CellGrid, out: Float32Array): void {
  const across = sampleAxis(centreX, pitchX, columns + 2, size.width);
  const down = sampleAxis(centreY, pitchY, rows + 2, size.height);
  const raw = new Float32Array((columns + 2) * (rows + 2));
  for (let plane = 0; plane < 3; plane += 1) {
    const pixels = planes.subarray(plane * size.width * size.height, (plane + 1) * size.width * size.height);
    samplePlane(pixels, size.width, across, down, raw);
    smoothCells(raw, columns, rows, out.subarray(plane * rows * columns, (plane + 1) * rows * columns));
  }
}

/** Where the samples along an axis lie: between pixels `from` and `to`, `share` of the latter. */
interface AxisSamples {
  /** In each cell. */
  readonly samples: number;
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly share: Float32Array;
}

function sampleAxis(centre: number, pitch: number, cells: number, limit: number): AxisSamples {
  const samples = Math.min(MAX_SAMPLES, Math.max(1, Math.ceil(pitch / PIXELS_A_SAMPLE)));
  const count = cells * samples;
  const [from, to, share] = [new Int32Array(count), new Int32Array(count), new Float32Array(count)];
  const step = pitch / samples;
  // The middle of a pixel is at its index and a half.
  const start = centre - (count * step) / 2 + step / 2 - 0.5;
  for (let i = 0; i < count; i += 1) {
    const position = Math.min(limit - 1, Math.max(0, start + i * step));
    const pixel = Math.floor(position);
    from[i] = pixel;
    to[i] = Math.min(limit - 1, pixel + 1);
    share[i] = position - pixel;
  }
  return { samples, from, to, share };
}

function samplePlane(pixels: Uint8Array, stride: number, across: AxisSamples, down: AxisSamples, out: Float32Array): void {
  const scale = 1 / (across.samples * down.samples);
  const columns = across.from.length / across.samples;
  const line = new Float32Array(across.from.length);
  out.fill(0);
  for (let y = 0; y < down.from.length; y += 1) {
    sampleLine(pixels, down.from[y]! * stride, down.to[y]! * stride, down.share[y]!, across, line);
    const row = Math.floor(y / down.samples) * columns;
    for (let column = 0, x = 0; column < columns; column += 1) {
      let sum = 0;
      for (let end = x + across.samples; x < end; x += 1) sum += line[x]!;
      out[row + column]! += sum * scale;
    }
  }
}

function sampleLine(pixels: Uint8Array, upper: number, lower: number, down: number, { from, to, share }: AxisSamples, line: Float32Array): void {
  for (let x = 0; x < line.length; x += 1) {
    const a = from[x]!;
    const b = to[x]!;
    const across = share[x]!;
    const top = pixels[upper + a]! + across * (pixels[upper + b]! - pixels[upper + a]!);
    const bottom = pixels[lower + a]! + across * (pixels[lower + b]! - pixels[lower + a]!);
    line[x] = top + down * (bottom - top);
  }
}

/** @param raw one cell more on every side than `out`. */
function smoothCells(raw: Float32Array, columns: number, rows: number, out: Float32Array): void {
  const stride = columns + 2;
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const above = row * stride + column;
      const same = above + stride;
      const below = same + stride;
      const corners = raw[above]! + raw[above + 2]! + raw[below]! + raw[below + 2]!;
      const sides = raw[above + 1]! + raw[same]! + raw[same + 2]! + raw[below + 1]!;
      out[row * columns + column] = (corners + 2 * sides + 4 * raw[same + 1]!) / 16;
    }
  }
}
