import { AppError } from '../../core/errors.js';
import type { Size } from '../../core/size.js';
import type { OutputTensor } from '../../inference/session.js';
import { TensorSession, type TensorSessionOptions } from '../../inference/tensor-session.js';
import { FINDER_STRIDE, type FinderMap } from './finder-map.js';

/** Sides of the pictures that the finder takes are multiples of it: it halves them four times. */
const SIDE_STEP = 16;
/** The first few inferences are slower. */
const WARMUP_RUNS = 3;

/**
 * The network that shows where something was pasted into a picture. `find` blocks the calling thread, as all inference does: it runs in the
 * thread of the pass whose pixels it looks at.
 */
export class PatchFinder {
  readonly #session: TensorSession;
  readonly #size: Size;

  private constructor(session: TensorSession, { width, height }: Size) {
    this.#session = session;
    this.#size = { width, height };
  }

  /**
   * @param size of the pictures, as the detector has them.
   * @throws AppError `ERR_USAGE` where the finder can't take pictures of this size, `ERR_MODEL_CORRUPT` where the runtime can't load it,
   * `ERR_MODEL_OUTPUT_SHAPE` or `ERR_INFERENCE_FAILED` where it is something else
   */
  static async load(options: TensorSessionOptions, size: Size): Promise<PatchFinder> {
    assertFinderTakes(size);
    const finder = new PatchFinder(await TensorSession.load(options, { inputs: ['pixels'], outputs: ['centre', 'sides'] }), size);
    const nothing = new Uint8Array(3 * size.width * size.height);
    try {
      for (let run = 0; run < WARMUP_RUNS; run += 1) await finder.find(nothing);
    } catch (error) {
      await finder.release();
      throw error;
    }
    return finder;
  }

  /**
   * @param pixels planes G, B, R, `3 * height * width` bytes; not shared memory.
   * @throws AppError `ERR_INFERENCE_FAILED`, `ERR_MODEL_OUTPUT_SHAPE`
   */
  async find(pixels: Uint8Array): Promise<FinderMap> {
    const { width, height } = this.#size;
    const [rows, columns] = [height / FINDER_STRIDE, width / FINDER_STRIDE];
    const { centre, sides } = await this.#session.run({ pixels: { data: pixels, dims: [1, 3, height, width] } }, ['centre', 'sides']);
    return { columns, rows, centre: shaped('centre', centre, [1, 1, rows, columns]), sides: shaped('sides', sides, [1, 4, rows, columns]) };
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}

/** @throws AppError `ERR_USAGE` where the finder can't look at pictures of this size */
export function assertFinderTakes({ width, height }: Size): void {
  if (width % SIDE_STEP === 0 && height % SIDE_STEP === 0) return;
  throw new AppError('ERR_USAGE', `The patch finder wants pictures whose sides are multiples of ${SIDE_STEP}, the model takes ${width}x${height}`, { fix: 'Calibrate without it: lynceus guard calibrate --search evidence.' });
}

function shaped(name: string, { data, dims }: OutputTensor, expected: readonly number[]): Float32Array {
  if (dims.length === expected.length && dims.every((side, axis) => side === expected[axis])) return data;
  throw new AppError('ERR_MODEL_OUTPUT_SHAPE', `Expected '${name}' of shape [${expected.join(',')}] from the patch finder but found [${dims.join(',')}]`, { fix: 'Install lynceus anew, or export the finder anew.' });
}
