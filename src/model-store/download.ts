import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, systemErrorCode } from '../core/errors.js';
import { writeError } from './files.js';

export interface DownloadRequest {
  readonly url: string;
  /** Where the file goes; `<path>.part` while it is incomplete. */
  readonly path: string;
  /** Lower-case hex. Without one, a part that an earlier run left is not trusted. */
  readonly sha256?: string | undefined;
  /** Called as bytes come; `totalBytes` is undefined where the server doesn't say. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

export interface DownloadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
}

export interface DownloadOptions {
  /** After the first. */
  readonly retries?: number | undefined;
  /** Before the first retry; doubled for each one more. */
  readonly backoffMs?: number | undefined;
  /** Without a byte for so long, the connection counts as cut. */
  readonly stallMs?: number | undefined;
}

const DEFAULTS = { retries: 4, backoffMs: 500, stallMs: 30_000 };

/**
 * Fetches a file; goes on where an attempt (or an earlier run) broke off, and puts it in place only when its SHA-256 is right.
 *
 * @throws AppError ERR_DOWNLOAD_OFFLINE where no connection came about, ERR_DOWNLOAD_FAILED where the server refuses or keeps cutting,
 * ERR_MODEL_CHECKSUM (the file is deleted), ERR_DISK_FULL, ERR_OUTPUT_WRITE.
 */
export async function download(request: DownloadRequest, options: DownloadOptions = {}): Promise<void> {
  const transfer = new Transfer(request, { ...DEFAULTS, ...withoutUndefined(options) });
  await transfer.run();
}

/** The address without anything that may be a secret. */
export function publicUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** An attempt that broke off but may be repeated. */
class Interrupted extends Error {
  /** The server was never reached. */
  readonly offline: boolean;
  readonly retryAfterMs: number;

  constructor(message: string, { offline = false, retryAfterMs = 0, cause }: { offline?: boolean; retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause });
    this.offline = offline;
    this.retryAfterMs = retryAfterMs;
  }
}

class Transfer {
  readonly #request: DownloadRequest;
  readonly #options: typeof DEFAULTS;
  readonly #part: string;
  /** Says that the rest of another attempt still belongs to the same file. */
  #validator: string | undefined;
  #reached = false;

  constructor(request: DownloadRequest, options: typeof DEFAULTS) {
    this.#request = request;
    this.#options = options;
    this.#part = `${request.path}.part`;
  }

