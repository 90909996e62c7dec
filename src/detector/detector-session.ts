import type { Detections } from '../core/detections.js';
import { AppError } from '../core/errors.js';
import type { Size } from '../core/size.js';
import type { ModelManifest } from '../core/manifest.js';
import type { ModelFile } from '../inference/create-session.js';
import { Session } from '../inference/session.js';
import type { SessionTuning } from '../inference/session-tuning.js';
import { createDecoder, type Decoder } from './decoder.js';

/** Which detector a worker runs. The file is that of the prepared model: uint8 input, planes G, B, R. */
export type DetectorModel = ModelFile & {
  readonly manifest: ModelManifest;
  readonly threads: number;
  readonly tuning?: SessionTuning | undefined;
  /** Of the frames that come, where it isn't the model's own: they are scaled to it. */
  readonly frameSize?: Size | undefined;
  /** They are whole pictures, to be fitted into the input. */
  readonly isFrameWhole?: boolean | undefined;
  /** Of an `EmulatedSpeed`: for studies alone. */
  readonly emulatedSpeed?: SharedArrayBuffer | undefined;
};

/** A loaded detector: pictures go into the session, its outputs into the decoder. */
export interface DetectorSession {
  readonly session: Session;
  readonly decoder: Decoder;
}

/** Loads and warms up. @throws AppError `ERR_MODEL_CORRUPT`, `ERR_MODEL_MANIFEST`, `ERR_MODEL_HEAD_UNKNOWN` */
export async function loadDetector({ manifest, threads, tuning, ...model }: DetectorModel): Promise<DetectorSession> {
  const session = await Session.load({ ...fileOf(model), threads, tuning });
  checkInput(manifest, session.inputLength);
  return { session, decoder: createDecoder(manifest) };
}

function fileOf({ modelPath, modelBytes }: ModelFile): ModelFile {
  return modelPath === undefined ? { modelBytes } : { modelPath };
}

/** The arrays of detections, to be sent to another thread without a copy. */
export function memoryOf({ count, xyxy, confidence, classId }: Detections): ArrayBuffer[] {
  // Frames without a finding share one empty result, which stays here.
  return count === 0 ? [] : ([xyxy.buffer, confidence.buffer, classId.buffer] as ArrayBuffer[]);
}

function checkInput({ id, input: { width, height } }: ModelManifest, bytes: number): void {
  if (bytes === width * height * 3) return;
  throw new AppError('ERR_MODEL_MANIFEST', `${id}: the manifest says an input of ${width}x${height}, the prepared model takes ${bytes} bytes`, {
    fix: 'Add the model again: lynceus models remove, then lynceus models add.',
  });
}
