import type { ErrorCode } from '../core/errors.js';
import type {
  ClientMessageInput,
  DroppedMessage,
  ErrorMessage,
  EventMessage,
  OperatingPointMessage,
  FrameField,
  HelloMessage,
  OccupancyMessage,
  PartialFrameMessage,
  PreviewHeader,
  ServerMessage,
  StatsMessage,
  SubscriptionMessage,
} from '../protocol/messages.js';
import type { CLOSE_CODES, Subprotocol } from '../protocol/version.js';
import { FrameQueue } from './frame-queue.js';
import { findWebSocket, type WebSocketConstructor, type WebSocketLike } from './socket.js';

export type * from '../protocol/messages.js';
export { OccupancyDecoder, OccupancyError, type OccupiedVoxels } from './occupancy-decoder.js';
export type { WebSocketConstructor, WebSocketLike } from './socket.js';

// Of the protocol only types come, so that a browser loads a few small files; the compiler checks these values against it.
const SUBPROTOCOL: Subprotocol = 'lynceus.v1.json';
const PROTOCOL_VERSION = 1;
const UNAUTHORIZED: (typeof CLOSE_CODES)['unauthorized'] = 1008;
const BAD_MESSAGES: (typeof CLOSE_CODES)['badMessages'] = 4400;
/** A connection that lasted so long was a good one: the next attempt starts with the shortest wait again. */
const STABLE_MS = 5_000;
const OPEN = 1;

/** How frames are wanted; what is absent takes the protocol's default. */
export interface SubscribeOptions<F extends FrameField = FrameField> {
  /** Names, or `*` for all streams, those to come too. `['*']` where absent. */
  readonly streams?: readonly string[];
  /** Parts of the frame to get; all where absent. */
  readonly fields?: readonly F[];
  /** Frames a second and stream at most. */
  readonly maxRate?: number;
  /** `latest` (default) skips to the newest frame when this client is slow; `all` gets every frame, or is disconnected with 4408. */
  readonly policy?: 'latest' | 'all';
  /** Also get the pictures. */
  readonly preview?: boolean;
  /** Also get occupied space, where the stream knows it (`onOccupancy`). */
  readonly occupancy?: boolean;
}

/** A JPEG picture of the frame `seq`. */
export interface PreviewPicture extends PreviewHeader {
  readonly jpeg: Uint8Array<ArrayBuffer>;
}

/**
 * `connecting` (attempt counts from 1), `open` (greeted and subscribed), `waiting` (for the next attempt), `closed` (for good; `error` says
 * why where it wasn't `close()`).
 */
export type ConnectionState =
  | { readonly state: 'connecting'; readonly attempt: number }
  | { readonly state: 'open'; readonly hello: HelloMessage }
  | { readonly state: 'waiting'; readonly attempt: number; readonly retryInMs: number; readonly code: number; readonly reason: string }
  | { readonly state: 'closed'; readonly error?: ConnectionError };

export interface ConnectOptions<F extends FrameField = FrameField> extends SubscribeOptions<F> {
  readonly token?: string;
  readonly onFrame?: (frame: PartialFrameMessage<F>) => void;
  readonly onEvent?: (event: EventMessage) => void;
  /** Occupied space of a stream of two cameras, where `occupancy` asks for it; an `OccupancyDecoder` for each stream reads it. */
  readonly onOccupancy?: (message: OccupancyMessage) => void;
  /** The governor of a stream moved. */
  readonly onOperatingPoint?: (move: OperatingPointMessage) => void;
  readonly onStats?: (stats: StatsMessage) => void;
  readonly onDropped?: (dropped: DroppedMessage) => void;
  readonly onPreview?: (picture: PreviewPicture) => void;
  readonly onSubscribed?: (subscriptions: readonly SubscriptionMessage[]) => void;
  /** The server could not follow a message; the connection stays. */
  readonly onError?: (error: ErrorMessage) => void;
  readonly onState?: (state: ConnectionState) => void;
  /** First and longest wait between attempts, milliseconds; each is doubled from the one before, and shortened by up to a half at random. */
  readonly backoff?: { readonly initialMs?: number; readonly maxMs?: number };
  /** Silence after which the server is asked whether it is still there; after twice as much the connection is given up. 15 s where absent. */
  readonly silenceMs?: number;
  /** Frames that an async iterator may be behind before the oldest are skipped; 64 where absent. */
  readonly iteratorCapacity?: number;
  /** Where the platform has none, or another one is wanted. */
  readonly WebSocket?: WebSocketConstructor;
}

/** The connection ended for good: a token is missing or wrong, the server refuses what we say, or it speaks another version. */
export class ConnectionError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.name = 'ConnectionError';
    this.code = code;
  }
}

