import type { Subscription } from 'rxjs';
import type { SourceDefinition, StreamDefinition } from '../../config/stream-definition.js';
import { monotonicMs } from '../../core/clock.js';
import { AppError } from '../../core/errors.js';
import type { FrameFormat } from '../../core/frame.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';
import type { Source, SourceEvent } from '../../core/source.js';
import { redactUrl } from '../../sources/redact.js';
import { anyPictures, pictures, spreadPictures } from '../picture-sets.js';
import { createSource } from '../sources.js';

/** A camera that gives no first picture for so long is given up. */
const FIRST_PICTURE_MS = 30_000;

export interface CalibrationPicturesOptions {
  /** Pictures at most. */
  readonly limit: number;
  /** How long a camera is watched. */
  readonly durationMs: number;
}

/**
 * Ordinary pictures of a stream's source, from all over it: of a dataset and a video evenly spread, of a camera over a time.
 *
 * @throws AppError where a file or folder can't be read; while they are read, ERR_SOURCE_TIMEOUT of a camera that gives none.
 */
export async function calibrationPictures(definition: StreamDefinition, { limit, durationMs }: CalibrationPicturesOptions): Promise<PictureSet> {
  const { source } = definition;
  if (source.kind === 'dataset') return anyPictures(source.path, limit);
  if (source.kind === 'file') return spreadPictures(await anyPictures(source.path), limit);
  if (source.kind === 'stereo') throw new AppError('ERR_USAGE', `${definition.name} is a stereo stream: a guard's profile is made of one camera's pictures`, { fix: 'Name the left camera.' });
  return new CameraPictures(definition, source, limit, durationMs);
}

/** Records when it is first read, and gives the same pictures again and again: a camera shows everything only once. */
class CameraPictures implements PictureSet {
  readonly description: string;
  readonly count: number;
  readonly #definition: StreamDefinition;
  readonly #durationMs: number;
  #recorded: { readonly format: FrameFormat; readonly pictures: readonly FittedPicture[] } | undefined;

  constructor(definition: StreamDefinition, { url }: Extract<SourceDefinition, { url: string }>, limit: number, durationMs: number) {
    this.#definition = definition;
    this.#durationMs = durationMs;
    this.count = limit;
    this.description = `${redactUrl(url)}, ${limit} pictures at most over ${Math.round(durationMs / 1000)} s`;
  }

  async *read(format: FrameFormat): AsyncIterable<FittedPicture> {
    if (this.#recorded && JSON.stringify(this.#recorded.format) === JSON.stringify(format)) {
      yield* this.#recorded.pictures;
      return;
    }
    const recorded: FittedPicture[] = [];
    for await (const picture of this.#record(format)) {
      recorded.push(picture);
      yield picture;
    }
    this.#recorded = { format, pictures: recorded };
  }

  async *#record(format: FrameFormat): AsyncIterable<FittedPicture> {
    const ending = new AbortController();
    const camera = new WatchedCamera();
    let timer = setTimeout(() => ending.abort(), FIRST_PICTURE_MS);
    let lastMs: number | undefined;
    let given = 0;
    try {
      for await (const picture of pictures(format, async (pool) => camera.watch(await createSource(this.#definition, { format, pools: [pool] })), Number.POSITIVE_INFINITY, ending.signal)) {
        const nowMs = monotonicMs();
        if (lastMs === undefined) {
          clearTimeout(timer);
          timer = setTimeout(() => ending.abort(), this.#durationMs);
        }
        // Frames that a network held back come all at once: they are neighbours.
        if (lastMs !== undefined && nowMs - lastMs < this.#durationMs / this.count) continue;
        lastMs = nowMs;
        yield picture;
        given += 1;
        if (given >= this.count) return;
      }
    } finally {
      clearTimeout(timer);
      camera.close();
    }
    if (given === 0) throw camera.silence();
  }
}

/** Remembers what a camera last complained about. */
class WatchedCamera {
  #source: Source | undefined;
  #trouble: SourceEvent | undefined;
  #events: Subscription | undefined;

  watch(source: Source): Source {
    this.#source = source;
    this.#events = source.events$.subscribe((event) => {
      if (event.code !== undefined) this.#trouble = event;
    });
    return source;
  }

  close(): void {
    this.#events?.unsubscribe();
  }

  /** Why there was no picture. */
  silence(): AppError {
    const { code = 'ERR_SOURCE_TIMEOUT', message = 'no picture came' } = this.#trouble ?? {};
    return new AppError(code, `${this.#source?.location ?? 'The camera'} gave no picture for ${FIRST_PICTURE_MS / 1000} s: ${message}`, { fix: 'Check the address with lynceus run first.' });
  }
}
