import { join } from 'node:path';
import { Observable, type Subscriber, type Subscription } from 'rxjs';
import { monotonicMs } from '../../core/clock.js';
import { type AppError, toAppError } from '../../core/errors.js';
import type { FrameFormat } from '../../core/frame.js';
import type { FramePool } from '../../core/frame-pool.js';
import { type DecodedFrame, ffmpegFrames } from '../ffmpeg-frames.js';
import { Pacer } from '../pacer.js';
import { LinkFolder } from './link-folder.js';
import { isFault, type Orientation, type Picture, type PictureCodec, type PictureFile } from './dataset.js';

/** A decoded picture and its place in the list that was asked for. `decoded.ptsUs` counts within one run of ffmpeg and means nothing. */
export interface PictureFrame {
  readonly index: number;
  readonly decoded: DecodedFrame;
}

export interface PictureFramesOptions {
  readonly pictures: readonly Picture[];
  readonly format: FrameFormat;
  readonly pool: FramePool;
  /** For messages. */
  readonly location: string;
  /** Presentation time of a picture, microseconds, where pictures are to come at that pace. */
  readonly pacedUs?: (index: number) => number;
  /** Called in its place for each picture that can't be decoded. */
  readonly onLost: (index: number, fault: string) => void;
}

/** EXIF orientations as filters. */
const TURNS: Readonly<Record<Orientation, string | undefined>> = {
  1: undefined,
  2: 'hflip',
  3: 'hflip,vflip',
  4: 'vflip',
  5: 'transpose=0',
  6: 'transpose=1',
  7: 'transpose=3',
  8: 'transpose=2',
};

/**
 * A picture with grey where its data ends is no picture: at the first error these decoders give it up. Those of the other formats give
 * up by themselves; TIFF's, told to, refuses any tag that it doesn't know.
 */
const ERROR_DETECTION: Readonly<Record<PictureCodec, string>> = {
  mjpeg: 'crccheck+explode',
  png: 'crccheck+explode',
  bmp: 'crccheck',
  webp: 'crccheck',
  tiff: 'crccheck',
  pgm: 'crccheck',
  ppm: 'crccheck',
};

/** ffmpeg numbers the pictures of a run by whole seconds. */
const PICTURE_US = 1_000_000;
const UNDECODABLE = 'it is cut or damaged: ffmpeg cannot decode it';
/** So many failed starts of ffmpeg in a row aren't the pictures' fault. */
const FAILURES_IN_A_ROW = 8;

/**
 * Decodes a list of pictures of any sizes and formats, in order, none left out but the broken ones.
 *
 * One ffmpeg decodes all pictures of a codec (and orientation): mostly one for the whole list. Each is held back until a picture of
 * its own is next, so that the order is kept and no buffer waits. Cold, as `ffmpegFrames` is.
 */
export function pictureFrames(options: PictureFramesOptions): Observable<PictureFrame> {
  return new Observable((subscriber) => {
    const sequence = new PictureSequence(options, subscriber);
    void sequence.start();
    return () => sequence.stop();
  });
}

/** The pictures that one ffmpeg decodes. */
interface Group {
  readonly codec: PictureCodec;
  readonly orientation: Orientation;
  /** Places in the whole list, rising. */
  readonly members: number[];
  /** Links to its pictures, but for the number at their end. */
  links: string;
  /** How many of its members are settled: delivered or lost. */
  settled: number;
  /** Place among its members of the picture that ffmpeg has ready. */
  ready: number | undefined;
  retry: (() => void) | undefined;
  /** Place of the first member that the present run of ffmpeg reads. */
  begin: number;
  /** Pictures that it delivered, and that it failed to decode. */
  delivered: number;
  undecodable: number;
  failuresInARow: number;
  run: Subscription | undefined;
}

class PictureSequence {
  readonly #options: PictureFramesOptions;
  readonly #subscriber: Subscriber<PictureFrame>;
  readonly #groups: Group[];
  readonly #groupOf: (Group | undefined)[];
  readonly #pacer = new Pacer();
  /** The picture whose turn it is. */
  #next = 0;
  readonly #linked: Promise<LinkFolder>;
  #paceTimer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: PictureFramesOptions, subscriber: Subscriber<PictureFrame>) {
    this.#options = options;
    this.#subscriber = subscriber;
    this.#groups = groupPictures(options.pictures);
    this.#groupOf = new Array<Group | undefined>(options.pictures.length);
    for (const group of this.#groups) for (const index of group.members) this.#groupOf[index] = group;
    this.#linked = this.#link();
  }

