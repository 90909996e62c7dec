import { InferenceSession, Tensor } from 'onnxruntime-node';
import { AppError } from '../core/errors.js';
import { type GraphOptimization, tuningOptions } from './session-tuning.js';

export type { GraphOptimization } from './session-tuning.js';

export interface OfflineSessionOptions {
  /** Threads within one inference, default 2. */
  readonly threads?: number;
  /** Default `all`, as in a stream. */
  readonly optimization?: GraphOptimization;
}

/** A tensor of any element type, row-major. */
export interface AnyTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | Uint8Array | Int8Array | Int32Array | BigInt64Array | Uint16Array | Float64Array;
}

/**
 * A model that is studied, not streamed: loaded from bytes, with any inputs and outputs. `run` blocks its thread as all inference
 * does, which commands that wait for nothing else can afford.
 */
export class OfflineSession {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** @throws AppError ERR_MODEL_CORRUPT where onnxruntime can't load it. */
  static async create(model: Uint8Array, { threads = 2, optimization = 'all' }: OfflineSessionOptions = {}): Promise<OfflineSession> {
    try {
      const session = await InferenceSession.create(model, {
        executionProviders: ['cpu'],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        logSeverityLevel: 3,
        ...tuningOptions({ optimization }),
      });
      return new OfflineSession(session);
    } catch (cause) {
      throw new AppError('ERR_MODEL_CORRUPT', `onnxruntime can't load the model: ${(cause as Error).message}`, { cause });
    }
  }

  get inputNames(): readonly string[] {
    return this.#session.inputNames;
  }

  get outputNames(): readonly string[] {
    return this.#session.outputNames;
  }

  /** @param feeds by input name. @throws AppError ERR_INFERENCE_FAILED */
  async run(feeds: Readonly<Record<string, AnyTensor>>): Promise<Readonly<Record<string, AnyTensor>>> {
    try {
      const tensors = Object.entries(feeds).map(([name, { type, data, dims }]) => [name, new Tensor(type as 'float32', data as Float32Array, [...dims])] as const);
      return (await this.#session.run(Object.fromEntries(tensors))) as unknown as Record<string, AnyTensor>;
    } catch (cause) {
      throw new AppError('ERR_INFERENCE_FAILED', `onnxruntime: ${(cause as Error).message}`, { cause });
    }
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
