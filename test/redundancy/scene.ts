import type { Detections } from '../../src/core/detections.js';
import type { FrameFormat } from '../../src/core/frame.js';
import { SeededRandom } from '../../src/core/seeded-random.js';
import type { Sight } from '../../src/redundancy/sight.js';
import { sightOf } from '../../src/redundancy/sight.js';

/** Pictures of a still room with things in it, drawn from seeds. */

export const SIZE = { width: 320, height: 240 };
export const FORMAT: FrameFormat = { size: SIZE, fit: 'stretch', padValue: 114 };
export const FIT = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };

export interface Thing {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Of its texture. */
  readonly seed: number;
}

export interface SceneOptions {
  readonly things?: readonly Thing[];
  /** The room is another one with another seed. */
  readonly room?: number;
  /** Standard deviation of each pixel, grey levels. */
  readonly noise?: number;
  readonly noiseSeed?: number;
  /** Light: every pixel times `gain`, plus `offset`. */
  readonly gain?: number;
  readonly offset?: number;
  /** Pixels that the camera has turned to the right. */
  readonly pan?: number;
}

/** Planes G, B, R. */
export function drawScene({ things = [], room = 1, noise = 0, noiseSeed = 1, gain = 1, offset = 0, pan = 0 }: SceneOptions = {}): Uint8Array {
  const { width, height } = SIZE;
  const planes = new Uint8Array(3 * width * height);
  const random = new SeededRandom(noiseSeed);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const thing = things.findLast((one) => x >= one.x && x < one.x + one.width && y >= one.y && y < one.y + one.height);
      const grey = thing ? texture(x - Math.round(thing.x), y - Math.round(thing.y), thing.seed, 6) : 60 + texture(x + pan, y, room, 16) / 2;
      const level = gain * grey + offset;
      for (let plane = 0; plane < 3; plane += 1) {
        planes[plane * width * height + y * width + x] = Math.min(255, Math.max(0, Math.round(level + (noise === 0 ? 0 : noise * random.normal()))));
      }
    }
  }
  return planes;
}

export function sightOfScene(options: SceneOptions = {}, ptsUs = 0): Sight {
  return sightOf({ pixels: drawScene(options), format: FORMAT, fit: FIT, sourceSize: SIZE, ptsUs });
}

export function detectionsOf(things: readonly Pick<Thing, 'x' | 'y' | 'width' | 'height'>[], classId = 0): Detections {
  return {
    count: things.length,
    xyxy: Float32Array.from(things.flatMap(({ x, y, width, height }) => [x, y, x + width, y + height])),
    confidence: new Float32Array(things.length).fill(0.8),
    classId: new Int32Array(things.length).fill(classId),
    boxesBeforeNms: things.length,
  };
}

/** Smooth random greys, 20 to 220, with bumps of about `scale` pixels. */
function texture(x: number, y: number, seed: number, scale: number): number {
  const column = Math.floor(x / scale);
  const row = Math.floor(y / scale);
  const u = x / scale - column;
  const v = y / scale - row;
  const top = knot(column, row, seed) * (1 - u) + knot(column + 1, row, seed) * u;
  const bottom = knot(column, row + 1, seed) * (1 - u) + knot(column + 1, row + 1, seed) * u;
  return 20 + 200 * (top * (1 - v) + bottom * v);
}

/** 0 to 1, the same for the same place. */
function knot(column: number, row: number, seed: number): number {
  let hash = (column * 374761393 + row * 668265263 + seed * 2246822519) | 0;
  hash = Math.imul(hash ^ (hash >>> 13), 1274126177);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
