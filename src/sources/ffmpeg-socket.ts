import { connect, type Socket } from 'node:net';

export interface FfmpegSocketHandlers {
  /** Where the next bytes are to be written. */
  region(): Uint8Array;
  /** So many bytes were written there. @returns false to stop reading until `resume` */
  received(count: number): boolean;
  connected(): void;
  /** The other end is done and all was read. Not called after `close`. */
  closed(): void;
}

/** Try again so often: the socket appears when ffmpeg has opened its input, and it waits for us before it decodes. */
const CONNECT_RETRY_MS = 5;

/** Our end of a socket that ffmpeg is going to listen on. */
export class FfmpegSocket {
  readonly #path: string;
  readonly #handlers: FfmpegSocketHandlers;
  #socket: Socket | undefined;
  #connected = false;
  #closed = false;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(path: string, handlers: FfmpegSocketHandlers) {
    this.#path = path;
    this.#handlers = handlers;
    this.#connect();
  }

  /** True while bytes may still come. */
  get isOpen(): boolean {
    return this.#connected && !this.#closed;
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** For good; also while it is still trying to connect. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    this.#socket?.destroy();
  }

  #connect(): void {
    // onread is the zero-copy way in: the kernel writes where region() points.
    const socket = connect({
      path: this.#path,
      onread: { buffer: () => this.#handlers.region(), callback: (count: number) => !this.#closed && this.#handlers.received(count) },
    });
    this.#socket = socket;
    socket.once('connect', () => {
      this.#connected = true;
      this.#handlers.connected();
    });
    socket.on('error', () => {
      // Not there yet, or gone: 'close' follows in both cases.
    });
    socket.once('close', () => {
      if (this.#closed) return;
      if (!this.#connected) {
        this.#retryTimer = setTimeout(() => this.#connect(), CONNECT_RETRY_MS);
        return;
      }
      this.#closed = true;
      this.#handlers.closed();
    });
  }
}
