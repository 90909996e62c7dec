import { join } from 'node:path';
import { Observable, type Subscriber } from 'rxjs';
import { assert } from '../core/assert.js';
import { monotonicMs } from '../core/clock.js';
import { AppError, toAppError } from '../core/errors.js';
import { frameBytes, type FrameFormat, type Size } from '../core/frame.js';
import type { FramePool, PooledBuffer } from '../core/frame-pool.js';
import type { Delivery, SourceDropReason } from '../core/source.js';
import { ffmpegError } from './classify.js';
import { ffmpegArguments, type FfmpegView, knowsSenderTime, viewName } from './ffmpeg-arguments.js';
import { FfmpegSocket } from './ffmpeg-socket.js';
import { type FfmpegChild, type FfmpegExit, findFfmpeg, startFfmpeg } from './ffmpeg.js';
import { NutReader, type NutFrame } from './nut-reader.js';
import { Pacer } from './pacer.js';
import { PrftReader, type ReferenceTime } from './prft-reader.js';
import { createPrivateFolder, removePrivateFolder } from './private-folder.js';
import { redact } from './redact.js';
import { readStderrLine, StderrLog } from './stderr-log.js';

export type { FfmpegView } from './ffmpeg-arguments.js';

/** A picture as ffmpeg delivered it: scaled, padded, planar G, B, R. Whoever receives it frees `buffer` once, or makes a `Frame` of it. */
export interface DecodedFrame {
  readonly buffer: PooledBuffer;
  /** Index into `views`. */
  readonly view: number;
  /** Presentation time of the container or stream, microseconds, never decreasing. */
  readonly ptsUs: number;
  /** Monotonic. */
  readonly firstByteMs: number;
  /** Monotonic. */
  readonly arrivedMs: number;
  /** The picture before scaling, after the view's own filters and any rotation. */
  readonly sourceSize: Size;
}

/** How an ffmpeg ended that was not stopped by us. */
export interface FfmpegEnd {
  /** The last warnings and errors, redacted. */
  readonly problems: readonly string[];
  /** True where ffmpeg said that the input ends before its own header or index does. */
  readonly cut: boolean;
}

export interface FfmpegFramesOptions {
  /** An address, or a file as `file:/path`. */
  readonly input: string;
  /** Options before `-i`: demuxer, protocol, loop. */
  readonly inputOptions?: readonly string[];
  /** For messages: the input as people may see it. */
  readonly location: string;
  readonly format: FrameFormat;
  readonly pool: FramePool;
  /** `lossless` pauses ffmpeg while the pool is empty, `live` reads on and drops. */
  readonly delivery: Delivery;
  /** Pictures to make of each decoded one, e.g. the halves of a side-by-side video; the whole picture where absent. */
  readonly views?: readonly FfmpegView[];
  /** Hands frames out at the pace of their presentation times; ffmpeg waits meanwhile. A function decides by ffmpeg's names of the demuxer. */
  readonly paced?: boolean | ((inputFormat: readonly string[]) => boolean);
  /**
   * Asked before a frame is read into a buffer, again after each `retry`; false keeps the frame, and ffmpeg, waiting until `retry` is called.
   * For frames whose order others decide too.
   */
  readonly admit?: (ptsUs: number, view: number, retry: () => void) => boolean;
  /** Threads of the decoder; 1 where absent (most throughput a core), 0 lets ffmpeg choose. */
  readonly decodeThreads?: number;
  /** Hides secrets in ffmpeg's log. */
  readonly redact?: (text: string) => string;
  /** A frame of a view was lost here. */
  readonly onDropped?: (reason: SourceDropReason, count: number, view: number) => void;
  /** Called before `complete`. */
  readonly onEnd?: (end: FfmpegEnd) => void;
  /** Called when the input has been opened, with ffmpeg's names of the demuxer. */
  readonly onOpen?: (inputFormat: readonly string[]) => void;
  /**
   * Asks for the sender's clock (RTP only, ffmpeg 4.4 and newer): called for each packet, once it has been read. Where a sender gives no
   * reports these are ffmpeg's own times: `SenderClock` tells them apart.
   */
  readonly onReferenceTime?: (time: ReferenceTime) => void;
  /** The sender's clock cannot be had for this codec, and ffmpeg gives up: do without `onReferenceTime`. */
  readonly onNoReferenceTime?: () => void;
}

/** ffmpeg logs the picture size before it sends the first frame; a log line may still be on its way through the other pipe. */
const SIZE_TIMEOUT_MS = 3000;
/** The compressed stream passes through it: a keyframe of a big camera in a few reads. */
const SENDER_TIME_READ_BYTES = 65_536;

/**
 * Frames of one run of ffmpeg, straight into pooled buffers.
 *
 * Cold: each subscription starts a process, unsubscribing ends it. Completes when the input is at its end, errors with an `AppError`
 * that says why ffmpeg gave up. Frames before an error are delivered first.
 */
export function ffmpegFrames(options: FfmpegFramesOptions): Observable<DecodedFrame> {
  return new Observable((subscriber) => {
    const run = new FfmpegRun(options, subscriber);
    run.start();
    return () => {
      run.stop();
    };
  });
}

