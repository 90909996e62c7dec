import { Observable, type Subscriber, type Subscription } from 'rxjs';
import { epochMs, monotonicMs } from '../core/clock.js';
import { AppError, toAppError } from '../core/errors.js';
import type { CaptureTime, Frame, FrameFormat } from '../core/frame.js';
import type { FramePool } from '../core/frame-pool.js';
import type { Delivery, Source, SourceDropReason } from '../core/source.js';
import { ArrivalClock } from './arrival-clock.js';
import { classifyFfmpeg } from './classify.js';
import { type DecodedFrame, type FfmpegEnd, ffmpegFrames, type FfmpegFramesOptions } from './ffmpeg-frames.js';
import { findFfmpeg } from './find-ffmpeg.js';
import { FrameBuilder } from './frame-builder.js';
import { FrozenPicture } from './frozen-picture.js';
import { isUntimed, needsPacing, networkInputOptions, schemeOf, type Transport } from './network-options.js';
import { Backoff, type BackoffOptions } from './reconnect.js';
import { createRedactor, redactUrl } from './redact.js';
import { resolveHost } from './resolve-host.js';
import { SenderClock } from './sender-clock.js';
import { SourceEvents } from './source-events.js';

export interface NetworkSourceOptions {
  readonly name: string;
  /** rtsp(s), http(s) (also HLS), rtmp(s), udp, rtp, srt; may hold user and password. */
  readonly url: string;
  readonly format: FrameFormat;
  readonly pool: FramePool;
  /** RTSP only; `tcp` where absent. */
  readonly transport?: Transport;
  /** A connection that gives no frame for so long is stalled, and is made anew. 5000 where absent. */
  readonly stallTimeoutMs?: number;
  /** The same picture for so long is frozen. 10000 where absent; Infinity never looks. */
  readonly frozenTimeoutMs?: number;
  /** A connection attempt without a first frame for so long is given up. 15000 where absent. */
  readonly connectTimeoutMs?: number;
  readonly backoff?: BackoffOptions;
  /** For a recording on an HTTP server: read once, every frame of it, errors are errors. */
  readonly lossless?: boolean;
  /** Threads of the decoder; 1 where absent (several add a frame of latency each), 0 lets ffmpeg choose. */
  readonly decodeThreads?: number;
}

const DEFAULTS = { transport: 'tcp', stallTimeoutMs: 5000, frozenTimeoutMs: 10_000, connectTimeoutMs: 15_000, lossless: false } as const;
/** ffmpeg's own time limit lies beyond ours: it only has to end a child whose parent is gone. */
const IO_TIMEOUT_MARGIN_MS = 5000;

/**
 * A stream on the network. Live: it connects for ever, from the very first attempt, and tells in `events$` what went wrong.
 *
 * @throws AppError ERR_CONFIG_INVALID where `url` isn't the address of a stream.
 */
export function createNetworkSource(options: NetworkSourceOptions): Source {
  return new NetworkSource(options);
}

type Settings = Required<Omit<NetworkSourceOptions, 'decodeThreads' | 'backoff'>> & Pick<NetworkSourceOptions, 'decodeThreads' | 'backoff'>;

class NetworkSource implements Source {
  readonly kind: string;
  readonly name: string;
  readonly location: string;
  readonly delivery: Delivery;
  readonly frames$: Observable<Frame>;
  onDropped: (reason: SourceDropReason, count: number) => void = () => undefined;
  readonly #events = new SourceEvents();

  constructor(options: NetworkSourceOptions) {
    const scheme = schemeOf(options.url);
    const settings: Settings = { ...DEFAULTS, ...options };
    this.kind = scheme.startsWith('rtsp') ? 'rtsp' : scheme.startsWith('http') ? 'http' : scheme;
    this.name = options.name;
    this.location = redactUrl(options.url);
    this.delivery = settings.lossless ? 'lossless' : 'live';
    this.frames$ = new Observable((subscriber) => {
      const run = new NetworkRun(settings, this.location, this.#events, subscriber, (reason, count) => this.onDropped(reason, count));
      run.connect();
      return () => {
        run.stop();
      };
    });
  }

  get events$(): Source['events$'] {
    return this.#events.events$;
  }
}

/** One subscription: connections one after the other. */
class NetworkRun {
  readonly #settings: Settings;
  readonly #location: string;
  readonly #events: SourceEvents;
  readonly #subscriber: Subscriber<Frame>;
  readonly #builder: FrameBuilder;
  readonly #backoff: Backoff;
  readonly #onDropped: Source['onDropped'];
  #connection: Connection | undefined;
  /** Until it turns out that this camera's codec doesn't allow it. */
  #wantsSenderTime: boolean;
  #retryTimer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(settings: Settings, location: string, events: SourceEvents, subscriber: Subscriber<Frame>, onDropped: Source['onDropped']) {
    this.#settings = settings;
    this.#location = location;
    this.#events = events;
    this.#subscriber = subscriber;
    this.#onDropped = onDropped;
    this.#builder = new FrameBuilder(settings.name, settings.format);
    this.#backoff = new Backoff(settings.backoff);
    this.#wantsSenderTime = !settings.lossless && schemeOf(settings.url).startsWith('rtsp');
  }