export interface LynceusClient<F extends FrameField = FrameField> extends AsyncIterable<PartialFrameMessage<F>> {
  readonly state: ConnectionState;
  /** Adds subscriptions, or replaces those of the same names; they are made again after each reconnect. */
  subscribe(options: SubscribeOptions<F>): void;
  /** `['*']` ends all. */
  unsubscribe(streams: readonly string[]): void;
  /** Frames as they come, from now on. Ends with `close()`, throws a `ConnectionError` where the connection ended for good. */
  [Symbol.asyncIterator](): AsyncIterableIterator<PartialFrameMessage<F>>;
  /** Ends the connection; resolves when it is closed. */
  close(): Promise<void>;
}

/**
 * Connects to a lynceus server, subscribes, and stays connected: it tries again for ever, from the very first attempt.
 *
 * @param url `ws://127.0.0.1:8080/ws/v1`; with `http:` and without the path, these are added.
 */
export function connect<F extends FrameField = FrameField>(url: string, options: ConnectOptions<F> = {}): LynceusClient<F> {
  return new Client(toWebSocketUrl(url), options);
}

class Client<F extends FrameField> implements LynceusClient<F> {
  readonly #url: string;
  readonly #options: ConnectOptions<F>;
  readonly #subscriptions = new Map<string, SubscribeOptions<F>>();
  readonly #queues = new Set<FrameQueue<PartialFrameMessage<F>>>();
  readonly #closed: Promise<void>;
  #resolveClosed!: () => void;
  #state: ConnectionState = { state: 'connecting', attempt: 1 };
  #socket: WebSocketLike | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setInterval> | undefined;
  #attempt = 0;
  #lastHeardMs = 0;
  #openedMs: number | undefined;