class FfmpegRun {
  readonly #options: FfmpegFramesOptions;
  readonly #subscriber: Subscriber<DecodedFrame>;
  readonly #views: readonly FfmpegView[];
  readonly #payloadBytes: number;
  readonly #log: StderrLog;
  readonly #reader: NutReader;
  readonly #sizes: (Size | undefined)[];
  #child: FfmpegChild | undefined;
  #exit: FfmpegExit | undefined;
  #folder: string | undefined;
  #frames: FfmpegSocket | undefined;
  #senderTimes: FfmpegSocket | undefined;
  #sizeTimer: NodeJS.Timeout | undefined;
  #waitsForSize = false;
  #stopWaitingForBuffer: (() => void) | undefined;
  #reserved: PooledBuffer | undefined;
  #filling: PooledBuffer | undefined;
  #spare: Uint8Array | undefined;
  #pacer: Pacer | undefined;
  #paceTimer: NodeJS.Timeout | undefined;
  #firstByteMs = 0;
  #cut = false;
  #stopped = false;

  constructor(options: FfmpegFramesOptions, subscriber: Subscriber<DecodedFrame>) {
    this.#options = options;
    this.#subscriber = subscriber;
    this.#views = options.views ?? [{}];
    this.#payloadBytes = frameBytes(options.format);
    assert(options.pool.bytesPerBuffer === this.#payloadBytes, `a pool of ${options.pool.bytesPerBuffer} byte buffers for frames of ${this.#payloadBytes}`);
    this.#log = new StderrLog(options.redact ?? redact);
    if (options.paced === true) this.#pacer = new Pacer();
    this.#sizes = this.#views.map(({ sourceSize }) => sourceSize);
    this.#reader = new NutReader({
      streams: (streams) => this.#checkStreams(streams.length),
      frameStarts: (frame) => this.#frameStarts(frame),
      frameEnds: (frame) => this.#frameEnds(frame),
    });
  }

  start(): void {
    try {
      const folder = createPrivateFolder();
      this.#folder = folder;
      const binaries = findFfmpeg();
      const socketPath = join(folder, 'frames');
      const senderTimePath = this.#options.onReferenceTime && knowsSenderTime(binaries) ? join(folder, 'times') : undefined;
      const { input, format, inputOptions = [], decodeThreads = 1 } = this.#options;
      const request = { format, views: this.#views, inputOptions, decodeThreads, socketPath, senderTimePath };
      const child = startFfmpeg({ input, ...ffmpegArguments(request, binaries), onLine: (line) => this.#readLine(line) });
      this.#child = child;
      void child.exited.then((exit) => {
        this.#exit = exit;
        this.#finishWhenDrained();
      });
      this.#frames = this.#connectFrames(socketPath);
      if (senderTimePath) this.#senderTimes = this.#connectSenderTimes(senderTimePath);
    } catch (error) {
      this.#fail(toAppError(error, 'ERR_FFMPEG_FAILED'));
    }
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#sizeTimer);
    clearTimeout(this.#paceTimer);
    this.#stopWaitingForBuffer?.();
    this.#frames?.close();
    this.#senderTimes?.close();
    this.#child?.stop();
    this.#removeFolder();
    this.#reserved?.free();
    this.#filling?.free();
    this.#reserved = undefined;
    this.#filling = undefined;
    this.#spare = undefined;
  }

  #connectFrames(path: string): FfmpegSocket {
    return new FfmpegSocket(path, {
      region: () => this.#reader.region(),
      received: (count) => this.#received(count),
      connected: () => this.#removeFolderWhenConnected(),
      closed: () => this.#finishWhenDrained(),
    });
  }

  #connectSenderTimes(path: string): FfmpegSocket {
    const buffer = new Uint8Array(SENDER_TIME_READ_BYTES);
    const reader = new PrftReader((time) => this.#options.onReferenceTime?.(time));
    return new FfmpegSocket(path, {
      region: () => buffer,
      received: (count) => {
        reader.push(buffer.subarray(0, count));
        return true;
      },
      connected: () => this.#removeFolderWhenConnected(),
      closed: () => undefined,
    });
  }

  /** False pauses the socket and, once the kernel's buffer is full, ffmpeg. */
  #received(count: number): boolean {
    if (this.#stopped) return false;
    try {
      return this.#reader.advance(count) && !this.#isStopped();
    } catch (error) {
      this.#fail(toAppError(error));
      return false;
    }
  }

  #resume(): void {
    if (this.#stopped || !this.#reader.blocked) return;
    try {
      if (this.#reader.resume() && !this.#isStopped()) this.#frames?.resume();
    } catch (error) {
      this.#fail(toAppError(error));
    }
  }

  /** Later, so that whoever calls it has returned. */
  readonly #retry = (): void => queueMicrotask(() => this.#resume());

  #checkStreams(count: number): void {
    if (count === this.#views.length) return;
    throw new AppError('ERR_FFMPEG_FAILED', `Expected ${this.#views.length} video streams from ffmpeg but found ${count}.`);
  }

  #frameStarts({ stream: view, payloadBytes, ptsUs }: NutFrame): Uint8Array | undefined {
    if (payloadBytes !== this.#payloadBytes) {
      throw new AppError('ERR_FFMPEG_FAILED', `Expected frames of ${this.#payloadBytes} bytes from ffmpeg but found one of ${payloadBytes}.`);
    }
    if (this.#stopped) return undefined; // the frame before led to our end
    if (!this.#sizes[view]) {
      this.#waitForSize();
      return undefined;
    }
    if (this.#options.admit?.(ptsUs, view, this.#retry) === false) return undefined;
    // One pace for all views of a picture: the first one waits, the others follow.
    const earlyMs = view === 0 ? (this.#pacer?.delayMs(ptsUs, monotonicMs()) ?? 0) : 0;
    if (earlyMs >= 1) {
      this.#paceTimer = setTimeout(() => this.#resume(), earlyMs);
      return undefined;
    }
    const buffer = this.#reserved ?? this.#options.pool.acquire();
    this.#reserved = undefined;
    if (!buffer && this.#options.delivery === 'lossless') {
      this.#waitForBuffer();
      return undefined;
    }
    this.#firstByteMs = monotonicMs();
    this.#filling = buffer;
    if (buffer) return buffer.bytes;
    this.#spare ??= new Uint8Array(this.#payloadBytes);
    return this.#spare;
  }

  #frameEnds({ stream: view, ptsUs }: NutFrame): void {
    const buffer = this.#filling;
    this.#filling = undefined;
    if (!buffer) {
      this.#options.onDropped?.('pool_exhausted', 1, view);
      return;
    }
    const sourceSize = this.#sizes[view]!;
    this.#subscriber.next({ buffer, view, ptsUs, firstByteMs: this.#firstByteMs, arrivedMs: monotonicMs(), sourceSize });
  }

  #waitForBuffer(): void {
    if (this.#stopWaitingForBuffer) return; // a retry came meanwhile
    this.#stopWaitingForBuffer = this.#options.pool.onceFree(() => {
      this.#stopWaitingForBuffer = undefined;
      // Taken at once, for a freed buffer wakes one waiter only; read later, so that the consumer's release() has returned.
      this.#reserved = this.#options.pool.acquire();
      queueMicrotask(() => this.#resume());
    });
  }

  #waitForSize(): void {
    this.#waitsForSize = true;
    this.#sizeTimer ??= setTimeout(() => {
      this.#fail(new AppError('ERR_FFMPEG_FAILED', `${this.#options.location}: ffmpeg did not log the size of the picture.`));
    }, SIZE_TIMEOUT_MS);
  }

  #readLine(line: string): void {
    this.#log.push(line);
    const fact = readStderrLine(line);
    if (!fact || this.#stopped) return;
    switch (fact.kind) {
      case 'picture_size':
        this.#setSize(fact.instance, fact.size);
        return;
      case 'input_format':
        if (typeof this.#options.paced === 'function' && this.#options.paced(fact.names)) this.#pacer ??= new Pacer();
        this.#options.onOpen?.(fact.names);
        return;
      case 'frame_lost':
        for (const view of this.#views.keys()) this.#options.onDropped?.('corrupt', 1, view);
        return;
      case 'copy_failed':
        this.#options.onNoReferenceTime?.();
        return;
      case 'cut':
        this.#cut = true;
    }
  }

  #setSize(instance: string, size: Size): void {
    const view = this.#views.findIndex((_, index) => viewName(index) === instance);
    if (view < 0) return;
    this.#sizes[view] = size;
    if (!this.#waitsForSize) return;
    this.#waitsForSize = false;
    clearTimeout(this.#sizeTimer);
    this.#sizeTimer = undefined;
    this.#resume();
  }

  /** The end is reached when the process is gone, its log is read and the socket is empty: frames come before their end. */
  #finishWhenDrained(): void {
    if (this.#stopped || !this.#exit || this.#frames?.isOpen === true) return;
    const problems = this.#log.lines;
    const error = this.#endError(this.#exit, problems);
    if (error) {
      this.#fail(error);
      return;
    }
    this.#options.onEnd?.({ problems, cut: this.#cut });
    this.#subscriber.complete();
  }

  #endError({ failure, status, signal }: FfmpegExit, problems: readonly string[]): AppError | undefined {
    if (failure) return failure;
    const { location } = this.#options;
    if (status !== 0) return ffmpegError(problems, location, signal ? `was killed by ${signal}` : `ended with status ${String(status)}`);
    return this.#reader.atBoundary ? undefined : ffmpegError(problems, location, 'stopped in the middle of a frame');
  }

  #fail(error: AppError): void {
    if (!this.#stopped) this.#subscriber.error(error);
  }

  /** A getter in disguise: a frame that was just handed out may have led to our own end. */
  #isStopped(): boolean {
    return this.#stopped;
  }

  #removeFolderWhenConnected(): void {
    if (this.#frames?.isConnected === true && this.#senderTimes?.isConnected !== false) this.#removeFolder();
  }

  #removeFolder(): void {
    if (this.#folder) removePrivateFolder(this.#folder);
    this.#folder = undefined;
  }
}