  connect(): void {
    this.#events.emit('connecting', `connecting to ${this.#location}`);
    this.#connection = new Connection(this.#settings, this.#location, this.#wantsSenderTime, {
      frame: (decoded, capture) => this.#pass(decoded, capture),
      frozen: (frozen) => this.#tellFrozen(frozen),
      dropped: (reason, count) => {
        this.#builder.skip(count);
        this.#onDropped(reason, count);
      },
      noSenderTime: () => (this.#wantsSenderTime = false),
      ended: (error, framesForMs) => this.#ended(error, framesForMs),
    });
    void this.#connection.open();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    this.#connection?.close();
  }

  #pass(decoded: DecodedFrame, capture: CaptureTime): void {
    if (this.#events.state !== 'running' && this.#events.state !== 'frozen') this.#events.emit('running', `receiving from ${this.#location}`);
    this.#subscriber.next(this.#builder.build(decoded, capture));
  }

  #tellFrozen(frozen: boolean): void {
    if (frozen) {
      const message = `${this.#location}: the same picture for ${this.#settings.frozenTimeoutMs} ms`;
      this.#events.emit('frozen', message, { code: 'ERR_SOURCE_FROZEN' });
    } else {
      this.#events.emit('running', `${this.#location}: the picture changes again`);
    }
  }

  /** @param error undefined where the stream ended in good order. */
  #ended(error: AppError | undefined, framesForMs: number): void {
    if (this.#stopped) return;
    const triedSenderTime = this.#connection?.wantsSenderTime === true;
    this.#connection = undefined;
    if (triedSenderTime && !this.#wantsSenderTime) {
      this.connect(); // our own wish made it fail: again without, and nobody need know
      return;
    }
    if (this.#settings.lossless) {
      this.#endForGood(error);
      return;
    }
    const reason = error ?? new AppError('ERR_SOURCE_ENDED', `${this.#location}: the stream ended.`);
    if (reason.code === 'ERR_SOURCE_STALLED') this.#events.emit('stalled', reason.message, { code: reason.code });
    const retry = this.#backoff.next(framesForMs);
    this.#events.emit('reconnecting', `${reason.message} Trying again in ${retry.retryInMs} ms.`, { code: reason.code, ...retry });
    this.#retryTimer = setTimeout(() => this.connect(), retry.retryInMs);
  }

  #endForGood(error: AppError | undefined): void {
    if (error) {
      this.#events.emit('failed', error.message, { code: error.code });
      this.#subscriber.error(error);
    } else {
      this.#events.emit('ended', `${this.#location} was read to its end`);
      this.#subscriber.complete();
    }
  }
}

interface ConnectionHandlers {
  frame(decoded: DecodedFrame, capture: CaptureTime): void;
  frozen(frozen: boolean): void;
  noSenderTime(): void;
  dropped(reason: SourceDropReason, count: number): void;
  /** Called once, when nothing more comes: the process is being stopped or has ended. */
  ended(error: AppError | undefined, framesForMs: number): void;
}

/** One connection: an ffmpeg, and watches over its frames. */
class Connection {
  readonly wantsSenderTime: boolean;
  readonly #settings: Settings;
  readonly #location: string;
  readonly #handlers: ConnectionHandlers;
  readonly #arrivalClock = new ArrivalClock();
  readonly #senderClock = new SenderClock();
  readonly #frozenPicture: FrozenPicture;
  #frames: Subscription | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #end: FfmpegEnd | undefined;
  #untimed = false;
  #frozen = false;
  #firstFrameMs: number | undefined;
  #lastFrameMs: number;
  #closed = false;

  constructor(settings: Settings, location: string, wantsSenderTime: boolean, handlers: ConnectionHandlers) {
    this.wantsSenderTime = wantsSenderTime;
    this.#settings = settings;
    this.#location = location;
    this.#handlers = handlers;
    this.#frozenPicture = new FrozenPicture(settings.frozenTimeoutMs);
    this.#lastFrameMs = monotonicMs();
  }

