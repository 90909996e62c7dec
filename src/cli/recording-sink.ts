import { mkdir, open, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError, systemErrorCode, toAppError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { DeliveredFrame } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import type { Size } from '../core/size.js';
import { toFrameMessage } from '../protocol/to-message.js';
import type { DetectionMessage } from '../protocol/messages.js';
import { encodeJpeg, previewSize } from '../server/preview.js';

/** Near to the picture: a detector is to learn from it, and blocks of strong compression are edges, too. */
const JPEG_QUALITY = 92;

export interface RecordingOptions {
  /** Least time between two pictures of a stream, in its own time, ms. */
  readonly everyMs: number;
  readonly log: Logger;
  /** When the recording begins; names its files. Now, unless given. */
  readonly epochMs?: number;
  /** Which model sees a stream, where it is one; written beside the boxes, so that whoever reads them knows whose they are. */
  readonly modelOf?: (stream: string) => string | undefined;
}

/**
 * Keeps a picture of each stream now and then, as large as the model saw it, with what was found in it: `images/STREAM-BEGIN-SEQUENCE.jpg` and a
 * line in `boxes-BEGIN.ndjson`, whose `image.file` names the picture and whose boxes are in its pixels. `BEGIN` is when the recording began, so that
 * a folder takes any number of recordings, and pictures of a stream sort by time.
 *
 * A picture is there with its line or not at all. One that can't be kept (a full disk) never ends or holds back detection: the failure is logged
 * once, the next picture is tried again, and the log says when pictures are kept again and how many are missing.
 */
export class RecordingSink implements Sink {
  readonly kind = 'recording';
  readonly #folder: string;
  readonly #begin: string;
  readonly #options: RecordingOptions;
  readonly #lines: LineFile;
  readonly #lastPtsUs = new Map<string, number>();
  readonly #waiting = new Set<string>();
  readonly #inWork = new Set<Promise<void>>();
  /** One picture is written at a time, so that a line that is taken back is the last one. */
  #written: Promise<void> = Promise.resolve();
  #failing: AppError | undefined;
  #missedSince = 0;
  #kept = 0;
  #missed = 0;

  private constructor(folder: string, begin: string, options: RecordingOptions, lines: LineFile) {
    this.#folder = folder;
    this.#begin = begin;
    this.#options = options;
    this.#lines = lines;
  }

  /** @throws AppError `ERR_OUTPUT_WRITE`, `ERR_DISK_FULL` where the folder can't be written now */
  static async open(folder: string, options: RecordingOptions): Promise<RecordingSink> {
    const begin = new Date(options.epochMs ?? Date.now()).toISOString().replace(/[-:]|\.\d+/g, '');
    const lines = await telling(folder, async () => {
      await makeFolder(join(folder, 'images'));
      return LineFile.create(join(folder, `boxes-${begin}.ndjson`));
    });
    return new RecordingSink(folder, begin, options, lines);
  }

  /** Pictures that are in the folder, and those that could not be kept. */
  get counts(): { readonly kept: number; readonly missed: number } {
    return { kept: this.#kept, missed: this.#missed };
  }

  /** The same recording for streams that wait for nothing: a frame that comes while a picture of its stream is being kept is passed over. */
  unwaited(): Sink {
    return { kind: this.kind, deliver: (delivered) => this.#offer(delivered), close: () => undefined };
  }

  deliver(delivered: DeliveredFrame): void | Promise<void> {
    if (!this.#isDue(delivered)) return;
    const kept = this.#keep(delivered).finally(() => this.#inWork.delete(kept));
    this.#inWork.add(kept);
    return kept;
  }

  /** Resolves when the last picture is kept. Never rejects: what is missing was told. */
  async close(): Promise<void> {
    await Promise.all(this.#inWork);
    await telling(this.#folder, () => this.#lines.close()).catch((error: unknown) => this.#tell(error));
    const { log } = this.#options;
    const kept = `${this.#kept} pictures with their boxes are in ${this.#folder}`;
    if (this.#missed === 0) log.info({ sink: this.kind }, kept);
    else log.error({ sink: this.kind, code: this.#failing?.code, missed: this.#missed }, `${kept}; ${this.#missed} could not be kept`);
  }

  #offer(delivered: DeliveredFrame): void {
    const { stream } = delivered;
    const kept = this.#waiting.has(stream) ? undefined : this.deliver(delivered);
    if (!kept) return;
    this.#waiting.add(stream);
    void kept.finally(() => this.#waiting.delete(stream));
  }

  #isDue({ stream, result }: DeliveredFrame): boolean {
    const { ptsUs } = result.frame;
    const lastPtsUs = this.#lastPtsUs.get(stream) ?? -Infinity;
    // Presentation times fall where a camera came back.
    if (ptsUs >= lastPtsUs && ptsUs - lastPtsUs < this.#options.everyMs * 1e3) return false;
    this.#lastPtsUs.set(stream, ptsUs);
    return true;
  }

  async #keep(delivered: DeliveredFrame): Promise<void> {
    const frame = delivered.result.frame.retain();
    try {
      const size = previewSize(frame);
      const file = `${delivered.stream.replace(/[^\w.-]/g, '_')}-${this.#begin}-${String(frame.sequence).padStart(8, '0')}.jpg`;
      const line = JSON.stringify(lineOf(delivered, this.#options.modelOf?.(delivered.stream), size, file));
      const jpeg = await encodeJpeg(frame, size, JPEG_QUALITY);
      const written = this.#written.then(() => telling(this.#folder, () => this.#write(join(this.#folder, 'images', file), jpeg, `${line}\n`)));
      this.#written = written.catch(() => undefined);
      await written;
      this.#succeeded();
    } catch (error) {
      this.#failed(error);
    } finally {
      frame.release();
    }
  }

  /** The picture takes its name last: whatever is under it is whole and has a line. */
  async #write(path: string, jpeg: Uint8Array, line: string): Promise<void> {
    const part = `${path}.part`;
    try {
      await writeFile(part, jpeg);
      await this.#lines.append(line);
      await rename(part, path).catch(async (error: unknown) => {
        await this.#lines.takeBack();
        throw error;
      });
    } catch (error) {
      await rm(part, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  #succeeded(): void {
    this.#kept += 1;
    if (this.#failing) this.#options.log.info({ sink: this.kind, missed: this.#missedSince }, `${this.#folder}: pictures are kept again; ${this.#missedSince} are missing`);
    this.#failing = undefined;
    this.#missedSince = 0;
  }

  #failed(error: unknown): void {
    this.#missed += 1;
    this.#missedSince += 1;
    this.#tell(error);
  }

  #tell(thrown: unknown): void {
    const error = toAppError(thrown, 'ERR_OUTPUT_WRITE');
    if (this.#failing?.code !== error.code) this.#options.log.error({ sink: this.kind, code: error.code, fix: error.fix }, `${error.message}; detection goes on, and each picture is tried again`);
    this.#failing = error;
  }
}

/** A file of lines of which each is there whole or not at all. */
class LineFile {
  readonly #file: FileHandle;
  #endByte = 0;
  #lastLineByte = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(path: string): Promise<LineFile> {
    return new LineFile(await open(path, 'w'));
  }

  async append(line: string): Promise<void> {
    const bytes = Buffer.from(line);
    try {
      for (let done = 0; done < bytes.length; ) done += (await this.#file.write(bytes, done, bytes.length - done, this.#endByte + done)).bytesWritten;
    } catch (error) {
      await this.#cut();
      throw error;
    }
    this.#lastLineByte = this.#endByte;
    this.#endByte += bytes.length;
  }

  /** The line that was appended last is gone again. */
  async takeBack(): Promise<void> {
    this.#endByte = this.#lastLineByte;
    await this.#cut();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Where it can't be cut now, the next line is written over what is too much. */
  async #cut(): Promise<void> {
    await this.#file.truncate(this.#endByte).catch(() => undefined);
  }
}

/** With the folders around it. Node's own `recursive` says ENOENT where the disk is full. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path);
  }
}

/** The frame's message, with boxes in pixels of the picture that was kept; without what is in pixels of the source. */
function lineOf(delivered: DeliveredFrame, model: string | undefined, size: Size, file: string): object {
  const { type, stream, seq, image, time, detections } = toFrameMessage(delivered);
  const scaleX = size.width / image.width;
  const scaleY = size.height / image.height;
  return { type, stream, seq, ...(model === undefined ? {} : { model }), image: { ...size, file }, time, detections: detections.map((detection) => scaled(detection, scaleX, scaleY)) };
}

function scaled({ bbox: [x, y, width, height], ...rest }: DetectionMessage, scaleX: number, scaleY: number): object {
  const bbox = [x * scaleX, y * scaleY, width * scaleX, height * scaleY].map((value) => Math.round(value * 100) / 100);
  return { ...rest, bbox };
}

async function telling<T>(folder: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    const code = systemErrorCode(cause) ?? String(cause);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new AppError('ERR_DISK_FULL', `${folder}: the disk is full`, { cause, fix: 'Free some space, or record elsewhere.' });
    throw new AppError('ERR_OUTPUT_WRITE', `${folder} can't be written: ${code}`, { cause, fix: 'Check the path and its permissions, or record elsewhere.' });
  }
}
