import { fitImage, type FitMode, type ImageFit, scaledSize } from '../core/image-fit.js';
import type { Size } from '../core/size.js';
import { type FrameScaling, planScaling, scaleFrame } from './scale-frame.js';

/** How a whole picture is put into a model's input. */
export interface FrameFitting {
  readonly from: Size;
  readonly input: Size;
  /** Of the picture in the input. */
  readonly fit: ImageFit;
  /** First the mean of blocks of so many pixels a side, 1 or more: what is made much smaller isn't to flicker. */
  readonly block: number;
  /** Then bilinearly. */
  readonly scaling: FrameScaling;
  /** Between the two, and before padding; undefined where there is nothing between. */
  readonly averaged: Uint8Array | undefined;
  readonly scaled: Uint8Array | undefined;
}

const PLANES = 3;

/** @param from and `input`, at least 2 pixels a side; so is what a letterbox leaves of the input. */
export function planFitting(from: Size, input: Size, mode: FitMode): FrameFitting {
  const inside = scaledSize(from, input, mode);
  const block = Math.max(1, Math.floor(Math.min(from.width / inside.width, from.height / inside.height)));
  const between = { width: Math.floor(from.width / block), height: Math.floor(from.height / block) };
  const isPadded = inside.width !== input.width || inside.height !== input.height;
  return {
    from,
    input,
    fit: fitImage(from, input, mode),
    block,
    scaling: planScaling(between, inside),
    averaged: block === 1 ? undefined : new Uint8Array(PLANES * between.width * between.height),
    scaled: isPadded ? new Uint8Array(PLANES * inside.width * inside.height) : undefined,
  };
}

/** Fits planes G, B, R into a model's input of the same planes. @param out all of it is written */
export function fitFrame(frame: Uint8Array, { from, input, fit, block, scaling, averaged, scaled }: FrameFitting, out: Uint8Array, padValue: number): void {
  if (averaged) averageBlocks(frame, from, block, averaged);
  scaleFrame(averaged ?? frame, scaling, scaled ?? out);
  if (!scaled) return;
  const { width, height } = scaling.to;
  out.fill(padValue);
  for (let plane = 0; plane < PLANES; plane += 1) {
    for (let y = 0; y < height; y += 1) {
      const row = width * (plane * height + y);
      out.set(scaled.subarray(row, row + width), input.width * (plane * input.height + fit.padY + y) + fit.padX);
    }
  }
}

/** Where the source picture lies in the input, from where it lies in the frame. */
export function fittedFit(inFrame: ImageFit, { fit }: Pick<FrameFitting, 'fit'>): ImageFit {
  return {
    scaleX: inFrame.scaleX * fit.scaleX,
    scaleY: inFrame.scaleY * fit.scaleY,
    padX: inFrame.padX * fit.scaleX + fit.padX,
    padY: inFrame.padY * fit.scaleY + fit.padY,
  };
}

/** Pixels of a last column or row that fills no block are left out. */
function averageBlocks(frame: Uint8Array, { width, height }: Size, block: number, out: Uint8Array): void {
  const [columns, rows] = [Math.floor(width / block), Math.floor(height / block)];
  const half = (block * block) >> 1;
  let o = 0;
  for (let plane = 0; plane < PLANES; plane += 1) {
    for (let y = 0; y < rows; y += 1) {
      const top = width * (plane * height + y * block);
      for (let x = 0; x < columns; x += 1, o += 1) {
        let sum = half;
        for (let at = top + x * block, end = at + block * width; at < end; at += width) for (let i = at; i < at + block; i += 1) sum += frame[i]!;
        out[o] = sum / (block * block);
      }
    }
  }
}
