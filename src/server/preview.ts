import type { Logger } from 'pino';
import type { Sharp } from 'sharp';
import { monotonicMs } from '../core/clock.js';
import type { Frame, Size } from '../core/frame.js';
import { scaledSize } from '../core/image-fit.js';
import type { PreviewHeader } from '../protocol/index.js';
import { PreviewWireMessage, type WireMessage } from './wire-message.js';

/** A preview is at most this long on its longer side, pixels. */
const MAX_SIDE_PX = 960;
const JPEG_QUALITY = 75;

export interface PreviewOptions {
  /** Pictures a second of one stream at most. */
  readonly fps: number;
  readonly logger: Logger;
  /** Whether somebody could take a picture of the stream now. */
  isWanted(stream: string): boolean;
  send(stream: string, message: WireMessage): void;
}

/**
 * Pictures for those who watch. At most one encode is in flight for each stream, in a thread of libuv's pool; nothing is loaded, copied or
 * encoded while nobody watches.
 */
export class Preview {
  /** Pictures encoded so far, by stream. */
  readonly encoded = new Map<string, number>();
  readonly #options: PreviewOptions;
  readonly #minIntervalMs: number;
  readonly #busy = new Map<string, Promise<void>>();
  readonly #dueMs = new Map<string, number>();

  constructor(options: PreviewOptions) {
    this.#options = options;
    this.#minIntervalMs = 1e3 / options.fps;
  }

  /** Encodes the frame if its turn has come and somebody watches. Keeps the frame until then. */
  offer(stream: string, frame: Frame): void {
    if (this.#busy.has(stream) || !this.#options.isWanted(stream)) return;
    const nowMs = monotonicMs();
    // Half a frame of tolerance: at 25 fps and 12 pictures a second, every second frame has its turn.
    if (nowMs < (this.#dueMs.get(stream) ?? -Infinity) - this.#minIntervalMs / 8) return;
    this.#dueMs.set(stream, nowMs + this.#minIntervalMs);
    this.#busy.set(stream, this.#encode(stream, frame.retain()));
  }

  /** Resolves when no picture is being encoded and no frame is held. */
  async settled(): Promise<void> {
    await Promise.all(this.#busy.values());
  }

  async #encode(stream: string, frame: Frame): Promise<void> {
    try {
      const size = previewSize(frame);
      const jpeg = await encodeJpeg(frame, size);
      this.encoded.set(stream, (this.encoded.get(stream) ?? 0) + 1);
      const header: PreviewHeader = { type: 'preview', stream, seq: frame.sequence, width: size.width, height: size.height };
      this.#options.send(stream, new PreviewWireMessage(toPreviewBytes(header, jpeg)));
    } catch (error) {
      this.#options.logger.warn({ err: error, stream }, 'a preview picture could not be encoded');
    } finally {
      frame.release();
      this.#busy.delete(stream);
    }
  }
}

/** Four bytes length of the head (big-endian), the head as JSON, the JPEG. */
export function toPreviewBytes(header: PreviewHeader, jpeg: Uint8Array): Buffer {
  const head = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, jpeg]);
}

/**
 * The picture's own shape again, without padding and without stretch: no side longer than in the model's input, because making a picture
 * bigger costs four times as much processor time as making it smaller; and none longer than 960 px.
 */
export function previewSize(frame: Pick<Frame, 'sourceSize' | 'format'>): Size {
  const { sourceSize, format } = frame;
  const content = scaledSize(sourceSize, format.size, format.fit);
  const longest = Math.max(sourceSize.width, sourceSize.height);
  const scale = Math.min(content.width / sourceSize.width, content.height / sourceSize.height, MAX_SIDE_PX / longest, 1);
  return { width: Math.max(1, Math.round(sourceSize.width * scale)), height: Math.max(1, Math.round(sourceSize.height * scale)) };
}

/** The frame's picture as JPEG of `size`. The frame must be held meanwhile. @param quality 1 to 100 */
export async function encodeJpeg(frame: Frame, size: Size, quality: number = JPEG_QUALITY): Promise<Buffer> {
  const { width, height } = frame.format.size;
  const { pixels } = frame;
  const plane = (index: number): Buffer => Buffer.from(pixels.buffer, pixels.byteOffset + index * width * height, width * height);
  const [green, blue, red] = [plane(0), plane(1), plane(2)];
  const content = scaledSize(frame.sourceSize, frame.format.size, frame.format.fit);
  const createSharp = await loadSharp();
  // Twice through the library: within one pipeline channels are joined after the picture was cut and scaled, whatever the order of calls.
  const grey = { raw: { width, height, channels: 1 as const } };
  const rgb = await createSharp(red, grey).joinChannel([green, blue], grey).toColourspace('srgb').raw().toBuffer();
  return createSharp(rgb, { raw: { width, height, channels: 3 } })
    .extract({ left: frame.fit.padX, top: frame.fit.padY, width: content.width, height: content.height })
    .resize(size.width, size.height, { fit: 'fill', kernel: 'linear' })
    .jpeg({ quality })
    .toBuffer();
}

type CreateSharp = (input: Buffer, options: { raw: { width: number; height: number; channels: 1 | 3 } }) => Sharp;
let sharpModule: Promise<CreateSharp> | undefined;

/** Loaded when the first picture is wanted: its native library takes a tenth of a second and 20 MB. */
function loadSharp(): Promise<CreateSharp> {
  sharpModule ??= import('sharp').then(({ default: sharp }) => {
    // One thread a picture: detection needs the cores. Frames never repeat, so a cache of operations would only hold memory.
    sharp.concurrency(1);
    sharp.cache(false);
    return sharp;
  });
  return sharpModule;
}
