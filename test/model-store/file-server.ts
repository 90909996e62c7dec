import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server does to an answer. */
export interface Fault {
  /** Bytes of the body after which the connection is cut, once the client has said (`acknowledge`) that it has them. */
  readonly cutAfter?: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers the whole file to a request for a range. */
  readonly ignoreRange?: boolean;
  /** Sends headers and then nothing. */
  readonly silent?: boolean;
}

/** Files over HTTP from memory, with ranges; faults are used up one a request. */
export class FileServer {
  readonly files = new Map<string, Uint8Array>();
  readonly faults: Fault[] = [];
  /** `path range` of every request so far. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #cuts: { readonly at: number; readonly cut: () => void }[] = [];

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(): Promise<FileServer> {
    const server = new FileServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The client has so many bytes of the file: what is cut now loses none of them (a client's buffers go with the connection). */
  acknowledge(doneBytes: number): void {
    if (this.#cuts[0] && doneBytes >= this.#cuts[0].at) this.#cuts.shift()!.cut();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = new URL(request.url ?? '/', 'http://x').pathname;
    this.requests.push(`${path} ${request.headers.range ?? 'all'}`);
    const fault = this.faults.shift() ?? {};
    const file = this.files.get(path);
    if (fault.status !== undefined || !file) {
      response.writeHead(fault.status ?? 404, fault.headers).end('no');
      return;
    }
    this.#send(file, request, response, fault);
  }

  #send(file: Uint8Array, request: IncomingMessage, response: ServerResponse, fault: Fault): void {
    const etag = `"${createHash('sha256').update(file).digest('hex').slice(0, 8)}"`;
    const ifRange = request.headers['if-range'];
    const asked = fault.ignoreRange || (ifRange !== undefined && ifRange !== etag) ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    const start = Number(asked ?? 0);
    if (asked !== undefined && start >= file.length) {
      response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
      return;
    }
    const range = asked === undefined ? {} : { 'content-range': `bytes ${start}-${file.length - 1}/${file.length}` };
    response.writeHead(asked === undefined ? 200 : 206, { 'content-length': file.length - start, etag, ...range });
    const body = file.subarray(start);
    if (fault.silent) response.flushHeaders();
    else if (fault.cutAfter === undefined) response.end(body);
    else {
      response.write(body.subarray(0, fault.cutAfter));
      this.#cuts.push({ at: start + fault.cutAfter, cut: () => response.destroy() });
    }
  }
}
