import { assert } from './assert.js';
import type { PooledBuffer } from './frame-pool.js';
import type { FitMode, ImageFit } from './image-fit.js';
import type { Size } from './size.js';

export type { Size } from './size.js';

/** Where a capture time comes from: the first is the camera's own clock, the last is only when we saw the frame. */
export type CaptureClock = 'rtcp_sr' | 'rtp_arrival' | 'container_pts' | 'dataset' | 'host';

export interface CaptureTime {
  /** Milliseconds since 1970, or undefined where the recording doesn't say (a file without a creation time). */
  readonly epochMs: number | undefined;
  readonly clock: CaptureClock;
  /** Half width of the interval that the true capture time lies in; undefined where `epochMs` is. */
  readonly uncertaintyMs: number | undefined;
}

/** The picture that a detector wants: every source of a stream delivers it, scaled and padded by ffmpeg. */
export interface FrameFormat {
  readonly size: Size;
  readonly fit: FitMode;
  /** Grey level of the padding, 0 to 255. */
  readonly padValue: number;
}

/**
 * Bytes of one frame: three planes of `width * height` bytes in the order G, B, R (ffmpeg's `gbrp`, the cheapest planar RGB it makes).
 * That is NCHW but for the channel order, which the prepared model takes care of.
 */
export function frameBytes({ size }: FrameFormat): number {
  return size.width * size.height * 3;
}

export interface FrameFacts {
  /** Name of the source. */
  readonly source: string;
  /** Counts every frame that the source gave, from 0; gaps are frames that were dropped. */
  readonly sequence: number;
  /** Presentation time in the source's own time line, microseconds. */
  readonly ptsUs: number;
  readonly capture: CaptureTime;
  /** Monotonic time of the frame's first byte in this process. */
  readonly firstByteMs: number;
  /** Monotonic time of its last byte: the frame has arrived. */
  readonly arrivedMs: number;
  /** The picture as it was recorded: boxes are in its pixels. */
  readonly sourceSize: Size;
  readonly format: FrameFormat;
  readonly fit: ImageFit;
  /** Set by datasets: which picture this is. */
  readonly image?: { readonly id: number; readonly fileName: string };
}

/**
 * One picture and when it was taken.
 *
 * A frame has an owner: who receives it releases it once; who passes it to two places retains it once more. At zero its buffer returns
 * to the pool and `pixels` may not be read any more.
 */
export class Frame implements FrameFacts {
  readonly source: string;
  readonly sequence: number;
  readonly ptsUs: number;
  readonly capture: CaptureTime;
  readonly firstByteMs: number;
  readonly arrivedMs: number;
  readonly sourceSize: Size;
  readonly format: FrameFormat;
  readonly fit: ImageFit;
  readonly image?: { readonly id: number; readonly fileName: string };
  readonly #buffer: PooledBuffer;
  #right: Frame | undefined;
  #owners = 1;

  constructor(facts: FrameFacts, buffer: PooledBuffer) {
    this.source = facts.source;
    this.sequence = facts.sequence;
    this.ptsUs = facts.ptsUs;
    this.capture = facts.capture;
    this.firstByteMs = facts.firstByteMs;
    this.arrivedMs = facts.arrivedMs;
    this.sourceSize = facts.sourceSize;
    this.format = facts.format;
    this.fit = facts.fit;
    if (facts.image) this.image = facts.image;
    this.#buffer = buffer;
  }

  /** Of a stereo stream, where this is the left camera's picture: the right one's of the same moment, if there is one. Released with this frame. */
  get right(): Frame | undefined {
    return this.#right;
  }

  /** Takes over the right camera's picture of the same moment; before anybody else has this frame. */
  joinRight(right: Frame): this {
    assert(this.#owners > 0 && this.#right === undefined, `frame ${this.sequence} gets one partner`);
    this.#right = right;
    return this;
  }

  /** Planar G, B, R; shared memory; see `frameBytes`. */
  get pixels(): Uint8Array {
    assert(this.#owners > 0, `frame ${this.sequence} was read after its release`);
    return this.#buffer.bytes;
  }

  retain(): this {
    assert(this.#owners > 0, `frame ${this.sequence} was retained after its release`);
    this.#owners += 1;
    return this;
  }

  release(): void {
    assert(this.#owners > 0, `frame ${this.sequence} was released twice`);
    this.#owners -= 1;
    if (this.#owners > 0) return;
    this.#buffer.free();
    this.#right?.release();
  }
}

/** Two pictures of one moment. Retain and release go to both. */
export class StereoFrame {
  readonly left: Frame;
  readonly right: Frame;
  /** Right minus left, microseconds, in the time that they were paired by. */
  readonly skewUs: number;

  /** @param skewUs of presentation times where absent. */
  constructor(left: Frame, right: Frame, skewUs = right.ptsUs - left.ptsUs) {
    this.left = left;
    this.right = right;
    this.skewUs = skewUs;
  }

  retain(): this {
    this.left.retain();
    this.right.retain();
    return this;
  }

  release(): void {
    this.left.release();
    this.right.release();
  }
}
