import type { Size } from './size.js';

/** How a picture is put into a model's input: `letterbox` pads around the middle, `letterbox-top-left` right and below. */
export type FitMode = 'stretch' | 'letterbox' | 'letterbox-top-left';

/**
 * Where the source picture lies in the model input: `input = source * scale + pad`, per axis, pixels.
 * Scales differ by axis with `stretch`, and by the rounding to whole pixels with a letterbox.
 */
export interface ImageFit {
  readonly scaleX: number;
  readonly scaleY: number;
  readonly padX: number;
  readonly padY: number;
}

/** Size of the scaled picture inside the input, whole pixels, before padding. */
export function scaledSize(source: Size, input: Size, mode: FitMode): Size {
  if (mode === 'stretch') return input;
  const scale = Math.min(input.width / source.width, input.height / source.height);
  return {
    width: Math.max(1, Math.min(input.width, Math.round(source.width * scale))),
    height: Math.max(1, Math.min(input.height, Math.round(source.height * scale))),
  };
}

/** The fit of a `source` picture into an `input` of a model. The ffmpeg filter is made from the same numbers, so boxes come back exactly. */
export function fitImage(source: Size, input: Size, mode: FitMode): ImageFit {
  const scaled = scaledSize(source, input, mode);
  const centred = mode === 'letterbox';
  return {
    scaleX: scaled.width / source.width,
    scaleY: scaled.height / source.height,
    padX: centred ? Math.floor((input.width - scaled.width) / 2) : 0,
    padY: centred ? Math.floor((input.height - scaled.height) / 2) : 0,
  };
}
