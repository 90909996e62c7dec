import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { assert } from '../core/assert.js';
import { AppError } from '../core/errors.js';
import { createSession, type ModelFile, nameOfFile } from './create-session.js';
import type { SessionTuning } from './session-tuning.js';

/** How many cores one inference may use, and how. */
export type SessionOptions = ModelFile & {
  /** Threads within one inference. */
  readonly threads: number;
  /** Inferences on zeros before the first real one: the first few are slower (allocation, caches). */
  readonly warmupRuns?: number;
  /** As in every stream where absent. */
  readonly tuning?: SessionTuning | undefined;
};

export interface OutputTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/**
 * A loaded model that takes one uint8 frame and gives float outputs.
 * `run` blocks the calling thread: onnxruntime-node calls native code synchronously, so sessions belong into worker threads.
 */
export class Session {
  readonly #session: InferenceSession;
  readonly #inputName: string;
  readonly #inputBytes: Uint8Array;
  readonly #input: Tensor;

  private constructor(session: InferenceSession, dims: readonly number[]) {
    this.#session = session;
    this.#inputName = session.inputNames[0]!;
    // Private memory: the runtime refuses tensors on shared memory, and one input is reused for every frame.
    this.#inputBytes = new Uint8Array(dims.reduce((product, dim) => product * dim, 1));
    this.#input = new Tensor('uint8', this.#inputBytes, [...dims]);
  }

  /** @throws AppError `ERR_MODEL_CORRUPT` where the runtime can't load the file; `ERR_MODEL_MANIFEST` where its input isn't one of a prepared model. */
  static async load({ threads, warmupRuns = 3, tuning = {}, ...model }: SessionOptions): Promise<Session> {
    const session = await createSession(model, threads, tuning);
    const input = session.inputMetadata[0];
    if (session.inputNames.length !== 1 || !input?.isTensor || input.type !== 'uint8' || !input.shape.every((dim) => typeof dim === 'number')) {
      throw new AppError('ERR_MODEL_MANIFEST', `${nameOfFile(model)}: expected a prepared model with one uint8 input of fixed shape`);
    }
    const loaded = new Session(session, input.shape);
    for (let i = 0; i < warmupRuns; i += 1) await loaded.run(loaded.#inputBytes);
    return loaded;
  }

  /** Bytes of one frame. */
  get inputLength(): number {
    return this.#inputBytes.length;
  }

  /**
   * @param frame `inputLength` bytes, planes G, B, R; may be shared memory, it is copied.
   * @param edit changes the copy before the network sees it; what it is given holds this frame until the next run.
   * @throws AppError `ERR_INFERENCE_FAILED`
   */
  run(frame: Uint8Array, edit?: (input: Uint8Array) => void): Promise<Record<string, OutputTensor>> {
    return this.runFilled((input) => {
      assert(frame.length === input.length, `expected a frame of ${input.length} bytes, got ${frame.length}`);
      if (frame !== input) input.set(frame);
      edit?.(input);
    });
  }

  /**
   * @param fill writes all of the input.
   * @throws AppError `ERR_INFERENCE_FAILED`
   */
  async runFilled(fill: (input: Uint8Array) => void): Promise<Record<string, OutputTensor>> {
    fill(this.#inputBytes);
    try {
      return (await this.#session.run({ [this.#inputName]: this.#input })) as unknown as Record<string, OutputTensor>;
    } catch (error) {
      throw new AppError('ERR_INFERENCE_FAILED', `onnxruntime: ${(error as Error).message}`, { cause: error });
    }
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
