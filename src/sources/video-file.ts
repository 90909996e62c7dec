import { resolve } from 'node:path';
import { concat, defer, ignoreElements, type Observable, tap } from 'rxjs';
import { AppError } from '../core/errors.js';
import type { CaptureTime, FrameFormat } from '../core/frame.js';
import type { FramePool } from '../core/frame-pool.js';
import type { Delivery, SourceDropReason } from '../core/source.js';
import { isCutShort } from './container-length.js';
import { type DecodedFrame, type FfmpegEnd, ffmpegFrames, type FfmpegView } from './ffmpeg-frames.js';
import type { VideoProbe } from './probe.js';

export interface VideoFileOptions {
  readonly path: string;
  readonly format: FrameFormat;
  readonly pool: FramePool;
  readonly delivery: Delivery;
  /** Pictures to make of each; the whole where absent. */
  readonly views?: readonly FfmpegView[];
  readonly realtime?: boolean | undefined;
  readonly loop?: boolean | undefined;
  readonly decodeThreads?: number | undefined;
  readonly onDropped: (reason: SourceDropReason, count: number, view: number) => void;
}

/** Recorders write the second in which they began, or ended. */
const CREATION_TIME_UNCERTAINTY_MS = 1000;

/**
 * The pictures of a video file from its first to its last. Errors with ERR_SOURCE_TRUNCATED after the last where the file is cut, with
 * ERR_SOURCE_FORMAT where there was none, or as `ffmpegFrames`.
 */
export function videoFileFrames(options: VideoFileOptions, probe: VideoProbe): Observable<DecodedFrame> {
  const { path, format, pool, delivery, views, realtime, loop, decodeThreads, onDropped } = options;
  return defer(() => {
    let pictures = 0;
    let end: FfmpegEnd | undefined;
    const count = (view: number, times: number): void => {
      if (view === 0) pictures += times;
    };
    const frames$ = ffmpegFrames({
      input: `file:${resolve(path)}`,
      inputOptions: loop ? ['-stream_loop', '-1'] : [],
      location: path,
      format,
      pool,
      delivery,
      paced: realtime ?? false,
      ...(views === undefined ? {} : { views }),
      ...(decodeThreads === undefined ? {} : { decodeThreads }),
      onDropped: (reason, lost, view) => {
        count(view, lost);
        onDropped(reason, lost, view);
      },
      onEnd: (how) => (end = how),
    }).pipe(tap(({ view }) => count(view, 1)));
    const end$ = defer(() => checkComplete(path, probe, pictures, end)).pipe(ignoreElements());
    return concat(frames$, end$);
  });
}

/** When a frame was taken, as far as the file says when it was recorded. */
export function containerCapture({ createdEpochMs }: VideoProbe, ptsUs: number): CaptureTime {
  if (createdEpochMs === undefined) return { clock: 'container_pts', epochMs: undefined, uncertaintyMs: undefined };
  return { clock: 'container_pts', epochMs: createdEpochMs + ptsUs / 1e3, uncertaintyMs: CREATION_TIME_UNCERTAINTY_MS };
}

async function checkComplete(path: string, { frameCount }: VideoProbe, pictures: number, end: FfmpegEnd | undefined): Promise<void> {
  // A damaged end matters only where frames are missing: an index cut off behind the last frame takes nothing away.
  if (frameCount !== undefined && pictures >= frameCount) return;
  if (end?.cut === true || (await isCutShort(path))) {
    const expected = frameCount === undefined ? '' : ` of ${frameCount}`;
    throw new AppError('ERR_SOURCE_TRUNCATED', `${path} is cut: it ends after ${pictures}${expected} frames, before its own header says.`, {
      fix: 'Copy or record it again, completely; the frames before the cut were used.',
    });
  }
  if (pictures === 0) throw new AppError('ERR_SOURCE_FORMAT', `Expected a video in ${path} but found no frame in it.`);
}
