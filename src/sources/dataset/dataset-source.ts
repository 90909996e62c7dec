import { concat, defer, EMPTY, map, type Observable, repeat, throwError } from 'rxjs';
import { AppError } from '../../core/errors.js';
import type { CaptureTime, Frame, FrameFormat } from '../../core/frame.js';
import type { FramePool } from '../../core/frame-pool.js';
import type { Source, SourceDropReason } from '../../core/source.js';
import { FrameBuilder } from '../frame-builder.js';
import { SourceEvents } from '../source-events.js';
import type { Dataset, DatasetImage } from './dataset.js';
import { pictureFrames } from './picture-frames.js';
import { readDataset } from './read-dataset.js';

interface DatasetSourceSettings {
  readonly name: string;
  readonly format: FrameFormat;
  readonly pool: FramePool;
  /** Pictures a second, which presentation times are made of; the recording's own where absent, 10 for single pictures. */
  readonly frameRate?: number;
  /** Hands pictures out at the frame rate; as fast as they are taken where absent. */
  readonly realtime?: boolean;
  /** Starts again at the end, for ever; presentation times and sequence numbers go on rising. */
  readonly loop?: boolean;
}

/** A folder, or a dataset that was read from one. */
export type DatasetSourceOptions = DatasetSourceSettings & ({ readonly folder: string; readonly dataset?: never } | { readonly dataset: Dataset; readonly folder?: never });

const DEFAULT_FRAME_RATE_FPS = 10;
/** Presentation times are the pictures' places: when they were taken, nobody says. */
const CAPTURE: CaptureTime = { clock: 'dataset', epochMs: undefined, uncertaintyMs: undefined };

/**
 * The pictures of a dataset, in order. A picture that can't be decoded leaves a gap in the sequence, is counted as `corrupt` and named
 * by an event with ERR_FRAME_CORRUPT.
 *
 * @throws AppError as `readDataset`. Its frames end with ERR_DATASET_EMPTY where no picture could be decoded.
 */
export async function createDatasetSource(options: DatasetSourceOptions): Promise<Source> {
  return new DatasetSource(options, options.dataset ?? (await readDataset(options.folder)));
}

class DatasetSource implements Source {
  readonly kind = 'dataset';
  readonly delivery = 'lossless';
  readonly name: string;
  readonly location: string;
  readonly frameCount: number | undefined;
  readonly frames$: Observable<Frame>;
  onDropped: (reason: SourceDropReason, count: number) => void = () => undefined;
  readonly #events = new SourceEvents();
  readonly #options: DatasetSourceOptions;
  readonly #dataset: Dataset;
  readonly #frameRateFps: number;
  /** Pictures of this run that were left out. */
  #lost = 0;

  constructor(options: DatasetSourceOptions, dataset: Dataset) {
    this.#options = options;
    this.#dataset = dataset;
    this.#frameRateFps = options.frameRate ?? dataset.frameRateFps ?? DEFAULT_FRAME_RATE_FPS;
    this.name = options.name;
    this.location = options.folder ?? dataset.folder;
    this.frameCount = options.loop ? undefined : dataset.images.length;
    this.frames$ = defer(() => this.#play());
  }

  get events$(): Source['events$'] {
    return this.#events.events$;
  }

  #play(): Observable<Frame> {
    const builder = new FrameBuilder(this.name, this.#options.format);
    this.#lost = 0;
    const pass$ = defer(() => this.#pass(builder));
    const frames$ = this.#options.loop ? pass$.pipe(repeat()) : pass$;
    return frames$.pipe(this.#events.follow(this.location, () => `${builder.nextSequence} pictures${this.#lost ? ` (${this.#lost} of them broken)` : ''}`));
  }

  /** The pictures once. */
  #pass(builder: FrameBuilder): Observable<Frame> {
    const { images } = this.#dataset;
    const { format, pool, realtime } = this.#options;
    const first = builder.nextSequence;
    const ptsUs = (sequence: number): number => Math.round((sequence * 1e6) / this.#frameRateFps);
    let decodedCount = 0;
    const frames$ = pictureFrames({
      pictures: images.map(({ picture }) => picture),
      format,
      pool,
      location: this.location,
      ...(realtime ? { pacedUs: (index: number) => ptsUs(first + index) } : {}),
      onLost: (index, fault) => this.#lose(images[index]!, fault, builder),
    }).pipe(
      map(({ index, decoded }) => {
        const { id, fileName } = images[index]!;
        decodedCount += 1;
        return builder.build({ ...decoded, ptsUs: ptsUs(first + index) }, CAPTURE, { id, fileName });
      }),
    );
    const end$ = defer(() => (decodedCount > 0 ? EMPTY : throwError(() => this.#nothingDecoded())));
    return concat(frames$, end$);
  }

  #lose({ fileName }: DatasetImage, fault: string, builder: FrameBuilder): void {
    builder.skip(1);
    this.#lost += 1;
    this.onDropped('corrupt', 1);
    this.#events.emit(this.#events.state ?? 'connecting', `${fileName} was left out: ${fault}`, { code: 'ERR_FRAME_CORRUPT' });
  }

  #nothingDecoded(): AppError {
    return new AppError('ERR_DATASET_EMPTY', `Expected pictures in ${this.location} but none of its ${this.#dataset.images.length} files can be decoded.`, {
      fix: 'Copy the pictures again; the events name what is wrong with each.',
    });
  }
}
