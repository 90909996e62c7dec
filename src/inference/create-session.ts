import { InferenceSession } from 'onnxruntime-node';
import { AppError } from '../core/errors.js';
import { type SessionTuning, tuningOptions } from './session-tuning.js';

/** Where a model is: a file, or the bytes of one (shared memory, too: it is copied for the runtime and let go). */
export type ModelFile = { readonly modelPath: string; readonly modelBytes?: undefined } | { readonly modelPath?: undefined; readonly modelBytes: Uint8Array };

/** For messages. */
export function nameOfFile({ modelPath, modelBytes }: ModelFile): string {
  return modelPath ?? `a model of ${modelBytes.length} bytes`;
}

/** A session for streams: on the processor, one graph after the other. @throws AppError `ERR_MODEL_CORRUPT` where the runtime can't load the file */
export async function createSession(model: ModelFile, threads: number, tuning: SessionTuning): Promise<InferenceSession> {
  try {
    const options: InferenceSession.SessionOptions = {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      enableMemPattern: true,
      logSeverityLevel: 3,
      ...tuningOptions(tuning),
    };
    // The runtime refuses shared memory.
    return await (model.modelPath === undefined ? InferenceSession.create(new Uint8Array(model.modelBytes), options) : InferenceSession.create(model.modelPath, options));
  } catch (error) {
    throw new AppError('ERR_MODEL_CORRUPT', `onnxruntime can't load ${nameOfFile(model)}: ${(error as Error).message}`, {
      cause: error,
      fix: 'Install the model again (lynceus models remove, then lynceus models add), or export it anew.',
    });
  }
}
