import { type CaptureTime, Frame, type FrameFacts, type FrameFormat, type Size } from '../core/frame.js';
import { fitImage, type ImageFit } from '../core/image-fit.js';
import type { DecodedFrame } from './ffmpeg-frames.js';

/** Makes frames of decoded pictures: numbers them, with a gap for each that was dropped, and says where the picture lies in them. */
export class FrameBuilder {
  readonly #source: string;
  readonly #format: FrameFormat;
  #sequence = 0;
  #size: Size = { width: 0, height: 0 };
  #fit: ImageFit = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };

  constructor(source: string, format: FrameFormat) {
    this.#source = source;
    this.#format = format;
  }

  /** The sequence number that the next frame gets. */
  get nextSequence(): number {
    return this.#sequence;
  }

  /** Leaves a gap of `count` in the sequence. */
  skip(count: number): void {
    this.#sequence += count;
  }

  build({ buffer, ptsUs, firstByteMs, arrivedMs, sourceSize }: DecodedFrame, capture: CaptureTime, image?: FrameFacts['image']): Frame {
    const sequence = this.#sequence;
    this.#sequence += 1;
    const fit = this.#fitOf(sourceSize);
    const facts = { source: this.#source, sequence, ptsUs, capture, firstByteMs, arrivedMs, sourceSize, format: this.#format, fit };
    return new Frame(image ? { ...facts, image } : facts, buffer);
  }

  #fitOf(size: Size): ImageFit {
    if (size.width !== this.#size.width || size.height !== this.#size.height) {
      this.#size = size;
      this.#fit = fitImage(size, this.#format.size, this.#format.fit);
    }
    return this.#fit;
  }
}
