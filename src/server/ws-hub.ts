import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { epochMs, monotonicMs } from '../core/clock.js';
import { AppError, toAppError } from '../core/errors.js';
import type { OperatingPointMove } from '../core/operating-point.js';
import type { DeliveredFrame } from '../core/result.js';
import type { SourceEvent } from '../core/source.js';
import type { StreamView } from '../core/stream-view.js';
import { decodeClientMessage } from '../protocol/codec.js';
import {
  CLOSE_CODES,
  ENCODING_OF,
  PROTOCOL_VERSION,
  SUBPROTOCOLS,
  toErrorMessage,
  toEventMessage,
  toOperatingPointMessage,
  toFrameMessage,
  toRfc3339,
  toStatsMessage,
  toStreamInfo,
  WEBSOCKET_PATH,
  type ClientMessage,
  type Encoding,
  type SubscribeMessage,
  type Subprotocol,
} from '../protocol/index.js';
import { checkAuthorization, isHostAllowed, isOriginAllowed, isToken, type AccessRules } from './access.js';
import { toSubscription, toSubscriptionMessage } from './lane.js';
import { toLimitsMessage, type ServerLimits } from './limits.js';
import { OccupancyNews } from './occupancy-news.js';
import { problemOf } from './problem.js';
import { TokenBucket } from './rate.js';
import { FrameWireMessage, PlainWireMessage, type WireMessage } from './wire-message.js';
import { WsClient, type ClientCounters } from './ws-client.js';

export interface WsHubOptions {
  readonly access: AccessRules;
  readonly limits: ServerLimits;
  readonly version: string;
  readonly logger: Logger;
  streams(): readonly StreamView[];
}

/** All WebSocket clients: lets them in, follows their messages, and hands every frame, event and statistic to those who want it. */
export class WsHub {
  readonly counters: ClientCounters = { sent: 0, dropped: {}, occupancy: { messages: 0, bytes: 0 } };
  /** Handshakes refused, by error code. */
  readonly refused: Record<string, number> = {};
  readonly #options: WsHubOptions;
  readonly #server: WebSocketServer;
  readonly #clients = new Set<WsClient>();
  /** Of each stream, the newest occupied space. */
  readonly #news = new Map<string, OccupancyNews>();
  readonly #timers: NodeJS.Timeout[];
  #closing = false;

