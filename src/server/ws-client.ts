import type { WebSocket } from 'ws';
import { monotonicMs } from '../core/clock.js';
import { CLOSE_CODES, type CloseCode, type Encoding, type ServerMessage } from '../protocol/index.js';
import { Lane, type Subscription } from './lane.js';
import type { ServerLimits } from './limits.js';
import { OccupancyNews } from './occupancy-news.js';
import { Outbox, type Pending } from './outbox.js';
import { ALL_FIELDS, PlainWireMessage, type FieldMask, type FrameWireMessage, type WireMessage } from './wire-message.js';

/** Messages handed to the socket and not yet written by it. Few, so that what waits stays ours to replace by newer. */
const MAX_IN_FLIGHT = 8;

/** Counts over all clients, for the metrics. */
export interface ClientCounters {
  sent: number;
  readonly dropped: Record<string, number>;
  /** Messages of occupied space, and their bytes. */
  readonly occupancy: { messages: number; bytes: number };
}

interface PendingMessage extends Pending {
  /** What is said is decided when it is sent: it depends on what was sent before. */
  readonly message: WireMessage | OccupancyNews;
  readonly fields: FieldMask;
  /** Set for frames. */
  readonly frame?: { readonly lane: Lane; readonly message: FrameWireMessage };
}

/**
 * One WebSocket client: what it subscribed to, and what waits for it.
 *
 * Only so much is handed to its socket at a time; the rest waits here, where it is bounded and conflates. A client that doesn't read
 * costs a few hundred kilobytes and one refused `offer` a frame.
 */
export class WsClient {
  readonly encoding: Encoding;
  readonly socket: WebSocket;
  isAuthorized = false;
  /** Set by the answer to a ping, cleared by the ping. */
  isAlive = true;
  badMessages = 0;
  readonly #limits: ServerLimits;
  readonly #counters: ClientCounters;
  readonly #outbox: Outbox<PendingMessage>;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #lanes = new Map<string, Lane | undefined>();
  /** Of each stream, the occupied space that was sent last: what the next message of it may build on. */
  readonly #known = new Map<string, OccupancyNews>();
  #inFlight = 0;
  #closing: NodeJS.Timeout | undefined;

  constructor(socket: WebSocket, encoding: Encoding, limits: ServerLimits, counters: ClientCounters) {
    this.socket = socket;
    this.encoding = encoding;
    this.#limits = limits;
    this.#counters = counters;
    this.#outbox = new Outbox({ maxMessages: limits.maxPendingMessages, maxBytes: limits.maxPendingBytes });
  }

  get isOpen(): boolean {
    return this.#closing === undefined && this.socket.readyState === this.socket.OPEN;
  }