  async run(): Promise<void> {
    await this.#prepareFolder();
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#attempt();
        break;
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        await this.#pause(error, attempt);
      }
    }
    await this.#verify();
    await rename(this.#part, this.#request.path);
  }

  async #prepareFolder(): Promise<void> {
    try {
      await mkdir(dirname(this.#part), { recursive: true });
      if (!this.#request.sha256) await rm(this.#part, { force: true });
    } catch (error) {
      throw writeError(error, this.#part);
    }
  }

  /** Waits before the next attempt, or gives up. Nobody waits long for a network that isn't there. */
  async #pause(error: Interrupted, attempt: number): Promise<void> {
    const { retries, backoffMs } = this.#options;
    if (attempt >= (error.offline ? Math.min(1, retries) : retries)) throw this.#givenUp(error);
    // Half of the delay is random: many machines that lost one server don't return at one moment.
    const delayMs = backoffMs * 2 ** attempt * (0.5 + Math.random() / 2);
    await sleep(Math.max(delayMs, error.retryAfterMs));
  }

  #givenUp(error: Interrupted): AppError {
    const url = publicUrl(this.#request.url);
    if (error.offline) {
      return new AppError('ERR_DOWNLOAD_OFFLINE', `No connection to ${url}: ${error.message}`, {
        cause: error,
        fix: 'Connect to a network, or set LYNCEUS_MIRROR to a server that has the file, or download it elsewhere and add it by its path.',
      });
    }
    return new AppError('ERR_DOWNLOAD_FAILED', `The download of ${url} broke off: ${error.message}`, { cause: error, fix: 'Try again: it goes on where it stopped.' });
  }

  async #attempt(): Promise<void> {
    const { url } = this.#request;
    const have = await sizeOf(this.#part);
    const stall = new StallGuard(this.#options.stallMs);
    try {
      const response = await this.#connect(have, stall);
      this.#reached = true;
      if (response.status === 416) {
        await this.#afterUnsatisfiable(response, have);
        return;
      }
      if (!response.ok) throw refusal(response, url);
      this.#validator = strongEtag(response);
      await this.#receive(response, response.status === 206 ? startOf(response) : 0, stall);
    } finally {
      stall.stop();
    }
  }

  async #connect(have: number, stall: StallGuard): Promise<Response> {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (have > 0) headers['range'] = `bytes=${have}-`;
    if (have > 0 && this.#validator) headers['if-range'] = this.#validator;
    try {
      return await fetch(this.#request.url, { headers, signal: stall.signal });
    } catch (cause) {
      throw new Interrupted(reasonOf(cause), { offline: !this.#reached, cause });
    }
  }

  /** Nothing comes after what we have: either we have all, or another file's part. */
  async #afterUnsatisfiable(response: Response, have: number): Promise<void> {
    await response.body?.cancel();
    const total = /^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
    if (Number(total) === have) return;
    await rm(this.#part, { force: true });
    throw new Interrupted(`the part of ${have} bytes is longer than the file`);
  }

  async #receive(response: Response, start: number, stall: StallGuard): Promise<void> {
    const length = response.headers.get('content-length');
    const totalBytes = length === null ? undefined : start + Number(length);
    const file = await this.#openPart(start);
    let doneBytes = start;
    try {
      for await (const chunk of chunksOf(response)) {
        stall.touch();
        await this.#write(file, chunk, doneBytes);
        doneBytes += chunk.length;
        this.#request.onProgress?.({ doneBytes, totalBytes });
      }
    } finally {
      await file.close();
    }
    if (totalBytes !== undefined && doneBytes < totalBytes) throw new Interrupted(`${doneBytes} of ${totalBytes} bytes came`);
  }

  async #openPart(start: number): Promise<FileHandle> {
    try {
      return await open(this.#part, start === 0 ? 'w' : 'r+');
    } catch (error) {
      throw writeError(error, this.#part);
    }
  }

  async #write(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
    try {
      await file.write(chunk, 0, chunk.length, position);
    } catch (error) {
      throw writeError(error, this.#part);
    }
  }

  async #verify(): Promise<void> {
    const { sha256, url } = this.#request;
    if (!sha256) return;
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(this.#part)) hash.update(chunk as Buffer);
    const found = hash.digest('hex');
    if (found === sha256) return;
    await rm(this.#part, { force: true });
    throw new AppError('ERR_MODEL_CHECKSUM', `${publicUrl(url)} has the SHA-256 ${found}, expected ${sha256}; the file was deleted`, {
      fix: 'Try again; if it stays, the publisher (or something in between) changed the file.',
    });
  }
}

/** Aborts a connection that has been silent for too long. */
class StallGuard {
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(stallMs: number) {
    this.#timer = setTimeout(() => this.#abort.abort(new Error(`no data for ${stallMs} ms`)), stallMs);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  touch(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new Interrupted(reasonOf(cause), { cause });
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Worth another attempt where the server is only busy. */
function refusal(response: Response, url: string): Error {
  const { status, headers } = response;
  void response.body?.cancel();
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(headers.get('retry-after') ?? 0);
    return new Interrupted(`HTTP ${status}`, { retryAfterMs: Math.min(30, Number.isNaN(seconds) ? 0 : seconds) * 1000 });
  }
  return new AppError('ERR_DOWNLOAD_FAILED', `${publicUrl(url)} answered HTTP ${status}`, {
    fix: status === 404 ? 'Check the address; the file may have moved.' : 'Check the address and whether it needs a login.',
  });
}

/** First byte of a partial answer. */
function startOf(response: Response): number {
  const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
  if (start === undefined) throw new Interrupted('a partial answer without a range');
  return Number(start);
}

function strongEtag(response: Response): string | undefined {
  const etag = response.headers.get('etag');
  return etag === null || etag.startsWith('W/') ? undefined : etag;
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** undici hides what happened in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return systemErrorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
}

function withoutUndefined(options: DownloadOptions): Partial<typeof DEFAULTS> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