  constructor(options: WsHubOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: options.limits.maxMessageBytes,
      perMessageDeflate: false,
      handleProtocols: (offered) => SUBPROTOCOLS.find((known) => offered.has(known)) ?? false,
    });
    this.#timers = [setInterval(() => this.#ping(), options.limits.pingIntervalMs), setInterval(() => this.#sendStats(), options.limits.statsIntervalMs)];
    for (const timer of this.#timers) timer.unref();
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  /** Bytes that wait in the sockets of all clients. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const { socket } of this.#clients) bytes += socket.bufferedAmount;
    return bytes;
  }

  /** Takes a request to upgrade, or refuses it with a problem document. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#refusal(request);
    if (refusal) {
      this.refused[refusal.code] = (this.refused[refusal.code] ?? 0) + 1;
      refuse(socket, refusal);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#welcome(webSocket, checkAuthorization(this.#options.access, request.headers) === 'accepted'));
  }

  deliver(frame: DeliveredFrame): void {
    let message: FrameWireMessage | undefined;
    const nowMs = monotonicMs();
    const news = this.#newsOf(frame);
    for (const client of this.#clients) {
      const lane = client.lane(frame.stream);
      if (lane) client.offerFrame(lane, (message ??= new FrameWireMessage(toFrameMessage(frame))), nowMs, news);
    }
  }

  /** Also made while nobody is there: who comes then may get deltas from the next frame on. */
  #newsOf({ stream, result: { frame, occupancy } }: DeliveredFrame): OccupancyNews | undefined {
    if (occupancy === undefined || 'code' in occupancy) return undefined;
    const news = new OccupancyNews(stream, frame, occupancy, this.#news.get(stream));
    this.#news.set(stream, news);
    return news;
  }

  event(stream: string, event: SourceEvent): void {
    let message: WireMessage | undefined;
    for (const client of this.#clients) {
      const lane = client.lane(stream);
      if (lane) client.offerEvent(lane, (message ??= new PlainWireMessage(toEventMessage(stream, event))));
    }
  }

  moved(stream: string, move: OperatingPointMove): void {
    let message: WireMessage | undefined;
    for (const client of this.#clients) {
      const lane = client.lane(stream);
      if (lane) client.offerMove(lane, (message ??= new PlainWireMessage(toOperatingPointMessage(stream, move))));
    }
  }

  /** Whether somebody watches the stream and could take a picture now. */
  wantsPreview(stream: string): boolean {
    for (const client of this.#clients) if (client.wantsPreview(stream)) return true;
    return false;
  }

  preview(stream: string, message: WireMessage): void {
    for (const client of this.#clients) {
      const lane = client.lane(stream);
      if (lane?.subscription.preview) client.offerLatest(lane.previewKey, message);
    }
  }

  /** Lets the clients take what waits, for as long as they take it, then says that the server goes away. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#untilDrained();
    for (const client of this.#clients) client.close(CLOSE_CODES.goingAway, 'the server stops');
    await Promise.all([...this.#clients].map(({ socket }) => new Promise<void>((resolve) => void socket.once('close', () => resolve()))));
    this.#server.close();
  }

  async #untilDrained(): Promise<void> {
    const deadlineMs = monotonicMs() + this.#options.limits.closeGraceMs;
    const isWaiting = (): boolean => [...this.#clients].some((client) => client.isOpen && !client.isDrained);
    while (isWaiting() && monotonicMs() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  #refusal(request: IncomingMessage): AppError | undefined {
    const { access } = this.#options;
    const { headers } = request;
    const path = (request.url ?? '').split('?', 1)[0];
    if (path !== WEBSOCKET_PATH) return new AppError('ERR_NOT_FOUND', `There is no WebSocket at ${path}.`, { fix: `It is at ${WEBSOCKET_PATH}.` });
    if (!isHostAllowed(access, headers)) return new AppError('ERR_ORIGIN_FORBIDDEN', 'The host in the address is not one of this server.', { fix: 'Use 127.0.0.1 or localhost, or list the origin.' });
    if (!isOriginAllowed(access, headers)) return new AppError('ERR_ORIGIN_FORBIDDEN', `Pages of ${headers.origin} may not connect.`, { fix: 'List the origin in the allowed origins of the server.' });
    if (checkAuthorization(access, headers) === 'wrong') return new AppError('ERR_AUTH_REQUIRED', 'The token is not the right one.', { fix: 'Send it as Authorization: Bearer TOKEN.' });
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim()).filter(Boolean);
    if (offered.length > 0 && !offered.some((name) => name in ENCODING_OF)) {
      return new AppError('ERR_PROTOCOL_VERSION', `None of the offered subprotocols is known here: ${offered.join(', ')}.`, { fix: `Offer ${SUBPROTOCOLS.join(' or ')}, or none for JSON.` });
    }
    return this.#closing ? new AppError('ERR_PROTOCOL_LIMIT', 'The server stops.') : undefined;
  }

  #welcome(socket: WebSocket, isAuthorized: boolean): void {
    const { limits, logger } = this.#options;
    const encoding: Encoding = socket.protocol === '' ? 'json' : ENCODING_OF[socket.protocol as Subprotocol];
    const client = new WsClient(socket, encoding, limits, this.counters);
    // Too big a message and broken UTF-8 come as errors; the library closes with the right code by itself.
    socket.on('error', (error) => logger.debug({ err: error }, 'websocket client failed'));
    if (this.#clients.size >= limits.maxClients) {
      this.refused['ERR_PROTOCOL_LIMIT'] = (this.refused['ERR_PROTOCOL_LIMIT'] ?? 0) + 1;
      client.close(CLOSE_CODES.overloaded, `${limits.maxClients} clients are connected`);
      socket.once('close', () => client.dispose());
      return;
    }
    this.#clients.add(client);
    const bucket = new TokenBucket(limits.maxMessagesPerSecond, 2 * limits.maxMessagesPerSecond, monotonicMs());
    socket.on('pong', () => (client.isAlive = true));
    socket.on('message', (data, isBinary) => this.#onMessage(client, data, isBinary, bucket));
    socket.once('close', () => {
      this.#clients.delete(client);
      client.dispose();
    });
    if (isAuthorized) this.#letIn(client);
    else this.#awaitToken(client);
  }

  #letIn(client: WsClient): void {
    client.isAuthorized = true;
    client.answer({
      type: 'hello',
      protocol: PROTOCOL_VERSION,
      server: { name: 'lynceus', version: this.#options.version },
      server_time: toRfc3339(epochMs()),
      schema: '/schemas/v1/',
      streams: this.#options.streams().map(toStreamInfo),
      limits: toLimitsMessage(this.#options.limits),
    });
  }

  #awaitToken(client: WsClient): void {
    const { authTimeoutMs } = this.#options.limits;
    client.answer({ type: 'auth_required', within_ms: authTimeoutMs });
    const timer = setTimeout(() => {
      if (!client.isAuthorized) client.close(CLOSE_CODES.unauthorized, 'no token came in time');
    }, authTimeoutMs);
    client.socket.once('close', () => clearTimeout(timer));
  }

  #onMessage(client: WsClient, data: RawData, isBinary: boolean, bucket: TokenBucket): void {
    if (!client.isOpen) return;
    let id: string | undefined;
    try {
      if (!bucket.take(monotonicMs())) throw new AppError('ERR_PROTOCOL_LIMIT', `More than ${this.#options.limits.maxMessagesPerSecond} messages a second.`, { fix: 'Send fewer messages.' });
      const message = decodeClientMessage(data as Buffer, isBinary, client.encoding);
      if ('id' in message) ({ id } = message);
      this.#follow(client, message);
    } catch (thrown) {
      this.#fault(client, toAppError(thrown), id);
    }
  }

  #follow(client: WsClient, message: ClientMessage): void {
    if (message.type === 'auth') {
      this.#authorize(client, message.token);
    } else if (!client.isAuthorized) {
      client.close(CLOSE_CODES.unauthorized, 'the first message must be auth');
    } else if (message.type === 'ping') {
      client.answer({ type: 'pong', ...withId(message.id), server_time: toRfc3339(epochMs()) });
    } else if (message.type === 'subscribe') {
      this.#subscribe(client, message);
    } else {
      for (const stream of message.streams) client.unsubscribe(stream);
      this.#confirm(client, message.id);
    }
  }

  #authorize(client: WsClient, token: string): void {
    if (client.isAuthorized) return;
    if (isToken(this.#options.access, token)) this.#letIn(client);
    else client.close(CLOSE_CODES.unauthorized, 'the token is not the right one');
  }

  #subscribe(client: WsClient, message: SubscribeMessage): void {
    const names = new Set(message.streams);
    const views = this.#options.streams();
    for (const name of names) {
      if (name !== '*' && !views.some((view) => view.name === name)) {
        throw new AppError('ERR_NOT_FOUND', `There is no stream ${JSON.stringify(name)}.`, { fix: `There are: ${views.map((view) => view.name).join(', ') || 'none'}.` });
      }
    }
    const { maxSubscriptions } = this.#options.limits;
    if (new Set([...client.subscriptions.keys(), ...names]).size > maxSubscriptions) {
      throw new AppError('ERR_PROTOCOL_LIMIT', `More than ${maxSubscriptions} subscriptions.`, { fix: "Subscribe to '*', or on another connection." });
    }
    for (const name of names) client.subscribe(name, toSubscription(message));
    this.#confirm(client, message.id);
    for (const view of views) if (names.has(view.name) || names.has('*')) this.#sendState(client, view);
  }

  #confirm(client: WsClient, id: string | undefined): void {
    const subscriptions = [...client.subscriptions].map(([stream, subscription]) => toSubscriptionMessage(stream, subscription));
    client.answer({ type: 'subscribed', ...withId(id), subscriptions });
  }

  /** A newcomer learns at once how a stream is. */
  #sendState(client: WsClient, view: StreamView): void {
    const lane = client.lane(view.name);
    const event = view.lastEvent();
    if (lane && event) client.offerEvent(lane, new PlainWireMessage(toEventMessage(view.name, event)));
    if (lane) client.offerLatest(lane.statsKey, new PlainWireMessage(toStatsMessage(view, epochMs())));
  }

  #fault(client: WsClient, error: AppError, id: string | undefined): void {
    client.badMessages += 1;
    if (error.code === 'ERR_INTERNAL') this.#options.logger.error({ err: error }, 'a websocket message could not be followed');
    if (client.badMessages >= this.#options.limits.maxBadMessages) client.close(CLOSE_CODES.badMessages, `${client.badMessages} bad messages, the last: ${error.code}`);
    else client.answer(toErrorMessage(error, id));
  }

  #sendStats(): void {
    if (this.#clients.size === 0) return;
    for (const view of this.#options.streams()) {
      let message: WireMessage | undefined;
      for (const client of this.#clients) {
        const lane = client.lane(view.name);
        if (lane) client.offerLatest(lane.statsKey, (message ??= new PlainWireMessage(toStatsMessage(view, epochMs()))));
      }
    }
  }

  #ping(): void {
    for (const client of this.#clients) {
      if (!client.isAlive) {
        client.socket.terminate();
        continue;
      }
      client.isAlive = false;
      client.socket.ping();
    }
  }
}

function withId(id: string | undefined): { id?: string } {
  return id === undefined ? {} : { id };
}

function refuse(socket: Duplex, error: AppError): void {
  const { status, title, body } = problemOf(error);
  const bytes = Buffer.from(JSON.stringify(body));
  // Nothing else listens to this socket any more: a reset while it is told no must not end the process.
  socket.once('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${bytes.length}\r\nConnection: close\r\n` +
      `${status === 401 ? 'WWW-Authenticate: Bearer\r\n' : ''}\r\n${bytes.toString()}`,
    () => socket.destroy(),
  );
}
