import { AppError } from '../../core/errors.js';

/** Weights of a convolution with batch norm folded in; `weight` is row-major [filters, inputs]. */
export interface FoldedConvolution {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

// Added to the variance, not to its root, as the Darknet that trains YOLOv4 and Yolo-Fastest does.
const BATCH_NORM_EPSILON = 1e-5;

/**
 * Reads a Darknet `.weights` file from front to back: a header, then little-endian float32.
 * Reading over the end gives zeros and is only counted, so that the error can tell how much the network wants in all.
 */
export class DarknetWeights {
  readonly #values: Float32Array;
  #consumed = 0;

  /** @throws AppError ERR_MODEL_IMPORT where the bytes can't be a weights file. */
  constructor(bytes: Uint8Array) {
    const headerBytes = headerLength(bytes);
    if ((bytes.length - headerBytes) % 4 !== 0) throw invalid(`${bytes.length - headerBytes} bytes after the header are no whole number of float32`);
    this.#values = new Float32Array(new Uint8Array(bytes.subarray(headerBytes)).buffer);
  }

  /** The next convolution: biases, batch norm where there is one, then weights. Folding is computed in double precision. */
  convolution(filters: number, inputsPerFilter: number, batchNorm: boolean): FoldedConvolution {
    const bias = this.#take(filters);
    const [scale, mean, variance] = batchNorm ? [this.#take(filters), this.#take(filters), this.#take(filters)] : [];
    const weight = this.#take(filters * inputsPerFilter);
    if (!scale || !mean || !variance) return { weight, bias };
    for (let filter = 0; filter < filters; filter++) {
      const factor = scale[filter]! / Math.sqrt(variance[filter]! + BATCH_NORM_EPSILON);
      bias[filter] = bias[filter]! - mean[filter]! * factor;
      for (let i = filter * inputsPerFilter; i < (filter + 1) * inputsPerFilter; i++) weight[i] = weight[i]! * factor;
    }
    return { weight, bias };
  }

  /** @throws AppError ERR_MODEL_IMPORT where the network used more or fewer weights than the file has. */
  assertConsumed(): void {
    if (this.#consumed !== this.#values.length) throw invalid(`the .cfg describes ${this.#consumed} weights, the file holds ${this.#values.length}`);
  }

  #take(count: number): Float32Array {
    const values = new Float32Array(count);
    values.set(this.#values.subarray(this.#consumed, this.#consumed + count));
    this.#consumed += count;
    return values;
  }
}

/** major, minor, revision (int32 each), then the count of pictures seen: 4 bytes before version 0.2, 8 since. */
function headerLength(bytes: Uint8Array): number {
  if (bytes.length < 20) throw invalid(`${bytes.length} bytes are too few`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [major, minor] = [view.getInt32(0, true), view.getInt32(4, true)];
  // Darknet marks transposed weights by versions of 1000 and more; nothing has written them for years.
  if (major < 0 || major >= 1000 || minor < 0 || minor >= 1000) throw invalid(`its header says version ${major}.${minor}`);
  return major * 10 + minor >= 2 ? 20 : 16;
}

function invalid(detail: string): AppError {
  return new AppError('ERR_MODEL_IMPORT', `The weights don't fit: ${detail}`, { fix: 'Name the .weights file that was trained with this .cfg.' });
}
