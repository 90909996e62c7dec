import { EventEmitter, once } from 'node:events';
import type { Logger } from 'pino';
import { connect, type LynceusClient } from '../../client/index.js';
import { monotonicMs } from '../../core/clock.js';
import type { Sink } from '../../core/sink.js';
import { type LynceusServer, startServer } from '../../server/server.js';
import type { Pipeline } from '../pipeline.js';
import { VERSION } from '../version.js';

/** A server of its own and clients that take every frame, to see how long results take to their reader. */
export class Subscribers {
  readonly #server: LynceusServer;
  readonly #clients: LynceusClient[];
  /** By stream and sequence: how many clients have it, and when the last one had. */
  readonly #received = new Map<string, { count: number; lastMs: number }>();
  readonly #news = new EventEmitter();

  private constructor(server: LynceusServer, count: number) {
    this.#server = server;
    this.#clients = Array.from({ length: count }, () =>
      connect(server.wsUrl, { policy: 'all', onFrame: ({ stream, seq }) => this.#take(`${stream}/${seq}`) }),
    );
  }

  /** @param count clients, 1 or more. Resolves when all of them are connected. */
  static async start(count: number, pipeline: Pipeline, logger: Logger): Promise<Subscribers> {
    const server = await startServer({
      port: 0,
      logger,
      version: VERSION,
      streams: () => pipeline.streams,
      ready: () => ({ ready: true, reasons: [] }),
      trace: emptyTrace,
    });
    const subscribers = new Subscribers(server, count);
    while (subscribers.#clients.some(({ state }) => state.state !== 'open')) await new Promise((resolve) => setTimeout(resolve, 5));
    return subscribers;
  }

  get sink(): Sink {
    return this.#server.sink;
  }

  /** Monotonic time at which the last client had a frame; undefined while one hasn't. */
  receivedMs(stream: string, seq: number): number | undefined {
    const received = this.#received.get(`${stream}/${seq}`);
    return received?.count === this.#clients.length ? received.lastMs : undefined;
  }

  /** Resolves when every client has a frame, or after a second: what hasn't come by then is lost. */
  async waitFor(stream: string, seq: number): Promise<void> {
    const timeout = AbortSignal.timeout(1000);
    while (this.receivedMs(stream, seq) === undefined && !timeout.aborted) await once(this.#news, 'frame', { signal: timeout }).catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.#server.close();
  }

  #take(key: string): void {
    const lastMs = monotonicMs();
    const received = this.#received.get(key);
    if (received) {
      received.count += 1;
      received.lastMs = lastMs;
    } else this.#received.set(key, { count: 1, lastMs });
    this.#news.emit('frame');
  }
}

/** Nobody asks this server for the past. */
async function* emptyTrace(): AsyncIterable<string> {
  yield await Promise.resolve('{"traceEvents":[]}');
}
