import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { WebSocket, type ClientOptions } from 'ws';
import { decode } from '@msgpack/msgpack';
import type { ClientMessageInput } from '../../src/protocol/index.js';

export type Received = Record<string, unknown> & { type: string };

/** A real WebSocket client that keeps what it gets, and waits for what a test expects. */
export class TestClient {
  readonly socket: WebSocket;
  readonly received: Received[] = [];
  readonly previews: Buffer[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(url: string, protocols: string[] = [], options: ClientOptions = {}) {
    this.socket = new WebSocket(url, protocols, options);
    this.socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary && this.socket.protocol !== 'lynceus.v1.msgpack') this.previews.push(data);
      else this.received.push((isBinary ? decode(data) : JSON.parse(data.toString())) as Received);
      this.#wake();
    });
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
    this.socket.on('error', () => undefined);
  }

  static async open(url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<TestClient> {
    const client = new TestClient(url, protocols, options);
    await client.next('hello');
    return client;
  }

  send(message: ClientMessageInput): void {
    this.socket.send(JSON.stringify(message));
  }

  sendRaw(data: string | Buffer, binary = typeof data !== 'string'): void {
    this.socket.send(data, { binary });
  }

  async subscribe(message: Omit<Extract<ClientMessageInput, { type: 'subscribe' }>, 'type'> = { streams: ['*'] }): Promise<Received> {
    this.send({ type: 'subscribe', ...message });
    return this.next('subscribed');
  }

  of(type: string): Received[] {
    return this.received.filter((message) => message.type === type);
  }

  /** The next message of the type, in order; each is given once. */
  async next(type: string): Promise<Received> {
    const found = await this.until(() => this.received.find((message) => message.type === type && !this.#given.has(message)), `a ${type} message`);
    this.#given.add(found);
    return found;
  }
  readonly #given = new Set<Received>();

  async until<T>(check: () => T | undefined | false, what: string, timeoutMs = 8000): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const value = check();
      if (value !== undefined && value !== false) return value;
      if (Date.now() > deadline) throw new Error(`waited in vain for ${what}; received ${JSON.stringify(this.received.slice(-5))}, closed ${JSON.stringify(this.closed)}`);
      await this.#change(Math.min(500, deadline - Date.now() + 1));
    }
  }

  async closing(): Promise<{ code: number; reason: string }> {
    return this.until(() => this.closed, 'the connection to close');
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    this.socket.close();
    await once(this.socket, 'close');
  }

  /** Resolves at the next message or close, or after a while, whichever is first. */
  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Status and body of a refused handshake. */
export async function refusedHandshake(url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<{ status: number; contentType: string | undefined; body: Record<string, unknown> }> {
  const socket = new WebSocket(url, protocols, options);
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, contentType: response.headers['content-type'], body: JSON.parse(text) as Record<string, unknown> };
}
