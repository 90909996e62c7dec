import { resolve } from 'node:path';
import { Observable, type Subscriber, type Subscription } from 'rxjs';
import { AppError, toAppError } from '../core/errors.js';
import type { CaptureTime, Frame, FrameFormat } from '../core/frame.js';
import type { FramePool } from '../core/frame-pool.js';
import type { Delivery, Source, SourceDropReason } from '../core/source.js';
import { isCutShort } from './container-length.js';
import { type DecodedFrame, type FfmpegEnd, ffmpegFrames } from './ffmpeg-frames.js';
import { FrameBuilder } from './frame-builder.js';
import { probeVideo, type VideoProbe } from './probe.js';
import { SourceEvents } from './source-events.js';

export interface FileSourceOptions {
  readonly name: string;
  readonly path: string;
  readonly format: FrameFormat;
  readonly pool: FramePool;
  /** Hands frames out at the pace of their presentation times; as fast as they are taken where absent. */
  readonly realtime?: boolean;
  /** Starts again at the end, for ever; presentation times go on rising. */
  readonly loop?: boolean;
  /** `lossless` unless told otherwise. `live` drops frames for which the pool has no buffer: a file that plays a camera (with `realtime`). */
  readonly delivery?: Delivery;
  /** Threads of the decoder; 1 where absent, 0 lets ffmpeg choose. */
  readonly decodeThreads?: number;
}

/** Recorders write the second in which they began, or ended. */
const CREATION_TIME_UNCERTAINTY_MS = 1000;

/**
 * A video file.
 *
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_SOURCE_FORMAT, ERR_SOURCE_CODEC, ERR_SOURCE_TRUNCATED where it can't even be opened. A file
 * that is cut later gives its frames and then ERR_SOURCE_TRUNCATED.
 */
export async function createFileSource(options: FileSourceOptions): Promise<Source> {
  return new FileSource(options, await probeVideo(resolve(options.path)));
}

class FileSource implements Source {
  readonly kind = 'file';
  readonly name: string;
  readonly location: string;
  readonly delivery: Delivery;
  readonly frameCount: number | undefined;
  readonly frames$: Observable<Frame>;
  onDropped: (reason: SourceDropReason, count: number) => void = () => undefined;
  readonly #events = new SourceEvents();
  readonly #options: FileSourceOptions;
  readonly #probe: VideoProbe;

  constructor(options: FileSourceOptions, probe: VideoProbe) {
    this.#options = options;
    this.#probe = probe;
    this.name = options.name;
    this.location = options.path;
    this.delivery = options.delivery ?? 'lossless';
    this.frameCount = options.loop ? undefined : probe.frameCount;
    this.frames$ = new Observable((subscriber) => this.#play(subscriber));
  }

  get events$(): Source['events$'] {
    return this.#events.events$;
  }

  #play(subscriber: Subscriber<Frame>): Subscription {
    const { name, path, format, pool, loop, realtime, decodeThreads } = this.#options;
    const builder = new FrameBuilder(name, format);
    let end: FfmpegEnd | undefined;
    this.#events.emit('connecting', `opening ${path}`);
    return ffmpegFrames({
      input: `file:${resolve(path)}`,
      inputOptions: loop ? ['-stream_loop', '-1'] : [],
      location: path,
      format,
      pool,
      delivery: this.delivery,
      paced: realtime ?? false,
      ...(decodeThreads === undefined ? {} : { decodeThreads }),
      onDropped: (reason, count) => {
        builder.skip(count);
        this.onDropped(reason, count);
      },
      onEnd: (how) => (end = how),
    }).subscribe({
      next: (decoded) => {
        if (this.#events.state !== 'running') this.#events.emit('running', `reading ${path}`);
        subscriber.next(builder.build(decoded, this.#capture(decoded)));
      },
      error: (error: unknown) => this.#fail(subscriber, toAppError(error)),
      complete: () => void this.#finish(subscriber, end, builder.nextSequence),
    });
  }

  #capture({ ptsUs }: DecodedFrame): CaptureTime {
    const { createdEpochMs } = this.#probe;
    if (createdEpochMs === undefined) return { clock: 'container_pts', epochMs: undefined, uncertaintyMs: undefined };
    return { clock: 'container_pts', epochMs: createdEpochMs + ptsUs / 1e3, uncertaintyMs: CREATION_TIME_UNCERTAINTY_MS };
  }

  async #finish(subscriber: Subscriber<Frame>, end: FfmpegEnd | undefined, frames: number): Promise<void> {
    try {
      if (await this.#isCut(end, frames)) throw this.#cutError(frames);
      if (frames === 0) throw new AppError('ERR_SOURCE_FORMAT', `Expected a video in ${this.location} but found no frame in it.`);
      this.#events.emit('ended', `all ${frames} frames of ${this.location} were read`);
      subscriber.complete();
    } catch (error) {
      if (!subscriber.closed) this.#fail(subscriber, toAppError(error));
    }
  }

  /** A damaged end matters only where frames are missing: an index cut off behind the last frame takes nothing away. */
  async #isCut(end: FfmpegEnd | undefined, frames: number): Promise<boolean> {
    const { frameCount } = this.#probe;
    if (frameCount !== undefined && frames >= frameCount) return false;
    return end?.cut === true || (await isCutShort(this.location));
  }

  #cutError(frames: number): AppError {
    const expected = this.#probe.frameCount === undefined ? '' : ` of ${this.#probe.frameCount}`;
    return new AppError('ERR_SOURCE_TRUNCATED', `${this.location} is cut: it ends after ${frames}${expected} frames, before its own header says.`, {
      fix: 'Copy or record it again, completely; the frames before the cut were used.',
    });
  }

  #fail(subscriber: Subscriber<Frame>, error: AppError): void {
    this.#events.emit('failed', error.message, { code: error.code });
    subscriber.error(error);
  }
}
