import { controlPatch, loadPatch, type PatchImage } from '../../attack/patch-image.js';
import { pastePatch, patchPyramid, planarTarget } from '../../attack/paste.js';
import type { PlacedPatch } from '../../attack/placement.js';
import type { Frame, FrameFormat } from '../../core/frame.js';
import type { PatchRequest } from './run-request.js';

/** Side of the patch, as a share of the picture's shorter side; it lies in the middle. */
const SIDE = 0.3;

/** @throws AppError `ERR_FILE_NOT_FOUND`, `ERR_SOURCE_FORMAT` */
export async function patchOf({ file }: PatchRequest, seed: number): Promise<PatchImage> {
  return file === undefined ? controlPatch('noise', seed) : loadPatch(file);
}

/** The part of a frame that the patch covers: rows of each plane. */
interface Stamp {
  readonly frame: Pick<Frame, 'fit' | 'sourceSize'>;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** A frame of nothing but the patch. */
  readonly pixels: Uint8Array;
}

/**
 * Pastes a patch in the middle of every picture. It is drawn once, as it lies in the model's input, and then copied row by row: a study
 * shouldn't see the time that drawing takes.
 */
export function patchPaster(patch: PatchImage): (pixels: Uint8Array, format: FrameFormat, frame: Pick<Frame, 'fit' | 'sourceSize'>) => void {
  const pyramid = patchPyramid(patch);
  let stamp: Stamp | undefined;
  return (pixels, format, frame) => {
    if (!stamp || !liesAlike(stamp.frame, frame)) stamp = drawStamp(pyramid, format, frame);
    copyStamp(stamp, pixels, format);
  };
}

function liesAlike(a: Stamp['frame'], b: Stamp['frame']): boolean {
  return a.sourceSize.width === b.sourceSize.width && a.sourceSize.height === b.sourceSize.height;
}

function drawStamp(pyramid: Parameters<typeof pastePatch>[1], { size }: FrameFormat, { fit, sourceSize }: Stamp['frame']): Stamp {
  const sidePx = SIDE * Math.min(sourceSize.width, sourceSize.height);
  const placed: PlacedPatch = { centreX: sourceSize.width / 2, centreY: sourceSize.height / 2, sidePx, rotationDeg: 0, brightness: 1 };
  const pixels = new Uint8Array(3 * size.width * size.height);
  pastePatch(planarTarget(pixels, size), pyramid, placed, fit);
  // Whole pixels only: at the edges the patch is mixed with what is not there.
  const edge = (centre: number, scale: number, pad: number, sign: -1 | 1) => (centre + (sign * sidePx) / 2) * scale + pad;
  const left = Math.ceil(edge(placed.centreX, fit.scaleX, fit.padX, -1));
  const top = Math.ceil(edge(placed.centreY, fit.scaleY, fit.padY, -1));
  const width = Math.max(0, Math.floor(edge(placed.centreX, fit.scaleX, fit.padX, 1)) - left);
  const height = Math.max(0, Math.floor(edge(placed.centreY, fit.scaleY, fit.padY, 1)) - top);
  return { frame: { fit, sourceSize }, left, top, width, height, pixels };
}

function copyStamp({ left, top, width, height, pixels: from }: Stamp, to: Uint8Array, { size }: FrameFormat): void {
  for (let plane = 0; plane < 3; plane += 1) {
    for (let row = top; row < top + height; row += 1) {
      const start = (plane * size.height + row) * size.width + left;
      to.set(from.subarray(start, start + width), start);
    }
  }
}
