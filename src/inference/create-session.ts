import { InferenceSession } from 'onnxruntime-node';
import { AppError } from '../core/errors.js';
import { type SessionTuning, tuningOptions } from './session-tuning.js';

/** A session for streams: on the processor, one graph after the other. @throws AppError `ERR_MODEL_CORRUPT` where the runtime can't load the file */
export async function createSession(modelPath: string, threads: number, tuning: SessionTuning): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(modelPath, {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      enableMemPattern: true,
      logSeverityLevel: 3,
      ...tuningOptions(tuning),
    });
  } catch (error) {
    throw new AppError('ERR_MODEL_CORRUPT', `onnxruntime can't load ${modelPath}: ${(error as Error).message}`, {
      cause: error,
      fix: 'Install the model again (lynceus models remove, then lynceus models add), or export it anew.',
    });
  }
}
