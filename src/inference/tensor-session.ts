import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { AppError } from '../core/errors.js';
import { createSession } from './create-session.js';
import type { OutputTensor } from './session.js';
import type { SessionTuning } from './session-tuning.js';

/** What goes into a graph, row-major. Not shared memory, which the runtime refuses. */
export interface InputTensor {
  readonly data: Float32Array | Uint8Array | BigInt64Array;
  readonly dims: readonly number[];
}

export interface TensorSessionOptions {
  readonly modelPath: string;
  /** Threads within one inference. */
  readonly threads: number;
  /** As in every stream where absent. */
  readonly tuning?: SessionTuning | undefined;
}

/** Names of what a graph takes and gives. */
export interface GraphInterface {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Inputs that it may take, too. */
  readonly optional?: readonly string[];
}

/**
 * A loaded graph with any named inputs and float outputs, for networks of several parts. Inputs aren't copied; outputs can be given to another
 * session as they are. `run` blocks the calling thread, as that of `Session` does.
 */
export class TensorSession {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** @throws AppError `ERR_MODEL_CORRUPT` where the runtime can't load the file, or the graph hasn't these inputs and outputs. */
  static async load({ modelPath, threads, tuning = {} }: TensorSessionOptions, expected: GraphInterface): Promise<TensorSession> {
    const session = await createSession({ modelPath }, threads, tuning);
    const fault = interfaceFault(session, expected);
    if (fault === undefined) return new TensorSession(session);
    await session.release();
    throw new AppError('ERR_MODEL_CORRUPT', `${modelPath}: expected a graph from ${expected.inputs.join(', ')} to ${expected.outputs.join(', ')} but found one ${fault}`, { fix: 'Export the model anew.' });
  }

  takes(input: string): boolean {
    return this.#session.inputNames.includes(input);
  }

  /**
   * @param fetches names of the outputs that are wanted.
   * @throws AppError `ERR_INFERENCE_FAILED`
   */
  async run<Name extends string>(feeds: Readonly<Record<string, InputTensor>>, fetches: readonly Name[]): Promise<Record<Name, OutputTensor>> {
    try {
      const tensors = Object.entries(feeds).map(([name, { data, dims }]) => [name, toTensor(data, [...dims])] as const);
      return (await this.#session.run(Object.fromEntries(tensors), [...fetches])) as unknown as Record<Name, OutputTensor>;
    } catch (error) {
      throw new AppError('ERR_INFERENCE_FAILED', `onnxruntime: ${(error as Error).message}`, { cause: error });
    }
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function interfaceFault({ inputNames, outputNames }: InferenceSession, { inputs, outputs, optional = [] }: GraphInterface): string | undefined {
  const missing = [...inputs.filter((name) => !inputNames.includes(name)), ...outputs.filter((name) => !outputNames.includes(name))];
  const unknown = inputNames.filter((name) => !inputs.includes(name) && !optional.includes(name));
  const found = [missing.length > 0 ? `without ${missing.join(', ')}` : '', unknown.length > 0 ? `with ${unknown.join(', ')}` : ''].filter(Boolean);
  return found.length === 0 ? undefined : found.join(' and ');
}

function toTensor(data: InputTensor['data'], dims: readonly number[]): Tensor {
  if (data instanceof BigInt64Array) return new Tensor('int64', data, dims);
  return data instanceof Uint8Array ? new Tensor('uint8', data, dims) : new Tensor('float32', data, dims);
}
