import { concat, defer, EMPTY, map, type Observable, repeat, tap, throwError } from 'rxjs';
import { AppError } from '../../core/errors.js';
import type { CaptureTime, FrameFormat, StereoFrame } from '../../core/frame.js';
import type { FramePool } from '../../core/frame-pool.js';
import type { SourceDropReason } from '../../core/source.js';
import type { StereoSide, StereoSource } from '../../core/stereo-source.js';
import type { Picture } from '../dataset/dataset.js';
import { pictureFrames } from '../dataset/picture-frames.js';
import { FrameBuilder } from '../frame-builder.js';
import { SourceEvents } from '../source-events.js';
import { pairSides, type SidedFrame } from './pair-by-pts.js';
import { readStereoFolder, type StereoFolder } from './read-stereo-folder.js';
import { UnpairedReport } from './unpaired-report.js';

export interface StereoFolderOptions {
  readonly name: string;
  readonly folder: string;
  /** Of each side. */
  readonly format: FrameFormat;
  /** For the frames of both sides. */
  readonly pool: FramePool;
  /** Pairs a second, which presentation times are made of; KITTI's 10 where absent. */
  readonly frameRate?: number;
  readonly realtime?: boolean;
  readonly loop?: boolean;
}

const KITTI_FRAME_RATE_FPS = 10;
const CAPTURE: CaptureTime = { clock: 'dataset', epochMs: undefined, uncertaintyMs: undefined };

/** A picture of one side in the order of decoding: left, right, left, right. */
interface Item {
  readonly pair: number;
  readonly side: StereoSide;
  readonly fileName: string;
  readonly picture: Picture;
}

/**
 * A folder of stereo pictures, in order. One ffmpeg decodes left and right in turn. A picture that is broken, and one whose partner is
 * missing, leave a gap in both sides' sequences.
 *
 * @throws AppError as `readStereoFolder`. Its frames end with ERR_DATASET_EMPTY where no pair could be decoded.
 */
export async function createStereoFolderSource(options: StereoFolderOptions): Promise<StereoSource> {
  return new StereoFolderSource(options, await readStereoFolder(options.folder));
}

class StereoFolderSource implements StereoSource {
  readonly kind = 'stereo-folder';
  readonly delivery = 'lossless';
  readonly name: string;
  readonly location: string;
  readonly frameCount: number | undefined;
  readonly frames$: Observable<StereoFrame>;
  onDropped: (reason: SourceDropReason, count: number, side: StereoSide) => void = () => undefined;
  onUnpaired: (side: StereoSide, count: number) => void = () => undefined;
  onLeftAlone: StereoSource['onLeftAlone'];
  readonly #events = new SourceEvents();
  readonly #options: StereoFolderOptions;
  readonly #pairCount: number;
  readonly #items: readonly Item[];
  readonly #frameRateFps: number;

  constructor(options: StereoFolderOptions, { pairs }: StereoFolder) {
    this.#options = options;
    this.#pairCount = pairs.length;
    this.#items = pairs.flatMap(({ fileName, left, right }, pair) => [
      ...(left ? [{ pair, side: 'left', fileName, picture: left } as const] : []),
      ...(right ? [{ pair, side: 'right', fileName, picture: right } as const] : []),
    ]);
    this.#frameRateFps = options.frameRate ?? KITTI_FRAME_RATE_FPS;
    this.name = options.name;
    this.location = options.folder;
    this.frameCount = options.loop ? undefined : pairs.length;
    this.frames$ = defer(() => this.#play());
  }

  get events$(): StereoSource['events$'] {
    return this.#events.events$;
  }

  #play(): Observable<StereoFrame> {
    let [passes, paired] = [0, 0];
    const report = new UnpairedReport(this.#events);
    const pass$ = defer(() => {
      const [before, first] = [paired, passes * this.#pairCount];
      passes += 1;
      const end$ = defer(() => (paired > before ? EMPTY : throwError(() => this.#nothingPaired())));
      const pairs$ = this.#pass(first, report).pipe(
        tap(() => (paired += 1)),
      );
      return concat(pairs$, end$);
    });
    return (this.#options.loop ? pass$.pipe(repeat()) : pass$).pipe(
      tap({ complete: () => report.flush() }),
      this.#events.follow(this.location, () => `${passes * this.#pairCount} pairs`),
    );
  }

  /** The pictures once; the first pair is the `first` of all passes. */
  #pass(first: number, report: UnpairedReport): Observable<StereoFrame> {
    const { name, format, pool, realtime } = this.#options;
    const builders = { left: new FrameBuilder(`${name}.left`, format), right: new FrameBuilder(`${name}.right`, format) };
    const ptsUs = (pair: number): number => Math.round(((first + pair) * 1e6) / this.#frameRateFps);
    const sided$ = pictureFrames({
      pictures: this.#items.map(({ picture }) => picture),
      format,
      pool,
      location: this.location,
      ...(realtime ? { pacedUs: (index: number) => ptsUs(this.#items[index]!.pair) } : {}),
      onLost: (index, fault) => this.#lose(this.#items[index]!, fault),
    }).pipe(
      map(({ index, decoded }): SidedFrame => {
        const { pair, side, fileName } = this.#items[index]!;
        const builder = builders[side];
        builder.skip(first + pair - builder.nextSequence);
        return { side, frame: builder.build({ ...decoded, ptsUs: ptsUs(pair) }, CAPTURE, { id: pair, fileName }) };
      }),
    );
    const onUnpaired = (side: StereoSide, count: number): void => {
      this.onUnpaired(side, count);
      report.add(side, count);
    };
    return pairSides(sided$, { onUnpaired, onLeftAlone: this.onLeftAlone });
  }

  #lose({ side, fileName }: Item, fault: string): void {
    this.onDropped('corrupt', 1, side);
    this.#events.emit(this.#events.state ?? 'connecting', `${fileName} of the ${side} was left out: ${fault}`, { code: 'ERR_FRAME_CORRUPT' });
  }

  #nothingPaired(): AppError {
    return new AppError('ERR_DATASET_EMPTY', `Expected pairs of pictures in ${this.location} but none of ${this.#pairCount} is whole.`, {
      fix: 'Partners have the same name on both sides; the events name pictures that are broken.',
    });
  }
}
