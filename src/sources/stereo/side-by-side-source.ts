import { resolve } from 'node:path';
import { defer, map, type Observable, tap } from 'rxjs';
import type { FrameFormat, StereoFrame } from '../../core/frame.js';
import type { FramePool } from '../../core/frame-pool.js';
import type { SourceDropReason } from '../../core/source.js';
import type { StereoSide, StereoSource } from '../../core/stereo-source.js';
import type { FfmpegView } from '../ffmpeg-frames.js';
import { FrameBuilder } from '../frame-builder.js';
import { probeVideo, type VideoProbe } from '../probe.js';
import { SourceEvents } from '../source-events.js';
import { containerCapture, videoFileFrames } from '../video-file.js';
import { pairSides } from './pair-by-pts.js';
import { UnpairedReport } from './unpaired-report.js';

/** Where the picture of the left camera lies, and that of the right one. */
export type SideBySideLayout = 'left-right' | 'right-left' | 'top-bottom' | 'bottom-top';

export interface SideBySideOptions {
  readonly name: string;
  /** A video whose every picture holds both views. */
  readonly path: string;
  /** Of each view. */
  readonly format: FrameFormat;
  /** For the frames of both views. */
  readonly pool: FramePool;
  /** `left-right` where absent. */
  readonly layout?: SideBySideLayout;
  /** As of a video file. */
  readonly realtime?: boolean;
  readonly loop?: boolean;
  readonly decodeThreads?: number;
}

/** Halves of the picture; of an odd one the middle row or column belongs to neither. `exact` lets a half begin between two samples of colour. */
const HALVES = {
  left: 'crop=w=floor(iw/2):h=ih:x=0:y=0:exact=1',
  right: 'crop=w=floor(iw/2):h=ih:x=iw-ow:y=0:exact=1',
  top: 'crop=w=iw:h=floor(ih/2):x=0:y=0:exact=1',
  bottom: 'crop=w=iw:h=floor(ih/2):x=0:y=ih-oh:exact=1',
} as const;

const VIEWS: Readonly<Record<SideBySideLayout, readonly [left: FfmpegView, right: FfmpegView]>> = {
  'left-right': [{ filters: HALVES.left }, { filters: HALVES.right }],
  'right-left': [{ filters: HALVES.right }, { filters: HALVES.left }],
  'top-bottom': [{ filters: HALVES.top }, { filters: HALVES.bottom }],
  'bottom-top': [{ filters: HALVES.bottom }, { filters: HALVES.top }],
};
const SIDES: readonly StereoSide[] = ['left', 'right'];

/**
 * A video that shows both cameras side by side. It is decoded once, by one ffmpeg, which cuts each picture in two (no copy) and scales
 * the halves.
 *
 * @throws AppError as `createFileSource`.
 */
export async function createSideBySideSource(options: SideBySideOptions): Promise<StereoSource> {
  return new SideBySideSource(options, await probeVideo(resolve(options.path)));
}

class SideBySideSource implements StereoSource {
  readonly kind = 'side-by-side';
  readonly delivery = 'lossless';
  readonly name: string;
  readonly location: string;
  readonly frameCount: number | undefined;
  readonly frames$: Observable<StereoFrame>;
  onDropped: (reason: SourceDropReason, count: number, side: StereoSide) => void = () => undefined;
  onUnpaired: (side: StereoSide, count: number) => void = () => undefined;
  onLeftAlone: StereoSource['onLeftAlone'];
  readonly #events = new SourceEvents();
  readonly #options: SideBySideOptions;
  readonly #probe: VideoProbe;

  constructor(options: SideBySideOptions, probe: VideoProbe) {
    this.#options = options;
    this.#probe = probe;
    this.name = options.name;
    this.location = options.path;
    this.frameCount = options.loop ? undefined : probe.frameCount;
    this.frames$ = defer(() => this.#play());
  }

  get events$(): StereoSource['events$'] {
    return this.#events.events$;
  }

  #play(): Observable<StereoFrame> {
    const { name, format, layout = 'left-right' } = this.#options;
    const builders = SIDES.map((side) => new FrameBuilder(`${name}.${side}`, format));
    const report = new UnpairedReport(this.#events);
    const onDropped = (reason: SourceDropReason, count: number, view: number): void => {
      builders[view]!.skip(count);
      this.onDropped(reason, count, SIDES[view]!);
    };
    const onUnpaired = (side: StereoSide, count: number): void => {
      this.onUnpaired(side, count);
      report.add(side, count);
    };
    const sided$ = videoFileFrames({ ...this.#options, views: VIEWS[layout], delivery: this.delivery, onDropped }, this.#probe).pipe(
      map((decoded) => ({ side: SIDES[decoded.view]!, frame: builders[decoded.view]!.build(decoded, containerCapture(this.#probe, decoded.ptsUs)) })),
    );
    return pairSides(sided$, { onUnpaired, onLeftAlone: this.onLeftAlone }).pipe(
      tap({ complete: () => report.flush() }),
      this.#events.follow(this.location, () => `${builders[0]!.nextSequence} frames`),
    );
  }
}
