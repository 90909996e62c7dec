import { resolve } from 'node:path';
import { defer, map, type Observable } from 'rxjs';
import type { Frame, FrameFormat } from '../core/frame.js';
import type { FramePool } from '../core/frame-pool.js';
import type { Delivery, Source, SourceDropReason } from '../core/source.js';
import { FrameBuilder } from './frame-builder.js';
import { probeVideo, type VideoProbe } from './probe.js';
import { SourceEvents } from './source-events.js';
import { containerCapture, videoFileFrames } from './video-file.js';

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
    this.frames$ = defer(() => this.#play());
  }

  get events$(): Source['events$'] {
    return this.#events.events$;
  }

  #play(): Observable<Frame> {
    const { name, format } = this.#options;
    const builder = new FrameBuilder(name, format);
    const onDropped = (reason: SourceDropReason, count: number): void => {
      builder.skip(count);
      this.onDropped(reason, count);
    };
    return videoFileFrames({ ...this.#options, delivery: this.delivery, onDropped }, this.#probe).pipe(
      map((decoded) => builder.build(decoded, containerCapture(this.#probe, decoded.ptsUs))),
      this.#events.follow(this.location, () => `${builder.nextSequence} frames`),
    );
  }
}
