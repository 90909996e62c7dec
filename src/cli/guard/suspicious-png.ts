import sharp from 'sharp';
import type { FittedPicture } from '../../core/picture-set.js';
import type { CheckedPicture } from '../../guard/calibration/clean-check.js';

/** What a picture of the report fits into. */
const LARGEST = { width: 480, height: 400 } as const;
const CANDIDATE = '#ffb000';
const FLAGGED = '#ff2d2d';
/** Planes of a frame are G, B, R. */
const PLANE_OF_CHANNEL = [2, 0, 1];

/** The picture in its own proportions, with what looked suspicious in it: candidates dashed, what was taken for a patch solid; PNG. */
export function suspiciousPng(picture: FittedPicture, { candidates, flagged }: CheckedPicture, input: { readonly width: number; readonly height: number }): Promise<Uint8Array> {
  const { fit, sourceSize } = picture;
  const unit = Math.min(LARGEST.width / sourceSize.width, LARGEST.height / sourceSize.height);
  const [width, height] = [sourceSize.width, sourceSize.height].map((side) => Math.max(1, Math.round(side * unit))) as [number, number];
  const toSource = ({ region: { left, top, right, bottom } }: CheckedPicture['candidates'][number]): Box => [(left - fit.padX) / fit.scaleX, (top - fit.padY) / fit.scaleY, (right - fit.padX) / fit.scaleX, (bottom - fit.padY) / fit.scaleY];
  const marks = [
    ...candidates.map((candidate) => mark(toSource(candidate), unit, CANDIDATE, 'stroke-dasharray="5 4"')),
    ...flagged.map(({ xyxy }) => mark(xyxy, unit, FLAGGED, '')),
  ];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${marks.join('')}</svg>`;
  const inner = innerPart(picture, input);
  return sharp(toRgb(picture.pixels, input.width * input.height), { raw: { ...input, channels: 3 } })
    .extract(inner)
    .resize(width, height, { fit: 'fill' })
    .composite([{ input: Buffer.from(svg) }])
    .png({ palette: true, quality: 90 })
    .toBuffer();
}

type Box = readonly [number, number, number, number];

function mark([left, top, right, bottom]: Box, unit: number, colour: string, style: string): string {
  const [x, y, width, height] = [left, top, right - left, bottom - top].map((value) => (value * unit).toFixed(1));
  return `<rect x="${x!}" y="${y!}" width="${width!}" height="${height!}" fill="none" stroke="${colour}" stroke-width="3" ${style}/>`;
}

/** Without the padding. */
function innerPart({ fit, sourceSize }: FittedPicture, input: { readonly width: number; readonly height: number }): { left: number; top: number; width: number; height: number } {
  const width = Math.min(input.width - fit.padX, Math.round(sourceSize.width * fit.scaleX));
  const height = Math.min(input.height - fit.padY, Math.round(sourceSize.height * fit.scaleY));
  return { left: fit.padX, top: fit.padY, width: Math.max(1, width), height: Math.max(1, height) };
}

function toRgb(planes: Uint8Array, pixels: number): Uint8Array {
  const rgb = new Uint8Array(3 * pixels);
  for (const [channel, plane] of PLANE_OF_CHANNEL.entries()) {
    for (let i = 0; i < pixels; i += 1) rgb[3 * i + channel] = planes[plane * pixels + i]!;
  }
  return rgb;
}
