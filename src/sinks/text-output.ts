import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { type Writable, finished } from 'node:stream';
import { AppError, systemErrorCode } from '../core/errors.js';

/**
 * Text to a file or to standard output, with the pressure handed back: `write` gives a promise while the other side is full.
 * The first failure stays: every later call throws it.
 */
export class TextOutput {
  readonly #stream: Writable;
  readonly #name: string;
  readonly #ownsStream: boolean;
  #failure: AppError | undefined;

  private constructor(stream: Writable, name: string, ownsStream: boolean) {
    this.#stream = stream;
    this.#name = name;
    this.#ownsStream = ownsStream;
    stream.on('error', (error) => (this.#failure ??= outputError(error, name)));
  }

  /** @throws AppError `ERR_OUTPUT_WRITE` where the file can't be made. An existing file is replaced. */
  static async toFile(path: string): Promise<TextOutput> {
    const stream = createWriteStream(path);
    try {
      await once(stream, 'open');
    } catch (error) {
      throw outputError(error, path);
    }
    return new TextOutput(stream, path, true);
  }

  static toStdout(): TextOutput {
    return new TextOutput(process.stdout, 'standard output', false);
  }

  /** @throws AppError `ERR_DISK_FULL`, `ERR_OUTPUT_WRITE` */
  write(text: string): void | Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#stream.write(text)) return;
    return this.#drained();
  }

  /** Resolves when all is on its way to the disk. @throws AppError as `write` does */
  async close(lastText = ''): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (!this.#ownsStream) {
      if (lastText) this.#stream.write(lastText);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      finished(this.#stream, (error) => (error ? reject(outputError(error, this.#name)) : resolve()));
      this.#stream.end(lastText);
    });
  }

  async #drained(): Promise<void> {
    try {
      await once(this.#stream, 'drain');
    } catch (error) {
      throw this.#failure ?? outputError(error, this.#name);
    }
  }
}

/** What is wrong with an output of this name, with its code. */
export function outputError(error: unknown, name: string): AppError {
  if (error instanceof AppError) return error;
  const code = systemErrorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('ERR_DISK_FULL', `${name}: the disk is full`, { cause: error, fix: 'Free some space, or write elsewhere. What was written so far is whole lines.' });
  }
  if (code === 'EPIPE') {
    return new AppError('ERR_OUTPUT_WRITE', `${name}: nobody reads it any more`, { cause: error, fix: 'Keep the program behind the pipe running, or write to a file with --out FILE.' });
  }
  return new AppError('ERR_OUTPUT_WRITE', `${name} can't be written: ${error instanceof Error ? error.message : String(error)}`, { cause: error, fix: 'Check the path and its permissions.' });
}
