import { SeededRandom } from '../../../src/core/seeded-random.js';
import type { Size } from '../../../src/core/size.js';
import type { RegionBox } from '../../../src/guard/time/region-box.js';

/** Colours on a grid, soft in between or not. */
export interface Texture {
  readonly cells: number;
  readonly soft: boolean;
  /** Planes G, B, R of `cells * cells` levels. */
  readonly levels: Float32Array;
}

/** Every cell another colour between `low` and `high`. */
export function randomTexture(seed: number, cells: number, { low = 20, high = 235, soft = false } = {}): Texture {
  const random = new SeededRandom(seed);
  return { cells, soft, levels: Float32Array.from({ length: 3 * cells * cells }, () => random.uniform(low, high)) };
}

export function plainTexture([g, b, r]: readonly [g: number, b: number, r: number]): Texture {
  return { cells: 1, soft: false, levels: Float32Array.of(g, b, r) };
}

/** A picture of the texture alone, planes G, B, R. */
export function scene(size: Size, background: Texture): Uint8Array {
  const planes = new Uint8Array(3 * size.width * size.height);
  paste(planes, size, background, { centreX: size.width / 2, centreY: size.height / 2, width: size.width, height: size.height });
  return planes;
}

/** Side of the raster of samples in a pixel. */
const SAMPLES = 4;

/** Lays a texture over a rectangle of the picture as a camera would see it: pixels at its edges are mixed. What lies outside of the picture is cut. */
export function paste(planes: Uint8Array, size: Size, texture: Texture, { centreX, centreY, width, height }: RegionBox): void {
  const left = centreX - width / 2;
  const top = centreY - height / 2;
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(size.height, Math.ceil(top + height)); y += 1) {
    for (let x = Math.max(0, Math.floor(left)); x < Math.min(size.width, Math.ceil(left + width)); x += 1) {
      const mean = [0, 0, 0];
      let covered = 0;
      for (let sample = 0; sample < SAMPLES ** 2; sample += 1) {
        const u = (x + ((sample % SAMPLES) + 0.5) / SAMPLES - left) / width;
        const v = (y + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES - top) / height;
        if (u < 0 || v < 0 || u >= 1 || v >= 1) continue;
        covered += 1;
        for (let plane = 0; plane < 3; plane += 1) mean[plane]! += levelAt(texture, plane, u, v);
      }
      for (let plane = 0; plane < 3; plane += 1) {
        const at = (plane * size.height + y) * size.width + x;
        planes[at] = Math.round((mean[plane]! + (SAMPLES ** 2 - covered) * planes[at]!) / SAMPLES ** 2);
      }
    }
  }
}

/** Level at a place from 0 to 1. */
function levelAt({ cells, soft, levels }: Texture, plane: number, u: number, v: number): number {
  const cell = (column: number, row: number): number => levels[(plane * cells + row) * cells + column]!;
  if (!soft) return cell(Math.floor(u * cells), Math.floor(v * cells));
  const [x, y] = [u * (cells - 1), v * (cells - 1)];
  const [column, row] = [Math.min(cells - 2, Math.floor(x)), Math.min(cells - 2, Math.floor(y))];
  const [across, down] = [x - column, y - row];
  const upper = cell(column, row) * (1 - across) + cell(column + 1, row) * across;
  const lower = cell(column, row + 1) * (1 - across) + cell(column + 1, row + 1) * across;
  return upper * (1 - down) + lower * down;
}