  /** Nothing waits here and nothing waits in the socket. */
  get isDrained(): boolean {
    return this.#outbox.size === 0 && this.#inFlight === 0;
  }

  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.#subscriptions;
  }

  /** Replaces what was known of the stream, or of `*`. */
  subscribe(stream: string, subscription: Subscription): void {
    this.#subscriptions.set(stream, subscription);
    this.#lanes.clear();
    // Who subscribes anew may have forgotten what it knew.
    this.#known.clear();
  }

  /** `*` ends everything. What waits is not sent any more. */
  unsubscribe(stream: string): void {
    if (stream === '*') this.#subscriptions.clear();
    else this.#subscriptions.delete(stream);
    this.#lanes.clear();
    this.#known.clear();
    this.#outbox.forget((key) => this.lane(key.slice(key.indexOf(' ') + 1)) === undefined);
  }

  /** How this client gets a stream; undefined where it doesn't. */
  lane(stream: string): Lane | undefined {
    let lane = this.#lanes.get(stream);
    if (lane === undefined && !this.#lanes.has(stream)) {
      const subscription = this.#subscriptions.get(stream) ?? this.#subscriptions.get('*');
      lane = subscription && new Lane(stream, subscription, this.#limits.droppedIntervalMs);
      this.#lanes.set(stream, lane);
    }
    return lane;
  }

  /** @param news what the frame told of occupied space: goes with it to who asked for it. */
  offerFrame(lane: Lane, message: FrameWireMessage, nowMs: number, news?: OccupancyNews): void {
    if (!lane.admits(nowMs)) {
      this.#lose(lane, 'client:max_rate', message);
      return;
    }
    this.#pushFrame(lane, message);
    if (news && lane.subscription.occupancy) this.#pushNews(lane, news);
    this.#flush();
  }

  #pushFrame(lane: Lane, message: FrameWireMessage): void {
    const { fields, policy } = lane.subscription;
    const frame = { lane, message };
    if (policy === 'all') {
      this.#push({ message, fields, frame, bytes: message.bytes(this.encoding, fields).length });
    } else {
      const replaced = this.#outbox.putLatest(lane.frameKey, { message, fields, frame, bytes: 0 });
      if (replaced?.frame) this.#lose(lane, 'client:replaced_by_newer', replaced.frame.message);
    }
  }

  /** Nothing is lost where newer news take the place of older ones: they lead on from what was sent last. */
  #pushNews({ subscription: { policy }, occupancyKey }: Lane, news: OccupancyNews): void {
    if (policy === 'all') this.#push({ message: news, fields: ALL_FIELDS, bytes: news.bytes });
    else this.#outbox.putLatest(occupancyKey, { message: news, fields: ALL_FIELDS, bytes: 0 });
  }

  /** An event keeps its place between the frames with policy `all`; otherwise the newest state is all that matters. */
  offerEvent(lane: Lane, message: WireMessage): void {
    this.#offerNews(lane, lane.eventKey, message);
  }

  /** The same of a governor's moves, which don't take the place of events. */
  offerMove(lane: Lane, message: WireMessage): void {
    this.#offerNews(lane, lane.moveKey, message);
  }

  #offerNews({ subscription: { policy } }: Lane, key: string, message: WireMessage): void {
    if (policy === 'all') {
      this.#push({ message, fields: ALL_FIELDS, bytes: message.bytes(this.encoding, ALL_FIELDS).length });
    } else {
      this.#outbox.putLatest(key, { message, fields: ALL_FIELDS, bytes: 0 });
    }
    this.#flush();
  }

  /** Statistics and pictures conflate with every policy. */
  offerLatest(key: string, message: WireMessage): void {
    this.#outbox.putLatest(key, { message, fields: ALL_FIELDS, bytes: 0 });
    this.#flush();
  }

  /** True where the client watches the stream and has taken the picture before. */
  wantsPreview(stream: string): boolean {
    const lane = this.lane(stream);
    return lane?.subscription.preview === true && !this.#outbox.has(lane.previewKey);
  }

  /** Answers the client itself. */
  answer(message: ServerMessage): void {
    const wire = new PlainWireMessage(message);
    if (!this.#outbox.answer({ message: wire, fields: ALL_FIELDS, bytes: 0 })) this.close(CLOSE_CODES.tooSlow, 'answers are not read');
    this.#flush();
  }

  /** Says why, after what is owed to a client that reads; cuts the connection where it isn't taken in time. */
  close(code: CloseCode, reason: string): void {
    if (this.#closing !== undefined) return;
    const owed = code === CLOSE_CODES.tooSlow ? [] : this.#outbox.takeAnswers();
    this.#outbox.clear();
    this.#closing = setTimeout(() => this.socket.terminate(), this.#limits.closeGraceMs);
    for (const { message, fields } of owed) this.#sendPending(message, fields);
    this.socket.close(code, reason);
  }

  /** The connection is gone. */
  dispose(): void {
    clearTimeout(this.#closing);
    this.#outbox.clear();
  }

  #push(pending: PendingMessage): void {
    if (!this.isOpen || this.#outbox.push(pending)) return;
    this.close(CLOSE_CODES.tooSlow, `more than ${this.#limits.maxPendingMessages} messages or ${this.#limits.maxPendingBytes} bytes waited`);
  }

  #lose(lane: Lane, reason: string, message: FrameWireMessage): void {
    lane.lose(reason, message);
    this.#counters.dropped[reason] = (this.#counters.dropped[reason] ?? 0) + 1;
  }

  #flush(): void {
    while (this.isOpen && this.#inFlight < MAX_IN_FLIGHT && this.socket.bufferedAmount < this.#limits.highWaterBytes) {
      const pending = this.#outbox.take();
      if (pending === undefined) return;
      if (pending.frame) this.#reportLosses(pending.frame.lane);
      this.#sendPending(pending.message, pending.fields);
    }
  }

  #sendPending(message: WireMessage | OccupancyNews, fields: FieldMask): void {
    if (message instanceof OccupancyNews) this.#sendNews(message);
    else this.#send(message, fields);
  }

  #sendNews(news: OccupancyNews): void {
    const message = news.messageSince(this.#known.get(news.stream));
    if (message === undefined) return;
    this.#known.set(news.stream, news);
    this.#counters.occupancy.messages += 1;
    this.#counters.occupancy.bytes += message.bytes(this.encoding, ALL_FIELDS).length;
    this.#send(message, ALL_FIELDS);
  }

  #reportLosses(lane: Lane): void {
    const counts = lane.takeLosses(monotonicMs());
    if (counts) this.#send(new PlainWireMessage({ type: 'dropped', stream: lane.stream, counts }), ALL_FIELDS);
  }

  #send(message: WireMessage, fields: FieldMask): void {
    this.#inFlight += 1;
    this.#counters.sent += 1;
    this.socket.send(message.bytes(this.encoding, fields), { binary: message.isBinary(this.encoding), compress: false }, this.#onWritten);
  }

  /** Also called with an error, for what a dying socket didn't write: its close event follows. */
  readonly #onWritten = (): void => {
    this.#inFlight -= 1;
    this.#flush();
  };
}