  async start(): Promise<void> {
    try {
      await this.#linked;
      for (const group of this.#groups) if (!this.#stopped) this.#run(group);
      this.#advance(); // the list may begin with faults, or hold nothing else
    } catch (error) {
      this.#fail(toAppError(error));
    }
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#paceTimer);
    for (const { run } of this.#groups) run?.unsubscribe();
    void this.#linked.then((folder) => folder.remove()).catch(() => undefined);
  }

  async #link(): Promise<LinkFolder> {
    const folder = await LinkFolder.create();
    for (const [i, group] of this.#groups.entries()) {
      if (this.#stopped) break;
      group.links = join(folder.path, `${i}-`);
      await folder.link(`${i}-`, group.members.map((index) => this.#options.pictures[index]!.path));
    }
    return folder;
  }

  /** Starts ffmpeg at the member `begin`. */
  #run(group: Group): void {
    const { format, pool, location } = this.#options;
    group.delivered = 0;
    group.undecodable = 0;
    const turn = TURNS[group.orientation];
    // The size of each picture is known already, and never waited for.
    const view = { sourceSize: format.size, ...(turn === undefined ? {} : { filters: turn }) };
    group.run = ffmpegFrames({
      input: `${group.links.replaceAll('%', '%%')}%d`,
      inputOptions: [
        // A range of 1: where the first file has gone, the next may not pass for it.
        ...['-f', 'image2', '-framerate', '1', '-start_number', `${group.begin}`, '-start_number_range', '1'],
        ...['-c:v', group.codec, '-autorotate', '0'],
        ...['-err_detect', ERROR_DETECTION[group.codec]],
      ],
      location,
      format,
      pool,
      delivery: 'lossless',
      views: [view],
      admit: (ptsUs, _, retry) => this.#admit(group, ptsUs, retry),
      onDropped: (_, count) => (group.undecodable += count),
    }).subscribe({
      next: (decoded) => this.#deliver(group, decoded),
      error: (error: unknown) => this.#ended(group, toAppError(error)),
      complete: () => this.#ended(group, undefined),
    });
  }

  /** ffmpeg has a picture ready. What it passed over on the way was lost. */
  #admit(group: Group, ptsUs: number, retry: () => void): boolean {
    group.ready = group.begin + Math.round(ptsUs / PICTURE_US);
    // Wakes others only: waking itself would ask again, and again, before anyone could free a buffer.
    group.retry = undefined;
    this.#advance();
    if (this.#stopped) return false;
    if (group.members[group.ready] !== this.#next) {
      group.retry = retry;
      return false;
    }
    const waitMs = this.#waitMs(this.#next);
    if (waitMs >= 1) {
      this.#paceTimer = setTimeout(retry, waitMs);
      return false;
    }
    return true;
  }

  #waitMs(index: number): number {
    const { pacedUs } = this.#options;
    return pacedUs ? this.#pacer.delayMs(pacedUs(index), monotonicMs()) : 0;
  }

  #deliver(group: Group, decoded: DecodedFrame): void {
    const index = this.#next;
    const { size } = this.#options.pictures[index] as PictureFile;
    group.ready = undefined;
    group.settled += 1;
    group.delivered += 1;
    this.#next += 1;
    this.#subscriber.next({ index, decoded: { ...decoded, sourceSize: size } });
    this.#advance();
  }

  /** Passes over what is lost, to the next picture that will come; wakes its ffmpeg. */
  #advance(): void {
    const { pictures, onLost } = this.#options;
    for (; !this.#stopped && this.#next < pictures.length; this.#next += 1) {
      const picture = pictures[this.#next]!;
      const group = this.#groupOf[this.#next];
      if (isFault(picture)) onLost(this.#next, picture.fault);
      else if (group && isLost(group)) {
        group.settled += 1;
        onLost(this.#next, UNDECODABLE);
      } else break;
    }
    if (this.#stopped) return;
    if (this.#next === pictures.length) {
      this.#subscriber.complete();
      return;
    }
    const due = this.#groupOf[this.#next]!;
    const { retry } = due;
    due.retry = undefined;
    retry?.();
  }

  /**
   * A run of ffmpeg is over. Where it saw all pictures, those that didn't come are lost. Otherwise one stopped it (a file that has
   * gone, or become empty): the next run begins there, and a run that can't even begin costs that picture.
   */
  #ended(group: Group, error: AppError | undefined): void {
    if (this.#stopped) return;
    const seen = group.delivered + group.undecodable;
    group.failuresInARow = error && seen === 0 ? group.failuresInARow + 1 : 0;
    if (error && (error.code === 'ERR_FFMPEG_MISSING' || group.failuresInARow >= FAILURES_IN_A_ROW)) {
      this.#subscriber.error(error);
      return;
    }
    group.begin = Math.max(group.settled, group.begin + Math.max(seen, 1));
    this.#advance();
    if (!this.#isStopped() && group.begin < group.members.length) this.#run(group);
  }

  #fail(error: AppError): void {
    if (!this.#stopped) this.#subscriber.error(error);
  }

  /** A getter in disguise: handing out a picture may have led to our own end. */
  #isStopped(): boolean {
    return this.#stopped;
  }
}

/** ffmpeg has gone past the picture whose turn it is. */
function isLost({ settled, begin, ready }: Group): boolean {
  return settled < begin || (ready !== undefined && settled < ready);
}

function groupPictures(pictures: readonly Picture[]): Group[] {
  const groups = new Map<string, Group>();
  for (const [index, picture] of pictures.entries()) {
    if (isFault(picture)) continue;
    const { codec, orientation } = picture;
    const key = `${codec} ${orientation}`;
    const group = groups.get(key);
    if (group) group.members.push(index);
    else groups.set(key, newGroup(codec, orientation, index));
  }
  return [...groups.values()];
}

function newGroup(codec: PictureCodec, orientation: Orientation, first: number): Group {
  const none = { settled: 0, begin: 0, ready: undefined, retry: undefined, delivered: 0, undecodable: 0, failuresInARow: 0, run: undefined };
  return { codec, orientation, members: [first], links: '', ...none };
}
