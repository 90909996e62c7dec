import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, systemErrorCode } from '../core/errors.js';
import type { DeliveredFrame } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import type { Size } from '../core/size.js';
import { toFrameMessage } from '../protocol/to-message.js';
import type { DetectionMessage } from '../protocol/messages.js';
import { encodeJpeg, previewSize } from '../server/preview.js';
import { TextOutput } from '../sinks/text-output.js';

/** Near to the picture: a detector is to learn from it, and blocks of strong compression are edges, too. */
const JPEG_QUALITY = 92;

/**
 * Keeps a picture of each stream now and then, as large as the model saw it, with what was found in it: `images/STREAM-BEGIN-SEQUENCE.jpg` and a
 * line in `boxes-BEGIN.ndjson`, whose `image.file` names the picture and whose boxes are in its pixels. `BEGIN` is when the recording began, so that
 * a folder takes any number of recordings, and pictures of a stream sort by time.
 */
export class RecordingSink implements Sink {
  readonly kind = 'recording';
  readonly #folder: string;
  readonly #begin: string;
  readonly #everyUs: number;
  readonly #lines: TextOutput;
  readonly #lastPtsUs = new Map<string, number>();

  private constructor(folder: string, begin: string, everyUs: number, lines: TextOutput) {
    this.#folder = folder;
    this.#begin = begin;
    this.#everyUs = everyUs;
    this.#lines = lines;
  }

  /** @param everyMs least time between two pictures of a stream, in its own time. @throws AppError `ERR_OUTPUT_WRITE`, `ERR_DISK_FULL` */
  static async open(folder: string, everyMs: number, epochMs: number = Date.now()): Promise<RecordingSink> {
    const begin = new Date(epochMs).toISOString().replace(/[-:]|\.\d+/g, '');
    await writing(folder, () => mkdir(join(folder, 'images'), { recursive: true }));
    return new RecordingSink(folder, begin, everyMs * 1e3, await TextOutput.toFile(join(folder, `boxes-${begin}.ndjson`)));
  }

  deliver(delivered: DeliveredFrame): void | Promise<void> {
    const { stream, result } = delivered;
    const { ptsUs } = result.frame;
    const lastPtsUs = this.#lastPtsUs.get(stream) ?? -Infinity;
    // Presentation times fall where a camera came back.
    if (ptsUs >= lastPtsUs && ptsUs - lastPtsUs < this.#everyUs) return;
    this.#lastPtsUs.set(stream, ptsUs);
    return this.#keep(delivered);
  }

  close(): Promise<void> {
    return this.#lines.close();
  }

  async #keep(delivered: DeliveredFrame): Promise<void> {
    const frame = delivered.result.frame.retain();
    try {
      const size = previewSize(frame);
      const file = `${delivered.stream.replace(/[^\w.-]/g, '_')}-${this.#begin}-${String(frame.sequence).padStart(8, '0')}.jpg`;
      const jpeg = await encodeJpeg(frame, size, JPEG_QUALITY);
      await writing(this.#folder, () => writeFile(join(this.#folder, 'images', file), jpeg));
      await this.#lines.write(`${JSON.stringify(lineOf(delivered, size, file))}\n`);
    } finally {
      frame.release();
    }
  }
}

/** The frame's message, with boxes in pixels of the picture that was kept; without what is in pixels of the source. */
function lineOf(delivered: DeliveredFrame, size: Size, file: string): object {
  const { type, stream, seq, image, time, detections } = toFrameMessage(delivered);
  const scaleX = size.width / image.width;
  const scaleY = size.height / image.height;
  return { type, stream, seq, image: { ...size, file }, time, detections: detections.map((detection) => scaled(detection, scaleX, scaleY)) };
}

function scaled({ bbox: [x, y, width, height], ...rest }: DetectionMessage, scaleX: number, scaleY: number): object {
  const bbox = [x * scaleX, y * scaleY, width * scaleX, height * scaleY].map((value) => Math.round(value * 100) / 100);
  return { ...rest, bbox };
}

async function writing<T>(folder: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    const code = systemErrorCode(cause) ?? String(cause);
    throw new AppError(code === 'ENOSPC' || code === 'EDQUOT' ? 'ERR_DISK_FULL' : 'ERR_OUTPUT_WRITE', `${folder} can't be written: ${code}`, { cause, fix: 'Check the path, its permissions and the free space, or record elsewhere.' });
  }
}
