import sharp from 'sharp';
import type { Detections } from '../core/detections.js';
import type { Size } from '../core/size.js';
import type { TestPicture } from './test-picture.js';

/** Colours apart from each other and from streets; a class keeps its own. */
const COLOURS = ['#e6194b', '#3cb44b', '#4363d8', '#f58231', '#911eb4', '#008080', '#9a6324', '#800000', '#808000', '#000075'];
const MOST_DRAWN = 300;

/** The picture with boxes, labels and scores, and what is wrong in a bar at its bottom; PNG. */
export function drawBoxes(picture: TestPicture, detections: Detections, labels: readonly string[], notes: readonly string[]): Promise<Uint8Array> {
  const { width, height } = picture.size;
  const unit = Math.max(1, Math.max(width, height) / 1280);
  const boxes = Array.from({ length: Math.min(MOST_DRAWN, detections.count) }, (_, i) => boxSvg(detections, i, labels, width, unit));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="${14 * unit}">${boxes.join('')}${noteSvg(notes, picture.size, unit)}</svg>`;
  return sharp(picture.rgb, { raw: { ...picture.size, channels: 3 } })
    .composite([{ input: Buffer.from(svg) }])
    .png({ compressionLevel: 9 })
    .toBuffer();
}

function boxSvg({ xyxy, confidence, classId }: Detections, i: number, labels: readonly string[], pictureWidth: number, unit: number): string {
  const [left, top, right, bottom] = [xyxy[4 * i]!, xyxy[4 * i + 1]!, xyxy[4 * i + 2]!, xyxy[4 * i + 3]!].map((value) => Number(value.toFixed(1))) as [number, number, number, number];
  const colour = COLOURS[classId[i]! % COLOURS.length]!;
  const text = `${labels[classId[i]!] ?? classId[i]!} ${confidence[i]!.toFixed(2)}`;
  const labelTop = Math.max(0, top - 18 * unit);
  const labelWidth = (8.2 * text.length + 6) * unit;
  const labelLeft = Math.max(0, Math.min(left, pictureWidth - labelWidth));
  return (
    `<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" fill="none" stroke="${colour}" stroke-width="${2 * unit}"/>` +
    `<rect x="${labelLeft}" y="${labelTop}" width="${labelWidth}" height="${18 * unit}" fill="${colour}"/>` +
    `<text x="${labelLeft + 3 * unit}" y="${labelTop + 14 * unit}" fill="#fff">${escapeXml(text)}</text>`
  );
}

/** At the bottom: boxes that are read wrongly tend to lie at the top left. */
function noteSvg(notes: readonly string[], { width, height }: Size, unit: number): string {
  if (notes.length === 0) return '';
  const barHeight = (10 + 22 * notes.length) * unit;
  const lines = notes.map((note, i) => `<text x="${10 * unit}" y="${height - barHeight + (22 + 22 * i) * unit}" fill="#fff" font-weight="bold" font-size="${15 * unit}">${escapeXml(note)}</text>`);
  return `<rect y="${height - barHeight}" width="${width}" height="${barHeight}" fill="#b00020"/>${lines.join('')}`;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