  async open(): Promise<void> {
    try {
      const binaries = findFfmpeg();
      const { url, inputOptions } = await resolveHost(this.#settings.url, this.#location, binaries);
      if (this.#closed) return;
      this.#start(url, inputOptions);
    } catch (error) {
      this.#finish(toAppError(error));
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#watchdog);
    this.#frames?.unsubscribe();
  }

  #start(url: string, ownInputOptions: readonly string[]): void {
    const { format, pool, transport, stallTimeoutMs, connectTimeoutMs, lossless, decodeThreads } = this.#settings;
    const ioTimeoutMs = Math.max(stallTimeoutMs, connectTimeoutMs) + IO_TIMEOUT_MARGIN_MS;
    const scheme = schemeOf(url);
    const frames$ = ffmpegFrames({
      input: url,
      inputOptions: [...networkInputOptions({ url, transport, ioTimeoutMs }, findFfmpeg()), ...ownInputOptions],
      location: this.#location,
      format,
      pool,
      delivery: lossless ? 'lossless' : 'live',
      paced: (inputFormat) => !lossless && needsPacing(scheme, inputFormat),
      ...(decodeThreads === undefined ? {} : { decodeThreads }),
      redact: createRedactor(this.#settings.url),
      onOpen: (inputFormat) => (this.#untimed = isUntimed(inputFormat)),
      ...(this.wantsSenderTime ? this.#senderTime() : {}),
      onDropped: (reason, count) => this.#dropped(reason, count),
      onEnd: (end) => (this.#end = end),
    });
    this.#watch(connectTimeoutMs);
    this.#frames = frames$.subscribe({
      next: (decoded) => this.#received(decoded),
      error: (error: unknown) => this.#finish(toAppError(error)),
      complete: () => this.#finish(this.#endError()),
    });
  }

  #senderTime(): Pick<FfmpegFramesOptions, 'onReferenceTime' | 'onNoReferenceTime'> {
    return {
      onReferenceTime: (time) => this.#senderClock.observe(time, epochMs()),
      onNoReferenceTime: () => this.#handlers.noSenderTime(),
    };
  }

  #received(decoded: DecodedFrame): void {
    this.#seen();
    const timed = this.#untimed ? { ...decoded, ptsUs: Math.round((decoded.firstByteMs - this.#firstFrameMs!) * 1e3) } : decoded;
    const capture = this.#capture(timed);
    const frozen = this.#frozenPicture.observe(decoded.buffer.bytes, decoded.arrivedMs);
    if (frozen !== this.#frozen) {
      this.#frozen = frozen;
      this.#handlers.frozen(frozen);
    }
    if (this.#isClosed()) {
      decoded.buffer.free(); // the event made somebody leave
      return;
    }
    this.#handlers.frame(timed, capture);
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  #capture({ ptsUs, firstByteMs }: DecodedFrame): CaptureTime {
    // A recording that is read at full speed: its arrival says nothing.
    if (this.#settings.lossless) return { clock: 'container_pts', epochMs: undefined, uncertaintyMs: undefined };
    const arrivedEpochMs = epochMs() - (monotonicMs() - firstByteMs);
    const capture = this.#arrivalClock.observe(ptsUs, arrivedEpochMs);
    if (this.#untimed) return { ...capture, clock: 'host' };
    return this.#senderClock.captureOf(ptsUs, arrivedEpochMs) ?? capture;
  }

  /** A frame for which the pool had no buffer has come all the same. */
  #dropped(reason: SourceDropReason, count: number): void {
    if (reason === 'pool_exhausted') this.#seen();
    this.#handlers.dropped(reason, count);
  }

  #seen(): void {
    this.#lastFrameMs = monotonicMs();
    if (this.#firstFrameMs !== undefined) return;
    this.#firstFrameMs = this.#lastFrameMs;
    if (this.#settings.lossless) clearTimeout(this.#watchdog); // from here on it is we who may be slow
    else this.#watch(this.#settings.stallTimeoutMs);
  }

  /** One timer, put off lazily: it looks when the last frame came, and sleeps for what is left. */
  #watch(limitMs: number): void {
    clearTimeout(this.#watchdog);
    const leftMs = this.#lastFrameMs + limitMs - monotonicMs();
    if (leftMs > 0) {
      this.#watchdog = setTimeout(() => this.#watch(limitMs), Math.ceil(leftMs));
      return;
    }
    this.#finish(this.#silence(limitMs));
  }

  #silence(limitMs: number): AppError {
    if (this.#firstFrameMs !== undefined) return new AppError('ERR_SOURCE_STALLED', `${this.#location}: connected, but no frame for ${limitMs} ms.`);
    return new AppError('ERR_SOURCE_TIMEOUT', `${this.#location}: no picture within ${limitMs} ms.`, {
      fix: 'Check the address and the network; where UDP is filtered use transport tcp.',
    });
  }

  /** ffmpeg ends in good order also where a connection broke; its log tells them apart. */
  #endError(): AppError | undefined {
    if (this.#end?.cut) return new AppError('ERR_SOURCE_TRUNCATED', `${this.#location}: the recording is cut: it ends before its own header says.`);
    return this.#settings.lossless ? undefined : classifyFfmpeg(this.#end?.problems ?? [], this.#location);
  }

  #finish(error: AppError | undefined): void {
    if (this.#closed) return;
    this.close();
    const framesForMs = this.#firstFrameMs === undefined ? 0 : this.#lastFrameMs - this.#firstFrameMs;
    this.#handlers.ended(error, framesForMs);
  }
}