  constructor(url: string, options: ConnectOptions<F>) {
    this.#url = url;
    this.#options = options;
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    for (const stream of options.streams ?? ['*']) this.#subscriptions.set(stream, options);
    this.#connect();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  subscribe(options: SubscribeOptions<F>): void {
    const streams = options.streams ?? ['*'];
    for (const stream of streams) this.#subscriptions.set(stream, options);
    if (this.#state.state === 'open') this.#send(toSubscribe(streams, options));
  }

  unsubscribe(streams: readonly string[]): void {
    for (const stream of streams) {
      if (stream === '*') this.#subscriptions.clear();
      this.#subscriptions.delete(stream);
    }
    if (this.#state.state === 'open') this.#send({ type: 'unsubscribe', streams: [...streams] });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<PartialFrameMessage<F>> {
    const queue = new FrameQueue<PartialFrameMessage<F>>(this.#options.iteratorCapacity ?? 64, () => this.#queues.delete(queue));
    if (this.#state.state === 'closed') queue.end(this.#state.error);
    else this.#queues.add(queue);
    return queue;
  }

  close(): Promise<void> {
    this.#finish(undefined);
    return this.#closed;
  }

  /** A WebSocket that can't even be made (no implementation, a page that may not connect) will not be made by trying again. */
  #connect(): void {
    this.#open().catch((error: unknown) => this.#finish(new ConnectionError('ERR_USAGE', error instanceof Error ? error.message : String(error))));
  }

  async #open(): Promise<void> {
    this.#attempt += 1;
    this.#enter({ state: 'connecting', attempt: this.#attempt });
    const WebSocket = this.#options.WebSocket ?? (await findWebSocket());
    // Closed meanwhile: `close` found no socket to wait for.
    if (this.#isOver()) return;
    const socket = new WebSocket(this.#url, [SUBPROTOCOL]);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#openedMs = undefined;
    // One that was given up may still speak: nobody listens any more.
    const ifCurrent = <A extends unknown[]>(listener: (...args: A) => void) => (...args: A): void => {
      if (this.#socket === socket) listener(...args);
    };
    socket.addEventListener('open', ifCurrent(() => {
      if (this.#options.token !== undefined) this.#send({ type: 'auth', token: this.#options.token });
    }));
    socket.addEventListener('message', ifCurrent(({ data }) => this.#onMessage(data)));
    // What went wrong follows in the close event.
    socket.addEventListener('error', () => undefined);
    socket.addEventListener('close', ifCurrent(({ code, reason }) => this.#onClose(code, reason)));
    this.#watchSilence();
  }

  #isOver(): boolean {
    return this.#state.state === 'closed';
  }

  #onMessage(data: unknown): void {
    this.#lastHeardMs = Date.now();
    if (this.#isOver()) return;
    if (typeof data === 'string') this.#follow(JSON.parse(data) as ServerMessage<string>);
    else if (data instanceof ArrayBuffer) this.#options.onPreview?.(readPreview(data));
  }

  #follow(message: ServerMessage<string>): void {
    switch (message.type) {
      case 'hello':
        this.#onHello(message);
        break;
      case 'auth_required':
        if (this.#options.token === undefined) this.#finish(new ConnectionError('ERR_AUTH_REQUIRED', 'The server asks for a token.'));
        break;
      case 'subscribed':
        this.#options.onSubscribed?.(message.subscriptions);
        break;
      case 'frame':
        this.#options.onFrame?.(message);
        for (const queue of this.#queues) queue.push(message);
        break;
      case 'event':
        this.#options.onEvent?.(message);
        break;
      case 'occupancy':
        this.#options.onOccupancy?.(message);
        break;
      case 'operating_point':
        this.#options.onOperatingPoint?.(message);
        break;
      case 'stats':
        this.#options.onStats?.(message);
        break;
      case 'dropped':
        this.#options.onDropped?.(message);
        break;
      case 'error':
        this.#options.onError?.(message);
        break;
      case 'pong':
        break;
      // A type of a later minor version: not for us.
      default:
    }
  }

  #onHello(hello: HelloMessage): void {
    if (hello.protocol !== PROTOCOL_VERSION) {
      this.#finish(new ConnectionError('ERR_PROTOCOL_VERSION', `The server speaks version ${hello.protocol} of the protocol, this client ${PROTOCOL_VERSION}.`));
      return;
    }
    this.#openedMs = Date.now();
    for (const [options, streams] of this.#byOptions()) this.#send(toSubscribe(streams, options));
    this.#enter({ state: 'open', hello });
  }

  /** One message for all streams that were subscribed together. */
  #byOptions(): Map<SubscribeOptions<F>, string[]> {
    const groups = new Map<SubscribeOptions<F>, string[]>();
    for (const [stream, options] of this.#subscriptions) groups.set(options, [...(groups.get(options) ?? []), stream]);
    return groups;
  }

  #onClose(code: number, reason: string): void {
    clearInterval(this.#silence);
    this.#socket = undefined;
    if (this.#isOver()) {
      this.#resolveClosed();
      return;
    }
    if (code === UNAUTHORIZED || code === BAD_MESSAGES) {
      this.#finish(new ConnectionError(code === UNAUTHORIZED ? 'ERR_AUTH_REQUIRED' : 'ERR_PROTOCOL_MESSAGE', reason));
      return;
    }
    if (this.#openedMs !== undefined && Date.now() - this.#openedMs > STABLE_MS) this.#attempt = 0;
    const retryInMs = this.#backoffMs();
    this.#retry = setTimeout(() => this.#connect(), retryInMs);
    this.#enter({ state: 'waiting', attempt: this.#attempt + 1, retryInMs, code, reason });
  }

  #backoffMs(): number {
    const { initialMs = 250, maxMs = 10_000 } = this.#options.backoff ?? {};
    const longest = Math.min(maxMs, initialMs * 2 ** Math.min(this.#attempt, 20));
    return longest * (0.5 + Math.random() / 2);
  }

  /** A connection can die without a word (a cable, a sleeping laptop): then nobody would ever tell us. */
  #watchSilence(): void {
    const { silenceMs = 15_000 } = this.#options;
    this.#lastHeardMs = Date.now();
    clearInterval(this.#silence);
    this.#silence = setInterval(() => {
      const silentMs = Date.now() - this.#lastHeardMs;
      if (silentMs >= 2 * silenceMs) this.#abandon();
      else if (silentMs >= silenceMs) this.#send({ type: 'ping' });
    }, silenceMs / 2);
  }

  /** Its close event may take its time, or never come: the next attempt doesn't wait for it. */
  #abandon(): void {
    const dead = this.#socket;
    if (dead === undefined) return;
    this.#onClose(1006, 'the server is silent');
    dead.close();
  }

  #finish(error: ConnectionError | undefined): void {
    if (this.#isOver()) return;
    clearTimeout(this.#retry);
    clearInterval(this.#silence);
    this.#enter(error ? { state: 'closed', error } : { state: 'closed' });
    for (const queue of this.#queues) queue.end(error);
    this.#queues.clear();
    if (this.#socket) this.#socket.close(1000);
    else this.#resolveClosed();
  }

  #enter(state: ConnectionState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }

  #send(message: ClientMessageInput): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }
}

function toSubscribe<F extends FrameField>(streams: readonly string[], { fields, maxRate, policy, preview, occupancy }: SubscribeOptions<F>): ClientMessageInput {
  return {
    type: 'subscribe',
    streams: [...streams],
    ...(fields && { fields: [...fields] }),
    ...(maxRate !== undefined && { max_rate: maxRate }),
    ...(policy && { policy }),
    ...(preview !== undefined && { preview }),
    ...(occupancy !== undefined && { occupancy }),
  };
}

/** Four bytes length (big-endian), the head as JSON, a JPEG. */
function readPreview(data: ArrayBuffer): PreviewPicture {
  const length = new DataView(data).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length))) as PreviewHeader;
  return { ...header, jpeg: new Uint8Array(data, 4 + length) };
}

function toWebSocketUrl(url: string): string {
  const parsed = new URL(url);
  if (parsed.protocol === 'http:' || parsed.protocol === 'https:') parsed.protocol = parsed.protocol.replace('http', 'ws');
  if (parsed.pathname === '/') parsed.pathname = '/ws/v1';
  return parsed.href;
}
