import { ffmpegError } from './classify.js';
import { startFfmpeg } from './ffmpeg.js';

/** A run of ffmpeg from a file to a file. */
export interface FfmpegTask {
  /** Options before the input. */
  readonly inputOptions: readonly string[];
  readonly input: string;
  readonly options: readonly string[];
  readonly target: string;
}

/**
 * Runs ffmpeg to its end; what the target holds already is overwritten.
 *
 * @param location for messages.
 * @throws AppError ERR_FFMPEG_MISSING, ERR_FFMPEG_FAILED, or what ffmpeg's words tell.
 */
export async function runFfmpeg({ inputOptions, input, options, target }: FfmpegTask, location: string): Promise<void> {
  const lines: string[] = [];
  const logging = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error', '-y'];
  const child = startFfmpeg({ inputOptions: [...logging, ...inputOptions], input, outputs: [{ options, target }], onLine: (line) => lines.push(line) });
  const { status, signal, failure } = await child.exited;
  if (failure) throw failure;
  if (status !== 0) throw ffmpegError(lines, location, signal === undefined ? `status ${status}` : `signal ${signal}`);
}
